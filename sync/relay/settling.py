"""What follows from how a request ended, for its events and their customers.

The one hard idea: events are settled one by one though they were sent together, and only while
their request is still theirs to end. Whatever is not settled waits again, in its old place; where
the outcome is in doubt that is written on the event before it is sent again.

Rows are locked in one order: the request, its customers, its events, the destination.
"""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import Enum, auto
from typing import Final
from uuid import UUID

from ledger.connection import Connection
from sync.relay import standing, waiting
from sync.relay.breaker import Standing, after, backoff
from sync.relay.bulks import LateBulk, end_bulk
from sync.relay.claiming import Claim
from sync.relay.exchange import Exchange, Verdict
from sync.relay.intake import EventState, Reason
from sync.relay.mapping.elements import ElementKind
from sync.relay.register import DestinationRecord, Register, SourceId

SUSPICIOUS_ATTEMPTS: Final = 3
"""After so many unclear outcomes an event may be their cause, and travels with fewer others."""

ALIVE: Final = timedelta(minutes=15)
"""An event is given up only if something else was accepted so recently."""

TROUBLE_ENDED: Final = "the process that sent it has ended"

DELIVER: Final = f"""
    -- Index: event_pk.
    update relay.event set state = '{EventState.DELIVERED}', settled_at = $1, bulk_id = $2,
        name = given.name, portion = null, reason = null, message = null
    from unnest($3::uuid[], $4::text[]) as given (id, name)
    where event.id = given.id and event.state = '{EventState.WAITING}'
"""

PROFILE_SENT: Final = """
    update relay.event set profile_sent = true where id = any($1::uuid[])
"""

SUSPECT: Final = f"""
    -- One of these is at fault: from now on they travel with fewer others. Index: event_pk.
    update relay.event set attempts = attempts + 1, portion = $2
    where id = any($1::uuid[]) and state = '{EventState.WAITING}'
"""

BURY: Final = f"""
    -- Index: event_pk.
    update relay.event set state = '{EventState.DEAD}', settled_at = $1, bulk_id = $2,
        attempts = attempts + 1, reason = $4, message = $5, portion = null
    where id = any($3::uuid[]) and state = '{EventState.WAITING}'
"""

TRY_AGAIN: Final = f"""
    -- What was sent may have been taken: a second time would be a repeat. Index: event_pk.
    update relay.event set attempts = attempts + 1, maybe_repeated = true,
        portion = coalesce($2, portion)
    where id = any($1::uuid[]) and state = '{EventState.WAITING}'
"""

SENT_BY: Final = """
    -- Index: event_pk.
    select id, source_id, customer, attempts from relay.event where id = any($1::uuid[])
"""


@dataclass(slots=True)
class Settled:
    """What became of events, in numbers by source."""

    delivered: dict[SourceId, int] = field(default_factory=dict)
    quarantined: dict[SourceId, int] = field(default_factory=dict)
    dead: dict[SourceId, int] = field(default_factory=dict)
    maybe_repeated: dict[SourceId, int] = field(default_factory=dict)


