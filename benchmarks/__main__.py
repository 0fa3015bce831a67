"""`python -m benchmarks`: ask all questions, or some, and print one table.

The one hard idea: a question is a module with `async def measure(ground) -> list[Result]`, its name
the module's. Whatever fails to be measured counts as missed, and the others are asked all the same.
"""

import sys
import traceback
from collections.abc import Awaitable, Callable
from importlib import import_module
from pathlib import Path
from time import monotonic
from typing import Final, cast

import click
import uvloop
from rich.console import Console

from api.garbage import look_seldom
from benchmarks.ground import Ground, load_average, machine
from benchmarks.result import Result
from benchmarks.table import show
from ledger.postgres import start

QUESTIONS: Final = (
    "posting_uniform",
    "posting_mixed",
    "posting_one_contact",
    "roll_ups",
    "http_batch",
    "http_single",
    "one_caller",
    "points_log",
    "points_log_size",
    "balance_read",
    "large_books",
    "as_of_balance",
    "trial_balance_instant",
    "engage_push",
    "drift",
    "sweep",
    "verify",
    "import_",
    "export",
    "relay_receiving",
    "workers",
    "bytes_per_transaction",
)
"""In the order of the table."""

ABOUT_SIZE: Final = frozenset(
    {
        "points_log_size",
        "large_books",
        "trial_balance_instant",
        "workers",
        "bytes_per_transaction",
    }
)
"""Left out in a hurry unless named: in small books they ask nothing, or have no goal."""

FOLDER: Final = Path("var/benchmarks")

Measure = Callable[[Ground], Awaitable[list[Result]]]


@click.command()
@click.argument("names", nargs=-1)
@click.option("--quick", is_flag=True, help="Small sizes and few rounds: a rough answer soon.")
@click.option(
    "--size", "factor", type=float, default=1.0, help="What full sizes are multiplied by."
)
@click.option(
    "--rounds", type=click.IntRange(1, 100), help="How often ours and control take turns."
)
@click.option("--major", type=int, default=18, show_default=True, help="PostgreSQL's version.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    default=FOLDER,
    show_default=True,
    help="Where the benchmarks' own server keeps its data between runs.",
)
def main(
    names: tuple[str, ...],
    factor: float,
    rounds: int | None,
    major: int,
    folder: Path,
    *,
    quick: bool,
) -> None:
    """Measure; NAMES are questions, all if there are none."""
    unknown = [name for name in names if name not in QUESTIONS]
    if unknown:
        raise click.ClickException(f"no such question: {', '.join(unknown)}")
    console = Console(width=None if sys.stdout.isatty() else 170)
    before = load_average()
    folder.mkdir(parents=True, exist_ok=True)
    server = start((folder / f"postgres-{major}").absolute(), major=major)
    try:
        ground = Ground(server, quick, factor, rounds or (2 if quick else 5))
        results, failed, settings = uvloop.run(_ask(ground, names or _all(quick=quick)))
    finally:
        server.stop()
    show(console, results, machine=machine(), settings=settings, load_before=before)
    for name in failed:
        console.print(f"[red]could not be measured[/]  {name}", highlight=False)
    if failed or not all(result.is_reached for result in results):
        sys.exit(1)


def _all(*, quick: bool) -> tuple[str, ...]:
    return tuple(name for name in QUESTIONS if not (quick and name in ABOUT_SIZE))


async def _ask(
    ground: Ground, names: tuple[str, ...]
) -> tuple[list[Result], list[str], dict[str, str]]:
    await ground.drop_leftovers()
    results: list[Result] = []
    failed: list[str] = []
    settings = await ground.settings()
    look_seldom()
    for name in names:
        started = monotonic()
        ground.say(name)
        try:
            measure = cast("Measure", import_module(f"benchmarks.{name}").measure)
            results += await measure(ground)
        except Exception:  # noqa: BLE001  # one question must not keep the others from being asked
            traceback.print_exc()
            failed.append(name)
        ground.say(f"{name} took {monotonic() - started:.0f} s")
    await ground.close()
    return results, failed, settings


if __name__ == "__main__":
    main()
