"""The table of API keys.

The one hard idea: only a hash of a key is kept, so that whoever reads the table can't come in with
what they read. Keys are never deleted; a revoked one stays as evidence of who could do what when.
"""

from sqlalchemy import (
    ARRAY,
    CheckConstraint,
    Column,
    DateTime,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    text,
)

from ledger.tables import NAMING_CONVENTION

metadata = MetaData(schema="access", naming_convention=NAMING_CONVENTION)

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("tenant_id", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("scopes", ARRAY(Text), nullable=False),
    Column("secret_hash", LargeBinary, nullable=False),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
    Column("expires_at", DateTime(timezone=True), nullable=True),
    Column("revoked_at", DateTime(timezone=True), nullable=True),
    Column("last_used_at", DateTime(timezone=True), nullable=True),
    Column("successor", Text, nullable=True),
    CheckConstraint("octet_length(secret_hash) = 32", name="secret_hash"),
    comment="Keys by their public part, with a hash of the secret one; never deleted.",
)
