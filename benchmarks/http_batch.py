"""`POST /v1/transactions/batch`, 1000 a request.

Control: our posting path without HTTP, lanes and all, in this process.
"""

from contextlib import AsyncExitStack
from typing import Final

from benchmarks.asking import ask
from benchmarks.documents import batch_requests
from benchmarks.driving import Maker, drive, earns
from benchmarks.filling import filled
from benchmarks.ground import Ground, open_books
from benchmarks.result import Latency, Result, Rounds
from benchmarks.serving import service
from ledger.group_commit import LANES
from ledger.posting import BATCH_MAX

CALLERS: Final = 8
GOAL: Final = 0.75


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, count = ground.size(100_000, 20_000), ground.size(40_000, 8_000)
    template = await filled(ground, contacts, 1)
    rounds = Rounds()
    waits: list[float] = []
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(ground.database(template)) for _ in range(2)]
        books = await stack.enter_async_context(open_books(databases[1]))
        ours = await stack.enter_async_context(service(databases[0]))
        for number in range(ground.rounds + 1):
            maker = Maker(books, contacts, seed=number)
            size = count if number else count // 4
            requests = batch_requests(maker, ours, size // BATCH_MAX, BATCH_MAX)
            await ground.checkpoint()
            mine = await ask(ours.address, requests, CALLERS)
            await ground.checkpoint()
            control = await drive(books, earns(maker, size), lanes=LANES, callers=CALLERS)
            if number:
                rounds.add(mine.rate * BATCH_MAX, control.rate)
                waits += mine.waits
                ground.say(f"over HTTP {mine.rate * BATCH_MAX:,.0f}, without {control.rate:,.0f}")
    return [
        rounds.result(
            "HTTP batches of 1000, against our posting path without HTTP",
            "transactions/s",
            bound=GOAL,
            keys=f"{contacts:,} contacts, uniform",
            load=f"{CALLERS} callers, a batch of 1000 each, {LANES} lanes",
            latency=Latency.of(waits),
        )
    ]
