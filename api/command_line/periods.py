"""`pointmaster periods`: close months for good, and see which are closed."""

from datetime import datetime
from zoneinfo import ZoneInfo

import click
from rich.table import Table

from api.command_line.context import OUT, Told, opened, opened_books, run
from api.command_line.group import Group
from api.command_line.instants import INSTANT, Said
from api.configuration import Configuration
from ledger.periods import Period, PeriodError, periods_of


@click.group(cls=Group)
def periods() -> None:
    """Close periods, and see which are closed."""


@periods.command()
@click.option("--tenant", required=True, help="Whose books.")
@click.option(
    "--until",
    required=True,
    type=INSTANT,
    help="The first day that stays open, such as 2026-12-01 for the end of November: midnight in "
    "the program's time zone. Or a time with its offset.",
)
@click.pass_obj
def close(told: Told, tenant: str, until: Said) -> None:
    """Close the books up to a day, for good: what comes later is booked at its beginning."""
    boundary = run(_close(told.configuration(), tenant, until))
    OUT.print(f"The books of {tenant} are closed up to {_when(boundary)}.", highlight=False)


@periods.command(name="list")
@click.option("--tenant", required=True, help="Whose books.")
@click.pass_obj
def list_(told: Told, tenant: str) -> None:
    """Show what is closed, the latest first."""
    found, zone = run(_list(told.configuration(), tenant))
    table = Table("closed up to", f"in {zone.key}", "closed at")
    for period in found:
        local = period.closed_until.astimezone(zone)
        table.add_row(
            _when(period.closed_until), f"{local:%Y-%m-%d %H:%M}", _when(period.closed_at)
        )
    OUT.print(table)


async def _close(configuration: Configuration, tenant: str, until: Said) -> datetime:
    async with opened_books(configuration) as opened_:
        record = opened_.tenant(tenant)
        boundary = until.begins(record.zone)
        try:
            await opened_.books.close_period(record.id, boundary)
        except PeriodError as problem:
            raise click.ClickException(str(problem)) from None
        return boundary


async def _list(configuration: Configuration, tenant: str) -> tuple[list[Period], ZoneInfo]:
    async with opened(configuration) as books:
        record = books.tenant(tenant)
        return await periods_of(books.connection, record.id), record.zone


def _when(moment: datetime) -> str:
    return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
