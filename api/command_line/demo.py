"""`pointmaster demo`: see all of it at work, with a shop's year of purchases.

The one hard idea: what the demo is made of is loaded only when the demo is run, so that a service
in production never carries it. Starting and ending is here; what happens in between is the story.
"""

import os
from pathlib import Path

import click

from api.command_line.context import run

CUSTOMERS_MAX = 4372
"""All of the shop's."""

BATCH_MAX = 1000


@click.command()
@click.option("--once", is_flag=True, help="End after the summary; exit status 0 if all holds.")
@click.option(
    "--folder",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("var/demo"),
    show_default=True,
    help="Where everything is kept; remove it to begin anew.",
)
@click.option(
    "--port",
    type=click.IntRange(0, 65_535),
    help="Where the service listens; else 8080, or any other if that is taken.",
)
@click.option(
    "--customers",
    type=click.IntRange(10, CUSTOMERS_MAX),
    default=CUSTOMERS_MAX,
    show_default=True,
    help="Only the first so many customers of the shop.",
)
@click.option(
    "--batch",
    type=click.IntRange(1, BATCH_MAX),
    default=BATCH_MAX,
    show_default=True,
    help="How many postings the shop sends in one request.",
)
@click.option(
    "--postgres",
    type=click.Choice(["16", "18"]),
    default="18",
    show_default=True,
    help="The version of PostgreSQL to run.",
)
@click.pass_context
def demo(
    context: click.Context,
    folder: Path,
    port: int | None,
    customers: int,
    batch: int,
    postgres: str,
    *,
    once: bool,
) -> None:
    """Run a shop's year of purchases through everything, and prove the result."""
    from api.demonstration.stage import Wishes, demonstrate  # noqa: PLC0415 - see above

    wishes = Wishes(
        folder=folder,
        port=port,
        once=once,
        customers=customers,
        batch=batch,
        postgres=int(postgres),
    )
    if not run(demonstrate(wishes, os.environ)):
        context.exit(1)
