"""Batches in the database: stored before they are sent, taken up by one worker at a time.

The one hard idea: taking a batch up moves its appointment (`next_action_at`) beyond the time the
work can take. Whoever looks meanwhile passes over it; if the worker dies, the appointment comes
and somebody else takes it up. Every step names the state it expects, so a worker that was overtaken
changes nothing.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from ledger.connection import Connection
from ledger.identity import TenantId
from sync.engage.answers import Message
from sync.engage.marks import AccountKey
from sync.engage.progress import FINAL, State, Step

LIST_MAX = 1000
"""The most batches of one page."""

ADD = """
    insert into engage.batch (
        id, tenant_id, kind, state, row_count, created_at, next_action_at, path, body,
        idempotency_key
    ) values ($1, $2, $7, 'stored', $3, $4, $4, $5, $6, $8)
"""

ADD_ROWS = """
    insert into engage.batch_row (batch_id, place, holder_id, definition_id, total, row_id)
    select $1, sent.place - 1, sent.holder_id, sent.definition_id, sent.total, sent.row_id
    from unnest($2::uuid[], $3::smallint[], $4::bigint[], $5::bigint[])
        with ordinality as sent (holder_id, definition_id, total, row_id, place)
"""

START_SENDING = """
    -- Index: batch_pk.
    update engage.batch set state = 'sending', attempts = attempts + 1, sent_at = $2,
        first_sent_at = coalesce(first_sent_at, $2), next_action_at = $3
    where id = $1 and state = $5 and next_action_at <= $4
    returning kind, attempts, row_count, path, body, idempotency_key, first_sent_at
"""

TAKE_UP = """
    -- Batches whose appointment has come, each for one worker. Index: batch_next_action_idx.
    update engage.batch set next_action_at = $4
    where id = any(array(
        select id from engage.batch
        where tenant_id = $1 and state = any($2::text[]) and next_action_at <= $3
          and (
              kind <> 'transactions' or state <> 'unclear' or must_read
              or first_sent_at is null or first_sent_at <= $6
          )
        order by next_action_at limit $5
        for update skip locked
    ))
    returning id, kind, state, row_count, polls, answered_at, engage_id, status, must_read
"""

RECORD = """
    -- What was learned of a batch, if it is still where it was; one that was settled keeps why it
    -- had to be. Index: batch_pk.
    update engage.batch set state = $3, next_action_at = $4,
        finished_at = case when $5::boolean then $6::timestamptz end,
        answered_at = case when $7::boolean then $6::timestamptz else answered_at end,
        polls = polls + $8::integer,
        engage_id = coalesce($9, engage_id), http_status = coalesce($10, http_status),
        status = coalesce($11, status), messages = coalesce($12::jsonb, messages),
        error = coalesce($13, case when $3 = 'settled' then error end),
        must_read = must_read or $14, body = case when forget_body and $5 then null else body end
    where id = $1 and state = $2
    returning id
"""

DUE_NOW = """
    -- Let what waits for another attempt be tried at once.
    update engage.batch set next_action_at = $2
    where tenant_id = $1 and state = 'stored' and next_action_at > $2
"""

STORED = """
    -- Batches to be sent, oldest first, and those to be sent again with the key they had.
    -- Index: batch_next_action_idx.
    select id, state from engage.batch
    where tenant_id = $1 and next_action_at <= $2 and (
        state = 'stored'
        or state = 'unclear' and not must_read and first_sent_at > $3 and kind = 'transactions'
    )
    order by id
"""

WAITING = """
    -- Why sending was put off, if it was. Index: batch_next_action_idx.
    select next_action_at, error from engage.batch
    where tenant_id = $1 and state = 'stored' and next_action_at > $2
    order by next_action_at limit 1
"""

OPEN = """
    -- Index: batch_next_action_idx.
    select state, count(*) as batches, sum(row_count) as rows, min(created_at) as oldest,
           min(next_action_at) as next_action_at
    from engage.batch where tenant_id = $1 and next_action_at is not null
    group by state
"""

LIST = """
    -- A page of batches, newest first. Index: batch_tenant_idx.
    select id, tenant_id, kind, state, row_count, attempts, created_at, sent_at, answered_at,
           finished_at, next_action_at, http_status, engage_id, status, messages::text, error
    from engage.batch
    where tenant_id = $1 and ($2::uuid is null or id < $2) and ($3::text is null or state = $3)
    order by id desc limit $4
"""


class BatchKind(StrEnum):
    """What a batch tells Engage."""

    BALANCES = "balances"
    """Totals, which replace what was there."""
    TRANSACTIONS = "transactions"
    """Movements, which add up."""


class TakenBatch(NamedTuple):
    """A batch that this worker has taken up."""

    id: UUID
    kind: BatchKind
    state: State
    row_count: int
    polls: int
    answered_at: datetime | None
    engage_id: str | None
    status: str | None
    must_read: bool


class Sending(NamedTuple):
    """What is to be put on the wire.

    Attributes:
        attempts: This one counted.
        first_sent_at: When the first attempt was made, which is when the key's life began.
    """

    kind: BatchKind
    attempts: int
    row_count: int
    path: str
    body: bytes
    idempotency_key: str | None
    first_sent_at: datetime


class BatchRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A batch as people look at it.

    Attributes:
        status: Engage's own word, as it came.
        messages: What Engage said of it.
        next_action_at: When it is looked at again; `None` when nothing more will happen.
    """

    id: UUID
    kind: str
    state: State
    row_count: int
    attempts: int
    created_at: datetime
    sent_at: datetime | None
    answered_at: datetime | None
    finished_at: datetime | None
    next_action_at: datetime | None
    http_status: int | None
    engage_id: str | None
    status: str | None
    messages: tuple[Message, ...]
    error: str | None


