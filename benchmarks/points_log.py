"""A points log of 20 rows, 32 callers, 10 million transfers in the books.

Controls: a bare endpoint that runs one prepared statement for the same rows, and one with no
database at all that answers the same bytes.
"""

from typing import Final

from benchmarks.filling import EACH
from benchmarks.ground import TENANT, Ground
from benchmarks.reading import CALLERS, Doors, beside_bare
from benchmarks.result import Result
from benchmarks.serving import LOG_SECRET

GOAL_STATEMENT: Final = 1.0
GOAL_NOTHING: Final = 0.40

DOORS: Final = Doors(
    f"/engage/{TENANT}/points-log?contactId={{}}".format,
    "points-log",
    lambda _: {"X-Api-Key": LOG_SECRET},
    ("transaction", "account", "contact"),
)


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    found = await beside_bare(ground, DOORS)
    transfers = ground.size(500_000, 5_000) * EACH
    keys, load = f"{transfers:,} transfers, contacts uniform", f"{CALLERS} callers"
    return [
        rounds.result(
            f"Points log of 20 rows, against a bare endpoint {control}",
            "requests/s",
            bound=bound,
            keys=keys,
            load=load,
            latency=found.latency,
            notes=found.notes,
        )
        for rounds, control, bound in (
            (found.beside_statement, "with one prepared statement", GOAL_STATEMENT),
            (found.beside_nothing, "with no database", GOAL_NOTHING),
        )
    ]
