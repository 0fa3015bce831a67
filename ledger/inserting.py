"""Inserting rows that nobody else can be inserting: few by one statement, many as a stream.

The one hard idea: binding an array to a statement costs the driver more, a value, than sending the
same value in a stream of rows, and the server stores a stream by the page instead of by the row;
but opening a stream costs a round trip more, which a few rows don't repay. Both ways come from the
same list of columns, so they can't differ in what they store.
"""

from collections.abc import Sequence
from typing import Final

from sqlalchemy import Table
from sqlalchemy.dialects import postgresql

from ledger.connection import Connection

STREAM_FROM: Final = 64
"""From how many rows on they are streamed."""

_DIALECT = postgresql.dialect()  # type: ignore[no-untyped-call]  # SQLAlchemy leaves it so


class Insertion:
    """How rows come into a table: always the same columns, in this order."""

    def __init__(self, table: Table, columns: str) -> None:
        self._table = table.name
        self._schema = table.schema
        self._columns = columns.split()
        types = [table.c[name].type.compile(_DIALECT) for name in self._columns]
        arrays = ", ".join(f"${place}::{one}[]" for place, one in enumerate(types, start=1))
        self.statement: Final = (
            f"insert into {table.fullname} ({', '.join(self._columns)}) "
            f"select * from unnest({arrays})"
        )

    async def insert(self, connection: Connection, rows: Sequence[Sequence[object]]) -> None:
        """Insert rows, each with a value for every column; none is as well."""
        if len(rows) >= STREAM_FROM:
            await connection.copy_records_to_table(
                self._table, schema_name=self._schema, columns=self._columns, records=rows
            )
        elif rows:
            await connection.execute(self.statement, *zip(*rows, strict=True))