class OpenBatches(NamedTuple):
    """The batches of one state that aren't finished."""

    batches: int
    rows: int
    oldest: datetime
    next_action_at: datetime


class BatchLine(NamedTuple):
    """What a row of a batch is about.

    Attributes:
        total: As sent, in minor units; of a movement, its amount.
        row: The movement's row; `None` for a total.
    """

    key: AccountKey
    total: int
    row: int | None = None


async def add(
    connection: Connection,
    batch: UUID,
    tenant: TenantId,
    at: datetime,
    path: str,
    body: bytes,
    lines: Sequence[BatchLine],
    *,
    kind: BatchKind = BatchKind.BALANCES,
    idempotency_key: str | None = None,
) -> None:
    """Store a batch to be sent, with its exact bytes and its rows in their order."""
    count = len(lines)
    await connection.execute(ADD, batch, tenant, count, at, path, body, kind.value, idempotency_key)
    await connection.execute(
        ADD_ROWS,
        batch,
        [line.key[0] for line in lines],
        [line.key[1] for line in lines],
        [line.total for line in lines],
        [line.row for line in lines],
    )


async def start_sending(
    connection: Connection,
    batch: UUID,
    now: datetime,
    lease: timedelta,
    *,
    expected: State = State.STORED,
) -> Sending | None:
    """Note that a batch is about to be sent; `None` if somebody else has it or it isn't due.

    `expected` is where it stands: `unclear` for one that is sent again with the key it had.
    """
    row = await connection.fetchrow(START_SENDING, batch, now, now + lease, now, expected.value)
    if row is None:
        return None
    return Sending(
        BatchKind(row["kind"]),
        row["attempts"],
        row["row_count"],
        row["path"],
        row["body"],
        row["idempotency_key"],
        row["first_sent_at"],
    )


async def take_up(
    connection: Connection,
    tenant: TenantId,
    states: Sequence[State],
    now: datetime,
    lease: timedelta,
    most: int,
    *,
    keys_alive_since: datetime | None = None,
) -> list[TakenBatch]:
    """Take up batches of these states whose appointment has come, at most so many.

    Unclear ones that can be sent again, since first sent after `keys_alive_since`, are left to
    whoever sends.
    """
    words = [state.value for state in states]
    alive = keys_alive_since or now
    rows = await connection.fetch(TAKE_UP, tenant, words, now, now + lease, most, alive)
    return [
        TakenBatch(
            row["id"],
            BatchKind(row["kind"]),
            State(row["state"]),
            row["row_count"],
            row["polls"],
            row["answered_at"],
            row["engage_id"],
            row["status"],
            row["must_read"],
        )
        for row in rows
    ]


async def record(
    connection: Connection,
    batch: UUID,
    expected: State,
    step: Step,
    now: datetime,
    *,
    polled: bool = False,
) -> bool:
    """Record what follows from an answer; False if the batch is no longer where it was."""
    messages = None if step.messages is None else msgspec.json.encode(step.messages).decode()
    answered = expected is State.SENDING and step.http_status is not None
    found = await connection.fetchval(
        RECORD,
        batch,
        expected.value,
        step.state.value,
        step.next_action_at,
        step.state in FINAL,
        now,
        answered,
        int(polled),
        step.engage_id,
        step.http_status,
        step.status,
        messages,
        step.error or step.trouble,
        step.must_read,
    )
    return found is not None


async def to_be_sent(
    connection: Connection, tenant: TenantId, now: datetime, keys_alive_since: datetime
) -> list[tuple[UUID, State]]:
    """The batches that are to be sent now, oldest first, and where each stands.

    Args:
        connection: To the database.
        tenant: Whose.
        now: The clock.
        keys_alive_since: Requests first made later may be made again with their key.
    """
    rows = await connection.fetch(STORED, tenant, now, keys_alive_since)
    return [(row["id"], State(row["state"])) for row in rows]


async def waiting(
    connection: Connection, tenant: TenantId, now: datetime
) -> tuple[datetime, str | None] | None:
    """Until when sending was put off, and why; `None` if it wasn't."""
    row = await connection.fetchrow(WAITING, tenant, now)
    return None if row is None else (row["next_action_at"], row["error"])


async def make_due(connection: Connection, tenant: TenantId, now: datetime) -> None:
    """Let what waits for another attempt be tried at once."""
    await connection.execute(DUE_NOW, tenant, now)


async def unfinished(connection: Connection, tenant: TenantId) -> dict[State, OpenBatches]:
    """The batches that aren't finished, by state."""
    return {
        State(row["state"]): OpenBatches(
            row["batches"], row["rows"], row["oldest"], row["next_action_at"]
        )
        for row in await connection.fetch(OPEN, tenant)
    }


async def page(
    connection: Connection,
    tenant: TenantId,
    *,
    before: UUID | None = None,
    state: State | None = None,
    limit: int = 100,
) -> list[BatchRecord]:
    """A page of batches, newest first; `before` is the id of the last one seen."""
    word = None if state is None else state.value
    rows = await connection.fetch(LIST, tenant, before, word, min(limit, LIST_MAX))
    return [_record(row) for row in rows]


def _record(row: asyncpg.Record) -> BatchRecord:
    said = row["messages"]
    return BatchRecord(
        id=row["id"],
        kind=row["kind"],
        state=State(row["state"]),
        row_count=row["row_count"],
        attempts=row["attempts"],
        created_at=row["created_at"],
        sent_at=row["sent_at"],
        answered_at=row["answered_at"],
        finished_at=row["finished_at"],
        next_action_at=row["next_action_at"],
        http_status=row["http_status"],
        engage_id=row["engage_id"],
        status=row["status"],
        messages=msgspec.json.decode(said, type=tuple[Message, ...]) if said else (),
        error=row["error"],
    )
