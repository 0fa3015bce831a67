"""One caller at a time: what waiting for others' requests must not cost.

Control: the same service with coalescing off.
"""

from contextlib import AsyncExitStack
from statistics import median
from typing import Final

from benchmarks.asking import ask
from benchmarks.documents import single_requests
from benchmarks.driving import Maker
from benchmarks.filling import filled
from benchmarks.ground import Ground, open_books
from benchmarks.result import Goal, Latency, Result, Rounds
from benchmarks.serving import service

GOAL: Final = 1.1


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, count = ground.size(100_000, 20_000), ground.size(400, 150)
    template = await filled(ground, contacts, 1)
    rounds = Rounds()
    waits: list[float] = []
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(ground.database(template)) for _ in range(2)]
        books = await stack.enter_async_context(open_books(databases[0], connections=1))
        ours = await stack.enter_async_context(service(databases[0]))
        off = await stack.enter_async_context(service(databases[1], coalescing=False))
        for number in range(2 * ground.rounds + 1):
            maker = Maker(books, contacts, seed=number)
            mine = await ask(ours.address, single_requests(maker, ours, count), 1)
            apart = await ask(off.address, single_requests(maker, off, count), 1)
            if number:
                rounds.add(median(mine.waits) * 1000, median(apart.waits) * 1000)
                waits += mine.waits
    return [
        rounds.result(
            "Latency of one caller at a time, against the same with coalescing off",
            "ms, median",
            bound=GOAL,
            goal=Goal.AT_MOST,
            keys=f"{contacts:,} contacts, uniform",
            load="1 caller, one transaction each",
            latency=Latency.of(waits),
        )
    ]
