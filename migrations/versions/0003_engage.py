"""The wires to Engage: what is sent, what was received, what ran.

Revision: 0003, after 0002. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

from migrations.privileges import state

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "account",
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("sent_total", sa.BigInteger(), nullable=True),
        sa.Column("confirmed_total", sa.BigInteger(), nullable=True),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("confirmed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("failures", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("parked_reason", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "batch_id is null or sent_total is not null", name=op.f("account_in_flight_check")
        ),
        sa.PrimaryKeyConstraint("holder_id", "definition_id", name=op.f("account_pk")),
        schema="engage",
        comment="What Engage was told of a point account. batch_id: the one push in flight.",
        postgresql_with={"fillfactor": "60"},
    )
    op.create_index(
        "account_parked_idx",
        "account",
        ["definition_id", "holder_id"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("parked_reason is not null"),
    )
    op.create_table(
        "batch",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("row_count", sa.Integer(), nullable=False),
        sa.Column("attempts", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("polls", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("sent_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("answered_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("next_action_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("engage_id", sa.Text(), nullable=True),
        sa.Column("status", sa.Text(), nullable=True),
        sa.Column("messages", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("path", sa.Text(), nullable=False),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "(state in ('done', 'failed', 'refused', 'settled')) = (finished_at is not null)",
            name=op.f("batch_finished_check"),
        ),
        sa.CheckConstraint("kind in ('balances')", name=op.f("batch_kind_check")),
        sa.CheckConstraint(
            "state in ('stored', 'sending', 'accepted', 'unclear', 'done', 'failed', "
            "'refused', 'settled')",
            name=op.f("batch_state_check"),
        ),
        sa.CheckConstraint(
            "(finished_at is null) = (next_action_at is not null)",
            name=op.f("batch_next_action_check"),
        ),
        sa.CheckConstraint("row_count > 0", name=op.f("batch_row_count_check")),
        sa.PrimaryKeyConstraint("id", name=op.f("batch_pk")),
        schema="engage",
        comment="One request to Engage, its exact body stored before it is sent.",
        postgresql_with={"fillfactor": "80"},
    )
    op.create_index(
        "batch_next_action_idx",
        "batch",
        ["tenant_id", "next_action_at"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("next_action_at is not null"),
    )
    op.create_index("batch_tenant_idx", "batch", ["tenant_id", "id"], unique=False, schema="engage")
    op.create_table(
        "batch_row",
        sa.Column("batch_id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("total", sa.BigInteger(), nullable=False),
        sa.Column("place", sa.SmallInteger(), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("batch_id", "place", name=op.f("batch_row_pk")),
        schema="engage",
        comment="Which account a row of a batch was about, and what was said of it.",
    )
    op.create_index(
        op.f("batch_row_holder_id_idx"), "batch_row", ["holder_id"], unique=False, schema="engage"
    )
    op.create_table(
        "delivery",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("repeats", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("event_type", sa.Text(), nullable=True),
        sa.Column("message_id", sa.Text(), nullable=True),
        sa.Column("envelope_id", sa.Text(), nullable=True),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("holder_id", sa.Uuid(), nullable=True),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("body", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "state <> 'booked' or number is not null", name=op.f("delivery_booked_check")
        ),
        sa.CheckConstraint(
            "state in ('received', 'booked', 'duplicate', 'quarantined', 'ignored')",
            name=op.f("delivery_state_check"),
        ),
        sa.CheckConstraint(
            "(holder_id is null) = (number is null)", name=op.f("delivery_place_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("delivery_pk")),
        sa.UniqueConstraint("tenant_id", "digest", name=op.f("delivery_tenant_id_digest_key")),
        sa.UniqueConstraint(
            "tenant_id", "envelope_id", name=op.f("delivery_tenant_id_envelope_id_key")
        ),
        sa.UniqueConstraint(
            "tenant_id", "message_id", name=op.f("delivery_tenant_id_message_id_key")
        ),
        schema="engage",
        comment="A webhook's message, once. contact_id: only until it is booked.",
    )
    op.create_index(
        "delivery_contact_idx",
        "delivery",
        ["contact_id"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("contact_id is not null"),
    )
    op.create_index(
        "delivery_holder_idx",
        "delivery",
        ["holder_id"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("holder_id is not null"),
    )
    op.create_index(
        "delivery_tenant_idx", "delivery", ["tenant_id", "id"], unique=False, schema="engage"
    )
    op.create_table(
        "rate",
        sa.Column("key_hash", sa.Uuid(), nullable=False),
        sa.Column("free_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("key_hash", name=op.f("rate_pk")),
        schema="engage",
        comment="From when on the next call with an API key may be made, over all replicas.",
        postgresql_with={"fillfactor": "10"},
    )
    op.create_table(
        "run",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=True),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("cause", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("is_quiet", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("started_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("summary", postgresql.JSONB(astext_type=sa.Text()), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "(state in ('done', 'failed', 'abandoned')) = (finished_at is not null)",
            name=op.f("run_finished_check"),
        ),
        sa.CheckConstraint("cause in ('schedule', 'request')", name=op.f("run_cause_check")),
        sa.CheckConstraint(
            "state in ('waiting', 'running', 'done', 'failed', 'abandoned')",
            name=op.f("run_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("run_pk")),
        schema="engage",
        comment="Work that was due or asked for. is_quiet: nothing to do; only the latest is kept.",
    )
    op.create_index(
        "run_kind_idx", "run", ["kind", "tenant_id", "id"], unique=False, schema="engage"
    )
    state(op, "engage.account")
    state(op, "engage.batch", delete=True)
    state(op, "engage.batch_row", delete=True)
    state(op, "engage.delivery")
    state(op, "engage.rate", delete=True)
    state(op, "engage.run", delete=True)
