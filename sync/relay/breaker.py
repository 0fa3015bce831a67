"""When a destination may be sent to: limits, refused keys, and failures in a row.

The one hard idea: how a destination stands is one small value that every replica reads and every
outcome changes by this one function, so all of them wait together and one of them tries. Nothing
about one destination is ever a reason to hold another.

It is pure; `sync.relay.standing` keeps the value.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from sync.relay.exchange import Exchange, Verdict
from sync.relay.options import DestinationOptions

JITTER: Final = 0.25
"""Pauses are drawn from so much below to so much above."""


@dataclass(frozen=True, slots=True)
class Standing:
    """How a destination takes what is sent.

    Attributes:
        limited_until: No request before, as MoEngage asked.
        paused_until: No request before: the key or the address was refused.
        broken_until: No request before: too many failed in a row.
        failures: How many requests failed since the last that was answered.
        accepted_at, failed_at: The last time.
        trouble: What was last the matter, until something is accepted.
    """

    limited_until: datetime | None = None
    paused_until: datetime | None = None
    broken_until: datetime | None = None
    failures: int = 0
    accepted_at: datetime | None = None
    failed_at: datetime | None = None
    trouble: str | None = None

    @property
    def closed_until(self) -> datetime | None:
        """Until when nothing is sent, whatever the reason."""
        instants = (self.limited_until, self.paused_until, self.broken_until)
        return max((one for one in instants if one is not None), default=None)

    def tries(self, options: DestinationOptions) -> bool:
        """Whether one request at a time is all that is risked."""
        return self.failures >= options.breaker_failures or self.paused_until is not None


def after(
    standing: Standing,
    exchange: Exchange,
    options: DestinationOptions,
    now: datetime,
    luck: float,
) -> Standing:
    """How a destination stands after a request has ended.

    Args:
        standing: Before.
        exchange: How the request ended.
        options: The destination's.
        now: When it ended.
        luck: From 0 to 1, drawn for the length of a pause.
    """
    match exchange.verdict:
        case Verdict.ACCEPTED:
            return Standing(limited_until=standing.limited_until, accepted_at=now)
        case Verdict.REFUSED:
            # It was answered, so whatever was broken is mended.
            return replace(standing, failures=0, broken_until=None, paused_until=None, trouble=None)
        case Verdict.LIMITED:
            wait = exchange.wait_seconds or options.limit_seconds
            return replace(
                standing,
                failures=0,
                broken_until=None,
                paused_until=None,
                limited_until=now + timedelta(seconds=wait + luck * min(1.0, wait / 10)),
                trouble=exchange.trouble,
                failed_at=now,
            )
        case Verdict.DENIED:
            return replace(
                standing,
                paused_until=now + timedelta(seconds=options.pause_seconds),
                trouble=exchange.trouble,
                failed_at=now,
            )
        case Verdict.UNREACHED | Verdict.UNCLEAR:
            failures = standing.failures + 1
            over = failures - options.breaker_failures
            broken_until = standing.broken_until
            if over >= 0:
                seconds = min(
                    options.breaker_seconds * 2 ** min(over, 20), options.breaker_seconds_max
                )
                broken_until = now + timedelta(seconds=jittered(seconds, luck))
            return replace(
                standing,
                failures=failures,
                broken_until=broken_until,
                trouble=exchange.trouble,
                failed_at=now,
            )


def backoff(attempts: int, options: DestinationOptions, luck: float) -> timedelta:
    """How long an event waits after its nth failed attempt.

    By default the third and fourth waits together outlive the minute that MoEngage counts by.
    """
    seconds = options.backoff_seconds * 3 ** min(max(attempts - 1, 0), 20)
    return timedelta(seconds=jittered(min(seconds, options.backoff_seconds_max), luck))


def jittered(seconds: float, luck: float) -> float:
    """A length drawn around another."""
    return seconds * (1 - JITTER + 2 * JITTER * luck)
