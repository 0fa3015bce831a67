"""Storing what came in: one statement for any number of events, each once.

The one hard idea: whether an event is a repeat, whose it is, and that its customer has something
to send, are decided by that one statement. A key that is there already stops everything else; the
row of the customer's queue is locked until the statement is committed, so whoever ends a request
for that customer sees the new event.

Rows are always locked in one order: keys first, then customers, each sorted.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from ledger.connection import Connection
from sync.relay.events import first_id
from sync.relay.intake import MESSAGES, EventState, Incoming, Reason
from sync.relay.register import SourceId, SourceRecord
from sync.relay.vendors.protocol import Lesson

STORE: Final = f"""
    -- Events that are not repeats, in the order given; then their customers' queues.
    -- Index: seen_pk, event_pk, identity_pk, queue_pk.
    with given as (
        select * from unnest(
            $2::uuid[], $3::uuid[], $4::timestamptz[], $5::smallint[], $6::smallint[],
            $7::smallint[], $8::text[], $9::text[], $10::text[], $11::timestamptz[], $12::text[],
            $13::text[], $14::text[], $15::bytea[]
        ) with ordinality as given (
            id, key, fresh_until, group_id, source_id, destination_id, family, customer, learnable,
            occurred_at, state, reason, message, payload, place
        )
    ), known as (
        insert into relay.seen as seen (group_id, key, event_id, at, fresh_until)
        select group_id, key, id, $1, fresh_until from given order by group_id, key
        on conflict (group_id, key) do update set
            event_id = case when seen.fresh_until <= excluded.at
                then excluded.event_id else seen.event_id end,
            at = case when seen.fresh_until <= excluded.at then excluded.at else seen.at end,
            repeats = case when seen.fresh_until <= excluded.at then 0 else seen.repeats + 1 end,
            fresh_until = case when seen.fresh_until <= excluded.at
                then excluded.fresh_until else seen.fresh_until end
        returning event_id
    ), stored as (
        insert into relay.event (
            id, received_at, occurred_at, source_id, destination_id, state, family, reason,
            message, customer, join_key, payload
        )
        select id, $1, occurred_at, source_id, destination_id,
            case when given.learnable is null then state
                when identity.customer is null then '{EventState.QUARANTINED}'
                else '{EventState.WAITING}' end,
            family,
            case when given.learnable is null then reason
                when identity.customer is null then '{Reason.CUSTOMER_UNKNOWN}' end,
            case when given.learnable is null then message
                when identity.customer is null then '{MESSAGES[Reason.CUSTOMER_UNKNOWN]}' end,
            coalesce(given.customer, identity.customer),
            case when identity.customer is null then given.learnable end,
            payload
        from given join known on known.event_id = given.id
        left join relay.identity on identity.group_id = given.group_id
            and identity.key = given.learnable
        order by place
        -- The very same event, given again by a caller who never heard that it was stored.
        on conflict (id) do nothing
        returning id, destination_id, customer, state
    ), queued as (
        insert into relay.queue as queue (destination_id, customer, since, ready_at)
        select distinct destination_id, customer, $1::timestamptz, $1::timestamptz from stored
        where state = '{EventState.WAITING}'
        order by destination_id, customer
        -- Locks the row, which is the point, and writes nothing.
        on conflict (destination_id, customer) do update set since = excluded.since
        where queue.since > excluded.since
    )
    select id, state from stored
"""

LEARN: Final = """
    -- Whom things belong to; what is learnt later holds. Index: identity_pk.
    insert into relay.identity as identity (group_id, key, customer, learned_at, expires_at)
    select * from unnest($1::smallint[], $2::text[], $3::text[], $4::timestamptz[],
        $5::timestamptz[]) as given (group_id, key, customer, learned_at, expires_at)
    order by group_id, key
    on conflict (group_id, key) do update set
        customer = excluded.customer, learned_at = excluded.learned_at,
        expires_at = greatest(identity.expires_at, excluded.expires_at)
    where identity.learned_at <= excluded.learned_at
