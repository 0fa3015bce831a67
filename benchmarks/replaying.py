"""The control of posting: the very rows that a run wrote, written again by SQL alone.

The one hard idea: after a run of ours, its rows are copied into staging tables of a second database
that began as a copy of the first. There two connections, each with half of the holders, insert and
update them with one set-based statement a table and commit, as many transactions a commit as ours
had. Nothing is decided, computed or sent: it is what PostgreSQL itself needs for these rows. At the
end both databases hold the same, which is checked.
"""

import asyncio
import io
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from time import perf_counter
from typing import Final

from benchmarks.ground import open_pool, owner
from benchmarks.processor import Processor
from ledger.connection import Connection, Pool
from ledger.postgres import Database

HALVES: Final = 2
"""Connections of the control."""

FACTS: Final = ("transaction", "transfer", "allocation", "lot", "idempotency", "term", "hold")
"""Tables whose rows carry the number of the transaction that brought them."""

COLUMNS: Final = """
    select string_agg(quote_ident(attname), ', ' order by attnum) from pg_attribute
    where attrelid = ('ledger.' || $1::text)::regclass and attnum > 0 and not attisdropped
"""

CHUNKS: Final = """
    -- What the run wrote, by halves of the holders, in the order of record and as many a commit.
    create temporary table chunk as
    select holder_id, number, half,
           (row_number() over (partition by half order by recorded_at, holder_id, number) - 1)
               / $2 as chunk
    from (
        select holder_id, number, recorded_at, get_byte(uuid_send(holder_id), 0) / 128 as half
        from ledger.transaction where recorded_at > $1
    ) as written
"""

COMMITS: Final = """
    select count(distinct xmin::text) from ledger.transaction where recorded_at > $1
"""

# The state of holders, accounts, lots and holds after each chunk, told from the facts alone.

HOLDERS: Final = """
    select distinct on (half, chunk, holder_id) half, chunk, holder_id as id,
           transaction.number, transaction.hash as head, transaction.recorded_at
               as last_recorded_at,
           (select coalesce(max(lot), 0) from ledger.lot
            where lot.holder_id = chunk.holder_id and lot.number <= transaction.number) as last_lot
    from chunk join ledger.transaction using (holder_id, number)
    order by half, chunk, holder_id, transaction.number desc
"""

ACCOUNTS: Final = """
    select distinct on (half, chunk, holder_id, definition_id) half, chunk, holder_id,
           definition_id, available_after as available, pending_after as pending,
           held_after as held, debt_after as debt, account.debt_since,
           greatest(transaction.effective_at, account.last_effective_at) as last_effective_at,
           account.next_due_at, account.closed
    from chunk join ledger.transaction using (holder_id, number)
    join ledger.account using (holder_id, definition_id)
    order by half, chunk, holder_id, definition_id, transaction.number desc
"""

LOTS: Final = """
    -- What remains of each lot after each chunk that took from it or gave back to it.
    with moved as (
        select half, chunk, holder_id, number, allocation.lot,
               case when debit in (1, 2) and credit not in (1, 2) then -allocation.amount
                    when credit in (1, 2) and debit not in (1, 2) then allocation.amount
                    else 0 end as change
        from chunk join ledger.allocation using (holder_id, number)
        join ledger.transfer using (holder_id, number, line)
    ), after as (
        select half, chunk, holder_id, lot,
               sum(sum(change)) over (
                   partition by holder_id, lot order by chunk desc
                   rows between unbounded preceding and current row exclude current row
               ) as later
        from moved group by half, chunk, holder_id, lot
    )
    select half, chunk, after.holder_id, after.lot, lot.remaining - coalesce(later, 0) as remaining,
           lot.lapsed, lot.active, lot.valid_from, lot.valid_to, lot.term,
           exists (
               select from chunk as issue where issue.holder_id = lot.holder_id
                 and issue.number = lot.number and issue.chunk = after.chunk
           ) as is_new
    from after join ledger.lot using (holder_id, lot)
"""

