"""The trial balance at any instant of both time axes, 10 million transfers over 24 months.

Control: the sum over all transfers up to those instants, in SQL.
"""

import random
from datetime import UTC, datetime, timedelta
from time import perf_counter
from typing import Final

from benchmarks.filling import EACH, SPAN_DAYS, filled, warm
from benchmarks.ground import TENANT, Ground, open_books
from benchmarks.result import Goal, Latency, Result, Rounds
from ledger.roll_ups import roll_up
from ledger.trial_balance import trial_balance

GOAL: Final = 50.0

SUMMED: Final = 4
"""Instants of a round at which the control is asked too."""

SUM: Final = """
    select definition_id, account, sum(amount) from (
        select definition_id, debit as account, -amount as amount from ledger.transfer
        where effective_at <= $1 and recorded_at <= $2
        union all
        select definition_id, credit, amount from ledger.transfer
        where effective_at <= $1 and recorded_at <= $2
    ) as side
    group by definition_id, account
"""


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts = ground.size(500_000, 20_000)
    database = await filled(ground, contacts, EACH)
    await warm(database, "transfer", "rollup")
    rounds = Rounds()
    waits: list[float] = []
    now = datetime.now(UTC)
    async with open_books(database, connections=1) as books, books.pool.acquire() as connection:
        tenant = books.catalogue.tenants[TENANT].id
        await roll_up(connection)  # as the schedule does every hour
        for number in range(ground.rounds):
            drawn = random.Random(number)
            instants = []
            for each in range(10):
                known = now - timedelta(days=drawn.uniform(1, SPAN_DAYS))
                happened = known - timedelta(days=drawn.uniform(0, 30))
                if each % 2:
                    happened = now - timedelta(days=drawn.uniform(1, SPAN_DAYS))
                instants.append((happened, known))
            took = []
            for effective_at, recorded_at in instants:
                began = perf_counter()
                trial = await trial_balance(
                    connection,
                    books.catalogue,
                    tenant,
                    effective_at=effective_at,
                    recorded_at=recorded_at,
                )
                took.append(perf_counter() - began)
                if not trial.is_balanced:
                    raise ValueError(f"not balanced as of {effective_at}, {recorded_at}")
            began = perf_counter()
            for effective_at, recorded_at in instants[:SUMMED]:
                await connection.fetch(SUM, effective_at, recorded_at)
            control = (perf_counter() - began) / SUMMED
            mine = sum(took[:SUMMED]) / SUMMED
            rounds.add(1 / mine, 1 / control)
            waits += took
            ground.say(f"trial balance {mine * 1000:.1f} ms, sum {control * 1000:.0f} ms")
    return [
        rounds.result(
            f"Trial balance at any instant, {contacts * EACH:,} transfers, against a sum in SQL",
            "a second",
            bound=GOAL,
            goal=Goal.AT_LEAST,
            keys="both over 24 months: half anywhere, half the effect within 30 days before",
            load="1 caller",
            latency=Latency.of(waits),
        )
    ]
