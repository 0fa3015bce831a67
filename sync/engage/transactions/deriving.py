"""Turning transactions of the books into rows that Engage is to be told.

The one hard idea: a transaction leaves the outbox in the database transaction that stores its rows,
so it has them all, once. The rows are worked out from what was booked, as it was booked, and never
from what the account has become since. One derives at a time for a tenant: that keeps time stamps
apart and rows in the order of the books.
"""

from collections.abc import Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ledger.book import Place
from ledger.connection import Connection
from ledger.facts import Transaction
from ledger.identity import HolderId
from ledger.reading import transactions_at
from sync.engage.context import Context
from sync.engage.marks import LAST_MARK, AccountKey
from sync.engage.transactions import rows
from sync.engage.transactions.effects import Effect, LotBefore, effects_of, lots_needed
from sync.engage.transactions.rows import NewRow
from sync.engage.transactions.stamps import stamps_for
from sync.units import lock_key

CONSUMER: Final = 2
"""The books' number for whoever tells Engage transactions (`ledger.outbox.Consumer`)."""

TAKEN_AT_ONCE: Final = 1000

HISTORY_AT_ONCE: Final = 20_000
"""Transactions looked at in one go where all of the books are taken up."""

ONE_AT_A_TIME = "select pg_advisory_xact_lock($1)"

TAKE = """
    -- The next transactions to be told. Index: outbox_pk.
    with next as (
        select id from ledger.outbox
        where consumer = $1 and definition_id = any($2::smallint[])
        order by id limit $3
    )
    delete from ledger.outbox using next where outbox.consumer = $1 and outbox.id = next.id
    returning outbox.id, outbox.holder_id, outbox.number
"""

BEGIN_FOLLOWING = """
    -- Rows for accounts that Engage was never told of. Index: account_pk.
    insert into engage.account (holder_id, definition_id)
    select * from unnest($1::uuid[], $2::smallint[])
    on conflict do nothing
"""

LOTS_BEFORE = """
    -- Lots by the term that held before a transaction. Index: lot_pk, term_holder_id_lot_term_key.
    select asked.holder_id, asked.number, asked.lot,
           case when earlier.lot is null then lot.first_valid_from else earlier.valid_from end
               as valid_from,
           case when earlier.lot is null then lot.first_valid_to else earlier.valid_to end
               as valid_to
    from unnest($1::uuid[], $2::bigint[], $3::integer[]) as asked (holder_id, number, lot)
    join ledger.lot on lot.holder_id = asked.holder_id and lot.lot = asked.lot
    left join lateral (
        select term.lot, term.valid_from, term.valid_to from ledger.term
        where term.holder_id = asked.holder_id and term.lot = asked.lot
          and term.number < asked.number
        order by term.term desc limit 1
    ) as earlier on true
"""

REMAINING_BEFORE = """
    -- What stood in lots before a transaction; buckets 1 and 2 are where a lot's points stand.
    -- Index: lot_pk, allocation_pk, transfer_pk.
    select asked.holder_id, asked.number, asked.lot, lot.issued + coalesce((
        select sum(
            allocation.amount * ((transfer.credit in (1, 2))::int - (transfer.debit in (1, 2))::int)
        )
        from ledger.allocation join ledger.transfer using (holder_id, number, line)
        where allocation.holder_id = asked.holder_id and allocation.lot = asked.lot
          and allocation.number < asked.number
    ), 0)::bigint as remaining
    from unnest($1::uuid[], $2::bigint[], $3::integer[]) as asked (holder_id, number, lot)
    join ledger.lot on lot.holder_id = asked.holder_id and lot.lot = asked.lot
"""

COUNT = """
    -- At most so many. Index: outbox_pk.
    select count(*) from (
        select from ledger.outbox
        where consumer = $1 and definition_id = any($2::smallint[]) limit $3
    ) as seen
"""

TAKE_UP_SOME = """
    -- The next transactions by their places: those of accounts that Engage was never told totals
    -- of, unless they have their rows or waited for them before this began.
    -- Index: transaction_pk, account_pk, row_holder_id_number_line_part_key, outbox_pk.
    with chosen as materialized (
        select holder_id, definition_id, number from ledger.transaction
        where (holder_id, number) > ($3::uuid, $4::bigint)
          and definition_id = any($2::smallint[])
        order by holder_id, number limit $5
    ), taken as (
        insert into ledger.outbox (consumer, holder_id, definition_id, number)
        select $1, chosen.holder_id, chosen.definition_id, chosen.number from chosen
        left join engage.account using (holder_id, definition_id)
        where account.sent_total is null
          and not exists (
              select from engage.row
              where row.holder_id = chosen.holder_id and row.number = chosen.number
          )
          and not exists (
              select from ledger.outbox as before
              where before.consumer = $1 and before.id <= $6
                and before.holder_id = chosen.holder_id and before.number = chosen.number
          )
        order by chosen.holder_id, chosen.number
        returning 1
    )
    select (select count(*) from taken) as taken, count(*) as seen,
           (array_agg(holder_id order by holder_id desc, number desc))[1] as holder_id,
           (array_agg(number order by holder_id desc, number desc))[1] as number
    from chosen
"""

LotAt = tuple[HolderId, int, int]
"""A holder, the number of a transaction, and a lot."""


