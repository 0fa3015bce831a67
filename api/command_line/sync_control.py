"""`pointmaster sync …`: take the sync in hand, and look into it.

The one hard idea: every command works on the database alone, so it holds for all replicas of the
service, whether they run or not.
"""

from collections.abc import Awaitable, Callable
from datetime import datetime
from decimal import Decimal
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import click
from rich.markup import escape
from rich.table import Table

from api.command_line.context import ASIDE, OUT, Told, run
from api.command_line.person import checked_reason, person
from api.service import Role, open_service
from ledger.amounts import Points, format_amount
from ledger.identity import ContactId, DefinitionId
from sync.engage import Follower
from sync.engage.pauses import Direction
from sync.service import UnknownTenantError

LISTED = click.IntRange(1, 1000)

Result = TypeVar("Result")


@click.command()
@click.argument("tenant")
@click.argument("direction", type=click.Choice(list(Direction), case_sensitive=False))
@click.option("--reason", help="Why, for whoever wonders.")
@click.pass_obj
def pause(told: Told, tenant: str, direction: Direction, reason: str | None) -> None:
    """Stop DIRECTION of TENANT's sync, on all replicas and over restarts, until it is resumed."""
    if reason is not None:
        checked_reason(reason)
    stopped = _with(told, tenant, lambda follower: follower.pause(direction, person(), reason))
    OUT.print(f"{direction} is stopped." if stopped else f"{direction} was stopped already.")


@click.command()
@click.argument("tenant")
@click.argument("direction", type=click.Choice(list(Direction), case_sensitive=False))
@click.pass_obj
def resume(told: Told, tenant: str, direction: Direction) -> None:
    """Let DIRECTION of TENANT's sync go on; what was kept meanwhile is told or booked."""

    async def go_on(follower: Follower) -> tuple[bool, int]:
        was_stopped = await follower.resume(direction)
        booked = await follower.catch_up() if direction is Direction.ADJUSTMENTS else 0
        return was_stopped, booked

    was_stopped, booked = _with(told, tenant, go_on)
    OUT.print(f"{direction} goes on." if was_stopped else f"{direction} was not stopped.")
    if booked:
        OUT.print(f"{booked} message(s) that came meanwhile were judged.")


@click.command()
@click.argument("tenant")
@click.option("--bodies", type=click.Path(file_okay=False), help="A folder for the exact bytes.")
@click.pass_obj
def rehearse(told: Told, tenant: str, bodies: str | None) -> None:
    """Show what would be sent for TENANT now, and send nothing: a dry run."""
    found = _with(told, tenant, lambda follower: follower.rehearse())
    if found.paused:
        OUT.print(f"[yellow]Nothing would be sent:[/] {escape(found.paused)}")
    table = Table("request", "rows", "to", "state")
    for number, request in enumerate(found.requests, start=1):
        state = "stored already" if request.was_stored else "new"
        table.add_row(str(number), str(request.row_count), request.path, state)
        if bodies is not None:
            folder = Path(bodies)
            folder.mkdir(parents=True, exist_ok=True)
            folder.joinpath(f"{number:03}.json").write_bytes(request.body)
    OUT.print(table)
    OUT.print(f"{found.unchanged} marked account(s) have nothing new to tell.")


@click.command()
@click.argument("tenant")
@click.option("--limit", type=LISTED, default=100, show_default=True)
@click.pass_obj
def parked(told: Told, tenant: str, limit: int) -> None:
    """List what Engage does not take of TENANT, with its reasons."""

    async def look(follower: Follower) -> Table:
        table = Table("row", "contact", "points", "at", "tried again", "reason")
        for one in await follower.parked(limit=limit):
            table.add_row(
                "total" if one.id is None else str(one.id),
                str(one.contact or "nobody"),
                _points(follower, one.definition, one.amount),
                _when(one.at),
                _when(one.retry_at) or "when asked",
                escape(one.reason),
            )
        return table

    OUT.print(_with(told, tenant, look))


