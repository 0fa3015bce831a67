"""Several processes: `serve --workers 1`, 2 and 4, single postings of 64 callers.

Control: one process. No goal: with two processors, PostgreSQL and the callers among them, there is
little room; the rows show what a machine gives. Of 64 transactions under way at the same
time, drawn from many contacts, hardly two want the same.
"""

from contextlib import AsyncExitStack
from typing import Final

from benchmarks.asking import ask
from benchmarks.documents import single_requests
from benchmarks.driving import Maker
from benchmarks.filling import filled
from benchmarks.ground import Ground, open_books
from benchmarks.result import Latency, Result, Rounds
from benchmarks.serving import service

CALLERS: Final = 64
WORKERS: Final = (1, 2, 4)

CONNECTIONS: Final = """
[database]
connections = 8
"""
"""Of each process: seven of them share the server's hundred."""


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, count = ground.size(100_000, 20_000), ground.size(8_000, 1_500)
    template = await filled(ground, contacts, 1)
    rounds = {workers: Rounds() for workers in WORKERS[1:]}
    waits: dict[int, list[float]] = {workers: [] for workers in WORKERS}
    async with AsyncExitStack() as stack:
        servings = {}
        for workers in WORKERS:
            database = await stack.enter_async_context(ground.database(template))
            books = await stack.enter_async_context(open_books(database, connections=1))
            serving = await stack.enter_async_context(
                service(database, options=("--workers", str(workers)), more=CONNECTIONS)
            )
            servings[workers] = (books, serving)
        for number in range(ground.rounds + 1):
            rates = {}
            for workers, (books, serving) in servings.items():
                maker = Maker(books, contacts, seed=number)
                asked = await ask(serving.address, single_requests(maker, serving, count), CALLERS)
                rates[workers] = asked.rate
                waits[workers] += asked.waits
            if number:
                for workers, found in rounds.items():
                    found.add(rates[workers], rates[1])
                told = (f"{workers}: {rate:,.0f}" for workers, rate in rates.items())
                ground.say(f"a second with workers {', '.join(told)}")
    return [
        found.result(
            f"HTTP single posting with {workers} workers, against one",
            "transactions/s",
            keys=f"{contacts:,} contacts, uniform",
            load=f"{CALLERS} callers, one transaction each",
            latency=Latency.of(waits[workers]),
        )
        for workers, found in rounds.items()
    ]
