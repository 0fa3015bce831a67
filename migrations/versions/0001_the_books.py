"""The books: tenants, holders, and the facts about their points.

Revision: 0001, the first. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.privileges import facts, state

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "account",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("available", sa.BigInteger(), nullable=False),
        sa.Column("pending", sa.BigInteger(), nullable=False),
        sa.Column("held", sa.BigInteger(), nullable=False),
        sa.Column("debt", sa.BigInteger(), nullable=False),
        sa.Column("debt_since", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_effective_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_due_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.CheckConstraint(
            "available = 0 or debt = 0", name=op.f("account_available_or_debt_check")
        ),
        sa.CheckConstraint(
            "available >= 0 and pending >= 0 and held >= 0 and debt >= 0",
            name=op.f("account_not_negative_check"),
        ),
        sa.PrimaryKeyConstraint("holder_id", "definition_id", name=op.f("account_pk")),
        schema="ledger",
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "account_next_due_at_idx",
        "account",
        ["next_due_at"],
        unique=False,
        schema="ledger",
        postgresql_where=sa.text("next_due_at is not null"),
    )
    op.create_table(
        "allocation",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("allocation_amount_check")),
        sa.PrimaryKeyConstraint("holder_id", "number", "line", "place", name=op.f("allocation_pk")),
        schema="ledger",
    )
    op.create_table(
        "contact",
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "contact_id", name=op.f("contact_pk")),
        schema="ledger",
        comment="Where a contact and a holder meet; erasing a person deletes the row.",
    )
    op.create_index(
        op.f("contact_holder_id_idx"), "contact", ["holder_id"], unique=False, schema="ledger"
    )
    op.create_table(
        "definition",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("engage_id", sa.Integer(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("scale", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("scale between 0 and 4", name=op.f("definition_scale_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("definition_pk")),
        sa.UniqueConstraint(
            "tenant_id", "engage_id", name=op.f("definition_tenant_id_engage_id_key")
        ),
        schema="ledger",
    )
    op.create_table(
        "definition_policy",
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("version", sa.Integer(), nullable=False),
        sa.Column("policy", postgresql.JSONB(astext_type=sa.Text()), nullable=False),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("definition_id", "version", name=op.f("definition_policy_pk")),
        schema="ledger",
    )
    op.create_table(
        "holder",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column(
            "head",
            sa.LargeBinary(),
            server_default=sa.text(
                "'\\x0000000000000000000000000000000000000000000000000000000000000000'::bytea"
            ),
            nullable=False,
        ),
        sa.Column("last_recorded_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("last_lot", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("salt", sa.LargeBinary(), nullable=True),
        sa.Column("merged_into", sa.Uuid(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("holder_pk")),
        schema="ledger",
        comment="Chain head and counters; the row is the lock for all accounts of the holder.",
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "holder_merged_into_idx",
        "holder",
        ["merged_into"],
        unique=False,
        schema="ledger",
        postgresql_where=sa.text("merged_into is not null"),
    )
    op.create_table(
        "idempotency",
        sa.Column("key_hash", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("fingerprint", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("idempotency_pk")),
        schema="ledger",
        comment="Every key ever booked; never deleted, so that a key stays unique for ever.",
    )
    op.create_table(
        "lot",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("issued", sa.BigInteger(), nullable=False),
        sa.Column("remaining", sa.BigInteger(), nullable=False),
        sa.Column("lapsed", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("first_valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("term", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("origin_holder", sa.Uuid(), nullable=True),
        sa.Column("origin_lot", sa.Integer(), nullable=True),
        sa.CheckConstraint("lapsed between 0 and issued", name=op.f("lot_lapsed_check")),
        sa.CheckConstraint("remaining between 0 and issued", name=op.f("lot_remaining_check")),
        sa.PrimaryKeyConstraint("holder_id", "lot", name=op.f("lot_pk")),
        schema="ledger",
        postgresql_with={"fillfactor": "85"},
    )
    op.create_index(
        "lot_origin_idx",
        "lot",
        ["origin_holder", "origin_lot"],
        unique=False,
        schema="ledger",
        postgresql_where=sa.text("origin_holder is not null"),
    )
    op.create_table(
        "outbox",
        sa.Column("consumer", sa.SmallInteger(), nullable=False),
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("consumer", "id", name=op.f("outbox_pk")),
        schema="ledger",
        comment="Work for the wires, left in the posting's own transaction.",
    )
    op.create_table(
        "rollup",
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("account", sa.SmallInteger(), nullable=False),
        sa.Column("effective_hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_hour", sa.DateTime(timezone=True), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        schema="ledger",
        comment="What batches added to each ledger account by hour; compacted now and then.",
    )
    op.create_index(
        op.f("rollup_definition_id_account_effective_hour_recorded_hour_idx"),
        "rollup",
        ["definition_id", "account", "effective_hour", "recorded_hour"],
        unique=False,
        schema="ledger",
    )
    op.create_table(
        "tenant",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("time_zone", sa.Text(), nullable=False),
        sa.Column(
            "created_at",
            sa.DateTime(timezone=True),
            server_default=sa.text("clock_timestamp()"),
            nullable=False,
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("tenant_pk")),
        sa.UniqueConstraint("name", name=op.f("tenant_name_key")),
        schema="ledger",
    )
    op.create_table(
        "transaction",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("net", sa.BigInteger(), nullable=False),
        sa.Column("reverses", sa.Uuid(), nullable=True),
        sa.Column("linked", sa.Uuid(), nullable=True),
        sa.Column("hold_expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("part", sa.BigInteger(), nullable=True),
        sa.Column("whole", sa.BigInteger(), nullable=True),
        sa.Column("available_after", sa.BigInteger(), nullable=False),
        sa.Column("pending_after", sa.BigInteger(), nullable=False),
        sa.Column("held_after", sa.BigInteger(), nullable=False),
        sa.Column("debt_after", sa.BigInteger(), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.SmallInteger(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("texts_hash", sa.LargeBinary(), nullable=False),
        sa.Column("hash", sa.LargeBinary(), nullable=False),
        sa.Column("idempotency_key", sa.Text(), nullable=True),
        sa.Column("description", sa.Text(), nullable=True),
        sa.Column("reference", sa.Text(), nullable=True),
        sa.Column("actor", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "number", name=op.f("transaction_pk")),
        schema="ledger",
    )
    op.create_index(
        op.f("transaction_id_idx"), "transaction", ["id"], unique=False, schema="ledger"
    )
    op.create_index(
        "transaction_reverses_idx",
        "transaction",
        ["holder_id", "reverses"],
        unique=False,
        schema="ledger",
        postgresql_where=sa.text("reverses is not null"),
    )
    op.create_table(
        "transfer",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("effective_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("recorded_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("debit", sa.SmallInteger(), nullable=False),
        sa.Column("credit", sa.SmallInteger(), nullable=False),
        sa.CheckConstraint("amount > 0", name=op.f("transfer_amount_check")),
        sa.CheckConstraint("debit <> credit", name=op.f("transfer_sides_check")),
        sa.PrimaryKeyConstraint("holder_id", "number", "line", name=op.f("transfer_pk")),
        schema="ledger",
    )
    for instant in ("effective_at", "recorded_at"):
        op.create_index(
            op.f(f"transfer_{instant}_idx"),
            "transfer",
            [instant],
            unique=False,
            schema="ledger",
            postgresql_using="brin",
        )
    op.create_table(
        "term",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("lot", sa.Integer(), nullable=False),
        sa.Column("term", sa.SmallInteger(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "number", "lot", name=op.f("term_pk")),
        sa.UniqueConstraint("holder_id", "lot", "term", name=op.f("term_holder_id_lot_term_key")),
        schema="ledger",
    )
    op.create_table(
        "hold",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("ended_by", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("holder_id", "number", name=op.f("hold_pk")),
        schema="ledger",
        comment="One row a hold; the transaction that ends it is entered once.",
    )
    op.create_index(
        "hold_open_idx",
        "hold",
        ["holder_id", "definition_id"],
        unique=False,
        schema="ledger",
        postgresql_where=sa.text("ended_by is null"),
    )
    op.create_table(
        "period",
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("closed_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "closed_until", name=op.f("period_pk")),
        schema="ledger",
    )
    op.create_table(
        "seal",
        sa.Column("sealed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("holders", sa.BigInteger(), nullable=False),
        sa.Column("transactions", sa.BigInteger(), nullable=False),
        sa.Column("root", sa.LargeBinary(), nullable=False),
        sa.Column("branches", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("sealed_at", name=op.f("seal_pk")),
        schema="ledger",
    )
    facts(op, "ledger.seal")
    facts(op, "ledger.period")
    facts(op, "ledger.term")
    state(op, "ledger.hold")
    op.execute(
        """
        create trigger hold_stays before update of holder_id, number, definition_id, expires_at
        on ledger.hold for each row execute function ledger.refuse_change()
        """
    )
    op.execute(
        """
        create trigger hold_ends_once before update on ledger.hold for each row
        when (old.ended_by is not null) execute function ledger.refuse_change()
        """
    )
    facts(
        op,
        "ledger.transaction",
        erasable=("idempotency_key", "description", "reference", "actor"),
    )
    facts(op, "ledger.transfer")
    facts(op, "ledger.allocation")
    facts(op, "ledger.definition_policy")
    facts(op, "ledger.idempotency")
    state(op, "ledger.tenant")
    state(op, "ledger.definition")
    state(op, "ledger.contact", delete=True)
    state(op, "ledger.holder")
    state(op, "ledger.account")
    state(op, "ledger.lot")
    state(op, "ledger.rollup", update=False, delete=True)
    state(op, "ledger.outbox", update=False, delete=True)
    # What a lot was issued as is a fact too; only statements that name these columns pay for it.
    op.execute(
        """
        create trigger issue_stays before update of
            holder_id, lot, line, definition_id, number, issued, effective_at, first_valid_from,
            first_valid_to, origin_holder, origin_lot
        on ledger.lot for each row execute function ledger.refuse_change()
        """
    )
