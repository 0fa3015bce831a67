"""`pointmaster verify`: prove that the books are right, or show where they are not."""

import sys

import click
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Table

from api.command_line.context import ASIDE, OUT, Opened, Told, opened, run
from api.configuration import Configuration
from ledger.auditing import Finding
from ledger.identity import TenantId
from ledger.invariants import FINDINGS_MAX, check


@click.command()
@click.option("--tenant", help="Only this tenant's books.")
@click.pass_obj
def verify(told: Told, tenant: str | None) -> None:
    """Recompute chains, numbers, balances and lots; exit status 1 if anything is not right."""
    findings = run(_verify(told.configuration(), tenant))
    broken = [finding for finding in findings if not finding.is_warning]
    if findings:
        OUT.print(_table(findings))
    if len(findings) >= FINDINGS_MAX:
        OUT.print(f"Stopped after {FINDINGS_MAX} findings.")
    if broken:
        OUT.print(f"[red]The books are not right: {len(broken)} finding(s).[/]")
        sys.exit(1)
    OUT.print("[green]The books are right.[/]")


async def _verify(configuration: Configuration, tenant: str | None) -> list[Finding]:
    async with opened(configuration) as books:
        return await _with_progress(books, None if tenant is None else books.tenant(tenant).id)


async def _with_progress(books: Opened, tenant: TenantId | None) -> list[Finding]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ASIDE, transient=True) as progress:
        bar = progress.add_task("transactions", total=None)

        def advance(audited: int, total: int) -> None:
            progress.update(bar, completed=audited, total=total)

        return await check(books.connection, books.catalogue, tenant=tenant, progress=advance)


def _table(findings: list[Finding]) -> Table:
    table = Table("rule", "where", "what")
    for finding in findings:
        rule = f"{finding.rule} (warning)" if finding.is_warning else str(finding.rule)
        table.add_row(rule, escape(finding.place), escape(finding.message))
    return table
