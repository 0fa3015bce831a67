"""How far a batch has come, and what follows from what was heard of it.

The one hard idea: every answer leads to one state and one appointment, decided here as a function
of values. A batch that certainly did nothing goes back to `stored`; one that may have done its
work becomes `unclear` and is settled by reading, never by sending the same again at once.

    stored ── sending ── accepted ── done
      │ ▲        │           ├────── failed
      │ └────────┤           │
      │          ├── unclear ┴────── settled
      └──────────┴── refused
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sync.engage.answers import Message, Status, named_guids, read_status, request_id
from sync.engage.exchange import Answered, Exchange, RateLimited, Refused, Unclear, Unreached
from sync.engage.settings import EngageOptions, Meaning

RETRY_SECONDS: Final = (10, 30, 60, 300)
"""Pauses before trying again what did nothing, as Voyado asks of servers; the last repeats."""

SEND_LEASE_SECONDS: Final = 30
"""Beyond the time for an answer, until a sender that says nothing more counts as dead."""

ROWS_AT_FAULT: Final = frozenset({400, 409, 413, 422})
"""Answers about what the request holds; all other refusals are about who asks, or where."""

TENANT_AT_FAULT: Final = "not active"
"""Part of the documented 400 that no row can help."""

FAILURES_PARK: Final = 4
"""After so many failures in a row an account is parked: three of them shared, the last alone."""


class State(StrEnum):
    """Where a batch stands."""

    STORED = "stored"
    """To be sent: it was never sent, or certainly without effect."""
    SENDING = "sending"
    """On the wire, or its sender died."""
    ACCEPTED = "accepted"
    """Engage has queued it and gave it an id."""
    UNCLEAR = "unclear"
    """May or may not have been applied: its accounts are to be read back."""
    DONE = "done"
    """Engage says it is applied."""
    FAILED = "failed"
    """Engage says it could not be applied."""
    REFUSED = "refused"
    """Turned away for what it holds."""
    SETTLED = "settled"
    """Cleared up by reading."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more will happen to it."""
        return self in FINAL


FINAL: Final = frozenset({State.DONE, State.FAILED, State.REFUSED, State.SETTLED})


@dataclass(frozen=True, slots=True)
class Step:
    """What follows from an answer.

    Attributes:
        next_action_at: When to look at it again; `None` when it is final.
        trouble: Why nothing else should be sent for now: the connection or the tenant is at
            fault, not the rows.
        engage_id, http_status, status, messages, error: What was learned; `None` to leave.
        must_read: It is not to be sent again, whatever its key: only reading tells.
    """

    state: State
    next_action_at: datetime | None = None
    trouble: str | None = None
    engage_id: str | None = None
    http_status: int | None = None
    status: str | None = None
    messages: tuple[Message, ...] | None = None
    error: str | None = None
    must_read: bool = False


def after_sending(
    exchange: Exchange, *, attempts: int, now: datetime, options: EngageOptions
) -> Step:
    """What follows from a request's answer; `attempts` counts this one."""
    if isinstance(exchange, Answered):
        return _after_acceptance(exchange, now, options)
    error = describe(exchange)
    if isinstance(exchange, Unclear):
        settle_at = now + options.settle_after
        return Step(
            State.UNCLEAR, settle_at, trouble=error, http_status=exchange.status, error=error
        )
    if isinstance(exchange, Refused) and is_about_rows(exchange):
        return Step(State.REFUSED, http_status=exchange.status, error=error)
    asked_seconds = exchange.retry_after_seconds if isinstance(exchange, RateLimited) else None
    retry_at = now + retry_pause(attempts, asked_seconds)
    http_status = exchange.status if isinstance(exchange, Refused) else None
    return Step(State.STORED, retry_at, trouble=error, http_status=http_status, error=error)


