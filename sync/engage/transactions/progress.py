"""How far a request with movements is, and what follows from what was heard of it.

The one hard idea: movements add up, so a request is made a second time only with the key it had,
byte for byte, and only while Engage remembers that key. An attempt of unknown outcome leaves the
request unclear for good, whatever later attempts are told, until one is answered; once the key is
forgotten only reading settles it.
"""

from datetime import datetime, timedelta
from typing import Final

from sync.engage.exchange import Answered, Exchange, RateLimited, Refused, Unclear
from sync.engage.progress import State, Step, describe, is_about_rows, retry_pause
from sync.engage.settings import EngageOptions

KEY_MARGIN: Final = timedelta(minutes=10)
"""How long before its time a key counts as forgotten: clocks differ, and requests take a while."""

CONFLICT: Final = 409


def keys_alive_since(now: datetime, options: EngageOptions) -> datetime:
    """Requests first made later than this may be made again with their key."""
    hours = options.transactions.idempotency_hours
    return now - max(timedelta(), timedelta(hours=hours) - KEY_MARGIN)


def after_telling(
    exchange: Exchange,
    *,
    attempts: int,
    first_sent_at: datetime,
    again: bool,
    now: datetime,
    options: EngageOptions,
) -> Step:
    """What follows from a request's answer; what the answer says of single rows is apart.

    Args:
        exchange: The answer.
        attempts: This one counted.
        first_sent_at: When the first was made.
        again: Whether an earlier attempt is of unknown outcome.
        now: The clock.
        options: The tenant's.
    """
    if isinstance(exchange, Answered):
        return Step(State.DONE, http_status=exchange.status)
    error = describe(exchange)
    http_status = exchange.status if isinstance(exchange, Refused | Unclear) else None
    if isinstance(exchange, Refused) and exchange.status == CONFLICT:
        # The key is known there: with an attempt of ours, or being worked on at this moment.
        return Step(
            State.UNCLEAR,
            now + options.settle_after,
            http_status=http_status,
            error=error,
            must_read=True,
        )
    asked = exchange.retry_after_seconds if isinstance(exchange, RateLimited | Unclear) else None
    retry_at = now + retry_pause(attempts, asked)
    if isinstance(exchange, Unclear) or again:
        if first_sent_at <= keys_alive_since(retry_at, options):
            retry_at = now + options.settle_after
        return Step(State.UNCLEAR, retry_at, trouble=error, http_status=http_status, error=error)
    if isinstance(exchange, Refused) and is_about_rows(exchange):
        return Step(State.REFUSED, http_status=http_status, error=error)
    return Step(State.STORED, retry_at, trouble=error, http_status=http_status, error=error)
