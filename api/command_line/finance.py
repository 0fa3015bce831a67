"""`pointmaster finance`: the reports a controller closes a month on, in the terminal or as JSON.

The one hard idea: a report that does not add up ends with exit status 1, so a script that closes
the month stops there.
"""

import sys
from collections.abc import Awaitable, Callable, Sequence
from datetime import datetime
from typing import Final, TypeVar
from zoneinfo import ZoneInfo

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from api.command_line.context import OUT, Opened, Told, opened, run
from api.command_line.group import Group
from api.command_line.instants import EFFECTIVE_AT, INSTANT, RECORDED_AT, Said
from api.configuration import Configuration
from api.documents.finance import (
    ageing_document,
    roll_forward_document,
    trial_balance_document,
)
from ledger.ageing import DAYS, Ageing, Band, BandsError, ageing
from ledger.amounts import format_amount
from ledger.identity import DefinitionId
from ledger.reading_as_of import FutureRecordError
from ledger.roll_forward import PeriodEmptyError, RollForward, roll_forward
from ledger.tenants import Catalogue, TenantRecord
from ledger.trial_balance import TrialBalance, trial_balance

Report = TypeVar("Report")

Shown = tuple[Report, Catalogue, ZoneInfo]
"""A report, and what it takes to show it."""

TENANT: Final = click.option("--tenant", required=True, help="Whose books.")
AS_JSON: Final = click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")


@click.group(cls=Group)
def finance() -> None:
    """Report what the program owes, and how it came to that."""


@finance.command(name="trial-balance")
@TENANT
@EFFECTIVE_AT
@RECORDED_AT
@AS_JSON
@click.pass_obj
def trial_balance_(
    told: Told,
    tenant: str,
    effective_at: Said | None,
    recorded_at: Said | None,
    *,
    as_json: bool,
) -> None:
    """Every ledger account, and whether both sides agree; exit status 1 if not."""

    async def make(books: Opened, record: TenantRecord) -> TrialBalance:
        return await trial_balance(
            books.connection,
            books.catalogue,
            record.id,
            effective_at=_end(effective_at, record),
            recorded_at=_end(recorded_at, record),
        )

    trial, catalogue, zone = run(_report(told.configuration(), tenant, make))
    if as_json:
        _print_json(trial_balance_document(trial, catalogue))
    else:
        _print_moment(trial.at, trial.recorded_at, zone)
        for one in trial.definitions:
            scale = catalogue.definitions[one.definition].scale
            table = _table(catalogue, one.definition, "debit", "credit")
            for line in one.lines:
                if line.debit or line.credit:
                    debit, credit = (_shown(side, scale) for side in (line.debit, line.credit))
                    table.add_row(line.account.word, debit, credit)
            table.add_section()
            table.add_row("contacts hold", "", format_amount(one.holders_side, scale))
            table.add_row("the program owes", "", format_amount(one.program_side, scale))
            OUT.print(table)
    _end_with(is_balanced=trial.is_balanced)


@finance.command(name="roll-forward")
@TENANT
@click.option(
    "--from",
    "begins",
    required=True,
    type=INSTANT,
    help="The first day, such as 2026-11-01: from midnight in the program's time zone. Or a time.",
)
@click.option(
    "--until",
    required=True,
    type=INSTANT,
    help="The first day that no longer belongs to it, such as 2026-12-01. Or a time.",
)
@RECORDED_AT
@AS_JSON
@click.pass_obj
def roll_forward_(
    told: Told,
    tenant: str,
    begins: Said,
    until: Said,
    recorded_at: Said | None,
    *,
    as_json: bool,
) -> None:
    """From the opening of a period to its closing; exit status 1 if it does not add up."""

    async def make(books: Opened, record: TenantRecord) -> RollForward:
        return await roll_forward(
            books.connection,
            books.catalogue,
            record.id,
            begins.begins(record.zone),
            until.begins(record.zone),
            recorded_at=_end(recorded_at, record),
        )

    rolled, catalogue, zone = run(_report(told.configuration(), tenant, make))
    if as_json:
        _print_json(roll_forward_document(rolled, catalogue))
    else:
        OUT.print(
            f"from {_local(rolled.begins, zone)} until {_local(rolled.until, zone)}"
            f"{_known(rolled.recorded_at, zone)}",
            highlight=False,
        )
        _print_rolled(rolled, catalogue)
    _end_with(is_balanced=rolled.is_balanced)


