"""Exporting balances and transactions as CSV, as the command does, into a file.

Control: `copy (select …) to stdout` of the very columns that the file has, over the same joins,
into a file: what PostgreSQL itself needs to read, join and write them down.
"""

import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final

from api.exporting.datasets import Asked
from api.exporting.formats import Format
from api.exporting.writing import written
from benchmarks.filling import EACH, filled
from benchmarks.ground import TENANT, Ground, open_books, open_pool
from benchmarks.memory import Memory
from benchmarks.processor import Processor
from benchmarks.result import Result, Rounds
from ledger.connection import Connection, Pool
from ledger.tenants import Catalogue

GOAL: Final = 0.50

CONTROLS: Final = {
    "balances": """
        select contact_id, account.holder_id, definition.engage_id, available, pending, held, debt,
               available + pending + held - debt
        from ledger.account
        join ledger.definition on definition.id = account.definition_id
        left join ledger.contact using (holder_id)
        where available + pending + held + debt > 0
        order by account.holder_id, definition_id
    """,
    "transactions": """
        select transaction.id, contact_id, transaction.holder_id, number, definition.engage_id,
               kind, amount, net, effective_at, recorded_at, occurred_at, source, idempotency_key,
               description, reference, actor, reverses, linked, hold_expires_at, part, whole,
               available_after, pending_after, held_after, debt_after,
               (select json_agg(json_build_array(
                   line, debit, credit, transfer.amount, transfer.effective_at))
                from ledger.transfer
                where transfer.holder_id = transaction.holder_id
                  and transfer.number = transaction.number),
               (select json_agg(json_build_array(
                   lot, line, issued, lot.effective_at, first_valid_from, first_valid_to))
                from ledger.lot
                where lot.holder_id = transaction.holder_id
                  and lot.number = transaction.number),
               encode(texts_hash, 'hex'), encode(hash, 'hex')
        from ledger.transaction
        join ledger.definition on definition.id = transaction.definition_id
        left join ledger.contact using (holder_id)
        order by transaction.holder_id, number
    """,
}


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts = ground.size(50_000, 2_000)
    database = await filled(ground, contacts)
    async with open_books(database, connections=1) as books:
        catalogue = books.catalogue
    found = []
    async with open_pool(database, 1) as pool:
        for name in CONTROLS:
            rows = contacts * (EACH if name == "transactions" else 1)
            found.append(await _measure(ground, pool, catalogue, name, rows))
    return found


async def _measure(
    ground: Ground, pool: Pool, catalogue: Catalogue, name: str, rows: int
) -> Result:
    rounds, memory, used = Rounds(), Memory(), []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{name}.csv"
        for number in range(ground.rounds + 1):
            before = await Processor.now(pool)
            async with pool.acquire() as connection, memory.watched():
                seconds = await _export(connection, catalogue, name, path)
            processor = (await Processor.now(pool)).since(before)
            async with pool.acquire() as connection:
                started = perf_counter()
                await connection.copy_from_query(CONTROLS[name], output=path, format="csv")
                seconds_copying = perf_counter() - started
            if number:
                used.append(processor)
                rounds.add(rows / seconds, rows / seconds_copying)
                ground.say(f"{name}: {seconds:.1f} s, copied in {seconds_copying:.1f} s")
    middle = sorted(used, key=lambda one: one.both)[len(used) // 2]
    return rounds.result(
        f"export of {rows:,} {name} as CSV, against copying the same columns",
        "rows/s",
        bound=GOAL,
        load="one connection each",
        notes=(
            memory.note,
            (
                f"processor time a row: {1_000_000 * middle.own / rows:.1f} us Python and "
                f"{1_000_000 * middle.server / rows:.1f} us PostgreSQL"
            ),
        ),
    )


async def _export(connection: Connection, catalogue: Catalogue, name: str, path: Path) -> float:
    tenant = catalogue.tenants[TENANT]
    asked = Asked(connection, catalogue, tenant.id, tuple(catalogue.definitions_of(tenant.id)))
    started = perf_counter()
    with path.open("wb") as file:  # as the command does
        async for piece, _ in written(name, asked, Format.CSV):
            file.write(piece)
    return perf_counter() - started
