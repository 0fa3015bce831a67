"""Mixed work: 65 % earn, 20 % redeem, 5 % hold and capture, 5 % return, 5 % repeats of known keys.

Control: as for uniform earns. A repeat writes no row, so the control does nothing for it.
"""

from typing import Final

from benchmarks.beside_sql import beside_sql
from benchmarks.driving import CALLERS, Mixture
from benchmarks.ground import Ground
from benchmarks.result import Result
from ledger.group_commit import LANES

GOAL: Final = 0.45


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    contacts = ground.size(100_000, 20_000)
    count = ground.size(60_000, 10_000)
    found = await beside_sql(ground, Mixture(count // 8), contacts=contacts, each=1, count=count)
    return [
        found.rounds.result(
            "Booking mixed work, in batches of 1000, against the same rows by SQL alone",
            "transactions/s",
            bound=GOAL,
            keys=f"{contacts:,} contacts, uniform",
            load=f"{CALLERS} callers, a batch of 1000 each, {LANES} lanes",
            latency=found.latency,
            notes=("65 % earn, 20 % redeem, 5 % hold, 5 % return, 5 % repeats", *found.notes),
        )
    ]
