"""The register of imports: under which names files were brought in.

Revision: 0005, after 0004. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op

from migrations.privileges import state

revision = "0005"
down_revision = "0004"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "import",
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("file", sa.Text(), nullable=False),
        sa.Column("rows_booked", sa.BigInteger(), server_default="0", nullable=False),
        sa.Column("began_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.CheckConstraint("kind in ('balances', 'transactions')", name=op.f("import_kind_check")),
        sa.CheckConstraint("rows_booked >= 0", name=op.f("import_rows_booked_check")),
        sa.PrimaryKeyConstraint("tenant_id", "name", name=op.f("import_pk")),
        schema="ledger",
        comment="Under which names files were imported; rows are known by their own keys.",
    )
    state(op, "ledger.import")
