"""How a request to MoEngage can end, and what that means.

The one hard idea: an answer means something for the destination and something for the events, and
the two differ. A refused key is nobody's fault but the destination's, so it burns no event; a
refused element is its own, so others are sent without it. Only where the work may have been done
and the answer is missing is there doubt, and doubt is written down.

Statuses are what counts: MoEngage's words for them differ from page to page.

Contract: docs/contracts/moengage.md, "Answers".
"""

from enum import StrEnum
from typing import Final, NamedTuple


class Verdict(StrEnum):
    """What became of a request. The words are the states of a bulk."""

    ACCEPTED = "accepted"
    REFUSED = "refused"
    """Something in it is wrong, or it is too large; nothing of it was taken."""
    LIMITED = "limited"
    """Too much at this moment; nothing of it was taken."""
    DENIED = "denied"
    """The workspace or its key is refused, or the address is; nothing of it was taken."""
    UNREACHED = "unreached"
    """There was no connection; it was not sent."""
    UNCLEAR = "unclear"
    """It was sent, and whether it was taken can't be known."""


class Exchange(NamedTuple):
    """A request that has ended.

    Attributes:
        status: Of the answer; `None` where there was none.
        request_id: MoEngage's name for the request.
        trouble: What was said or what happened, on one line; holds nothing of what was sent.
        wait_seconds: How long MoEngage asks not to be asked again.
    """

    verdict: Verdict
    status: int | None = None
    request_id: str | None = None
    trouble: str | None = None
    wait_seconds: float | None = None


SPLITTING: Final = frozenset({400, 413, 422})
"""Something in the request is at fault."""

TIMED_OUT: Final = 408
TOO_MANY: Final = 429


def verdict_of(status: int, *, is_failure: bool) -> Verdict:
    """What a status means.

    Args:
        status: Of the answer.
        is_failure: Whether the body of a 2xx says that it failed all the same.
    """
    if 200 <= status < 300:
        return Verdict.REFUSED if is_failure else Verdict.ACCEPTED
    if status in SPLITTING:
        return Verdict.REFUSED
    if status == TOO_MANY:
        return Verdict.LIMITED
    if status == TIMED_OUT or status >= 500:
        return Verdict.UNCLEAR
    return Verdict.DENIED


RESET_IS_DURATION_BELOW: Final = 10_000
"""`x-ratelimit-reset` is documented as seconds left and as an instant; this tells them apart."""

WAIT_SECONDS_MAX: Final = 3600.0


def wait_of(reset: str | None, retry_after: str | None, now: float) -> float | None:
    """How many seconds an answer asks to wait; `None` where it doesn't say.

    Args:
        reset: The header `x-ratelimit-reset`.
        retry_after: The header `Retry-After`, whose other form, a date, is not honoured.
        now: Unix time.
    """
    waits = []
    if retry_after is not None and _is_number(retry_after):
        waits.append(float(retry_after))
    if reset is not None and _is_number(reset):
        value = float(reset)
        # A duration is rounded down, so the window ends up to a second later.
        waits.append(value + 1 if value < RESET_IS_DURATION_BELOW else value - now)
    if not waits:
        return None
    return min(max(*waits, 0.0), WAIT_SECONDS_MAX)


def _is_number(text: str) -> bool:
    return text.strip().isascii() and text.strip().replace(".", "", 1).isdigit() and len(text) < 20
