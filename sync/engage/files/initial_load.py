"""The first load of a whole program by files, and comparing a file with the books.

The one hard idea: a file is a picture of an instant and the program goes on. That does no harm:
what changes while it is written is marked like any change, and is pushed when the files have been
imported; totals are absolute, so it does not matter what the file said. Only totals are written:
movements are told one by one, and a file of them beside that would count twice.
"""

import asyncio
import os
from collections.abc import AsyncIterator, Iterator
from decimal import Decimal
from pathlib import Path
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from ledger import reading
from ledger.amounts import format_amount
from ledger.connection import Connection
from ledger.identity import ContactId, DefinitionId, HolderId
from sync.engage.context import Context
from sync.engage.files.form import (
    HEADER,
    LINE_END,
    ROWS_MAX,
    BadRow,
    FileRow,
    line_of,
    read_lines,
)
from sync.engage.marks import AccountKey
from sync.engage.settings import Mode
from sync.engage.totals import Total, total_of

PAGE: Final = 2000
SHOWN_MAX: Final = 100

ACCOUNTS: Final = """
    -- Index: account_pk.
    select holder_id, definition_id from ledger.account
    where (holder_id, definition_id) > ($1::uuid, $2::smallint)
      and definition_id = any($3::smallint[])
    order by holder_id, definition_id limit $4
"""

HOLDERS: Final = """
    -- Index: contact_pk.
    select contact_id, holder_id from ledger.contact
    where tenant_id = $1 and contact_id = any($2::uuid[])
"""


class Written(msgspec.Struct, frozen=True, kw_only=True):
    """What was written.

    Attributes:
        files: In the order in which Engage is to import them.
        rows: In all of them; accounts with nothing to load have none.
        sums: By Engage's `definitionId`, in points, as text.
    """

    files: tuple[Path, ...]
    rows: int
    sums: dict[int, str]


class Difference(NamedTuple):
    """A row that is not what the books have now."""

    row: FileRow
    books: Decimal


class ReadBack(msgspec.Struct, frozen=True, kw_only=True):
    """What a file holds, beside the books.

    Attributes:
        rows: Good ones.
        bad: The first of those that Engage would not take; `bad_count` has all.
        sums: By Engage's `definitionId`, in points, as text.
        differing: The first of those that the books have otherwise now.
    """

    rows: int
    bad_count: int
    bad: tuple[BadRow, ...]
    sums: dict[int, str]
    differing_count: int
    differing: tuple[Difference, ...]


class NoFileOfMovementsError(Exception):
    """The tenant's Engage is told movements, and a file of totals would count beside them."""


async def write_files(context: Context, folder: Path, description: str) -> Written:
    """Write the program's totals into files of at most 20,000 rows.

    Args:
        context: Whose.
        folder: Made if it isn't there; files of the same names in it are replaced, each at once.
        description: Of every row.

    Raises:
        NoFileOfMovementsError: in all-transaction mode.
        OSError: the folder can't be written to.
    """
    if context.options.mode is not Mode.BALANCE_ONLY:
        raise NoFileOfMovementsError(
            "this Engage is told every movement: `pointmaster sync run --everything` tells it all "
            "there were; a file of totals would count beside them"
        )
    await asyncio.to_thread(folder.mkdir, parents=True, exist_ok=True)
    files: list[Path] = []
    lines: list[str] = []
    sums: dict[DefinitionId, int] = {}
    rows = 0
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        async for total, definition in _totals(context, connection):
            lines.append(line_of(total, now, description, "Adjustment", "Pointmaster"))
            sums[definition] = sums.get(definition, 0) + total.amount
            rows += 1
            if len(lines) == ROWS_MAX:
                files.append(_write(folder, len(files) + 1, lines))
                lines = []
    if lines:
        files.append(_write(folder, len(files) + 1, lines))
    return Written(
        files=tuple(files),
        rows=rows,
        sums={
            context.definitions[one].engage_id: format_amount(total, context.definitions[one].scale)
            for one, total in sorted(sums.items())
        },
    )


