"""`pointmaster engage`: connect a tenant's Engage, see what it sent, load it by file.

The one hard idea: whoever connects an Engage needs sentences, not codes; so `check` says what was
tried, what was found and what to do, and its exit status says whether to go on.
"""

import logging
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, TypeVar
from uuid import UUID

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from api.command_line.context import ASIDE, OUT, Told, run
from api.command_line.group import Group
from api.command_line.person import checked_reason, person
from api.configuration import Configuration
from api.documents.sync import adjustment_document
from api.service import Role, open_service
from ledger.identity import ContactId
from sync.engage import DeliveryRecord, DeliveryState, Follower, NotReplayableError
from sync.engage.checking import Finding, Verdict, check_engage
from sync.engage.files.form import NotImportableError
from sync.engage.files.initial_load import (
    NoFileOfMovementsError,
    ReadBack,
    Written,
    read_back,
    write_files,
)
from sync.engage.self_check import check_doors
from sync.service import UnknownTenantError

Result = TypeVar("Result")

MARKS: Final = {
    Verdict.GOOD: "[green]good[/]  ",
    Verdict.BAD: "[red]bad[/]   ",
    Verdict.UNSURE: "[yellow]unsure[/]",
}


@click.group(cls=Group)
def engage() -> None:
    """Connect a tenant's Engage, see what it sent, load it by file."""


@engage.command()
@click.argument("tenant")
@click.option("--contact", type=UUID, help="Somebody of the program, to be read and compared.")
@click.option("--url", help="Where Engage reaches this service, as in https://points.example.com.")
@click.option("--no-doors", is_flag=True, help="Only look at Engage, not at our own doors.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def check(
    told: Told, tenant: str, contact: UUID | None, url: str | None, *, no_doors: bool, as_json: bool
) -> None:
    """Look whether TENANT's Engage can be reached and reaches us; 1 if something is wrong.

    Nothing is changed in Engage. The service must be running for its doors to be tried.
    """
    # What Engage answers is told in words below, that it does not know a contact included.
    logging.getLogger("sync.engage.client").setLevel(logging.ERROR)
    configuration = told.configuration()
    address = None if no_doors else url or _own_address(configuration)
    with ASIDE.status(f"Looking at the Engage of {tenant} …"):
        findings = run(_check(configuration, tenant, contact, address))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(findings)).decode())
    else:
        for one in findings:
            OUT.print(f"{MARKS[one.verdict]} {one.what}: {escape(one.said)}", highlight=False)
            if one.advice:
                OUT.print(f"       {escape(one.advice)}", highlight=False, style="dim")
    if any(one.verdict is Verdict.BAD for one in findings):
        sys.exit(1)