@click.command()
@click.argument("tenant")
@click.option("--row", "rows", type=int, multiple=True, help="Only this movement; repeatable.")
@click.option(
    "--contact", "contacts", type=click.UUID, multiple=True, help="Only this one's; repeatable."
)
@click.pass_obj
def retry(told: Told, tenant: str, rows: tuple[int, ...], contacts: tuple[UUID, ...]) -> None:
    """Try again what is parked of TENANT: all of it, unless it says which."""

    async def go(follower: Follower) -> int:
        retried = 0
        if rows:
            retried += await follower.retry_parked(rows=rows)
        if contacts:
            retried += await follower.retry_parked(contacts=[ContactId(one) for one in contacts])
        return retried if rows or contacts else await follower.retry_parked()

    OUT.print(f"{_with(told, tenant, go)} parked one(s) will be told by the next push.")


@click.command()
@click.argument("tenant")
@click.argument("contact", type=click.UUID)
@click.option("--limit", type=LISTED, default=50, show_default=True)
@click.pass_obj
def record(told: Told, tenant: str, contact: UUID, limit: int) -> None:
    """Show who told whom what about CONTACT, and when, the latest first."""

    async def look(follower: Follower) -> Table:
        table = Table("at", "who", "what", "points", "state", "settled", "said")
        for one in await follower.record_of(ContactId(contact), limit=limit):
            is_known = one.definition is not None and one.amount is not None
            table.add_row(
                _when(one.at),
                one.teller,
                one.what,
                _points(follower, one.definition, one.amount) if is_known else "",
                one.state,
                _when(one.settled_at),
                escape(one.message or ""),
            )
        return table

    OUT.print(_with(told, tenant, look))


@click.command()
@click.argument("tenant")
@click.option("--open", "only_open", is_flag=True, help="Only those that still differ.")
@click.option("--limit", type=LISTED, default=50, show_default=True)
@click.pass_obj
def differences(told: Told, tenant: str, limit: int, *, only_open: bool) -> None:
    """List where the Engage of TENANT had something else than the books, the latest first."""

    async def look(follower: Follower) -> Table:
        table = Table("found", "contact", "Engage", "books", "repaired", "why not", "closed")
        for one in await follower.differences(only_open=only_open, limit=limit):
            table.add_row(
                _when(one.found_at),
                str(one.contact or "nobody"),
                _engages(one.engage_total),
                _points(follower, one.definition, one.books_total),
                _when(one.repaired_at),
                escape(one.unrepaired or ""),
                _when(one.closed_at),
            )
        return table

    OUT.print(_with(told, tenant, look))


@click.command()
@click.argument("tenant")
@click.option("--limit", type=LISTED, default=50, show_default=True)
@click.pass_obj
def gone(told: Told, tenant: str, limit: int) -> None:
    """List contacts of TENANT that Engage has no more; `pointmaster contacts` merges or erases."""
    table = Table("noticed", "contact", "leads to", "decision", "said")
    for one in _with(told, tenant, lambda follower: follower.gone(limit=limit)):
        table.add_row(
            _when(one.noticed_at),
            str(one.contact),
            str(one.into or ""),
            one.decision,
            escape(one.message or ""),
        )
    OUT.print(table)


COMMANDS: Final = (pause, resume, rehearse, parked, retry, record, differences, gone)
"""Those of the group `sync` that are here."""


def _with(told: Told, tenant: str, do: Callable[[Follower], Awaitable[Result]]) -> Result:
    """Do something with a tenant's Engage."""
    configuration = told.configuration()

    async def done() -> Result:
        async with open_service(configuration, role=Role.API) as service:
            try:
                follower = service.synchronisation.follower(tenant)
            except UnknownTenantError as problem:
                raise click.ClickException(str(problem)) from None
            return await do(follower)

    with ASIDE.status(f"Asking the books of {tenant} …"):
        return run(done())


def _points(follower: Follower, definition: DefinitionId | None, amount: int | None) -> str:
    if definition is None or amount is None:
        return ""
    found = follower.context.definitions[definition]
    return f"{format_amount(Points(amount), found.scale)} {found.name}"


def _engages(total: Decimal | None) -> str:
    return "no account" if total is None else f"{total:f}"


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
