"""Rows in the database: waiting, on their way, told, or parked.

The one hard idea: a row changes its state only in the transaction that also says why: with the
batch that takes it along, with the answer that decided it, with the person who retried it. At most
one batch in flight holds an account, so the rows of an account reach Engage in their order.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import asyncpg

from ledger.connection import Connection, Pool
from ledger.identity import DefinitionId, HolderId
from sync.engage.accounts import HELD
from sync.engage.marks import AccountKey
from sync.engage.transactions.effects import Nature

WINDOW = 20_000
"""Waiting rows looked at in one go."""

ADD = """
    -- Rows that wait to be told; a movement that has its row gets no second one.
    insert into engage.row (
        holder_id, definition_id, number, line, part, amount, stamp, valid_from, valid_to, nature,
        source, state, derived_at
    )
    select new.*, 'waiting', $12
    from unnest(
        $1::uuid[], $2::smallint[], $3::bigint[], $4::smallint[], $5::smallint[], $6::bigint[],
        $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::text[], $11::text[]
    ) as new
    on conflict (holder_id, number, line, part) do nothing
"""

SEE_WAITING = """
    -- Waiting rows of a tenant whose accounts are not in flight.
    -- Index: row_waiting_idx, account_pk.
    select row.id, row.holder_id, row.definition_id, row.failures
    from engage.row join engage.account using (holder_id, definition_id)
    where row.state = 'waiting' and row.definition_id = any($1::smallint[]) and row.id > $2
      and account.batch_id is null and (row.retry_at is null or row.retry_at <= $3)
    order by row.id limit $4
"""

LOCK_FREE = """
    -- Those of some accounts that are not in flight, locked in the order they are given in.
    -- Index: account_pk.
    select free.* from unnest($1::uuid[], $2::smallint[]) as asked (holder_id, definition_id)
    cross join lateral (
        select holder_id, definition_id from engage.account
        where account.holder_id = asked.holder_id and account.definition_id = asked.definition_id
          and account.batch_id is null
        for update
    ) as free
"""

READ_WAITING = """
    -- Rows as they are told, with what their transactions are described as; still waiting.
    -- Index: row_pk, transaction_pk.
    select row.id, row.holder_id, row.definition_id, row.number, row.amount, row.stamp,
           row.valid_from, row.valid_to, row.nature, row.source, row.failures,
           transaction.description
    from engage.row
    left join ledger.transaction on transaction.holder_id = row.holder_id
        and transaction.number = row.number
    where row.id = any($1::bigint[]) and row.state = 'waiting'
    order by row.id
"""

SEND_OFF = """
    -- Put rows and their accounts in flight with a batch. Index: row_pk, account_pk.
    with sent as (
        update engage.row set state = 'sent', batch_id = $1, place = told.place, reason = null,
            retry_at = null
        from unnest($3::bigint[], $4::smallint[]) as told (id, place)
        where row.id = told.id
        returning row.holder_id, row.definition_id
    )
    update engage.account set batch_id = $1, sent_at = $2
    from (select distinct holder_id, definition_id from sent) as sent
    where account.holder_id = sent.holder_id and account.definition_id = sent.definition_id
"""

DROP = """
    -- Rows of holders that are nobody any more. Index: row_pk.
    update engage.row set state = 'dropped', ended_at = $2, reason = $3
    where id = any($1::bigint[]) and state = 'waiting'
"""

IN_FLIGHT = """
    -- The rows of a batch that are not decided. Index: row_batch_idx.
    select id, place, holder_id, definition_id, amount, stamp, failures from engage.row
    where batch_id = $1 and state = 'sent' order by place
"""

TELL = """
    -- Engage has these. Index: row_batch_idx.
    update engage.row set state = 'told', ended_at = $2, failures = 0
    where batch_id = $1 and state = 'sent' and place = any($3::smallint[])
"""

TELL_ALL_BUT = """
    -- Engage has all but these. Index: row_batch_idx.
    update engage.row set state = 'told', ended_at = $2, failures = 0
    where batch_id = $1 and state = 'sent' and not place = any($3::smallint[])
"""

PARK = """
    -- Engage does not take these. Index: row_batch_idx.
    update engage.row set state = 'parked', batch_id = null, place = null, reason = said.message,
        retry_at = $4, failures = 0
    from unnest($2::smallint[], $3::text[]) as said (place, message)
    where row.batch_id = $1 and row.state = 'sent' and row.place = said.place
"""

WAIT_AGAIN = """
    -- Certainly not told: to be told by another batch. Index: row_batch_idx.
    update engage.row set state = 'waiting', batch_id = null, place = null, retry_at = $3,
        failures = failures + $4
    where batch_id = $1 and state = 'sent' and place = any($2::smallint[])
"""

RELEASE = f"""
    -- Let accounts go of which the batch holds nothing undecided any more.
    -- Index: batch_row_pk, account_pk, row_batch_idx.
    update engage.account set batch_id = null, confirmed_at = $2
    from engage.batch_row
    where batch_row.batch_id = $1 and {HELD}
      and account.holder_id = batch_row.holder_id
      and account.definition_id = batch_row.definition_id
      and not exists (
          select from engage.row
          where row.batch_id = $1 and row.state = 'sent'
            and row.holder_id = account.holder_id and row.definition_id = account.definition_id
      )
"""

COUNT_WAITING = """
    -- At most so many. Index: row_waiting_idx.
    select count(*) from (
        select from engage.row
        where state = 'waiting' and definition_id = any($1::smallint[]) limit $2
    ) as seen
