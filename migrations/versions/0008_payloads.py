"""What an adjustment of Engage says, kept readable; and earlier bodies of a quarantined message.

Revision: 0008, after 0007. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Better to fail and be tried again than to make every message of Engage queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.add_column(
        "delivery",
        sa.Column("earlier_bodies", postgresql.ARRAY(sa.LargeBinary()), nullable=True),
        schema="engage",
    )
    op.add_column("delivery", sa.Column("payload", sa.Text(), nullable=True), schema="engage")
    op.create_table_comment(
        "delivery",
        "A webhook's message, once. contact_id: only until it is booked; body: the one that was "
        "judged; earlier_bodies: others that came under the same id before; payload: what an "
        "adjustment says, as Engage wrote it.",
        schema="engage",
    )
