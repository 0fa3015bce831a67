"""Writing rows: those of a small batch by one statement, those of a large one table by table.

The one hard idea: what writing costs depends on how much there is. A few rows cost the round trips
and nothing else, so the parts of a small batch go as one statement; they touch different rows and
don't see each other. Many rows cost the values, which a stream costs least, and the server stores a
stream by the page; so new rows of a large batch are streamed. Every way comes from the same list of
columns, so all store the same.
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from ledger.connection import Connection
from ledger.literals import LITERALS

TOGETHER_MAX: Final = 128
"""The most rows of a part that goes together with others."""

Rows = Sequence[Sequence[object]]

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it so


class LostRowError(RuntimeError):
    """A row that was loaded under its holder's lock is gone: nothing of the batch is booked."""


class Part:
    """What a batch writes to one table.

    `columns` is what each row has, in this order. `missed` is raised where fewer rows were written
    than there were; without it that can't happen, and the rows may be streamed. `note` says what
    the plan must use.
    """

    def __init__(
        self,
        table: Table,
        columns: str,
        verb: str,
        rest: str,
        *,
        missed: type[Exception] | None,
        note: str = "",
    ) -> None:
        self.table = table
        self.note = note
        self.columns = columns.split()
        self.missed = missed
        self._types = [table.c[name].type.compile(_DIALECT) for name in self.columns]
        self._literals = [LITERALS[one] for one in self._types]
        self._verb, self._rest = verb, rest

    def text(self, first: int = 1) -> str:
        """The statement, its parameters (one array a column) numbered from `first`."""
        arrays = ", ".join(
            # In a selection of its own, how many rows come is nothing to plan each call anew for.
            f"(select ${place}::text::{one}[])"
            for place, one in enumerate(self._types, first)
        )
        return f"{self._verb} unnest({arrays}) as new ({', '.join(self.columns)}) {self._rest}"

    def parameters(self, rows: Rows) -> list[str]:
        """What the statement is given for these rows."""
        columns = zip(*rows, strict=True)
        return [literal(column) for literal, column in zip(self._literals, columns, strict=True)]


def inserts(table: Table, columns: str) -> Part:
    """Rows that nobody else can be inserting."""
    verb = f"insert into {table.fullname} ({', '.join(columns.split())}) select * from"
    return Part(table, columns, verb, "", missed=None)


def claims(table: Table, columns: str, key: str, missed: type[Exception]) -> Part:
    """Rows that others may be inserting too, in one order, so that nobody waits in a circle."""
    verb = f"insert into {table.fullname} ({', '.join(columns.split())}) select * from"
    return Part(table, columns, verb, f"order by {key} on conflict do nothing", missed=missed)


def updates(table: Table, keys: str, columns: str, *, note: str) -> Part:
    """Rows that are there, found by these keys and set to what is given."""
    setting = ", ".join(f"{name} = new.{name}" for name in columns.split())
    found = " and ".join(f"{table.name}.{name} = new.{name}" for name in keys.split())
    return Part(
        table,
        f"{keys} {columns}",
        f"update {table.fullname} set {setting} from",  # names of our own tables
        f"where {found}",
        missed=LostRowError,
        note=note,
    )


async def write(connection: Connection, parts: Sequence[tuple[Part, Rows]]) -> None:
    """Write the rows of different tables; raises what a part says where it missed some."""
    filled = [(part, rows) for part, rows in parts if rows]
    if not filled:
        return
    if max(len(rows) for _, rows in filled) <= TOGETHER_MAX:
        await _write_together(connection, filled)
        return
    for part, rows in filled:
        if part.missed is not None:
            status: str = await connection.execute(part.text(), *part.parameters(rows))
            _check(part, rows, int(status.rpartition(" ")[2]))
        else:
            await connection.copy_records_to_table(
                part.table.name,
                schema_name=part.table.schema,
                columns=part.columns,
                records=rows,
            )


async def _write_together(connection: Connection, filled: Sequence[tuple[Part, Rows]]) -> None:
    columns = [column for part, rows in filled for column in part.parameters(rows)]
    written = await connection.fetchrow(_together(tuple(part for part, _ in filled)), *columns)
    counted = [(part, rows) for part, rows in filled if part.missed is not None]
    for (part, rows), count in zip(counted, written or (), strict=True):
        _check(part, rows, count)


def _check(part: Part, rows: Rows, written: int) -> None:
    if part.missed is not None and written < len(rows):
        raise part.missed(f"{written} of {len(rows)} rows written to {part.table.fullname}")


@lru_cache(maxsize=256)
def _together(parts: tuple[Part, ...]) -> str:
    """One statement of all parts; it answers how many rows the counted ones wrote."""
    texts, counts, first = [], [], 1
    for place, part in enumerate(parts, start=1):
        text = part.text(first)
        if part.missed is not None:
            text += " returning 1"
            counts.append(f"(select count(*) from part_{place})")
        texts.append(f"part_{place} as ({text})")
        first += len(part.columns)
    return f"with {', '.join(texts)} select {', '.join(counts)}"
