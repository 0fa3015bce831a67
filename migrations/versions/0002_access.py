"""Who may come in: the API keys.

Revision: 0002, after 0001. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op

from migrations.privileges import state

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scopes", sa.ARRAY(sa.Text()), nullable=False),
        sa.Column("secret_hash", sa.LargeBinary(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("revoked_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_used_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("successor", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "octet_length(secret_hash) = 32", name=op.f("api_key_secret_hash_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("api_key_pk")),
        schema="access",
        comment="Keys by their public part, with a hash of the secret one; never deleted.",
    )
    state(op, "access.api_key")
