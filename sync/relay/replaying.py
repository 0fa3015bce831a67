"""Sending what was set aside after all: one event, or all that a search finds.

The one hard idea: a replay reads what was kept by the configuration in force now, as if it had just
come, but keeps its id, its time and its place in the customer's order. So a mended mapping or a
customer learnt meanwhile is all it takes, and MoEngage sees when it really happened.

Only what is quarantined, dead or ignored can be replayed: nothing that was delivered goes again.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import repeat
from typing import Final
from uuid import UUID

import asyncpg

from ledger.connection import Connection
from sync.relay.events import Wanted, condition_of
from sync.relay.intake import MESSAGES, EventState, Incoming, Reason, take_in
from sync.relay.register import Register, SourceId
from sync.relay.vendors.protocol import Arrival

TOGETHER_MAX: Final = 500

REPLAYABLE: Final = (EventState.QUARANTINED, EventState.DEAD, EventState.IGNORED)

_STATES: Final = ", ".join(f"'{state}'" for state in REPLAYABLE)

LOCK: Final = f"""
    -- Events that can be replayed, the earliest first. Index: as for a page of events.
    select id, source_id, payload, received_at from relay.event
    where %s and event.state in ({_STATES}) and event.payload is not null
    order by event.id limit $1 for update skip locked
"""

LOCK_ONE: Final = f"""
    select id, source_id, payload, received_at from relay.event
    where id = $1 and source_id = any($2::smallint[]) and state in ({_STATES})
      and payload is not null
    for update
"""

REPLAY: Final = f"""
    -- As if they had just come, but in their old place. Index: event_pk, identity_pk, queue_pk.
    with given as (
        select * from unnest(
            $2::uuid[], $3::smallint[], $4::text[], $5::text[], $6::text[], $7::text[], $8::text[],
            $9::text[], $10::smallint[]
        ) as given (id, group_id, family, customer, learnable, state, reason, message,
            destination_id)
    ), replayed as (
        update relay.event set
            destination_id = given.destination_id, family = given.family,
            customer = coalesce(given.customer, identity.customer),
            join_key = case when identity.customer is null then given.learnable end,
            state = case when given.learnable is null then given.state
                when identity.customer is null then '{EventState.QUARANTINED}'
                else '{EventState.WAITING}' end,
            reason = case when given.learnable is null then given.reason
                when identity.customer is null then '{Reason.CUSTOMER_UNKNOWN}' end,
            message = case when given.learnable is null then given.message
                when identity.customer is null then '{MESSAGES[Reason.CUSTOMER_UNKNOWN]}' end,
            attempts = 0, portion = null, settled_at = null,
            maybe_repeated = event.maybe_repeated
                or event.reason in ('{Reason.OUTCOME_UNCLEAR}', '{Reason.GAVE_UP}')
        from given left join relay.identity on identity.group_id = given.group_id
            and identity.key = given.learnable
        where event.id = given.id
        returning event.destination_id, event.customer, event.received_at, event.state
    ), queued as (
        insert into relay.queue as queue (destination_id, customer, since, ready_at)
        select destination_id, customer, min(received_at), $1::timestamptz from replayed
        where state = '{EventState.WAITING}'
        group by destination_id, customer order by destination_id, customer
        on conflict (destination_id, customer) do update set
            since = least(queue.since, excluded.since)
    )
    select count(*) filter (where state = '{EventState.WAITING}') as waiting, count(*) as looked_at
    from replayed
"""

MAX_ID: Final = UUID(int=2**128 - 1)


@dataclass(frozen=True, slots=True)
class Replayed:
    """What a replay came to.

    Attributes:
        waiting: How many events are on their way again.
        unchanged: How many were looked at again and stay where they are.
    """

    waiting: int
    unchanged: int

    def __add__(self, other: "Replayed") -> "Replayed":
        return Replayed(self.waiting + other.waiting, self.unchanged + other.unchanged)


async def replay_one(
    connection: Connection,
    register: Register,
    sources: Sequence[SourceId],
    event: UUID,
    now: datetime,
) -> Replayed | None:
    """Replay an event; `None` where there is none of that id that could be.

    Args:
        connection: In a transaction.
        register: The sources of the configuration.
        sources: Whose event it may be.
        event: Its id.
        now: From when on it may be sent.
    """
    rows = await connection.fetch(LOCK_ONE, event, list(sources))
    return await _replay(connection, register, rows, now) if rows else None


async def replay_some(
    connection: Connection,
    register: Register,
    wanted: Wanted,
    now: datetime,
    after: UUID | None,
) -> tuple[Replayed, UUID | None]:
    """Replay the next events that a search finds, at most `TOGETHER_MAX`, the earliest first.

    Args:
        connection: In a transaction.
        register: The sources of the configuration.
        wanted: Which.
        now: From when on they may be sent.
        after: The last one looked at before.

    Returns:
        What it came to, and the last one looked at; `None` where there are no more.
    """
    begin = None if after is None else UUID(int=min(after.int + 1, MAX_ID.int))
    condition = condition_of(wanted, begin=begin)
    rows = await connection.fetch(LOCK % condition.text, TOGETHER_MAX, *condition.values)
    if not rows:
        return Replayed(0, 0), None
    return await _replay(connection, register, rows, now), rows[-1]["id"]


async def _replay(
    connection: Connection,
    register: Register,
    rows: Sequence[asyncpg.Record],
    now: datetime,
) -> Replayed:
    read: list[tuple[Incoming, int, int]] = []
    gone = 0
    for row in rows:
        source = register.source(SourceId(row["source_id"]))
        if source is None:
            gone += 1
            continue
        arrival = Arrival(row["received_at"])
        found = take_in(source.settings, row["payload"], arrival, repeat(row["id"]))
        if len(found) == 1:
            read.append((found[0], source.group, source.destination))
        else:
            # Each event is kept by itself, so this is a message nobody could read before.
            gone += 1
    if not read:
        return Replayed(0, gone)
    done = await connection.fetchrow(
        REPLAY,
        now,
        [one.id for one, _, _ in read],
        [group for _, group, _ in read],
        [one.family for one, _, _ in read],
        [one.customer for one, _, _ in read],
        [one.learnable for one, _, _ in read],
        [one.state.value for one, _, _ in read],
        [None if one.reason is None else one.reason.value for one, _, _ in read],
        [one.message for one, _, _ in read],
        [destination for _, _, destination in read],
    )
    waiting = 0 if done is None else done["waiting"]
    return Replayed(waiting, gone + len(read) - waiting)
