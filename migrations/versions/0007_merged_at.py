"""When the books learned that two holders are one, so that what was known before stays so.

Holders merged before this revision count as having been one all along.

Revision: 0007, after 0006. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "holder",
        sa.Column("merged_at", sa.DateTime(timezone=True), nullable=True),
        schema="ledger",
    )
