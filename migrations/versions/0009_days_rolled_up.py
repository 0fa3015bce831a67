"""Roll-ups by day, a count of the accounts, and indexes that reports of the past find rows by.

Revision: 0009, after 0008. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op

from migrations.privileges import state

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

INDEXES = {
    "rollup_recorded_hour_idx": "ledger.rollup (recorded_hour)",
    "transfer_due_idx": """ledger.transfer (recorded_at, effective_at)
        where debit = 1 and credit = 13 or debit = 2 and credit = 1 or debit = 3 and credit = 1""",
    "lot_boundaries_idx": """ledger.lot
        using brin (effective_at, first_valid_from, first_valid_to)""",
}
"""On tables that may be large, so that they are made while postings go on."""


def upgrade() -> None:
    with op.get_context().autocommit_block():
        for name, place in INDEXES.items():
            # One that an interrupted upgrade left half made is of no use.
            op.execute(f"drop index if exists ledger.{name}")
            op.execute(f"create index concurrently {name} on {place}")
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "rollup_day",
        sa.Column("recorded_day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("effective_day", sa.DateTime(timezone=True), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("account", sa.SmallInteger(), nullable=False),
        sa.Column("amount", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint(
            "recorded_day", "definition_id", "account", "effective_day", name=op.f("rollup_day_pk")
        ),
        schema="ledger",
        comment="The same by day, of days of record that are over; made from the hours, which "
        "stay.",
    )
    state(op, "ledger.rollup_day", update=False)
    op.create_table(
        "recount",
        sa.Column("counted_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("account", sa.SmallInteger(), nullable=False),
        sa.Column("stored", sa.Numeric(), nullable=False),
        sa.Column("rolled_up", sa.Numeric(), nullable=False),
        sa.PrimaryKeyConstraint("definition_id", "account", name=op.f("recount_pk")),
        schema="ledger",
        comment="What all accounts held when they were last added up, beside what roll-ups made.",
    )
    state(op, "ledger.recount")
