"""No transaction of an unknown kind, no transfer between unknown accounts or past every holder.

What is there already is looked at by the next revision, so that nobody waits for that.

Revision: 0010, after 0009. Written 2026-11-21.
"""

from alembic import op

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

KINDS = "1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 20, 21, 22"
ACCOUNTS = "1, 2, 3, 4, 11, 12, 13, 14, 15, 16, 17"


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.execute(f"""
        alter table ledger.transaction
            add constraint transaction_kind_check check (kind in ({KINDS})) not valid
    """)
    op.execute(f"""
        alter table ledger.transfer
            add constraint transfer_debit_check check (debit in ({ACCOUNTS})) not valid,
            add constraint transfer_credit_check check (credit in ({ACCOUNTS})) not valid,
            add constraint transfer_of_a_holder_check check (least(debit, credit) <= 4) not valid
    """)