"""


class RowState(StrEnum):
    """How far a row is."""

    WAITING = "waiting"
    SENT = "sent"
    """On its way with a batch."""
    TOLD = "told"
    """Engage has it."""
    PARKED = "parked"
    """Engage does not take it; it can be retried."""
    DROPPED = "dropped"
    """Nobody is to be told any more."""


class NewRow(NamedTuple):
    """A row to be told.

    Attributes:
        number, line, part: Which movement of the books; `None` for a correction.
        amount: In minor units.
        stamp: When it happened, made unique for the account.
        valid_from: Since when it counts: when it happened, or for pending points later.
    """

    key: AccountKey
    number: int | None
    line: int | None
    part: int | None
    amount: int
    stamp: datetime
    valid_from: datetime
    valid_to: datetime | None
    nature: Nature
    source: str


class SeenRow(NamedTuple):
    """A waiting row, not looked at any closer."""

    id: int
    key: AccountKey
    failures: int


class WaitingRow(NamedTuple):
    """A row as it is told.

    Attributes:
        description: Of its transaction, where it has one.
    """

    id: int
    key: AccountKey
    amount: int
    stamp: datetime
    valid_from: datetime
    valid_to: datetime | None
    nature: Nature
    source: str
    failures: int
    description: str | None


class SentRow(NamedTuple):
    """A row on its way."""

    id: int
    place: int
    key: AccountKey
    amount: int
    stamp: datetime
    failures: int


async def add(connection: Connection, rows: Sequence[NewRow], at: datetime) -> None:
    """Store rows that wait to be told."""
    if not rows:
        return
    await connection.execute(
        ADD,
        [row.key[0] for row in rows],
        [row.key[1] for row in rows],
        [row.number for row in rows],
        [row.line for row in rows],
        [row.part for row in rows],
        [row.amount for row in rows],
        [row.stamp for row in rows],
        [row.valid_from for row in rows],
        [row.valid_to for row in rows],
        [row.nature.value for row in rows],
        [row.source for row in rows],
        at,
    )


async def see_waiting(
    database: "Connection | Pool", definitions: Sequence[DefinitionId], after: int, now: datetime
) -> list[SeenRow]:
    """Waiting rows after an id, whose accounts are not in flight; holds nothing."""
    rows = await database.fetch(SEE_WAITING, list(definitions), after, now, WINDOW)
    return [SeenRow(row["id"], _key(row), row["failures"]) for row in rows]


async def lock_free(connection: Connection, keys: Sequence[AccountKey]) -> set[AccountKey]:
    """Lock those of the accounts that are not in flight."""
    ordered = sorted(keys)
    rows = await connection.fetch(
        LOCK_FREE, [holder for holder, _ in ordered], [definition for _, definition in ordered]
    )
    return {_key(row) for row in rows}


async def read_waiting(connection: Connection, ids: Sequence[int]) -> list[WaitingRow]:
    """Rows as they are told, those of them that still wait, in their order."""
    return [
        WaitingRow(
            row["id"],
            _key(row),
            row["amount"],
            row["stamp"],
            row["valid_from"],
            row["valid_to"],
            Nature(row["nature"]),
            row["source"],
            row["failures"],
            row["description"],
        )
        for row in await connection.fetch(READ_WAITING, list(ids))
    ]


async def send_off(
    connection: Connection, batch: UUID, at: datetime, rows: Sequence[WaitingRow]
) -> None:
    """Put rows and their locked accounts in flight with a batch, places in order."""
    ids = [row.id for row in rows]
    await connection.execute(SEND_OFF, batch, at, ids, list(range(len(ids))))


async def drop(connection: Connection, ids: Sequence[int], at: datetime, reason: str) -> None:
    """Give up rows that nobody is to be told of."""
    await connection.execute(DROP, list(ids), at, reason)


async def in_flight(connection: Connection, batch: UUID) -> list[SentRow]:
    """The rows of a batch that are not decided, by place."""
    return [
        SentRow(row["id"], row["place"], _key(row), row["amount"], row["stamp"], row["failures"])
        for row in await connection.fetch(IN_FLIGHT, batch)
    ]


async def tell(connection: Connection, batch: UUID, at: datetime, places: Sequence[int]) -> None:
    """Note that Engage has rows."""
    await connection.execute(TELL, batch, at, list(places))


async def tell_all_but(
    connection: Connection, batch: UUID, at: datetime, places: Sequence[int]
) -> None:
    """Note that Engage has all rows of a batch but these."""
    await connection.execute(TELL_ALL_BUT, batch, at, list(places))


async def park(
    connection: Connection, batch: UUID, reasons: dict[int, str], retry_at: datetime | None
) -> None:
    """Set rows aside that Engage does not take, each with its reason by place."""
    await connection.execute(PARK, batch, list(reasons), list(reasons.values()), retry_at)


async def wait_again(
    connection: Connection,
    batch: UUID,
    places: Sequence[int],
    retry_at: datetime | None = None,
    *,
    failed: bool = False,
) -> None:
    """Have rows told by another batch; with `failed`, in smaller company."""
    await connection.execute(WAIT_AGAIN, batch, list(places), retry_at, int(failed))


async def release(connection: Connection, batch: UUID, at: datetime) -> None:
    """Let the accounts of a batch go, those of which nothing is undecided any more."""
    await connection.execute(RELEASE, batch, at)


async def count_waiting(
    connection: Connection, definitions: Sequence[DefinitionId], most: int
) -> int:
    """How many rows wait, counted up to `most`."""
    counted = await connection.fetchval(COUNT_WAITING, list(definitions), most)
    return int(counted or 0)


def _key(row: asyncpg.Record) -> AccountKey:
    return HolderId(row["holder_id"]), DefinitionId(row["definition_id"])
