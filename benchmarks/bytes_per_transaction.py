"""How many bytes a transaction takes on the disk, and where they go.

Control: the bytes of the rows themselves, without pages, indexes and the room kept for updates. It
has no goal; what it says is what a disk must hold, and what an index costs.
"""

from dataclasses import dataclass
from typing import Final

from benchmarks.driving import Maker, drive, earns
from benchmarks.filling import filled
from benchmarks.ground import Ground, open_books
from benchmarks.result import Result, Rounds
from ledger.connection import Pool
from ledger.group_commit import LANES

SIZES: Final = """
    select relname as name, pg_table_size(oid) as heap, pg_indexes_size(oid) as indexes
    from pg_class where relkind = 'r' and relnamespace = 'ledger'::regnamespace
"""

LEAST_SHOWN: Final = 1.0
"""Bytes a transaction below which a table is not worth a word."""


@dataclass(frozen=True, slots=True)
class _Looked:
    """What the books take at a moment, in bytes."""

    heaps: dict[str, int]
    indexes: dict[str, int]
    rows: int
    log: int

    @classmethod
    async def at(cls, pool: Pool) -> "_Looked":
        tables = await pool.fetch(SIZES)
        rows = 0
        for table in tables:
            rows += await pool.fetchval(
                f"select coalesce(sum(pg_column_size(one.*)), 0)::bigint "
                f"from ledger.{table['name']} as one"
            )
        log = await pool.fetchval(
            "select pg_wal_lsn_diff(pg_current_wal_insert_lsn(), '0/0')::bigint"
        )
        return cls(
            {table["name"]: table["heap"] for table in tables},
            {table["name"]: table["indexes"] for table in tables},
            rows,
            log,
        )


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, count = ground.size(100_000, 20_000), ground.size(200_000, 40_000)
    template = await filled(ground, contacts, 1)
    rounds = Rounds()
    async with ground.database(template) as database, open_books(database) as books:
        before = await _Looked.at(books.pool)
        await drive(books, earns(Maker(books, contacts, seed=0), count), lanes=LANES)
        after = await _Looked.at(books.pool)
    grown = {
        name: (
            (after.heaps[name] - before.heaps[name]) / count,
            (after.indexes[name] - before.indexes[name]) / count,
        )
        for name in after.heaps
    }
    rounds.add(sum(map(sum, grown.values())), (after.rows - before.rows) / count)
    shown = sorted(grown.items(), key=lambda one: -sum(one[1]))
    return [
        rounds.result(
            "Bytes a transaction takes on the disk, against the bytes of its rows",
            "bytes",
            keys=f"{contacts:,} contacts, uniform",
            load=f"{count:,} earns with lots, in batches of 1000",
            notes=(
                *(
                    f"{name}: {heap:.0f} rows and room, {indexes:.0f} indexes"
                    for name, (heap, indexes) in shown
                    if heap + indexes >= LEAST_SHOWN
                ),
                f"write-ahead log: {(after.log - before.log) / count:,.0f} a transaction",
            ),
        )
    ]
