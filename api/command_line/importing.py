"""`pointmaster import`: bring balances or a whole history in from a file.

The one hard idea: it may be ended at any moment and begun again with the same words; what is booked
is booked once. So there is nothing to clean up after, and no state but the books.
"""

import shlex
import sys
import time
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Self

import click
from rich.markup import escape
from rich.progress import (
    BarColumn,
    Progress,
    TaskProgressColumn,
    TextColumn,
    TimeRemainingColumn,
)
from rich.table import Table

from api.command_line.context import ASIDE, OUT, Told, opened_books, run
from api.configuration import Configuration
from api.garbage import look_seldom
from api.importing.columns import FileKind, HeaderError
from api.importing.engage_members import members_of
from api.importing.members import MemberNumbers, MembersUnknownError
from api.importing.register import OtherNameError, begin, count_booked
from api.importing.rejects import Rejects, writing_rejects
from api.importing.rows import NAME_LENGTH_MAX
from api.importing.run import Import
from api.importing.source import Source, SourceError, hash_of, open_source
from api.importing.tally import Tally
from api.intake.checks import text
from api.parquet import ParquetMissingError
from ledger.amounts import format_amount
from ledger.connection import Pool
from ledger.posting import Books
from ledger.tenants import Catalogue, TenantRecord


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for.

    Attributes:
        rejects: Where rejected rows go; `None` for nowhere.
    """

    path: Path
    tenant: str
    kind: FileKind | None
    name: str | None
    rejects: Path | None
    another: bool
    dry_run: bool


@click.command(name="import")
@click.argument("file", type=click.Path(path_type=Path, exists=True, dir_okay=False))
@click.option("--tenant", required=True, help="Whose books.")
@click.option(
    "--kind",
    type=click.Choice([kind.value for kind in FileKind]),
    help="What the rows are; else transactions if there is a column `kind`.",
)
@click.option(
    "--name",
    help="What the import is called: a row is booked once under one name. Else the SHA-256 of the "
    "file's content.",
)
@click.option(
    "--rejected",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Where rejected rows go, instead of a file beside FILE.",
)
@click.option(
    "--another", is_flag=True, help="Mean it that this is another import than those before."
)
@click.option("--dry-run", is_flag=True, help="Check every row and book nothing.")
@click.pass_obj
def import_(
    told: Told,
    file: Path,
    tenant: str,
    kind: str | None,
    name: str | None,
    rejected: Path | None,
    *,
    another: bool,
    dry_run: bool,
) -> None:
    """Book the rows of FILE, a CSV or Parquet file; exit status 1 if some were rejected.

    Ended before its end, begin it again with the same words: rows that are booked are recognised.
    """
    if name is not None and (finding := text(NAME_LENGTH_MAX)(name)):
        raise click.BadParameter(finding[1], param_hint="--name")
    wishes = Wishes(
        path=file,
        tenant=tenant,
        kind=None if kind is None else FileKind(kind),
        name=name,
        rejects=_rejects_path(file, rejected, dry_run=dry_run),
        another=another,
        dry_run=dry_run,
    )
    try:
        tally = run(_import(told.configuration(), wishes))
    except HeaderError as problem:
        lines = "\n".join(f"  {mistake}" for mistake in problem.mistakes)
        raise click.ClickException(f"{file} can't be imported; it\n{lines}") from None
    except (MembersUnknownError, OtherNameError, ParquetMissingError, SourceError) as problem:
        raise click.ClickException(str(problem)) from None
    if tally.rejected:
        sys.exit(1)


def _rejects_path(file: Path, wanted: Path | None, *, dry_run: bool) -> Path | None:
    """Where rejected rows go; a file that somebody may be correcting is never written over."""
    if wanted is not None:
        if wanted.exists() and wanted.samefile(file):
            raise click.BadParameter("is the file to import itself", param_hint="--rejected")
        return wanted
    if dry_run:
        return None
    path = file.with_name(f"{file.stem}.rejected.csv")
    if path.exists():
        raise click.ClickException(
            f"{path} is there from an earlier import: move it away, or say with --rejected where "
            "rejected rows go"
        )
    return path


async def _import(configuration: Configuration, wishes: Wishes) -> Tally:
    async with opened_books(configuration) as opened:
        record, books = opened.tenant(wishes.tenant), opened.books
        async with members_of(configuration, books, record) as members:
            work = await _run(wishes, books, record, members)
        return work.tally


async def _run(
    wishes: Wishes, books: Books, tenant: TenantRecord, members: MemberNumbers | None
) -> Import:
    """Import the file and say what came of it, however it ended."""
    look_seldom()
    with _Bar() as bar, open_source(wishes.path, wishes.kind) as source:
        name = wishes.name or bar.hash(wishes.path)
        work = Import(
            books,
            tenant.id,
            name,
            post=not wishes.dry_run,
            progress=bar.advance,
            members=members,
        )
        work.check(source)
        is_end = False
        try:
            with writing_rejects(wishes.rejects, source) as rejects:
                if wishes.dry_run:
                    await work.run(source, rejects)
                else:
                    await _registered(work, wishes, source, rejects, books.pool)
            is_end = True
        finally:
            bar.close()
            if work.tally.read:
                _show(work, wishes, books.catalogue, bar.seconds, is_end=is_end)
    return work


async def _registered(
    work: Import, wishes: Wishes, source: Source, rejects: Rejects, pool: Pool
) -> None:
    """Book the file under its name, which is entered first."""
    async with pool.acquire() as connection:
        await begin(
            connection,
            work.tenant,
            work.name,
            source.layout.kind,
            wishes.path.name,
            # Rows with keys of their own are the same under any name.
            another=wishes.another or "idempotencyKey" in source.header,
        )
    is_end = False
    try:
        await work.run(source, rejects)
        is_end = True
    finally:
        async with pool.acquire() as connection:
            await count_booked(connection, work.tenant, work.name, work.tally.booked, is_end=is_end)


class _Bar:
    """Says how far the import is, how fast, and how long it will take."""

    def __init__(self) -> None:
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TextColumn("{task.fields[said]}"),
            TimeRemainingColumn(),
            console=ASIDE,
            transient=True,
        )
        self._started = time.monotonic()
        self._bar = self._progress.add_task("rows", total=1.0, said="", visible=False)

    def __enter__(self) -> Self:
        self._progress.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def seconds(self) -> float:
        """Since the first row."""
        return max(0.001, time.monotonic() - self._started)

    def close(self) -> None:
        """Take it off the screen."""
        with suppress(Exception):
            self._progress.stop()

    def hash(self, path: Path) -> str:
        """The hash of the file's content."""
        bar = self._progress.add_task("reading", total=path.stat().st_size, said="")
        found = hash_of(path, lambda count: self._progress.advance(bar, count))
        self._progress.remove_task(bar)
        self._started = time.monotonic()
        return found

    def advance(self, tally: Tally, share: float) -> None:
        """Show how far it is."""
        rejected = sum(tally.rejected.values())
        said = f"{tally.read:,} rows, {tally.read / self.seconds:,.0f} a second"
        if rejected:
            said += f", {rejected:,} rejected"
        self._progress.update(self._bar, completed=share, said=said, visible=True)