@finance.command(name="ageing")
@TENANT
@EFFECTIVE_AT
@RECORDED_AT
@click.option(
    "--days",
    default=",".join(map(str, DAYS)),
    show_default=True,
    help="Where bands end, in days, rising, parted by commas.",
)
@AS_JSON
@click.pass_obj
def ageing_(
    told: Told,
    tenant: str,
    effective_at: Said | None,
    recorded_at: Said | None,
    days: str,
    *,
    as_json: bool,
) -> None:
    """How old points are and how soon they lapse; exit status 1 if lots do not agree."""
    ends = _days(days)

    async def make(books: Opened, record: TenantRecord) -> Ageing:
        return await ageing(
            books.connection,
            books.catalogue,
            record.id,
            effective_at=_end(effective_at, record),
            recorded_at=_end(recorded_at, record),
            days=ends,
        )

    aged, catalogue, zone = run(_report(told.configuration(), tenant, make))
    if as_json:
        _print_json(ageing_document(aged, catalogue))
    else:
        _print_moment(aged.at, aged.recorded_at, zone)
        _print_aged(aged, catalogue)
    _end_with(is_balanced=aged.is_balanced)


async def _report(
    configuration: Configuration,
    tenant: str,
    make: Callable[[Opened, TenantRecord], Awaitable[Report]],
) -> Shown[Report]:
    async with opened(configuration) as books:
        record = books.tenant(tenant)
        try:
            return await make(books, record), books.catalogue, record.zone
        except (BandsError, FutureRecordError, PeriodEmptyError) as problem:
            raise click.ClickException(str(problem)) from None


def _print_rolled(rolled: RollForward, catalogue: Catalogue) -> None:
    for one in rolled.definitions:
        scale = catalogue.definitions[one.definition].scale
        table = _table(catalogue, one.definition, "to contacts", "from contacts", "net")
        table.add_row("opening balance", "", "", format_amount(one.opening.net, scale))
        for movement in one.movements:
            if movement.to_holders or movement.from_holders:
                table.add_row(
                    movement.account.word,
                    _shown(movement.to_holders, scale),
                    _shown(movement.from_holders, scale),
                    format_amount(movement.net, scale),
                )
        table.add_row(
            "closing balance", "", "", format_amount(one.closing.net, scale), style="bold"
        )
        table.add_section()
        for name in ("available", "pending", "held"):
            table.add_row(f"of it {name}", "", "", format_amount(getattr(one.closing, name), scale))
        table.add_row("opening debt", "", "", format_amount(one.opening.debt, scale))
        table.add_row("debt incurred", "", "", format_amount(one.debt_incurred, scale))
        table.add_row("debt settled", "", "", format_amount(-one.debt_settled, scale))
        table.add_row("closing debt", "", "", format_amount(one.closing.debt, scale))
        OUT.print(table)


def _print_aged(aged: Ageing, catalogue: Catalogue) -> None:
    for one in aged.definitions:
        scale = catalogue.definitions[one.definition].scale
        table = _table(catalogue, one.definition, "available", "pending")
        _add_bands(table, "issued", "ago", one.by_age, scale)
        table.add_section()
        _add_bands(table, "lapse in", "", one.by_expiry, scale)
        table.add_section()
        table.add_row(
            "together", format_amount(one.available, scale), format_amount(one.pending, scale)
        )
        table.add_row("on hold, in no band", format_amount(one.held, scale), "")
        table.add_row("debt, in no band", format_amount(one.debt, scale), "")
        OUT.print(table)


def _add_bands(table: Table, before: str, after: str, bands: Sequence[Band], scale: int) -> None:
    for band in bands:
        if band.days_from is None:
            said = "never lapse"
        elif band.days_to is None:
            said = f"{before} {band.days_from} days {after} and more"
        else:
            said = f"{before} {band.days_from} to {band.days_to} days {after}"
        available, pending = (_shown(points, scale) for points in (band.available, band.pending))
        table.add_row(" ".join(said.split()), available, pending)


def _table(catalogue: Catalogue, identifier: DefinitionId, *columns: str) -> Table:
    definition = catalogue.definitions[identifier]
    table = Table(f"{definition.engage_id} {escape(definition.name)}")
    for column in columns:
        table.add_column(column, justify="right")
    return table


def _print_moment(at: datetime, recorded_at: datetime | None, zone: ZoneInfo) -> None:
    OUT.print(f"as of {_local(at, zone)}{_known(recorded_at, zone)}", highlight=False)


def _known(recorded_at: datetime | None, zone: ZoneInfo) -> str:
    return "" if recorded_at is None else f", as known at {_local(recorded_at, zone)}"


def _local(moment: datetime, zone: ZoneInfo) -> str:
    return f"{moment.astimezone(zone):%Y-%m-%d %H:%M:%S} {zone.key}"


def _shown(points: int, scale: int) -> str:
    return format_amount(points, scale) if points else ""


def _end(said: Said | None, record: TenantRecord) -> datetime | None:
    return None if said is None else said.ends(record.zone)


def _days(written: str) -> list[int]:
    try:
        return [int(day) for day in written.split(",")]
    except ValueError:
        raise click.BadParameter("must be numbers parted by commas", param_hint="--days") from None


def _print_json(document: msgspec.Struct) -> None:
    click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())


def _end_with(*, is_balanced: bool) -> None:
    if not is_balanced:
        click.echo("The books do not add up: run `pointmaster verify`.", err=True)
        sys.exit(1)
