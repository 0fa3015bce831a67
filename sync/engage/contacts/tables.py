"""The tables of contacts as Engage knows them: by member number, and those that are gone.

The one hard idea: all of it is Engage's knowledge, kept for a while; any of it can be deleted and
asked for again. It names people, so erasing somebody deletes what is here.
"""

from sqlalchemy import (
    CheckConstraint,
    Column,
    DateTime,
    Index,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from sync.engage.tables import metadata

__all__ = ["feed", "gone", "member", "metadata"]


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


member = Table(
    "member",
    metadata,
    Column("tenant_id", SmallInteger, nullable=False),
    Column("member_number", Text, nullable=False),
    Column("contact_id", Uuid, nullable=True),
    _instant("asked_at"),
    _instant("expires_at"),
    Column("outcome", Text, nullable=False),
    PrimaryKeyConstraint("tenant_id", "member_number"),
    CheckConstraint("outcome in ('found', 'unknown', 'ambiguous')", name="outcome"),
    CheckConstraint("(outcome = 'found') = (contact_id is not null)", name="contact"),
    Index("member_contact_idx", "contact_id", postgresql_where=text("contact_id is not null")),
    comment="Who has a member number, as Engage said when it was asked, until expires_at.",
)

gone = Table(
    "gone",
    metadata,
    Column("tenant_id", SmallInteger, nullable=False),
    Column("contact_id", Uuid, nullable=False),
    Column("into_contact_id", Uuid, nullable=True),
    _instant("noticed_at"),
    _instant("decided_at"),
    Column("decision", Text, nullable=False),
    Column("message", Text, nullable=True),
    PrimaryKeyConstraint("tenant_id", "contact_id"),
    CheckConstraint(
        "decision in ('listed', 'merged', 'erased', 'failed', 'returned')", name="decision"
    ),
    comment="Contacts of the books that Engage no longer has. into_contact_id: whom their member "
    "number leads to now.",
)

feed = Table(
    "feed",
    metadata,
    Column("tenant_id", SmallInteger, nullable=False),
    Column("change_type", Text, nullable=False),
    _instant("read_until"),
    PrimaryKeyConstraint("tenant_id", "change_type"),
    comment="How far the changes of contacts were read.",
)
