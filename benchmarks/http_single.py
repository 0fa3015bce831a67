"""`POST /v1/transactions`, 64 callers at once: group commit.

Controls: a bare endpoint of the same framework and server that decodes the same body and answers
the same bytes; and the same service with coalescing off.
"""

from contextlib import AsyncExitStack
from statistics import median
from typing import Final

from benchmarks.asking import ask
from benchmarks.documents import single_requests
from benchmarks.driving import Maker
from benchmarks.filling import filled
from benchmarks.ground import Ground, open_books
from benchmarks.result import Latency, Result, Rounds
from benchmarks.serving import bare, service

CALLERS: Final = 64
GOAL: Final = 0.35
GOAL_COALESCING: Final = 4.0


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, count = ground.size(100_000, 20_000), ground.size(10_000, 3_000)
    template = await filled(ground, contacts, 1)
    beside_bare, beside_off = Rounds(), Rounds()
    waits: list[float] = []
    used: list[float] = []
    bare_used: list[float] = []
    async with AsyncExitStack() as stack:
        databases = [await stack.enter_async_context(ground.database(template)) for _ in range(2)]
        books = await stack.enter_async_context(open_books(databases[0], connections=1))
        ours = await stack.enter_async_context(service(databases[0]))
        off = await stack.enter_async_context(service(databases[1], coalescing=False))
        maker = Maker(books, contacts, seed=-1)
        warm = await ask(ours.address, single_requests(maker, ours, 500), CALLERS)
        await ask(off.address, single_requests(maker, off, 500), CALLERS)
        nothing = await stack.enter_async_context(bare("transaction", answer=warm.body))
        for number in range(ground.rounds):
            maker = Maker(books, contacts, seed=number)
            before = ours.processor_seconds(), nothing.processor_seconds()
            mine = await ask(ours.address, single_requests(maker, ours, count), CALLERS)
            control = await ask(nothing.address, single_requests(maker, ours, count), CALLERS)
            one = count / 1_000_000
            used.append((ours.processor_seconds() - before[0]) / one)
            bare_used.append((nothing.processor_seconds() - before[1]) / one)
            apart = await ask(off.address, single_requests(maker, off, count // 4), CALLERS)
            beside_bare.add(mine.rate, control.rate)
            beside_off.add(mine.rate, apart.rate)
            waits += mine.waits
            ground.say(f"ours {mine.rate:,.0f}, bare {control.rate:,.0f}, off {apart.rate:,.0f}")
    keys, load = f"{contacts:,} contacts, uniform", f"{CALLERS} callers, one transaction each"
    return [
        beside_bare.result(
            "HTTP single posting, 64 callers, against a bare endpoint with the same bodies",
            "transactions/s",
            bound=GOAL,
            keys=keys,
            load=load,
            latency=Latency.of(waits),
            notes=(_processor(used, bare_used),),
        ),
        beside_off.result(
            "HTTP single posting, 64 callers, against the same with coalescing off",
            "transactions/s",
            bound=GOAL_COALESCING,
            keys=keys,
            load=load,
            latency=Latency.of(waits),
        ),
    ]


def _processor(ours: list[float], control: list[float]) -> str:
    return f"processor time a request: service {median(ours):.0f} us, bare {median(control):.0f} us"