HOLDS: Final = """
    select half, chunk, hold.holder_id, hold.number, hold.ended_by
    from chunk join ledger.hold on hold.holder_id = chunk.holder_id
        and hold.ended_by = chunk.number
"""

ROLLUPS: Final = """
    select half, chunk, definition_id, account, effective_hour, recorded_hour, sum(amount) as amount
    from (
        select half, chunk, definition_id, unnest(array[debit, credit]) as account,
               date_trunc('hour', effective_at) as effective_hour,
               date_trunc('hour', recorded_at) as recorded_hour,
               unnest(array[-amount, amount]) as amount
        from chunk join ledger.transfer using (holder_id, number)
    ) as side
    group by half, chunk, definition_id, account, effective_hour, recorded_hour
"""

STATES: Final = {
    "holder_state": HOLDERS,
    "account_state": ACCOUNTS,
    "lot_state": LOTS,
    "hold_state": HOLDS,
    "rollup": ROLLUPS,
}

LOTS_AS_NEW: Final = """
    -- A lot enters as it stood after the chunk that issued it, a hold without its end.
    update staged.lot set remaining = coalesce((
        select remaining from staged.lot_state where lot_state.holder_id = lot.holder_id
            and lot_state.lot = lot.lot and lot_state.chunk = lot.chunk
    ), issued)
"""

UPDATES: Final = (
    """
    update ledger.lot set remaining = new.remaining, lapsed = new.lapsed, active = new.active,
        valid_from = new.valid_from, valid_to = new.valid_to, term = new.term
    from staged.lot_state as new
    where new.half = $1 and new.chunk = $2 and not new.is_new
      and lot.holder_id = new.holder_id and lot.lot = new.lot
    """,
    """
    update ledger.hold set ended_by = new.ended_by from staged.hold_state as new
    where new.half = $1 and new.chunk = $2
      and hold.holder_id = new.holder_id and hold.number = new.number
    """,
    """
    update ledger.account set available = new.available, pending = new.pending, held = new.held,
        debt = new.debt, debt_since = new.debt_since, last_effective_at = new.last_effective_at,
        next_due_at = new.next_due_at, closed = new.closed
    from staged.account_state as new
    where new.half = $1 and new.chunk = $2
      and account.holder_id = new.holder_id and account.definition_id = new.definition_id
    """,
    """
    update ledger.holder set number = new.number, head = new.head,
        last_recorded_at = new.last_recorded_at, last_lot = new.last_lot
    from staged.holder_state as new
    where new.half = $1 and new.chunk = $2 and holder.id = new.id
    """,
    """
    insert into ledger.rollup (definition_id, account, effective_hour, recorded_hour, amount)
    select definition_id, account, effective_hour, recorded_hour, amount from staged.rollup
    where half = $1 and chunk = $2
    """,
)

FINGERPRINT: Final = """
    -- What two databases must agree on when both wrote the same.
    select (select sum(hashtextextended(transaction::text, 0)) from ledger.transaction)
           as transactions,
           (select sum(hashtextextended(transfer::text, 0)) from ledger.transfer) as transfers,
           (select sum(hashtextextended(allocation::text, 0)) from ledger.allocation)
           as allocations,
           (select sum(hashtextextended(lot::text, 0)) from ledger.lot) as lots,
           (select sum(hashtextextended(hold::text, 0)) from ledger.hold) as holds,
           (select count(*) from ledger.idempotency) as keys,
           (select sum(hashtextextended(
               (holder_id, definition_id, available, pending, held, debt)::text, 0))
            from ledger.account) as accounts,
           (select sum(hashtextextended(holder::text, 0)) from ledger.holder) as holders
"""


class OtherRowsError(RuntimeError):
    """The control did not write what ours wrote: it is none."""


@dataclass(frozen=True, slots=True)
class Staged:
    """What waits to be written.

    Attributes:
        chunks: How many commits each half makes.
        per_commit: Transactions of one commit.
    """

    chunks: tuple[int, ...]
    per_commit: int


