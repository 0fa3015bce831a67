"""A contact's balance as of an instant of both time axes, among 10 million transfers.

Control: the same contact's balance now, at the same door.
"""

import random
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Final

from benchmarks.asking import ask, request_bytes
from benchmarks.filling import EACH, SPAN_DAYS, contact, filled, warm
from benchmarks.ground import Ground
from benchmarks.result import Goal, Latency, Result, Rounds
from benchmarks.serving import service

GOAL: Final = 3.0


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts, count = ground.size(500_000, 5_000), ground.size(1_000, 300)
    database = await filled(ground, contacts, EACH)
    await warm(database, "transfer", "holder", "account", "contact")
    rounds = Rounds()
    waits: list[float] = []
    now = datetime.now(UTC)
    async with service(database) as serving:
        for number in range(ground.rounds + 1):
            drawn = random.Random(number)
            paths = []
            for _ in range(count):
                known = now - timedelta(days=drawn.uniform(1, SPAN_DAYS))
                happened = known - timedelta(days=drawn.uniform(0, 30))
                path = f"/v1/contacts/{contact(drawn.randint(1, contacts))}/balances"
                query = f"?effectiveAt={happened:%Y-%m-%dT%H:%M:%SZ}&recordedAt="
                paths.append((path, f"{query}{known:%Y-%m-%dT%H:%M:%SZ}"))
            then = [
                request_bytes("GET", path + query, headers=serving.authorization)
                for path, query in paths
            ]
            at_once = [
                request_bytes("GET", path, headers=serving.authorization) for path, _ in paths
            ]
            mine = await ask(serving.address, then, 1)
            control = await ask(serving.address, at_once, 1)
            if number:
                rounds.add(median(mine.waits) * 1000, median(control.waits) * 1000)
                waits += mine.waits
    return [
        rounds.result(
            f"Latency of a balance as of two instants, {contacts * EACH:,} transfers, against now",
            "ms, median",
            bound=GOAL,
            goal=Goal.AT_MOST,
            keys="contacts uniform over all, instants over 24 months",
            load="1 caller",
            latency=Latency.of(waits),
        )
    ]
