"""Events as people look at them: found by whatever is known of them, each with what became of it.

The one hard idea: a page begins at an id, and ids are in the order of receipt, so a page costs the
same however far back it lies. Every search is within one tenant's sources.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from ledger.connection import Connection
from ledger.identity import uuid7
from sync.relay.instants import EPOCH
from sync.relay.intake import EventState, Reason
from sync.relay.register import DestinationId, Register, SourceId

PAGE_MAX: Final = 1000

COLUMNS: Final = """
    event.id, event.source_id, event.destination_id, event.family, event.name, event.customer,
    event.state, event.reason, event.message, event.received_at, event.occurred_at,
    event.settled_at, event.attempts, event.maybe_repeated, event.bulk_id, event.join_key,
    bulk.request_id
"""

PAGE: Final = f"""
    -- The latest first. Index: by what is asked for, event_troubled_idx, event_customer_idx,
    -- event_repeated_idx or event_pk.
    select {COLUMNS} from relay.event left join relay.bulk on bulk.id = event.bulk_id
    where %s
    order by event.id desc limit $1
"""

ONE: Final = f"""
    -- Index: event_pk.
    select {COLUMNS}, event.payload
    from relay.event left join relay.bulk on bulk.id = event.bulk_id
    where event.id = $1 and event.source_id = any($2::smallint[])
"""


class EventRecord(msgspec.Struct, frozen=True, kw_only=True):
    """An event as people look at it.

    Attributes:
        family: What the vendor calls it.
        name: What MoEngage was told it is called.
        reason: A stable word for why it is where it is.
        message: The same for the person who reads it.
        waits_for: By what its customer is looked up, where nobody has said yet who that is.
        maybe_repeated: Whether it was sent again after an outcome that was not clear, so that
            MoEngage may have it twice.
        request_id: MoEngage's name for the request it went with.
    """

    id: UUID
    source: str
    destination: str
    family: str
    name: str | None
    customer: str | None
    state: EventState
    reason: str | None
    message: str | None
    waits_for: str | None
    received_at: datetime
    occurred_at: datetime | None
    settled_at: datetime | None
    attempts: int
    maybe_repeated: bool
    bulk_id: UUID | None
    request_id: str | None


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which events are looked for; what is `None` doesn't matter.

    Attributes:
        sources: Of these only; a tenant's.
        name: The vendor's word or MoEngage's.
        received_from, received_to: From an instant on, and before one.
    """

    sources: Sequence[SourceId]
    state: EventState | None = None
    reason: Reason | None = None
    customer: str | None = None
    name: str | None = None
    destination: DestinationId | None = None
    maybe_repeated: bool = False
    received_from: datetime | None = None
    received_to: datetime | None = None


class Condition(NamedTuple):
    """What of a statement finds the events that are looked for.

    Attributes:
        text: Holds only what is asked for: a condition that may or may not count hides from the
            planner which index serves.
        values: The statement's parameters from the second one on.
    """

    text: str
    values: list[object]


def condition_of(
    wanted: Wanted, *, begin: UUID | None = None, end: UUID | None = None
) -> Condition:
    """The condition of a search.

    Args:
        wanted: What is looked for.
        begin: Only events from this id on.
        end: Only events before this id.
    """
    begins = [begin, None if wanted.received_from is None else first_id(wanted.received_from)]
    ends = [end, None if wanted.received_to is None else first_id(wanted.received_to)]
    asked: tuple[tuple[str, object], ...] = (
        ("event.source_id = any({}::smallint[])", list(wanted.sources)),
        ("event.id >= {}::uuid", max((one for one in begins if one is not None), default=None)),
        ("event.id < {}::uuid", min((one for one in ends if one is not None), default=None)),
        ("event.reason = {}::text", None if wanted.reason is None else wanted.reason.value),
        ("event.customer = {}::text", wanted.customer),
        ("(event.family = {0}::text or event.name = {0})", wanted.name),
        ("event.destination_id = {}::smallint", wanted.destination),
    )
    given = [(text, value) for text, value in asked if value is not None]
    texts = [text.format(f"${place}") for place, (text, _) in enumerate(given, start=2)]
    if wanted.state is not None:
        # Written out, as the indexes for what needs mending are for some states only.
        texts.append(f"event.state = '{wanted.state.value}'")
    if wanted.maybe_repeated:
        texts.append("event.maybe_repeated")
    return Condition(" and ".join(texts), [value for _, value in given])


def first_id(moment: datetime) -> UUID:
    """An id before which is all that was received before an instant."""
    return uuid7(max(moment.astimezone(UTC), EPOCH), bytes(10))


async def page(
    connection: Connection,
    register: Register,
    wanted: Wanted,
    *,
    before: UUID | None = None,
    limit: int = 100,
) -> list[EventRecord]:
    """A page of events, the latest first; `before` is the id of the last one seen."""
    condition = condition_of(wanted, end=before)
    rows = await connection.fetch(PAGE % condition.text, min(limit, PAGE_MAX), *condition.values)
    return [_record(row, register) for row in rows]


async def one(
    connection: Connection, register: Register, sources: Sequence[SourceId], event: UUID
) -> tuple[EventRecord, bytes | None] | None:
    """An event by its id, with what was kept of the message."""
    row = await connection.fetchrow(ONE, event, list(sources))
    return None if row is None else (_record(row, register), row["payload"])


def _record(row: asyncpg.Record, register: Register) -> EventRecord:
    return EventRecord(
        id=row["id"],
        source=register.source_names[SourceId(row["source_id"])][1],
        destination=register.destination_names[DestinationId(row["destination_id"])][1],
        family=row["family"],
        name=row["name"],
        customer=row["customer"],
        state=EventState(row["state"]),
        reason=row["reason"],
        message=row["message"],
        waits_for=row["join_key"] if row["state"] == EventState.QUARANTINED else None,
        received_at=row["received_at"],
        occurred_at=row["occurred_at"],
        settled_at=row["settled_at"],
        attempts=row["attempts"],
        maybe_repeated=row["maybe_repeated"],
        bulk_id=row["bulk_id"],
        request_id=row["request_id"],
    )