def _after_acceptance(answered: Answered, now: datetime, options: EngageOptions) -> Step:
    identifier = request_id(answered.body, answered.location)
    if identifier is None:
        return Step(
            State.UNCLEAR,
            now + options.settle_after,
            http_status=answered.status,
            error="accepted, but the answer carries no id to ask by",
        )
    poll_at = now + timedelta(seconds=options.poll_seconds[0])
    return Step(State.ACCEPTED, poll_at, engage_id=identifier, http_status=answered.status)


def after_polling(
    exchange: Exchange, *, polls: int, answered_at: datetime, now: datetime, options: EngageOptions
) -> Step:
    """What follows from an answer about a request's status.

    Args:
        exchange: The answer.
        polls: Questions asked, this one included.
        answered_at: When Engage accepted the request.
        now: The clock.
        options: The tenant's.
    """
    pause = options.poll_seconds[min(polls, len(options.poll_seconds) - 1)]
    next_at = now + timedelta(seconds=pause)
    status = None
    if isinstance(exchange, Answered):
        status = read_status(exchange.body)
    elif not (isinstance(exchange, Refused) and exchange.status == 404):
        # 404 may mean just posted, or forgotten: that is for the deadline below to decide.
        asked_seconds = (
            exchange.retry_after_seconds if isinstance(exchange, RateLimited | Unclear) else None
        )
        later = now + retry_pause(polls, asked_seconds)
        return Step(State.ACCEPTED, max(next_at, later), trouble=describe(exchange))
    if status is None:
        return _waiting(None, Status(""), answered_at, now, next_at, options)
    meaning = options.meaning_of(status.status)
    if meaning is Meaning.DONE:
        return Step(State.DONE, status=status.status, messages=status.messages)
    if meaning is Meaning.FAILED:
        return Step(State.FAILED, status=status.status, messages=status.messages)
    return _waiting(meaning, status, answered_at, now, next_at, options)


def _waiting(
    meaning: Meaning | None,
    status: Status,
    answered_at: datetime,
    now: datetime,
    next_at: datetime,
    options: EngageOptions,
) -> Step:
    """Ask again, unless it has been too long: then find out by reading."""
    known = meaning is Meaning.PENDING
    patience = options.status_seconds if known else options.unknown_status_seconds
    word, messages = status.status or None, status.messages or None
    if now - answered_at >= timedelta(seconds=patience):
        error = f"no final status within {patience:.0f} seconds"
        return Step(State.UNCLEAR, now, status=word, messages=messages, error=error)
    return Step(State.ACCEPTED, next_at, status=word, messages=messages)


def retry_pause(attempts: int, asked_seconds: float | None = None) -> timedelta:
    """How long to wait after the given number of vain attempts, at least what Engage asks for."""
    planned = RETRY_SECONDS[min(max(attempts, 1), len(RETRY_SECONDS)) - 1]
    return timedelta(seconds=max(planned, asked_seconds or 0))


def describe(exchange: Exchange) -> str:
    """What became of a call, on one line."""
    match exchange:
        case Answered(status):
            return str(status)
        case Refused(status, message):
            return f"{status}: {message}"
        case RateLimited():
            return "429: too many requests"
        case Unreached(message) | Unclear(message):
            return message


def named_rows(contacts: Sequence[str], messages: Sequence[Message]) -> dict[int, str]:
    """Which rows messages are about: a row's place to the message that names its contact.

    Args:
        contacts: The rows' contact ids, lower case, by place from 0.
        messages: What Engage said.
    """
    places: dict[str, list[int]] = {}
    for place, contact in enumerate(contacts):
        places.setdefault(contact, []).append(place)
    named: dict[int, str] = {}
    for message in messages:
        for guid in named_guids(message.message):
            for place in places.get(guid, ()):
                named.setdefault(place, message.message)
    return named


def is_about_rows(refused: Refused) -> bool:
    """Whether a request was turned away for what it holds, and not for who asks, or where."""
    return refused.status in ROWS_AT_FAULT and TENANT_AT_FAULT not in refused.message.casefold()
