"""A points log with 10 million transfers in the books.

Control: the same with 100,000; one caller, so that it is the latency that is compared.
"""

import random
from contextlib import AsyncExitStack
from statistics import median
from typing import Final

from benchmarks.asking import ask, request_bytes
from benchmarks.filling import EACH, contact, filled, warm
from benchmarks.ground import Ground
from benchmarks.points_log import DOORS
from benchmarks.result import Goal, Latency, Result, Rounds
from benchmarks.serving import Serving, service

GOAL: Final = 1.2
FEW: Final = 5_000


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    many, count = ground.size(500_000, 20_000), ground.size(2_000, 500)
    large, small = await filled(ground, many, EACH), await filled(ground, FEW, EACH)
    await warm(large, *DOORS.tables)
    await warm(small, *DOORS.tables)
    rounds = Rounds()
    waits: list[float] = []
    async with AsyncExitStack() as stack:
        ours = await stack.enter_async_context(service(large, engage=True))
        control = await stack.enter_async_context(service(small, engage=True))
        for number in range(ground.rounds + 1):
            mine = await _waits(ours, many, count, number)
            few = await _waits(control, FEW, count, number)
            if number:
                rounds.add(median(mine) * 1000, median(few) * 1000)
                waits += mine
    return [
        rounds.result(
            f"Latency of a points log with {many * EACH:,} transfers, against {FEW * EACH:,}",
            "ms, median",
            bound=GOAL,
            goal=Goal.AT_MOST,
            keys="contacts uniform over all",
            load="1 caller",
            latency=Latency.of(waits),
        )
    ]


async def _waits(serving: Serving, contacts: int, count: int, seed: int) -> tuple[float, ...]:
    drawn = random.Random(seed)
    requests = [
        request_bytes(
            "GET",
            DOORS.ours(str(contact(drawn.randint(1, contacts)))),
            headers=DOORS.headers(serving),
        )
        for _ in range(count)
    ]
    return (await ask(serving.address, requests, 1)).waits