async def stage(ours: Database, control: Database, since: datetime) -> Staged:
    """Copy what ours wrote since an instant into the control's staging tables."""
    async with owner(ours) as source, owner(control) as target:
        commits = await source.fetchval(COMMITS, since)
        written = await source.fetchval(
            "select count(*) from ledger.transaction where recorded_at > $1", since
        )
        per_commit = max(1, round(written / max(1, commits)))
        await _chunks(source, since, per_commit)
        await target.execute("drop schema if exists staged cascade; create schema staged")
        for table in FACTS:
            columns = await source.fetchval(COLUMNS, table)
            await target.execute(
                f"create unlogged table staged.{table} as "
                f"select 0 as half, 0::bigint as chunk, {columns} from ledger.{table} limit 0"
            )
            select = (
                f"select half, chunk, {columns} from chunk join ledger.{table} "
                "using (holder_id, number) order by half, chunk"
            )
            await _copy(source, target, select, table)
        for table, select in STATES.items():
            await source.execute(f"create temporary table {table} as {select}")
            shape = await source.fetchval(
                "select string_agg(quote_ident(attname) || ' ' || format_type(atttypid, atttypmod),"
                " ', ' order by attnum) from pg_attribute "
                f"where attrelid = 'pg_temp.{table}'::regclass and attnum > 0"
            )
            await target.execute(f"create unlogged table staged.{table} ({shape})")
            await _copy(source, target, f"select * from {table} order by half, chunk", table)
        await target.execute(LOTS_AS_NEW)
        await target.execute("update staged.hold set ended_by = null")
        for table in (*FACTS, *STATES):
            await target.execute(f"create index on staged.{table} (half, chunk)")
        await target.execute("vacuum analyze")
        await target.execute("grant usage on schema staged to public")
        await target.execute("grant select on all tables in schema staged to public")
        rows = await source.fetch("select half, max(chunk) + 1 as chunks from chunk group by half")
        found = {row["half"]: row["chunks"] for row in rows}
    return Staged(tuple(found.get(half, 0) for half in range(HALVES)), per_commit)


async def _chunks(source: Connection, since: datetime, per_commit: int) -> None:
    moment = f"'{since.isoformat()}'::timestamptz"
    await source.execute(CHUNKS.replace("$1", moment).replace("$2", str(per_commit)))
    await source.execute("create unique index on chunk (holder_id, number); analyze chunk")


async def _copy(source: Connection, target: Connection, select: str, table: str) -> None:
    rows = io.BytesIO()
    await source.copy_from_query(select, output=rows, format="binary")
    rows.seek(0)
    await target.copy_to_table(table, schema_name="staged", source=rows, format="binary")


async def replay(control: Database, staged: Staged) -> tuple[float, Processor]:
    """Write what is staged; the seconds it took, and the processor time."""
    async with open_pool(control, HALVES) as pool:
        statements = []
        async with pool.acquire() as connection:
            for table in FACTS:
                columns = await connection.fetchval(COLUMNS, table)
                statements.append(
                    f"insert into ledger.{table} ({columns}) select {columns} "
                    f"from staged.{table} where half = $1 and chunk = $2"
                )
        statements += UPDATES
        before = await Processor.now(pool)
        started = perf_counter()
        await asyncio.gather(
            *(_half(pool, statements, half, chunks) for half, chunks in enumerate(staged.chunks))
        )
        seconds = perf_counter() - started
        return seconds, (await Processor.now(pool)).since(before)


async def _half(pool: Pool, statements: Sequence[str], half: int, chunks: int) -> None:
    async with pool.acquire() as connection:
        for chunk in range(chunks):
            async with connection.transaction():
                for statement in statements:
                    await connection.execute(statement, half, chunk)


async def require_same(ours: Database, control: Database) -> None:
    """Raise `OtherRowsError` where the two databases don't hold the same books."""
    found = []
    for database in (ours, control):
        async with owner(database) as connection:
            found.append(dict(await connection.fetchrow(FINGERPRINT) or {}))
    differing = [name for name, value in found[0].items() if found[1][name] != value]
    if differing:
        raise OtherRowsError(f"the control wrote other {', '.join(differing)}")