def _show(
    work: Import, wishes: Wishes, catalogue: Catalogue, seconds: float, *, is_end: bool
) -> None:
    """What became of the file, for a person."""
    tally = work.tally
    rejected = sum(tally.rejected.values())
    OUT.print(f"Import {escape(work.name)}", highlight=False, soft_wrap=True)
    table = Table("", "rows")
    table.columns[1].justify = "right"
    if wishes.dry_run:
        table.add_row("would be posted", f"{tally.unposted:,}")
    else:
        table.add_row("booked", f"{tally.booked:,}")
    table.add_row("in the books already", f"{tally.known:,}")
    table.add_row("rejected", f"{rejected:,}")
    table.add_row("read", f"{tally.read:,}")
    OUT.print(table)
    if tally.moved:
        OUT.print(_points(tally, catalogue))
    for code, count in tally.rejected.most_common():
        OUT.print(f"[red]{code}[/] {count:,}, for example:", highlight=False)
        for example in tally.examples[code]:
            OUT.print(f"  {escape(example)}", highlight=False, soft_wrap=True)
    OUT.print(
        f"{tally.read:,} rows in {seconds:,.1f} seconds, {tally.read / seconds:,.0f} a second.",
        highlight=False,
    )
    said = ""
    if not is_end:
        said = "The import is not at its end: begin it again with the same words."
    elif rejected and wishes.rejects is not None:
        said = (
            f"Rejected rows are in {wishes.rejects}: correct them and import that file with "
            f"--name {shlex.quote(work.name)}"
        )
    if said:
        OUT.print(escape(said), highlight=False, soft_wrap=True)


def _points(tally: Tally, catalogue: Catalogue) -> Table:
    """What the rows in the books are worth, to be compared with where they came from."""
    table = Table("in the books", "definition", "rows", "points", "of them below zero")
    for column in table.columns[2:]:
        column.justify = "right"
    for (kind, identifier), moved in sorted(tally.moved.items()):
        definition = catalogue.definitions[identifier]
        table.add_row(
            kind,
            f"{definition.engage_id} {escape(definition.name)}",
            f"{moved.rows:,}",
            format_amount(moved.up - moved.down, definition.scale),
            format_amount(-moved.down, definition.scale) if moved.down else "",
        )
    return table