async def settle(
    connection: Connection,
    register: Register,
    destination: DestinationRecord,
    claim: Claim,
    exchange: Exchange,
    now: datetime,
) -> Settled | None:
    """Write down what follows from a request that has ended.

    Args:
        connection: In a transaction.
        register: For what a source wants done in doubt.
        destination: Where it went.
        claim: The request.
        exchange: How it ended.
        now: When.

    Returns:
        `None` where others took the sender for dead and have settled it already.
    """
    if not await end_bulk(connection, claim.bulk, exchange, now):
        return None
    await waiting.lock_claimed(connection, destination.id, claim.customers)
    before = await standing.lock(connection, destination.id)
    options, settled = destination.settings.options, Settled()
    ready: dict[str, datetime] = dict.fromkeys(claim.customers, now)
    match exchange.verdict:
        case Verdict.ACCEPTED:
            await _deliver(connection, claim, now, settled)
            pace = timedelta(seconds=60 / options.customer_events_per_minute)
            for piece in claim.pieces:
                ready[piece.owner.event.customer] += pace
        case Verdict.REFUSED:
            await _divide(connection, claim, exchange, now, settled)
        case Verdict.UNREACHED:
            # Nothing was sent, so these customers are no worse off than others: what grows are
            # the pauses of the destination, of whose requests several may fail at one moment.
            ready = dict.fromkeys(claim.customers, now + backoff(1, options, _luck()))
        case Verdict.UNCLEAR:
            doubt = _Doubt(register, destination, claim.bulk, exchange, now, len(claim.pieces))
            ready |= await doubt.settle(
                connection, _doubtful(claim), settled, is_alive=_is_alive(before, now)
            )
        case Verdict.LIMITED | Verdict.DENIED:
            pass
    await waiting.let_go(connection, destination.id, ready)
    changed = after(before, exchange, options, now, _luck())
    await standing.write(connection, destination.id, changed)
    return settled


@dataclass(frozen=True, slots=True)
class Doubtful:
    """An event of a request whose outcome is not known.

    Attributes:
        is_event: Whether the event itself was in it, or only the customer's attributes.
    """

    id: UUID
    source: SourceId
    customer: str
    attempts: int
    is_event: bool = True


async def settle_late(
    connection: Connection,
    register: Register,
    destination: DestinationRecord,
    bulk: LateBulk,
    now: datetime,
) -> Settled | None:
    """Write down what follows from a request whose sender has died: it may have been sent.

    Args:
        connection: In the transaction that locked the request.
        register: For what a source wants done in doubt.
        destination: Where it went.
        bulk: The request.
        now: When that was found.
    """
    exchange = Exchange(Verdict.UNCLEAR, trouble=TROUBLE_ENDED)
    if not await end_bulk(connection, bulk.id, exchange, now):
        return None
    customers = await waiting.customers_of(connection, bulk.destination, bulk.id)
    await waiting.lock_claimed(connection, bulk.destination, customers)
    rows = await connection.fetch(SENT_BY, list(bulk.events))
    events = [
        Doubtful(row["id"], SourceId(row["source_id"]), row["customer"], row["attempts"])
        for row in rows
        if row["customer"] is not None
    ]
    settled = Settled()
    doubt = _Doubt(register, destination, bulk.id, exchange, now, len(events))
    later = await doubt.settle(connection, events, settled, is_alive=False)
    ready = {customer: later.get(customer, now) for customer in customers}
    await waiting.let_go(connection, bulk.destination, ready)
    return settled


async def _deliver(connection: Connection, claim: Claim, now: datetime, settled: Settled) -> None:
    sent = [one.owner for one in claim.pieces if one.owner.kind is ElementKind.EVENT]
    done = {one.event.id for one in sent}
    early = [
        one.event.id for one in (piece.owner for piece in claim.pieces) if one.event.id not in done
    ]
    await connection.execute(
        DELIVER, now, claim.bulk, [one.event.id for one in sent], [one.name for one in sent]
    )
    if early:
        await connection.execute(PROFILE_SENT, early)
    _count(settled.delivered, [one.event.source for one in sent])


async def _divide(
    connection: Connection, claim: Claim, exchange: Exchange, now: datetime, settled: Settled
) -> None:
    """Find out who is at fault: one alone is, many are sent in smaller numbers."""
    if len(claim.pieces) > 1:
        portion = (len(claim.pieces) + 1) // 2
        await connection.execute(SUSPECT, claim.events, portion)
        return
    (piece,) = claim.pieces
    part = piece.owner
    what = "the customer's attributes: " if part.kind is ElementKind.CUSTOMER else ""
    await connection.execute(
        BURY,
        now,
        claim.bulk,
        claim.events,
        Reason.REFUSED.value,
        f"{what}{exchange.trouble or 'refused'}",
    )
    _count(settled.dead, [part.event.source])


