"""`pointmaster verify`: prove that the books are right, or show where they are not.

The one hard idea: a run can end anywhere and the next go on from there. Holders are audited in the
order of their ids, chunk by chunk, and a small file remembers the last one; so books that take
longer than a night are gone round in several.
"""

import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from uuid import UUID

import click
import msgspec
from rich.markup import escape
from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn
from rich.table import Column, Table

from api.command_line.context import ASIDE, OUT, Opened, Told, opened, run
from api.configuration import Configuration
from ledger.auditing import Finding
from ledger.identity import HolderId
from ledger.invariants import FINDINGS_MAX, check_holders, check_whole
from ledger.merkle import Seal
from ledger.sealing import check_seal


class Place(msgspec.Struct, frozen=True, rename="camel"):
    """How far the audit came: what the file of `--resume` holds.

    Attributes:
        after: The last holder that was audited; none to begin from the beginning.
        rounds: How often the end was reached.
    """

    after: UUID | None = None
    at: datetime | None = None
    rounds: int = 0


@dataclass(slots=True)
class Wishes:
    """What was asked for.

    Attributes:
        resume: Where the place is kept between runs.
        minutes: After how long to stop.
        connections: Through how many to look at holders at the same time.
    """

    tenant: str | None
    seal: Seal | None
    after: UUID | None
    resume: Path | None
    minutes: float | None
    connections: int


@dataclass(slots=True)
class Verified:
    """What came of a run.

    Attributes:
        stopped_at: The last holder, where the run did not reach the end.
    """

    findings: list[Finding] = field(default_factory=list)
    stopped_at: HolderId | None = None

    @property
    def is_full(self) -> bool:
        """Whether more findings would help nobody."""
        return len(self.findings) >= FINDINGS_MAX


@click.command()
@click.option("--tenant", help="Only this tenant's books.")
@click.option(
    "--seal",
    "seal_file",
    type=click.Path(path_type=Path, exists=True, dir_okay=False),
    help="Compare the books with a published seal too.",
)
@click.option("--after", type=click.UUID, help="Begin after the holder of this id.")
@click.option(
    "--resume",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Go on where the last run with this file ended, and remember in it where this one does.",
)
@click.option(
    "--minutes",
    type=click.FloatRange(0, min_open=True),
    help="Stop after so many; with --resume, the next run goes on.",
)
@click.option(
    "--connections",
    type=click.IntRange(1, 16),
    default=2,
    show_default=True,
    help="Through how many to look at the same time; each keeps a core of the database busy.",
)
@click.pass_obj
def verify(
    told: Told,
    tenant: str | None,
    seal_file: Path | None,
    after: UUID | None,
    resume: Path | None,
    minutes: float | None,
    connections: int,
) -> None:
    """Recompute chains, numbers, balances and lots; exit status 1 if anything is not right.

    Each finding names the holder and the transaction, account or lot. The chains cover all that is
    booked; not the fingerprints beside idempotency keys, nor which contact a holder is.
    """
    if after is not None and resume is not None:
        raise click.UsageError("--after and --resume both say where to begin")
    seal = None if seal_file is None else _seal(seal_file)
    wishes = Wishes(tenant, seal, after, resume, minutes, connections)
    verified = run(_verify(told.configuration(), wishes))
    broken = [finding for finding in verified.findings if not finding.is_warning]
    if verified.findings:
        OUT.print(_table(verified.findings))
    if verified.is_full:
        OUT.print(f"Stopped after {FINDINGS_MAX} findings.")
    if verified.stopped_at is not None:
        OUT.print(f"Not at the end: audited up to holder {verified.stopped_at}.", highlight=False)
    if broken:
        OUT.print(f"[red]The books are not right: {len(broken)} finding(s).[/]")
        sys.exit(1)
    if verified.stopped_at is None:
        OUT.print("[green]The books are right.[/]")
    else:
        OUT.print("[green]What was audited is right.[/]")


def _seal(path: Path) -> Seal:
    try:
        return msgspec.json.decode(path.read_bytes(), type=Seal)
    except (OSError, msgspec.MsgspecError) as problem:
        raise click.ClickException(f"{path} is no seal: {problem}") from None


async def _verify(configuration: Configuration, wishes: Wishes) -> Verified:
    place = Place() if wishes.resume is None else _kept(wishes.resume)
    begin = wishes.after or place.after
    async with opened(configuration, beside=wishes.connections - 1) as books:
        verified = Verified()
        await _audit(books, wishes, None if begin is None else HolderId(begin), verified)
        is_end = verified.stopped_at is None and not verified.is_full
        if is_end:
            verified.findings += await check_whole(
                books.connection, books.catalogue, beside=books.beside
            )
            if wishes.resume is not None:
                _keep(wishes.resume, Place(None, datetime.now(UTC), place.rounds + 1))
        if wishes.seal is not None:
            verified.findings += await check_seal(books.connection, wishes.seal)
    return verified


async def _audit(books: Opened, wishes: Wishes, after: HolderId | None, verified: Verified) -> None:
    """Audit holders until the end, or until time or patience is over."""
    tenant = None if wishes.tenant is None else books.tenant(wishes.tenant).id
    deadline = None if wishes.minutes is None else time.monotonic() + 60 * wishes.minutes
    rounds = 0 if wishes.resume is None else _kept(wishes.resume).rounds

    def reached(holder: HolderId) -> bool:
        if wishes.resume is not None:
            _keep(wishes.resume, Place(holder, datetime.now(UTC), rounds))
        if verified.is_full or (deadline is not None and time.monotonic() >= deadline):
            verified.stopped_at = holder
            return False
        return True

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TaskProgressColumn(),
        TextColumn("{task.fields[said]}"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=ASIDE, transient=True) as progress:
        auditing = check_holders(
            books.connection,
            beside=books.beside,
            tenant=tenant,
            after=after,
            progress=_advancing(progress),
            reached=reached,
        )
        async for finding in auditing:
            if not verified.is_full:
                verified.findings.append(finding)


def _advancing(progress: Progress) -> Callable[[int, int], None]:
    bar = progress.add_task("transactions", total=None, said="")
    started = time.monotonic()

    def advance(audited: int, total: int) -> None:
        rate = audited / max(0.001, time.monotonic() - started)
        said = f"{audited:,} of {total:,}, {rate:,.0f} a second"
        progress.update(bar, completed=audited, total=total, said=said)

    return advance


def _kept(path: Path) -> Place:
    """Where the last run ended; the beginning where there was none."""
    if not path.exists():
        return Place()
    try:
        return msgspec.json.decode(path.read_bytes(), type=Place)
    except (OSError, msgspec.MsgspecError) as problem:
        raise click.ClickException(f"{path} is no place to resume from: {problem}") from None


def _keep(path: Path, place: Place) -> None:
    """Remember a place; a run that is killed leaves the old one or the new one, whole."""
    written = path.with_name(f"{path.name}.part")
    written.write_bytes(msgspec.json.encode(place) + b"\n")
    written.replace(path)


def _table(findings: list[Finding]) -> Table:
    where = Column("where", width=len("cb3c380d-2418-42f1-928a-c3f11db3baa1,"), overflow="fold")
    table = Table("rule", where, "what")
    for finding in findings:
        rule = f"{finding.rule} (warning)" if finding.is_warning else str(finding.rule)
        table.add_row(rule, escape(finding.place), escape(finding.message))
    return table
