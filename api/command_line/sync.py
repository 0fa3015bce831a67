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
from api.command_line.group import Group
from api.command_line.sync_control import COMMANDS
from api.configuration import Configuration
from api.documents.following import status_document
from api.documents.sync import WAIT_SECONDS_MAX, run_document
from api.service import Role, open_service
from sync.engage import FollowerStatus
from sync.jobs import JobKind
from sync.runs import RunRecord, RunState
from sync.service import JobStatus, UnknownTenantError

NOT_WELL = 1
PARKED = 3
"""Exit status of a push after which Engage has all but what it does not take; 2 is click's own."""

NEVER_YEAR = 1970
"""When accounts were compared that never were."""


@click.group(cls=Group)
def sync() -> None:
    """Push to Engage now, see how the sync stands, and take it in hand."""


for command in COMMANDS:
    sync.add_command(command)


@sync.command(name="run")
@click.argument("tenant")
@click.option(
    "--wait",
    "wait_seconds",
    type=click.IntRange(1, WAIT_SECONDS_MAX),
    default=WAIT_SECONDS_MAX,
    show_default=True,
    help="Seconds to wait until it is done: of a push, until Engage has what the books have.",
)
@click.option(
    "--job",
    "kind",
    type=click.Choice(list(JobKind), case_sensitive=False),
    default=JobKind.PUSH,
    show_default=JobKind.PUSH.value,
    help="What to do.",
)
@click.option(
    "--everything",
    is_flag=True,
    help="Push all there is, not only what changed: for a first load, or where Engage may have "
    "lost or changed something. Movements that were told are not told again.",
)
@click.option("--json", "as_json", is_flag=True, help="The run as JSON, for programs.")
@click.pass_obj
def run_(
    told: Told, tenant: str, wait_seconds: int, kind: JobKind, *, everything: bool, as_json: bool
) -> None:
    """Push what changed for TENANT, or do another job; the exit status says whether all is well.

    Of a push: 0 when Engage has what the books have, 3 when it has but for rows that it does not
    take (they are parked), 1 otherwise. Of any other job: 0 when it met no trouble, else 1.
    """
    configuration = told.configuration()
    with ASIDE.status(f"Running {kind.value} for {tenant} …"):
        record = run(_run(configuration, tenant, wait_seconds, kind, everything=everything))
    parked = int((record.summary or {}).get("parked", 0))
    is_well = record.state is RunState.DONE and (
        bool((record.summary or {}).get("is_complete"))
        if kind is JobKind.PUSH
        else record.error is None
    )
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(run_document(record))).decode())
    elif kind is JobKind.PUSH:
        _show_push(record, tenant, parked, is_complete=is_well)
    else:
        _show_run(record)
    if not is_well:
        sys.exit(NOT_WELL)
    if kind is JobKind.PUSH and parked:
        sys.exit(PARKED)


@sync.command()
@click.argument("tenant")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def status(told: Told, tenant: str, *, as_json: bool) -> None:
    """Show how the sync of TENANT stands: what is to be sent, what ran, is due, failed and why."""
    found, jobs = run(_status(told.configuration(), tenant))
    if as_json:
        document = status_document(found, jobs)
        click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
        return
    _show_status(found)
    table = Table("job", "timing", "last run", "was", "last well", "due", "trouble")
    for job in jobs:
        latest = job.latest
        table.add_row(
            job.kind,
            job.timing,
            "never" if latest is None else _when(latest.started_at or latest.asked_at),
            "" if latest is None else latest.state,
            _when(job.well_at),
            _when(job.next_due_at) + (" [red]late[/]" if job.is_late else ""),
            "" if latest is None else escape(latest.error or ""),
        )
    OUT.print(table)
    if any(job.is_late for job in jobs):
        OUT.print("What is late was not started by anybody: does `pointmaster serve` run?")


async def _run(
    configuration: Configuration,
    tenant: str,
    wait_seconds: int,
    kind: JobKind,
    *,
    everything: bool,
) -> RunRecord:
    """The run, as it stands when it is no longer waited for."""
    async with open_service(configuration, role=Role.API) as service:
        try:
            follower = service.synchronisation.follower(tenant)
            if everything and kind is JobKind.PUSH:
                await follower.push_everything()
            return await service.synchronisation.run_now(tenant, kind, wait_seconds=wait_seconds)
        except UnknownTenantError as problem:
            raise click.ClickException(str(problem)) from None


async def _status(
    configuration: Configuration, tenant: str
) -> tuple[FollowerStatus, list[JobStatus]]:
    async with open_service(configuration, role=Role.API) as service:
        try:
            follower = service.synchronisation.follower(tenant)
            jobs = await service.synchronisation.jobs(tenant)
        except UnknownTenantError as problem:
            raise click.ClickException(str(problem)) from None
        return await follower.status(), jobs


def _show_run(record: RunRecord) -> None:
    numbers = ", ".join(
        f"{name} {value}" for name, value in (record.summary or {}).items() if value is not None
    )
    OUT.print(f"Run {record.id} is {record.state}: {escape(numbers)}", highlight=False)
    if record.error:
        OUT.print(f"[red]trouble[/] {escape(record.error)}", highlight=False)


def _show_push(record: RunRecord, tenant: str, parked: int, *, is_complete: bool) -> None:
    push = (record.summary or {}).get("push", {})
    OUT.print(
        f"Run {record.id} is {record.state}: {push.get('sent', 0)} request(s) with "
        f"{push.get('rows', 0)} account(s) sent, {push.get('unchanged', 0)} unchanged.",
        highlight=False,
    )
    if record.error:
        OUT.print(f"[red]trouble[/] {escape(record.error)}", highlight=False)
    if is_complete and parked:
        OUT.print(
            f"Engage has what the books have, but for {parked} that it does not take: "
            f"`pointmaster sync parked {escape(tenant)}` says which, and why.",
            highlight=False,
        )
    elif is_complete:
        OUT.print("[green]Engage has what the books have.[/]")
    else:
        OUT.print("Engage does not have everything yet; `pointmaster sync status` says more.")


def _show_status(found: FollowerStatus) -> None:
    table = Table("", "", show_header=False)
    table.add_row("changes to send", str(found.marked))
    for state, unfinished in found.unfinished.items():
        said = f"{unfinished.batches} batch(es), {unfinished.rows} account(s)"
        table.add_row(state, f"{said}, next looked at {_when(unfinished.next_action_at)}")
    if found.stuck:
        table.add_row("[red]stuck batches[/]", str(found.stuck))
    table.add_row("parked", str(found.parked))
    oldest = found.drift.oldest
    compared = "never" if oldest is None or oldest.year == NEVER_YEAR else _when(oldest)
    table.add_row(
        "accounts that differ", f"{found.drift.differing}, by {found.drift.size:f} points"
    )
    table.add_row("all compared since", compared)
    for pause in found.paused:
        reason = f": {escape(pause.reason)}" if pause.reason else ""
        said = f"since {_when(pause.paused_at)} by {escape(pause.paused_by)}{reason}"
        table.add_row(f"[yellow]{pause.direction} is stopped[/]", said)
    for state, number in found.deliveries.items():
        table.add_row(f"messages {state}", str(number))
    if found.put_off_until is not None:
        table.add_row("sending goes on", _when(found.put_off_until))
    if found.trouble:
        table.add_row("trouble", escape(found.trouble))
    OUT.print(table)


def _when(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S}Z"
