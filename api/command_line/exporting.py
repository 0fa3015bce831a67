"""`pointmaster export`: take everything out, streamed.

The one hard idea: a file that was not written to its end must not look as if it were; so it is
written beside its place and moved there at the end.
"""

import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import BinaryIO, Final

import click
from rich.progress import Progress, SpinnerColumn, TextColumn

from api.command_line.context import ASIDE, Opened, Told, opened, run
from api.command_line.instants import EFFECTIVE_AT, RECORDED_AT, Said
from api.configuration import Configuration
from api.exporting.datasets import DATASETS, Asked
from api.exporting.formats import Format, format_of
from api.exporting.writing import written
from api.parquet import ParquetMissingError
from ledger.reading_as_of import FutureRecordError

EVERYTHING: Final = "everything"


@dataclass(frozen=True, slots=True)
class Wishes:
    """What was asked for."""

    what: str
    tenant: str
    definition: int | None
    form: Format
    out: Path | None
    effective_at: Said | None
    recorded_at: Said | None


@click.command()
@click.argument("what", type=click.Choice([*DATASETS, EVERYTHING]))
@click.option("--tenant", required=True, help="Whose books.")
@click.option("--definition", type=int, help="Only points of this definitionId.")
@click.option(
    "--format",
    "form",
    type=click.Choice([form.value for form in Format]),
    help="Else by the ending of the file's name, or csv.",
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    help="The file to write, of `everything` the folder; else the standard output.",
)
@EFFECTIVE_AT
@RECORDED_AT
@click.pass_obj
def export(
    told: Told,
    what: str,
    tenant: str,
    definition: int | None,
    form: str | None,
    out: Path | None,
    effective_at: Said | None,
    recorded_at: Said | None,
) -> None:
    """Write WHAT of a tenant's books as CSV, JSON lines or Parquet.

    Balances as of any instant; all else as the books stand.
    """
    if what == EVERYTHING and out is None:
        raise click.UsageError("say with --out into which folder everything goes")
    if what != "balances" and (effective_at or recorded_at):
        raise click.UsageError("--effective-at and --recorded-at are for balances")
    chosen = Format(form) if form else format_of(out)
    wishes = Wishes(what, tenant, definition, chosen, out, effective_at, recorded_at)
    try:
        run(_export(told.configuration(), wishes))
    except (FutureRecordError, ParquetMissingError) as problem:
        raise click.ClickException(str(problem)) from None
    except BrokenPipeError:
        # Whoever reads the standard output has enough.
        sys.stderr.close()


async def _export(configuration: Configuration, wishes: Wishes) -> None:
    async with opened(configuration) as books:
        asked = _asked(books, wishes)
        if wishes.what == EVERYTHING and wishes.out is not None:
            wishes.out.mkdir(parents=True, exist_ok=True)
            # One snapshot for all files.
            async with books.connection.transaction(isolation="repeatable_read", readonly=True):
                for name in DATASETS:
                    path = wishes.out / f"{name}.{wishes.form.value}"
                    await _write(name, asked, wishes.form, path)
        else:
            await _write(wishes.what, asked, wishes.form, wishes.out)


async def _write(name: str, asked: Asked, form: Format, path: Path | None) -> None:
    """Write one kind of rows to a file, or to the standard output."""
    with _target(path) as file, _counting(name) as count:
        async for piece, rows in written(name, asked, form):
            file.write(piece)
            count(rows)
        file.flush()


@contextmanager
def _target(path: Path | None) -> Iterator[BinaryIO]:
    """Where to write; a file is in its place only once it is whole."""
    if path is None:
        yield sys.stdout.buffer
        return
    partial = path.with_name(f"{path.name}.part")
    try:
        with partial.open("wb") as file:
            yield file
        partial.replace(path)
    except (ConnectionError, TimeoutError):
        raise  # of the database, told elsewhere
    except OSError as problem:
        raise click.ClickException(f"{path} can't be written: {problem.strerror}") from None
    finally:
        partial.unlink(missing_ok=True)


@contextmanager
def _counting(name: str) -> Iterator[Callable[[int], None]]:
    """Says how many rows were written, while they are and at the end."""
    started, written = time.monotonic(), 0
    with Progress(
        SpinnerColumn(), TextColumn("{task.description}"), console=ASIDE, transient=True
    ) as progress:
        bar = progress.add_task(name)

        def said() -> str:
            rate = written / max(0.001, time.monotonic() - started)
            return f"{name}: {written:,} rows, {rate:,.0f} a second"

        def count(rows: int) -> None:
            nonlocal written
            written += rows
            progress.update(bar, description=said())

        yield count
    ASIDE.print(said(), highlight=False)


def _asked(books: Opened, wishes: Wishes) -> Asked:
    record = books.tenant(wishes.tenant)
    definitions = books.catalogue.definitions_of(record.id)
    if wishes.definition is not None:
        definitions = [one for one in definitions if one.engage_id == wishes.definition]
        if not definitions:
            raise click.ClickException(
                f"tenant {wishes.tenant} has no definition {wishes.definition}"
            )

    def end_of(said: Said | None) -> datetime | None:
        return None if said is None else said.ends(record.zone)

    return Asked(
        connection=books.connection,
        catalogue=books.catalogue,
        tenant=record.id,
        definitions=tuple(definitions),
        effective_at=end_of(wishes.effective_at),
        recorded_at=end_of(wishes.recorded_at),
    )