@engage.command()
@click.argument("tenant")
@click.option(
    "--state",
    type=click.Choice([one.value for one in DeliveryState if one is not DeliveryState.RECEIVED]),
    help="Only those of which this became.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=20, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="All that is known of them, as JSON.")
@click.pass_obj
def messages(told: Told, tenant: str, state: str | None, limit: int, *, as_json: bool) -> None:
    """List what Engage sent to TENANT, the latest first, and what became of it."""
    wanted = None if state is None else DeliveryState(state)

    async def look(follower: Follower) -> list[DeliveryRecord]:
        return await follower.deliveries(state=wanted, limit=limit)

    found = run(_with(told.configuration(), tenant, look))
    if as_json:
        documents = [adjustment_document(one) for one in found]
        click.echo(msgspec.json.format(msgspec.json.encode(documents)).decode())
        return
    table = Table("message", "received", "event", "became", "why", title=f"messages of {tenant}")
    for one in found:
        table.add_row(
            str(one.id),
            f"{one.received_at:%Y-%m-%d %H:%M:%S}Z",
            escape(one.event_type or "?"),
            one.state,
            escape(f"{one.reason}: {one.message}" if one.reason else one.message or ""),
        )
    OUT.print(table)


@engage.command()
@click.argument("tenant")
@click.argument("message", type=UUID, required=False)
@click.option("--reason", help="Only those set aside for this reason, such as undecryptable.")
@click.pass_obj
def replay(told: Told, tenant: str, message: UUID | None, reason: str | None) -> None:
    """Judge TENANT's quarantined messages again, or one of them, after mending the cause.

    Each is booked once, or stays where it is with its reason: exit status 1 if any does.
    """
    if message is not None and reason is not None:
        raise click.UsageError("give either a message or --reason")

    async def judge(follower: Follower) -> Counter[DeliveryState]:
        if message is None:
            return await follower.replay_all(reason)
        try:
            found = await follower.replay(message)
        except NotReplayableError as problem:
            raise click.ClickException(str(problem)) from None
        if found is None:
            raise click.ClickException(f"there is no message {message}")
        return Counter([found.state])

    states = run(_with(told.configuration(), tenant, judge))
    said = ", ".join(f"{number} {state}" for state, number in sorted(states.items()))
    OUT.print(f"{states.total()} judged again: {said}." if said else "Nothing is in quarantine.")
    if states[DeliveryState.QUARANTINED]:
        sys.exit(1)


@engage.command()
@click.argument("tenant")
@click.argument("message", type=UUID)
@click.option("--reason", required=True, help="Why it is not to be booked; it is kept.")
@click.pass_obj
def dismiss(told: Told, tenant: str, message: UUID, reason: str) -> None:
    """Leave a quarantined MESSAGE of TENANT unbooked for good, such as one that was a slip.

    It is no longer counted as quarantined, and is not booked if Engage sends it again.
    """
    checked_reason(reason)

    async def leave(follower: Follower) -> None:
        try:
            found = await follower.dismiss(message, person(), reason)
        except NotReplayableError as problem:
            raise click.ClickException(str(problem)) from None
        if found is None:
            raise click.ClickException(f"there is no message {message}")

    run(_with(told.configuration(), tenant, leave))
    OUT.print("It won't be booked.")


@engage.command(name="write-files")
@click.argument("tenant")
@click.argument("folder", type=click.Path(file_okay=False, path_type=Path))
@click.option(
    "--description", default="Opening balance", show_default=True, help="Shown on every row."
)
@click.pass_obj
def write_files_(told: Told, tenant: str, folder: Path, description: str) -> None:
    """Write TENANT's totals into FOLDER as files that Engage imports, 20,000 rows each."""

    async def write(follower: Follower) -> Written:
        try:
            return await write_files(follower.context, folder, description)
        except NoFileOfMovementsError as problem:
            raise click.ClickException(str(problem)) from None
        except OSError as problem:
            raise click.ClickException(f"{folder}: {problem.strerror}") from None

    with ASIDE.status("Writing …"):
        written = run(_with(told.configuration(), tenant, write))
    OUT.print(f"{written.rows} row(s) in {len(written.files)} file(s).", highlight=False)
    for definition, total in written.sums.items():
        OUT.print(f"Point definition {definition}: {total} in all.", highlight=False)


@engage.command(name="read-file")
@click.argument("tenant")
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def read_file(told: Told, tenant: str, file: Path) -> None:
    """Read FILE as Engage would, and compare it with TENANT's books; 1 if anything is amiss."""

    async def read(follower: Follower) -> ReadBack:
        try:
            return await read_back(follower.context, file)
        except (NotImportableError, UnicodeDecodeError) as problem:
            raise click.ClickException(f"{file}: {problem}") from None

    found = run(_with(told.configuration(), tenant, read))
    OUT.print(f"{found.rows} row(s) that Engage would take.", highlight=False)
    for definition, total in found.sums.items():
        OUT.print(f"Point definition {definition}: {total} in all.", highlight=False)
    for bad in found.bad:
        OUT.print(f"[red]line {bad.line}[/] {escape(bad.reason)}", highlight=False)
    for one in found.differing:
        said = f"{one.row.contact} has {one.books} in the books, {one.row.amount} here"
        OUT.print(f"[yellow]line {one.row.line}[/] {said}", highlight=False)
    if found.bad_count or found.differing_count:
        OUT.print(
            f"{found.bad_count} would not be taken; {found.differing_count} differ from the books."
        )
        sys.exit(1)
    OUT.print("[green]All as in the books.[/]")


async def _check(
    configuration: Configuration, tenant: str, contact: UUID | None, address: str | None
) -> list[Finding]:
    async def look(follower: Follower) -> list[Finding]:
        somebody = None if contact is None else ContactId(contact)
        findings = await check_engage(follower.context, somebody)
        if address is not None:
            findings += await check_doors(follower.context, address, datetime.now(UTC))
        return findings

    return await _with(configuration, tenant, look)


async def _with(
    configuration: Configuration, tenant: str, do: Callable[[Follower], Awaitable[Result]]
) -> Result:
    """Do something with a tenant's Engage."""
    async with open_service(configuration, role=Role.API) as service:
        try:
            follower = service.synchronisation.follower(tenant)
        except UnknownTenantError as problem:
            raise click.ClickException(str(problem)) from None
        return await do(follower)


def _own_address(configuration: Configuration) -> str:
    """Where the service listens, as the configuration says."""
    section = configuration.service
    host = {"0.0.0.0": "127.0.0.1", "::": "[::1]"}.get(section.host, section.host)  # noqa: S104 - not bound here: whoever listens everywhere listens here too
    return f"http://{host}:{section.port}"
