"""Which imports there were, asked before the next: rows under another name are other rows.

The one hard idea: whoever corrects a file and imports it again without saying the first import's
name would bring everything in twice. So a tenant's second name needs to be meant.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from api.importing.columns import FileKind
from ledger.connection import Connection
from ledger.identity import TenantId

IMPORTS_SHOWN = 5


@dataclass(frozen=True, slots=True)
class ImportRecord:
    """An import as it was left.

    Attributes:
        ended_at: `None` where it was ended before its end, or is under way.
    """

    name: str
    file: str
    rows_booked: int
    began_at: datetime
    ended_at: datetime | None


class OtherNameError(Exception):
    """A tenant has imports of this kind already, under other names."""

    def __init__(self, kind: FileKind, earlier: Sequence[ImportRecord]) -> None:
        lines = [
            f"  {one.name} ({one.file}, {one.began_at:%Y-%m-%d %H:%M}Z, "
            f"{one.rows_booked:,} rows booked" + (", not ended)" if one.ended_at is None else ")")
            for one in earlier[:IMPORTS_SHOWN]
        ]
        super().__init__(
            f"{kind} were imported before, and the same rows under another name would be booked "
            "twice:\n"
            + "\n".join(lines)
            + "\nGo on with one of these by its --name, or say --another if no row is the same."
        )


EARLIER = """
    -- A tenant's imports, the latest first. Index: import_pk.
    select name, file, rows_booked, began_at, ended_at from ledger.import
    where tenant_id = $1 and kind = $2 order by began_at desc
"""

BEGIN = """
    insert into ledger.import (tenant_id, name, kind, file, began_at)
    values ($1, $2, $3, $4, clock_timestamp())
    on conflict (tenant_id, name) do update
    set kind = excluded.kind, file = excluded.file, began_at = excluded.began_at, ended_at = null
"""

COUNT = """
    update ledger.import set rows_booked = rows_booked + $3,
        ended_at = case when $4 then clock_timestamp() end
    where tenant_id = $1 and name = $2
"""


async def earlier_imports(
    connection: Connection, tenant: TenantId, kind: FileKind
) -> list[ImportRecord]:
    """A tenant's imports of a kind, the latest first."""
    rows = await connection.fetch(EARLIER, tenant, kind.value)
    return [ImportRecord(*row) for row in rows]


async def begin(
    connection: Connection,
    tenant: TenantId,
    name: str,
    kind: FileKind,
    file: str,
    *,
    another: bool,
) -> None:
    """Enter an import.

    Args:
        connection: To the database.
        tenant: Whose books.
        name: What the import is called.
        kind: What its rows are.
        file: The file's name, without its folder.
        another: Whether a name beside earlier ones is meant.

    Raises:
        OtherNameError: it is not, and there are some.
    """
    earlier = await earlier_imports(connection, tenant, kind)
    if not another and earlier and name not in {one.name for one in earlier}:
        raise OtherNameError(kind, earlier)
    await connection.execute(BEGIN, tenant, name, kind.value, file)


async def count_booked(
    connection: Connection, tenant: TenantId, name: str, rows_booked: int, *, is_end: bool
) -> None:
    """Add rows that were booked, and say whether the file came to its end."""
    await connection.execute(COUNT, tenant, name, rows_booked, is_end)
