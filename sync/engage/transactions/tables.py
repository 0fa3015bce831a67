"""The table of the rows that Engage is told, each from its derivation to its end.

The one hard idea: two keys hold what all-transaction mode promises. A movement of the books becomes
one row, once (`holder_id, number, line, part`); and no two rows of an account carry one time stamp
(`holder_id, definition_id, stamp`), so that a row can be found again among what Engage has.

A row tells nobody's name: its description is read from the books when it is sent.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)

from sync.engage.tables import metadata

__all__ = ["metadata", "row"]


def _instant(name: str, *, nullable: bool = True) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


row = Table(
    "row",
    metadata,
    Column("id", BigInteger, Identity(always=True), primary_key=True),
    Column("holder_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=True),
    Column("amount", BigInteger, nullable=False),
    _instant("stamp", nullable=False),
    _instant("valid_from", nullable=False),
    _instant("valid_to"),
    _instant("derived_at", nullable=False),
    _instant("ended_at"),
    _instant("retry_at"),
    Column("batch_id", Uuid, nullable=True),
    Column("definition_id", SmallInteger, nullable=False),
    Column("line", SmallInteger, nullable=True),
    Column("part", SmallInteger, nullable=True),
    Column("place", SmallInteger, nullable=True),
    Column("failures", SmallInteger, nullable=False, server_default=text("0")),
    Column("nature", Text, nullable=False),
    Column("source", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=True),
    UniqueConstraint("holder_id", "definition_id", "stamp"),
    UniqueConstraint("holder_id", "number", "line", "part"),
    CheckConstraint("amount <> 0", name="amount"),
    CheckConstraint(
        "(number is null) = (line is null) and (line is null) = (part is null)", name="origin"
    ),
    CheckConstraint("state in ('waiting', 'sent', 'told', 'parked', 'dropped')", name="state"),
    CheckConstraint("(batch_id is null) = (place is null)", name="place"),
    CheckConstraint("state <> 'sent' or batch_id is not null", name="sent"),
    CheckConstraint("(state in ('told', 'dropped')) = (ended_at is not null)", name="ended"),
    Index("row_waiting_idx", "definition_id", "id", postgresql_where=text("state = 'waiting'")),
    Index("row_parked_idx", "definition_id", "id", postgresql_where=text("state = 'parked'")),
    Index("row_batch_idx", "batch_id", "place", postgresql_where=text("batch_id is not null")),
    comment="A movement as Engage is told it. number, line, part: which of the books; none for a "
    "correction. stamp: when it happened, made unique; valid_from: since when it counts.",
    postgresql_with={"fillfactor": "75"},
)
