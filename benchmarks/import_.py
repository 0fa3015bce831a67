"""Importing a history from CSV: rows read, checked, keyed and booked as the command does.

Control: the very rows that the import wrote, staged, then inserted and updated by SQL alone.
"""

import random
import tempfile
from pathlib import Path
from time import perf_counter
from typing import Final

from api.importing.rejects import Rejects
from api.importing.run import Import
from api.importing.source import open_source
from benchmarks.filling import contact, filled
from benchmarks.ground import DEFINITION, TENANT, Ground, open_books
from benchmarks.memory import Memory
from benchmarks.processor import Processor
from benchmarks.replaying import replay, require_same, stage
from benchmarks.result import Result, Rounds
from ledger.posting import Books

GOAL: Final = 0.50

EACH: Final = 1
"""Transactions that each contact has before."""


class RejectedError(RuntimeError):
    """Rows were rejected that had to be booked: the figure would mean nothing."""


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, rows = ground.size(100_000, 10_000), ground.size(100_000, 10_000)
    rounds, memory, used = Rounds(), Memory(), []
    template = await filled(ground, contacts, EACH)
    with tempfile.TemporaryDirectory() as folder:
        async with ground.database(template) as ours, ground.database(template) as control:
            async with open_books(ours) as books:
                for number in range(ground.rounds + 1):
                    path = Path(folder) / f"{number}.csv"
                    _write(path, contacts, rows if number else rows // 4, number)
                    await ground.checkpoint()
                    began_at = await books.pool.fetchval("select clock_timestamp()")
                    before = await Processor.now(books.pool)
                    started = perf_counter()
                    async with memory.watched():
                        booked = await _import(books, path)
                    seconds = perf_counter() - started
                    processor = (await Processor.now(books.pool)).since(before)
                    staged = await stage(ours, control, began_at)
                    await ground.checkpoint()
                    seconds_alone, alone = await replay(control, staged)
                    if number:
                        rounds.add(booked / seconds, booked / seconds_alone)
                        used.append((processor.own, processor.server, alone.both))
                        ground.say(f"imported in {seconds:.1f} s, SQL in {seconds_alone:.1f} s")
            await require_same(ours, control)
    own, server, alone_us = (
        1_000_000 * sorted(one)[len(one) // 2] / rows for one in zip(*used, strict=True)
    )
    return [
        rounds.result(
            f"import of {rows:,} rows of a history, against the same rows by SQL alone",
            "rows/s",
            bound=GOAL,
            keys=f"{contacts:,} contacts, uniform",
            load="four batches of up to 1,000 at once",
            notes=(
                memory.note,
                (
                    f"processor time a row: {own:.0f} us Python and {server:.0f} us PostgreSQL, "
                    f"control {alone_us:.0f} us PostgreSQL"
                ),
            ),
        )
    ]


def _write(path: Path, contacts: int, rows: int, seed: int) -> None:
    chance = random.Random(seed)
    with path.open("w", encoding="utf-8") as file:
        file.write("kind,idempotencyKey,contactId,definitionId,amount,description\n")
        for number in range(rows):
            of = contact(chance.randint(1, contacts))
            amount = chance.randint(10, 999)
            file.write(f"earn,r-{seed}-{number},{of},{DEFINITION},{amount},Purchase {number:06}\n")


async def _import(books: Books, path: Path) -> int:
    tenant = books.catalogue.tenants[TENANT].id
    work = Import(books, tenant, path.stem, post=True, progress=lambda *_: None)
    with open_source(path, None) as source:
        tally = await work.run(source, Rejects(None, source))
    if tally.booked != tally.read:
        raise RejectedError(str(tally.examples))
    return tally.booked