class _Doubt:
    """What is done about events whose request ended unclearly."""

    def __init__(
        self,
        register: Register,
        destination: DestinationRecord,
        bulk: UUID,
        exchange: Exchange,
        now: datetime,
        size: int,
    ) -> None:
        self._register = register
        self._options = destination.settings.options
        self._bulk = bulk
        self._said = exchange.trouble or "no answer"
        self._now = now
        self._portion = max(1, (size + 1) // 2)

    async def settle(
        self,
        connection: Connection,
        events: Sequence[Doubtful],
        settled: Settled,
        *,
        is_alive: bool,
    ) -> dict[str, datetime]:
        """Send again what may be sent again; answers when each customer is ready for it."""
        groups: dict[_Course, list[Doubtful]] = {course: [] for course in _Course}
        for event in events:
            groups[self._course(event, is_alive=is_alive)].append(event)
        for course, reason in (
            (_Course.ONCE, Reason.OUTCOME_UNCLEAR),
            (_Course.HOPELESS, Reason.GAVE_UP),
        ):
            await self._bury(connection, groups[course], reason, settled)
        for course, portion in ((_Course.AGAIN, None), (_Course.SUSPICIOUS, self._portion)):
            if groups[course]:
                ids = [one.id for one in groups[course]]
                await connection.execute(TRY_AGAIN, ids, portion)
        again = [*groups[_Course.AGAIN], *groups[_Course.SUSPICIOUS]]
        _count(settled.maybe_repeated, [one.source for one in again])
        attempts: dict[str, int] = {}
        for event in again:
            attempts[event.customer] = max(attempts.get(event.customer, 0), event.attempts + 1)
        luck = _luck()
        return {
            customer: self._now + backoff(number, self._options, luck)
            for customer, number in attempts.items()
        }

    def _course(self, event: Doubtful, *, is_alive: bool) -> "_Course":
        source = self._register.source(event.source)
        if event.is_event and source is not None and source.settings.options.at_most_once:
            return _Course.ONCE
        if is_alive and event.attempts + 1 >= self._options.attempts_max:
            return _Course.HOPELESS
        if event.attempts + 1 >= SUSPICIOUS_ATTEMPTS:
            return _Course.SUSPICIOUS
        return _Course.AGAIN

    async def _bury(
        self, connection: Connection, events: Sequence[Doubtful], reason: Reason, settled: Settled
    ) -> None:
        if events:
            ids = [one.id for one in events]
            await connection.execute(BURY, self._now, self._bulk, ids, reason.value, self._said)
            _count(settled.dead, [one.source for one in events])


class _Course(Enum):
    """What is done about an event whose request ended unclearly."""

    ONCE = auto()
    """Its source wants it sent at most once: it is dead."""
    HOPELESS = auto()
    """It was tried often enough while others were accepted: it is dead."""
    SUSPICIOUS = auto()
    """It may be the cause: it is sent again with fewer others."""
    AGAIN = auto()


def _doubtful(claim: Claim) -> list[Doubtful]:
    """The events of a request, each once."""
    found: dict[UUID, Doubtful] = {}
    for piece in claim.pieces:
        event, is_event = piece.owner.event, piece.owner.kind is ElementKind.EVENT
        known = found.get(event.id)
        found[event.id] = Doubtful(
            event.id,
            event.source,
            event.customer,
            event.attempts,
            is_event=is_event or (known is not None and known.is_event),
        )
    return list(found.values())


def _is_alive(standing_before: Standing, now: datetime) -> bool:
    accepted = standing_before.accepted_at
    return accepted is not None and accepted > now - ALIVE


def _luck() -> float:
    return random.random()  # noqa: S311 - the length of a pause is no secret


def _count(counts: dict[SourceId, int], sources: Sequence[SourceId]) -> None:
    for source in sources:
        counts[source] = counts.get(source, 0) + 1


def total(counts: Mapping[SourceId, int]) -> int:
    """All sources together."""
    return sum(counts.values())
