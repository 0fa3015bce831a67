"""A balance, 32 callers, 10 million transfers in the books.

Controls: a bare endpoint that runs one prepared statement for the same row, and one with no
database at all that answers the same bytes.
"""

from typing import Final

from benchmarks.filling import EACH
from benchmarks.ground import Ground
from benchmarks.reading import CALLERS, Doors, beside_bare
from benchmarks.result import Result

GOAL_STATEMENT: Final = 1.2
GOAL_NOTHING: Final = 0.45

DOORS: Final = Doors(
    "/v1/contacts/{}/balances".format,
    "balances",
    lambda serving: serving.authorization,
    ("account", "contact"),
)


async def measure(ground: Ground) -> list[Result]:
    """Ask it."""
    found = await beside_bare(ground, DOORS)
    transfers = ground.size(500_000, 5_000) * EACH
    keys, load = f"{transfers:,} transfers, contacts uniform", f"{CALLERS} callers"
    return [
        rounds.result(
            f"Balance of a contact, against a bare endpoint {control}",
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
