"""The register of imports: one row a name, so that the same rows aren't brought in under two.

The one hard idea: nothing depends on it but a warning. Whether a row is booked is known by the
row's own key; the register only remembers which names those keys were made of.
"""

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    DateTime,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
)

from ledger.tables import NAMING_CONVENTION

metadata = MetaData(schema="ledger", naming_convention=NAMING_CONVENTION)

import_ = Table(
    "import",
    metadata,
    Column("tenant_id", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("kind", Text, nullable=False),
    Column("file", Text, nullable=False),
    Column("rows_booked", BigInteger, nullable=False, server_default="0"),
    Column("began_at", DateTime(timezone=True), nullable=False),
    Column("ended_at", DateTime(timezone=True), nullable=True),
    PrimaryKeyConstraint("tenant_id", "name"),
    CheckConstraint("kind in ('balances', 'transactions')", name="kind"),
    CheckConstraint("rows_booked >= 0", name="rows_booked"),
    comment="Under which names files were imported; rows are known by their own keys.",
)