"""

RELEASE: Final = f"""
    -- Events whose customer is known by now go on, in the order of their receipt.
    -- Index: %s, identity_pk, queue_pk.
    with released as (
        update relay.event set state = '{EventState.WAITING}', customer = identity.customer,
            reason = null, message = null, settled_at = null
        from relay.identity
        where event.join_key = identity.key and event.state = '{EventState.QUARANTINED}'
          and event.reason = '{Reason.CUSTOMER_UNKNOWN}' and event.source_id = any($2::smallint[])
          and identity.group_id = $1 and %s
        returning event.destination_id, event.customer, event.received_at
    ), queued as (
        insert into relay.queue as queue (destination_id, customer, since, ready_at)
        select destination_id, customer, min(received_at), $4::timestamptz from released
        group by destination_id, customer order by destination_id, customer
        on conflict (destination_id, customer) do update set
            since = least(queue.since, excluded.since)
    )
    select count(*) from released
"""

RELEASE_OF_KEYS: Final = RELEASE % ("event_join_key_idx", "event.join_key = any($3::text[])")
RELEASE_SINCE: Final = RELEASE % ("event_troubled_idx", "event.id >= $3::uuid")


@dataclass(frozen=True, slots=True)
class Placed:
    """An event and where it belongs."""

    source: SourceRecord
    event: Incoming


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of the events given.

    Attributes:
        states: Of those that were not repeats, by id.
    """

    states: dict[UUID, EventState]


async def store(connection: Connection, events: Sequence[Placed], now: datetime) -> Stored:
    """Store events; repeats among them and of earlier ones are left out.

    Args:
        connection: A statement of its own is a transaction of its own; the caller may have one.
        events: Any number of any sources.
        now: When they were received.
    """
    first: dict[tuple[SourceId, UUID], Placed] = {}
    for one in events:
        first.setdefault((one.source.group, one.event.key), one)
    rows = await connection.fetch(STORE, now, *_columns(list(first.values())))
    return Stored({row["id"]: EventState(row["state"]) for row in rows})


def _columns(events: Sequence[Placed]) -> list[list[object]]:
    given = [one.event for one in events]
    return [
        [one.id for one in given],
        [one.key for one in given],
        [one.fresh_until for one in given],
        [one.source.group for one in events],
        [one.source.id for one in events],
        [one.source.destination for one in events],
        [one.family for one in given],
        [one.customer for one in given],
        [one.learnable for one in given],
        [one.occurred_at for one in given],
        [one.state.value for one in given],
        [None if one.reason is None else one.reason.value for one in given],
        [one.message for one in given],
        [one.payload for one in given],
    ]


@dataclass(frozen=True, slots=True)
class Taught:
    """A lesson, and as of when.

    Attributes:
        group: Whose events it holds for.
        forget_at: When it is forgotten; `None` for never.
    """

    group: SourceId
    lesson: Lesson
    as_of: datetime
    forget_at: datetime | None


async def learn(
    connection: Connection,
    lessons: Sequence[Taught],
    groups: dict[SourceId, list[SourceId]],
    now: datetime,
) -> int:
    """Remember whom things belong to and let what waited for it go on; answers how much that was.

    Args:
        connection: In a transaction, together with the events that taught it.
        lessons: Any number.
        groups: The sources of each group.
        now: From when on what is released may be sent.
    """
    latest: dict[tuple[SourceId, str], Taught] = {}
    for one in sorted(lessons, key=lambda lesson: lesson.as_of):
        latest[one.group, one.lesson.key] = one
    kept = list(latest.values())
    await connection.execute(
        LEARN,
        [one.group for one in kept],
        [one.lesson.key for one in kept],
        [one.lesson.customer for one in kept],
        [one.as_of for one in kept],
        [one.forget_at for one in kept],
    )
    released = 0
    for group in sorted({one.group for one in kept}):
        keys = [one.lesson.key for one in kept if one.group == group]
        released += await release(connection, group, groups[group], now, keys)
    return released


async def release(
    connection: Connection,
    group: SourceId,
    sources: Sequence[SourceId],
    now: datetime,
    keys: Sequence[str],
) -> int:
    """Let events go on whose customer became known by these keys; answers how many they were."""
    found = await connection.fetchval(RELEASE_OF_KEYS, group, list(sources), list(keys), now)
    return int(found or 0)


async def release_since(
    connection: Connection,
    group: SourceId,
    sources: Sequence[SourceId],
    now: datetime,
    since: datetime,
) -> int:
    """Let events go on that were received from an instant on and whose customer is known by now.

    For those that were stored in the very moment in which somebody learnt whose they are, so that
    neither saw the other.
    """
    found = await connection.fetchval(RELEASE_SINCE, group, list(sources), first_id(since), now)
    return int(found or 0)
