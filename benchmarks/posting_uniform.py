"""Earns with lots, in batches of 1000, of 100,000 contacts drawn at random.

Control: the very rows that run wrote, staged, then inserted and updated by set-based SQL alone, on
two connections over disjoint contacts, with as many transactions a commit.
"""

from typing import Final

from benchmarks.beside_sql import beside_sql
from benchmarks.driving import CALLERS, earns
from benchmarks.ground import Ground
from benchmarks.result import Result
from ledger.group_commit import LANES

GOAL: Final = 0.65


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts = ground.size(100_000, 20_000)
    count = ground.size(60_000, 12_000)
    found = await beside_sql(ground, earns, contacts=contacts, each=1, count=count)
    return [
        found.rounds.result(
            "Booking earns with lots, in batches of 1000, against the same rows by SQL alone",
            "transactions/s",
            bound=GOAL,
            keys=f"{contacts:,} contacts, uniform",
            load=f"{CALLERS} callers, a batch of 1000 each, {LANES} lanes",
            latency=found.latency,
            notes=found.notes,
        )
    ]