async def read_back(context: Context, file: Path) -> ReadBack:
    """Read a file and compare it with what the books have now.

    Raises:
        NotImportableError: it is none that Engage imports.
        OSError, UnicodeDecodeError: it can't be read.
    """
    bad: list[BadRow] = []
    differing: list[Difference] = []
    sums: dict[int, Decimal] = {}
    rows = bad_count = differing_count = 0
    async with context.pool.acquire() as connection:
        for group in _groups(file):
            good = []
            for row in group:
                if isinstance(row, BadRow):
                    bad_count += 1
                    bad += [row] if len(bad) < SHOWN_MAX else []
                else:
                    good.append(row)
                    sums[row.definition] = sums.get(row.definition, Decimal()) + row.amount
            rows += len(good)
            books = await _books(context, connection, good)
            for row in good:
                found = books.get((row.contact, row.definition), Decimal())
                if found != row.amount:
                    differing_count += 1
                    differing += [Difference(row, found)] if len(differing) < SHOWN_MAX else []
    return ReadBack(
        rows=rows,
        bad_count=bad_count,
        bad=tuple(bad),
        sums={definition: f"{total:f}" for definition, total in sorted(sums.items())},
        differing_count=differing_count,
        differing=tuple(differing),
    )


async def _totals(
    context: Context, connection: Connection
) -> AsyncIterator[tuple[Total, DefinitionId]]:
    """What every contact has, of those that have anything; erased ones are nobody's."""
    holder, definition = HolderId(UUID(int=0)), DefinitionId(0)
    definitions = context.definitions
    while True:
        rows = await connection.fetch(ACCOUNTS, holder, definition, list(definitions), PAGE)
        keys: list[AccountKey] = [
            (HolderId(row["holder_id"]), DefinitionId(row["definition_id"])) for row in rows
        ]
        contacts = await reading.contacts_of(connection, list({key[0] for key in keys}))
        now = await context.clock.read(connection)
        balances = await reading.totals(connection, keys, at=now)
        for key in keys:
            contact = contacts.get(key[0])
            total = total_of(balances[key], context.options.total) if key in balances else 0
            if contact is not None and total:
                one = definitions[key[1]]
                yield Total(contact, total, one.scale, one.engage_id), key[1]
        if len(rows) < PAGE:
            return
        holder, definition = keys[-1]


async def _books(
    context: Context, connection: Connection, rows: list[FileRow]
) -> dict[tuple[ContactId, int], Decimal]:
    """What the books have of these rows' accounts, in points."""
    by_engage = {one.engage_id: one for one in context.definitions.values()}
    contacts = list({row.contact for row in rows})
    found = await connection.fetch(HOLDERS, context.tenant.id, contacts)
    holders = {row["contact_id"]: HolderId(row["holder_id"]) for row in found}
    keys = {
        (row.contact, row.definition): (holders[row.contact], by_engage[row.definition].id)
        for row in rows
        if row.contact in holders and row.definition in by_engage
    }
    now = await context.clock.read(connection)
    balances = await reading.totals(connection, list(keys.values()), at=now)
    return {
        told: Decimal(total_of(balances[key], context.options.total)).scaleb(
            -context.definitions[key[1]].scale
        )
        for told, key in keys.items()
        if key in balances
    }


def _write(folder: Path, number: int, lines: list[str]) -> Path:
    """Write one file, so that nobody ever sees half of it."""
    path = folder / f"points-{number:04}.csv"
    beside = path.with_suffix(".part")
    with beside.open("w", encoding="utf-8", newline="") as file:
        file.write(HEADER + LINE_END)
        file.writelines(line + LINE_END for line in lines)
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)
    return path


def _groups(file: Path) -> Iterator[list[FileRow | BadRow]]:
    """A file's rows, some at a time."""
    with file.open(encoding="utf-8", newline="") as opened:
        group: list[FileRow | BadRow] = []
        for row in read_lines(opened):
            group.append(row)
            if len(group) == PAGE:
                yield group
                group = []
        if group:
            yield group
