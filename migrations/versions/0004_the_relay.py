"""The relay: what was received, what waits for whom, and how each destination takes it.

Revision: 0004, after 0003. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op

from migrations.privileges import state

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    op.create_table(
        "bulk",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("created_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("lease_until", sa.DateTime(timezone=True), nullable=False),
        sa.Column("finished_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("destination_id", sa.SmallInteger(), nullable=False),
        sa.Column("http_status", sa.SmallInteger(), nullable=True),
        sa.Column("event_count", sa.Integer(), nullable=False),
        sa.Column("element_count", sa.Integer(), nullable=False),
        sa.Column("byte_count", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("request_id", sa.Text(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("events", sa.ARRAY(sa.Uuid()), nullable=True),
        sa.CheckConstraint(
            "(state = 'sending') = (finished_at is null)", name=op.f("bulk_finished_check")
        ),
        sa.CheckConstraint(
            "state in ('sending', 'accepted', 'refused', 'limited', 'denied', 'unreached', "
            "'unclear')",
            name=op.f("bulk_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("bulk_pk")),
        schema="relay",
        comment="One request to MoEngage, written down before it is sent.",
    )
    op.create_index(
        "bulk_lease_idx",
        "bulk",
        ["destination_id", "lease_until"],
        unique=False,
        schema="relay",
        postgresql_where=sa.text("state = 'sending'"),
    )
    op.create_table(
        "destination",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("address", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("destination_pk")),
        sa.UniqueConstraint("name", name=op.f("destination_name_key")),
        schema="relay",
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("received_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("occurred_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("settled_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("bulk_id", sa.Uuid(), nullable=True),
        sa.Column("source_id", sa.SmallInteger(), nullable=False),
        sa.Column("destination_id", sa.SmallInteger(), nullable=False),
        sa.Column("attempts", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("portion", sa.SmallInteger(), nullable=True),
        sa.Column("profile_sent", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("maybe_repeated", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("family", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=True),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.Column("message", sa.Text(), nullable=True),
        sa.Column("customer", sa.Text(), nullable=True),
        sa.Column("join_key", sa.Text(), nullable=True),
        sa.Column("payload", sa.LargeBinary(), nullable=True),
        sa.CheckConstraint(
            "state <> 'waiting' or customer is not null", name=op.f("event_customer_check")
        ),
        sa.CheckConstraint(
            "state in ('waiting', 'delivered', 'quarantined', 'dead', 'ignored')",
            name=op.f("event_state_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("event_pk")),
        schema="relay",
        comment="What was received, in the order of its number; settled once.",
    )
    op.create_index(
        "event_customer_idx",
        "event",
        ["customer", "id"],
        unique=False,
        schema="relay",
        postgresql_where=sa.text("customer is not null"),
    )
    op.create_index(
        "event_join_key_idx",
        "event",
        ["join_key"],
        unique=False,
        schema="relay",
        postgresql_where=sa.text("join_key is not null and state = 'quarantined'"),
    )
    op.create_index(
        "event_repeated_idx",
        "event",
        ["id"],
        unique=False,
        schema="relay",
        postgresql_where=sa.text("maybe_repeated"),
    )
    op.create_index(
        "event_troubled_idx",
        "event",
        ["state", "id"],
        unique=False,
        schema="relay",
        postgresql_where=sa.text("state in ('quarantined', 'dead')"),
    )
    op.create_index(
        "event_waiting_idx",
        "event",
        ["destination_id", "customer", "number"],
        unique=False,
        schema="relay",
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_table(
        "file",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("source_id", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("modified_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("taken_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("rows", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("fresh", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=True),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id", name=op.f("file_pk")),
        schema="relay",
        comment="Files that were fetched, and what was wrong with those that were not.",
    )
    op.create_index(
        op.f("file_source_id_name_idx"), "file", ["source_id", "name"], unique=False, schema="relay"
    )
    op.create_table(
        "identity",
        sa.Column("group_id", sa.SmallInteger(), nullable=False),
        sa.Column("key", sa.Text(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("learned_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=True),
        sa.PrimaryKeyConstraint("group_id", "key", name=op.f("identity_pk")),
        schema="relay",
        comment="To which customer belongs what goes by another name.",
    )
    op.create_index(
        op.f("identity_customer_idx"), "identity", ["customer"], unique=False, schema="relay"
    )
    op.create_table(
        "known_name",
        sa.Column("destination_id", sa.SmallInteger(), nullable=False),
        sa.Column("kind", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("destination_id", "kind", "name", name=op.f("known_name_pk")),
        schema="relay",
        comment="Names of events and attributes that were sent, each with its type for ever.",
    )
    op.create_table(
        "profile",
        sa.Column("destination_id", sa.SmallInteger(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("attribute", sa.Text(), nullable=False),
        sa.Column("as_of", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "customer", "attribute", name=op.f("profile_pk")),
        schema="relay",
        comment="As of when an attribute of a customer was last written.",
    )
    op.create_index(
        op.f("profile_as_of_idx"),
        "profile",
        ["as_of"],
        unique=False,
        schema="relay",
        postgresql_using="brin",
    )
    op.create_table(
        "queue",
        sa.Column("destination_id", sa.SmallInteger(), nullable=False),
        sa.Column("customer", sa.Text(), nullable=False),
        sa.Column("bulk_id", sa.Uuid(), nullable=True),
        sa.Column("since", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ready_at", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("destination_id", "customer", name=op.f("queue_pk")),
        schema="relay",
        comment="Customers with something to send. since: the receipt of the oldest of it.",
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "queue_ready_idx",
        "queue",
        ["destination_id", "ready_at"],
        unique=False,
        schema="relay",
        postgresql_where=sa.text("bulk_id is null"),
    )
    op.create_table(
        "seen",
        sa.Column("key", sa.Uuid(), nullable=False),
        sa.Column("event_id", sa.Uuid(), nullable=False),
        sa.Column("at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("fresh_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("repeats", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("group_id", sa.SmallInteger(), nullable=False),
        sa.PrimaryKeyConstraint("group_id", "key", name=op.f("seen_pk")),
        schema="relay",
        comment="By what a repeat is recognised. group_id: the source, or the one it shares with.",
    )
    op.create_index(
        op.f("seen_at_idx"), "seen", ["at"], unique=False, schema="relay", postgresql_using="brin"
    )
    op.create_table(
        "source",
        sa.Column("id", sa.SmallInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("vendor", sa.Text(), nullable=False),
        sa.PrimaryKeyConstraint("id", name=op.f("source_pk")),
        sa.UniqueConstraint("name", name=op.f("source_name_key")),
        schema="relay",
    )
    op.create_table(
        "standing",
        sa.Column("destination_id", sa.SmallInteger(), autoincrement=False, nullable=False),
        sa.Column("events_free_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("customers_free_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("limited_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("paused_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("broken_until", sa.DateTime(timezone=True), nullable=True),
        sa.Column("accepted_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("failures", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("trouble", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("destination_id", name=op.f("standing_pk")),
        schema="relay",
        comment="How a destination takes what is sent, over all replicas.",
        postgresql_with={"fillfactor": "10"},
    )
    op.create_table(
        "tally",
        sa.Column("minute", sa.DateTime(timezone=True), nullable=False),
        sa.Column("source_id", sa.SmallInteger(), nullable=False),
        sa.Column("destination_id", sa.SmallInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("repeats", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("delivered", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("quarantined", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("dead", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("maybe_repeated", sa.BigInteger(), server_default=sa.text("0"), nullable=False),
        sa.PrimaryKeyConstraint("minute", "source_id", "destination_id", name=op.f("tally_pk")),
        schema="relay",
        comment="How much came in and went out, minute by minute.",
    )
    state(op, "relay.source")
    state(op, "relay.destination")
    state(op, "relay.standing")
    state(op, "relay.seen", delete=True)
    state(op, "relay.event", delete=True)
    state(op, "relay.queue", delete=True)
    state(op, "relay.bulk", delete=True)
    state(op, "relay.identity", delete=True)
    state(op, "relay.known_name")
    state(op, "relay.profile", delete=True)
    state(op, "relay.tally", delete=True)
    state(op, "relay.file", delete=True)
