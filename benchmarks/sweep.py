"""The expiry sweep: points of many accounts that lapse on one day, booked by the job.

Control: the very rows that the sweep wrote, staged, then inserted and updated by SQL alone.
"""

from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Final

from benchmarks.filling import filled
from benchmarks.ground import Ground, open_books
from benchmarks.memory import Memory
from benchmarks.processor import Processor
from benchmarks.replaying import replay, require_same, stage
from benchmarks.result import Result, Rounds
from ledger.posting import Books
from ledger.sweeping import SHARES

GOAL: Final = 0.50

EACH: Final = 4
"""Lots of each account, some of which lapse together."""

YEARS_AHEAD: Final = 10
"""After which all of them have lapsed."""


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    accounts = ground.size(20_000, 2_000)
    rounds, memory, used = Rounds(), Memory(), []
    template = await filled(ground, accounts * (ground.rounds + 1), EACH)
    now = datetime.now(UTC) + timedelta(days=365 * YEARS_AHEAD)
    async with ground.database(template) as ours, ground.database(template) as control:
        async with open_books(ours, connections=SHARES + 1) as declared:
            books = Books(declared.pool, declared.catalogue, clock=lambda: now)
            for number in range(ground.rounds + 1):
                now += timedelta(seconds=1)
                await ground.checkpoint()
                before = await Processor.now(books.pool)
                started = perf_counter()
                await _sweep(books, accounts, memory)
                seconds = perf_counter() - started
                processor = (await Processor.now(books.pool)).since(before)
                staged = await stage(ours, control, now - timedelta(milliseconds=500))
                await ground.checkpoint()
                seconds_alone, alone = await replay(control, staged)
                if number:
                    rounds.add(accounts / seconds, accounts / seconds_alone)
                    used.append((processor.own, processor.server, alone.both))
                    ground.say(f"swept in {seconds:.1f} s, SQL in {seconds_alone:.1f} s")
        await require_same(ours, control)
    own, server, alone_us = (
        1_000_000 * sorted(one)[len(one) // 2] / accounts for one in zip(*used, strict=True)
    )
    return [
        rounds.result(
            f"sweep of {accounts:,} accounts, against the same rows by SQL alone",
            "accounts/s",
            bound=GOAL,
            keys=f"{EACH} lots each, which lapse on one day or on several",
            load=f"{SHARES} shares at a time, the control two",
            notes=(
                memory.note,
                (
                    f"processor time an account: {own:.0f} us Python and {server:.0f} us "
                    f"PostgreSQL, control {alone_us:.0f} us PostgreSQL"
                ),
            ),
        )
    ]


async def _sweep(books: Books, accounts: int, memory: Memory) -> None:
    async with memory.watched():
        swept = await books.sweep(accounts)
    if swept < accounts:
        raise RuntimeError(f"{swept} of {accounts} accounts were swept")
