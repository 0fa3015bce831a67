"""Posting with 10 million transfers in the books, over two checkpoints.

Control: the slow-down of set-based SQL writing the same rows, between the same two sizes of books.
Both meet two checkpoints while they run.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Final

from benchmarks.driving import CALLERS, Maker, drive, earns
from benchmarks.filling import EACH, filled
from benchmarks.ground import Ground, open_books
from benchmarks.replaying import replay, require_same, stage
from benchmarks.result import Latency, Result, Rounds
from ledger.group_commit import LANES
from ledger.postgres import Database

GOAL: Final = 1.0

CHECKPOINTS: Final = 2
PAUSE_SECONDS: Final = 1.0
"""Before each checkpoint: most of a round is after the first, some of it after the second."""


@dataclass(slots=True)
class Rates:
    """Transactions a second, round by round."""

    ours: list[float] = field(default_factory=list)
    control: list[float] = field(default_factory=list)
    waits: list[float] = field(default_factory=list)


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    many, few = ground.size(500_000, 20_000), ground.size(20_000, 5_000)
    count = ground.size(60_000, 10_000)
    large = await _rates(ground, await filled(ground, many, EACH), many, count)
    small = await _rates(ground, await filled(ground, few, EACH), few, count)
    rounds = Rounds()
    for at in range(ground.rounds):
        rounds.add(large.ours[at] / small.ours[at], large.control[at] / small.control[at])
    return [
        rounds.result(
            f"Posting with {many * EACH:,} transfers in the books: speed kept, against SQL's",
            "of the speed in small books",
            bound=GOAL,
            keys=f"{many:,} and {few:,} contacts, uniform; {few * EACH:,} transfers in the small",
            load=f"{CALLERS} callers, a batch of 1000 each, {LANES} lanes",
            latency=Latency.of(large.waits),
            notes=(
                f"{CHECKPOINTS} checkpoints in every round",
                _figures(large, small),
            ),
        )
    ]


def _figures(large: Rates, small: Rates) -> str:
    return (
        f"ours {median(small.ours):,.0f} and {median(large.ours):,.0f} a second, "
        f"SQL {median(small.control):,.0f} and {median(large.control):,.0f}"
    )


async def _rates(ground: Ground, template: Database, contacts: int, count: int) -> Rates:
    found = Rates()
    async with ground.database(template) as ours, ground.database(template) as control:
        async with open_books(ours) as books:
            for number in range(ground.rounds):
                requests = earns(Maker(books, contacts, seed=number), count)
                async with _checkpoints(ground):
                    done = await drive(books, requests, lanes=LANES)
                staged = await stage(ours, control, done.began_at)
                async with _checkpoints(ground):
                    seconds, _ = await replay(control, staged)
                found.ours.append(done.rate)
                found.control.append(count / seconds)
                found.waits += done.waits
                ground.say(f"ours {done.rate:,.0f}, SQL {count / seconds:,.0f}")
        await require_same(ours, control)
    return found


@asynccontextmanager
async def _checkpoints(ground: Ground) -> AsyncIterator[None]:
    """Checkpoints while the block lasts, however short it is."""

    async def write_out() -> None:
        for _ in range(CHECKPOINTS):
            await asyncio.sleep(PAUSE_SECONDS)
            await ground.checkpoint()

    writing = asyncio.create_task(write_out())
    yield
    await writing
