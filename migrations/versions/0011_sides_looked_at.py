"""What was booked before kinds and sides were checked is held to it too; postings go on meanwhile.

Revision: 0011, after 0010. Written 2026-11-21.
"""

from alembic import op

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute("alter table ledger.transaction validate constraint transaction_kind_check")
    op.execute("""
        alter table ledger.transfer
            validate constraint transfer_debit_check,
            validate constraint transfer_credit_check,
            validate constraint transfer_of_a_holder_check
    """)
