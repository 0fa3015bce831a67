"""How the relay stands: what comes in and goes out, what waits and since when, what needs mending.

The one hard idea: everything is counted by what has an index or is small, so looking costs the same
whether ten events were delivered this year or ten million. Rates are those of the last whole
minutes; counts are those of the last hour up to some seconds ago, so that who sends one message to
see whether it comes sees it. Both are over all replicas.
"""

from collections.abc import Callable, Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

import msgspec

from ledger.connection import Connection
from sync.relay.breaker import Standing
from sync.relay.intake import EventState
from sync.relay.register import DestinationId, Register, SourceId
from sync.relay.standing import read
from sync.relay.tallies import KINDS, Counted, Way, sums

RATE_MINUTES: Final = 5
COUNTED_MINUTES: Final = 60

CONDITIONS: Final = ("open", "limited", "broken", "paused")

COUNT_MAX: Final = 1_000_000
"""Waiting events are counted no further."""

WAITING: Final = f"""
    -- Index: event_waiting_idx.
    select count(*) from (
        select from relay.event
        where destination_id = $1 and state = '{EventState.WAITING}' limit $2
    ) as waiting
"""

QUEUES: Final = """
    select count(*) as customers, min(since) as since, count(bulk_id) as under_way
    from relay.queue where destination_id = $1
"""

TROUBLED: Final = f"""
    -- Index: event_troubled_idx.
    select source_id, state, reason, count(*) from relay.event
    where state in ('{EventState.QUARANTINED}', '{EventState.DEAD}')
      and source_id = any($1::smallint[])
    group by source_id, state, reason
"""

REPEATED: Final = """
    -- Index: event_repeated_idx.
    select source_id, count(*) from relay.event
    where maybe_repeated and source_id = any($1::smallint[]) group by source_id
"""


class SourceStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A source.

    Attributes:
        last_hour: What happened in the last hour, by kind.
        per_minute: What happened a minute, over the last whole minutes, by kind.
        quarantined, dead: How many events are, by reason.
        maybe_repeated: How many events MoEngage may have twice.
        is_configured: Whether the configuration still has it.
    """

    name: str
    vendor: str | None
    destination: str | None
    is_configured: bool
    last_hour: dict[str, int]
    per_minute: dict[str, float]
    quarantined: dict[str, int]
    dead: dict[str, int]
    maybe_repeated: int


class DestinationStatus(msgspec.Struct, frozen=True, kw_only=True):
    """A destination.

    Attributes:
        condition: `open`, `limited`, `paused` (its key or address was refused) or `broken`.
        closed_until: Until when nothing is sent.
        waiting: How many events wait; counted up to a million.
        customers: Of how many customers.
        lag_seconds: For how long the oldest of them waits.
    """

    name: str
    is_configured: bool
    condition: str
    closed_until: datetime | None
    trouble: str | None
    failures: int
    accepted_at: datetime | None
    waiting: int
    customers: int
    lag_seconds: float
    last_hour: dict[str, int]
    per_minute: dict[str, float]


class RelayStatus(msgspec.Struct, frozen=True, kw_only=True):
    """The whole relay, or a tenant's part of it."""

    sources: list[SourceStatus]
    destinations: list[DestinationStatus]


async def status(
    connection: Connection,
    register: Register,
    sources: Collection[SourceId],
    destinations: Collection[DestinationId],
    now: datetime,
) -> RelayStatus:
    """How these sources and destinations stand."""
    # The present minute is not over, so it is left out of the division and of the sum.
    until = now.replace(second=0, microsecond=0)
    rates = await sums(connection, until - timedelta(minutes=RATE_MINUTES), until)
    hour = await sums(connection, now - timedelta(minutes=COUNTED_MINUTES), now)
    troubled: dict[tuple[SourceId, str], dict[str, int]] = {}
    for row in await connection.fetch(TROUBLED, list(sources)):
        reasons = troubled.setdefault((SourceId(row["source_id"]), row["state"]), {})
        reasons[row["reason"] or ""] = row["count"]
    repeated = {
        SourceId(row["source_id"]): row["count"]
        for row in await connection.fetch(REPEATED, list(sources))
    }
    return RelayStatus(
        sources=[
            _source(register, one, hour, rates, troubled, repeated.get(one, 0))
            for one in sorted(sources)
        ],
        destinations=[
            await _destination(connection, register, one, hour, rates, now)
            for one in sorted(destinations)
        ],
    )


def _added(counted: Counted, *, of: Callable[[Way], bool]) -> dict[str, int]:
    """What happened on some of the ways, by kind."""
    ways = [counts for way, counts in counted.items() if of(way)]
    return {kind: sum(counts[kind] for counts in ways) for kind in KINDS}


def _rates(counts: Mapping[str, int]) -> dict[str, float]:
    return {kind: count / RATE_MINUTES for kind, count in counts.items()}


def _source(
    register: Register,
    number: SourceId,
    hour: Counted,
    rates: Counted,
    troubled: dict[tuple[SourceId, str], dict[str, int]],
    repeated: int,
) -> SourceStatus:
    record = register.source(number)
    settings = None if record is None else record.settings
    return SourceStatus(
        name=register.source_names[number][1],
        vendor=None if settings is None else settings.vendor.value,
        destination=None if settings is None else settings.destination,
        is_configured=record is not None,
        last_hour=_added(hour, of=lambda way: way.source == number),
        per_minute=_rates(_added(rates, of=lambda way: way.source == number)),
        quarantined=troubled.get((number, EventState.QUARANTINED.value), {}),
        dead=troubled.get((number, EventState.DEAD.value), {}),
        maybe_repeated=repeated,
    )


async def _destination(
    connection: Connection,
    register: Register,
    number: DestinationId,
    hour: Counted,
    rates: Counted,
    now: datetime,
) -> DestinationStatus:
    standing = (await read(connection, number)).standing
    row = await connection.fetchrow(QUEUES, number)
    since = None if row is None else row["since"]
    return DestinationStatus(
        name=register.destination_names[number][1],
        is_configured=register.destination(number) is not None,
        condition=condition(standing, now),
        closed_until=standing.closed_until,
        trouble=standing.trouble,
        failures=standing.failures,
        accepted_at=standing.accepted_at,
        waiting=int(await connection.fetchval(WAITING, number, COUNT_MAX) or 0),
        customers=0 if row is None else row["customers"],
        lag_seconds=0.0 if since is None else max(0.0, (now - since).total_seconds()),
        last_hour=_added(hour, of=lambda way: way.destination == number),
        per_minute=_rates(_added(rates, of=lambda way: way.destination == number)),
    )


def condition(standing: Standing, now: datetime) -> str:
    """A destination's condition in one word."""
    if standing.paused_until is not None:
        return "paused"
    if standing.broken_until is not None:
        return "broken"
    if standing.limited_until is not None and standing.limited_until > now:
        return "limited"
    return "open"
