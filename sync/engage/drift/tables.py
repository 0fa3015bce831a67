"""The table of differences between Engage and the books, each from its finding to its end.

The one hard idea: at most one difference of an account is open. Seen again, it is the same one;
closed, it stays as the record of what was wrong, what was done about it, and how long it lasted.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    Numeric,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from sync.engage.tables import metadata

__all__ = ["difference", "metadata"]


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


difference = Table(
    "difference",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("holder_id", Uuid, nullable=False),
    _instant("found_at"),
    _instant("seen_at"),
    _instant("repaired_at", nullable=True),
    _instant("closed_at", nullable=True),
    Column("books_total", BigInteger, nullable=False),
    Column("books_pending", BigInteger, nullable=True),
    Column("repairs", Integer, nullable=False, server_default=text("0")),
    Column("tenant_id", SmallInteger, nullable=False),
    Column("definition_id", SmallInteger, nullable=False),
    Column("engage_total", Numeric, nullable=True),
    Column("engage_pending", Numeric, nullable=True),
    Column("size", Numeric, nullable=False),
    Column("repair", Text, nullable=True),
    Column("unrepaired", Text, nullable=True),
    CheckConstraint("repair in ('push', 'rows')", name="repair"),
    CheckConstraint("(repair is null) = (repaired_at is null)", name="repaired"),
    Index(
        "difference_open_idx",
        "holder_id",
        "definition_id",
        unique=True,
        postgresql_where=text("closed_at is null"),
    ),
    Index("difference_tenant_idx", "tenant_id", "id"),
    Index("difference_holder_idx", "holder_id"),
    comment="Where Engage had something else than the books. size: by how much, in points of the "
    "definition, active and pending together.",
)
