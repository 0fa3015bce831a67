"""`pointmaster sync`: push to Engage by hand or from an outside scheduler, and see how it stands.

The one hard idea: a run started here goes through the same locks and the same record as those of
the service, so cron may call it while the service keeps its own schedule.
"""

import sys
from datetime import datetime

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from api.command_line.context import ASIDE, OUT, Told, run
from api.configuration import Configuration
from api.documents.sync import WAIT_SECONDS_MAX, run_document, status_document
from api.service import Role, open_service
from sync.engage import FollowerStatus
from sync.runs import RunRecord, RunState
from sync.service import UnknownTenantError

RUNS_SHOWN = 10


@click.group()
def sync() -> None:
    """Push to Engage now, and see how the sync stands."""


@sync.command(name="run")
@click.argument("tenant")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(1, WAIT_SECONDS_MAX),
    default=WAIT_SECONDS_MAX,
    show_default=True,
    help="Seconds to wait until Engage has what the books have.",
)
@click.option(
    "--everything",
    is_flag=True,
    help="Push all totals, not only changed ones: where Engage may have lost or changed some.",
)
@click.option("--json", "as_json", is_flag=True, help="The run as JSON, for programs.")
@click.pass_obj
def run_(told: Told, tenant: str, wait_seconds: int, *, everything: bool, as_json: bool) -> None:
    """Push what changed for TENANT; exit status 1 unless Engage has it all in the end."""
    configuration = told.configuration()
    with ASIDE.status(f"Pushing to the Engage of {tenant} …"):
        record = run(_run(configuration, tenant, wait_seconds, everything=everything))
    is_complete = record.state is RunState.DONE and bool((record.summary or {}).get("is_complete"))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(run_document(record))).decode())
    else:
        _show_run(record, is_complete=is_complete)
    if not is_complete:
        sys.exit(1)


@sync.command()
@click.argument("tenant")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def status(told: Told, tenant: str, *, as_json: bool) -> None:
    """Show what is still to be sent for TENANT, what is on its way, and what ran last."""
    found, ran = run(_status(told.configuration(), tenant))
    if as_json:
        document = status_document(found, {})
        click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
        return
    _show_status(found)
    table = Table("kind", "cause", "state", "asked", "finished", "trouble", title="last runs")
    for one in ran:
        table.add_row(
            one.kind,
            one.cause,
            one.state,
            _when(one.asked_at),
            _when(one.finished_at),
            escape(one.error or ""),
        )
    OUT.print(table)


async def _run(
    configuration: Configuration, tenant: str, wait_seconds: int, *, everything: bool
) -> RunRecord:
    async with open_service(configuration, role=Role.API) as service:
        try:
            if everything:
                await service.synchronisation.follower(tenant).push_everything()
            return await service.synchronisation.run_now(tenant, wait_seconds=wait_seconds)
        except UnknownTenantError as problem:
            raise click.ClickException(str(problem)) from None


async def _status(
    configuration: Configuration, tenant: str
) -> tuple[FollowerStatus, list[RunRecord]]:
    async with open_service(configuration, role=Role.API) as service:
        try:
            follower = service.synchronisation.follower(tenant)
            ran = await service.synchronisation.runs(tenant, limit=RUNS_SHOWN)
        except UnknownTenantError as problem:
            raise click.ClickException(str(problem)) from None
        return await follower.status(), ran


def _show_run(record: RunRecord, *, is_complete: bool) -> None:
    push = (record.summary or {}).get("push", {})
    OUT.print(
        f"Run {record.id} is {record.state}: {push.get('sent', 0)} request(s) with "
        f"{push.get('rows', 0)} account(s) sent, {push.get('unchanged', 0)} unchanged.",
        highlight=False,
    )
    if record.error:
        OUT.print(f"[red]trouble[/] {escape(record.error)}", highlight=False)
    if is_complete:
        OUT.print("[green]Engage has what the books have.[/]")
    else:
        OUT.print("Engage does not have everything yet; `pointmaster sync status` says more.")


def _show_status(found: FollowerStatus) -> None:
    table = Table("", "", show_header=False)
    table.add_row("changes to send", str(found.marked))
    for state, unfinished in found.unfinished.items():
        said = f"{unfinished.batches} batch(es), {unfinished.rows} account(s)"
        table.add_row(state, f"{said}, next looked at {_when(unfinished.next_action_at)}")
    table.add_row("parked accounts", str(found.parked))
    for state, number in found.deliveries.items():
        table.add_row(f"messages {state}", str(number))
    if found.put_off_until is not None:
        table.add_row("sending goes on", _when(found.put_off_until))
    if found.trouble:
        table.add_row("trouble", escape(found.trouble))
    OUT.print(table)


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