async def derive(context: Context) -> int:
    """Make rows of every transaction that waits for it; answers how many transactions those were.

    Each thousand in a transaction of its own.
    """
    derived = 0
    while True:
        async with context.pool.acquire() as connection, connection.transaction():
            count = await derive_some(context, connection)
        derived += count
        if count < TAKEN_AT_ONCE:
            return derived


async def derive_some(context: Context, connection: Connection) -> int:
    """Make rows of the next transactions, at most a thousand, in the caller's transaction."""
    await hold_stamps(context, connection)
    definitions = list(context.definitions)
    taken = await connection.fetch(TAKE, CONSUMER, definitions, TAKEN_AT_ONCE)
    taken.sort(key=lambda row: row["id"])
    places = list(dict.fromkeys((HolderId(row["holder_id"]), row["number"]) for row in taken))
    found = await transactions_at(connection, places)
    booked = [found[place] for place in places]
    now = await context.clock.read(connection)
    await _store(context, connection, booked, await _lots_of(connection, booked), now)
    return len(taken)


async def take_up_history(context: Context, connection: Connection) -> int:
    """Have told whatever of the books never was; answers how many transactions that is.

    For a first load. What has rows is not told again, whatever became of them; neither are accounts
    whose totals Engage was told in the other mode. Those that are not a row of their own count too.
    Each so many transactions are one of the database: a run that ends early is begun again.
    """
    before = await connection.fetchval(LAST_MARK, CONSUMER) or 0
    holder, number = UUID(int=0), 0
    taken = 0
    while True:
        async with connection.transaction():
            await hold_stamps(context, connection)
            row = await connection.fetchrow(
                TAKE_UP_SOME,
                CONSUMER,
                list(context.definitions),
                holder,
                number,
                HISTORY_AT_ONCE,
                before,
            )
        if row is None:
            raise RuntimeError("an aggregate always answers")
        taken += int(row["taken"])
        if row["seen"] < HISTORY_AT_ONCE:
            return taken
        holder, number = row["holder_id"], row["number"]


async def hold_stamps(context: Context, connection: Connection) -> None:
    """Be the only one who gives time stamps to a tenant's rows, until the transaction ends."""
    await connection.execute(ONE_AT_A_TIME, lock_key(f"rows.{context.tenant.id}"))


async def follow(connection: Connection, keys: Iterable[AccountKey]) -> None:
    """See that accounts have their row here."""
    ordered = sorted(set(keys))
    await connection.execute(
        BEGIN_FOLLOWING,
        [holder for holder, _ in ordered],
        [definition for _, definition in ordered],
    )


async def count_underived(context: Context, connection: Connection, most: int) -> int:
    """How many transactions wait to become rows, counted up to `most`."""
    counted = await connection.fetchval(COUNT, CONSUMER, list(context.definitions), most)
    return int(counted or 0)


async def _store(
    context: Context,
    connection: Connection,
    booked: Sequence[Transaction],
    lots: dict[Place, dict[int, LotBefore]],
    now: datetime,
) -> None:
    options = context.options
    effects: list[tuple[Transaction, Effect]] = []
    for transaction in booked:
        known = lots.get((transaction.holder, transaction.number), {})
        effects += [
            (transaction, effect)
            for effect in effects_of(transaction, known, options.total, options.transactions.expiry)
        ]
    keys = [(transaction.holder, transaction.definition) for transaction, _ in effects]
    await follow(connection, keys)
    step = timedelta(milliseconds=options.transactions.stamp_milliseconds)
    wanted = [(key, effect.at) for key, (_, effect) in zip(keys, effects, strict=True)]
    stamps = await stamps_for(connection, wanted, step)
    new = [
        NewRow(
            key,
            transaction.number,
            effect.line,
            effect.part,
            effect.amount,
            stamp,
            effect.valid_from or effect.at,
            effect.valid_to,
            effect.nature,
            options.transactions.source_of(effect.nature, transaction.source).value,
        )
        for key, (transaction, effect), stamp in zip(keys, effects, stamps, strict=True)
    ]
    await rows.add(connection, new, now)


async def _lots_of(
    connection: Connection, booked: Iterable[Transaction]
) -> dict[Place, dict[int, LotBefore]]:
    """The lots that must be known to tell these transactions, as they were before each."""
    needed: list[LotAt] = []
    changed: list[LotAt] = []
    for transaction in booked:
        holder, number = transaction.holder, transaction.number
        needed += [(holder, number, lot) for lot in sorted(lots_needed(transaction))]
        changed += [(holder, number, term.lot) for term in transaction.terms]
    if not needed:
        return {}
    remaining: dict[LotAt, int] = {}
    if changed:
        rows_ = await connection.fetch(REMAINING_BEFORE, *_columns(changed))
        remaining = {
            (row["holder_id"], row["number"], row["lot"]): row["remaining"] for row in rows_
        }
    lots: dict[Place, dict[int, LotBefore]] = {}
    for row in await connection.fetch(LOTS_BEFORE, *_columns(needed)):
        place = (HolderId(row["holder_id"]), row["number"])
        left = remaining.get((*place, row["lot"]), 0)
        before = LotBefore(row["valid_from"], row["valid_to"], left)
        lots.setdefault(place, {})[row["lot"]] = before
    return lots


def _columns(asked: Sequence[LotAt]) -> tuple[list[HolderId], list[int], list[int]]:
    return (
        [holder for holder, _, _ in asked],
        [number for _, number, _ in asked],
        [lot for _, _, lot in asked],
    )
