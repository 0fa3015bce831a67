"""The whole of the wires to Engage: rows, differences, member numbers, pauses; former holders.

Revision: 0006, after 0005. Written 2026-11-21.
"""

import sqlalchemy as sa
from alembic import op

from migrations.privileges import state

revision = "0006"
down_revision = "0005"
branch_labels = None
depends_on = None

NEVER = "'1970-01-01 00:00:00+00'"


def upgrade() -> None:
    # Better to fail and be tried again than to make every posting queue behind this.
    op.execute("SET LOCAL lock_timeout = '3s'")
    former_holders()
    accounts_and_batches()
    rows()
    differences()
    contacts()
    op.create_table(
        "pause",
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("paused_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("paused_by", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("tenant_id", "direction", name=op.f("pause_pk")),
        schema="engage",
        comment="What people stopped, until they let it go on; the schedule's own pauses are "
        "settings.",
    )
    state(op, "engage.pause", delete=True)


def former_holders() -> None:
    """Which holder a contact had before it was merged."""
    op.add_column(
        "contact", sa.Column("former_holder_id", sa.Uuid(), nullable=True), schema="ledger"
    )
    op.create_index(
        "contact_former_holder_id_idx",
        "contact",
        ["former_holder_id"],
        unique=False,
        schema="ledger",
        postgresql_where=sa.text("former_holder_id is not null"),
    )
    op.create_table_comment(
        "contact",
        "Where a contact and a holder meet; erasing a person deletes the row. "
        "former_holder_id: whose the contact was before it was merged into another.",
        schema="ledger",
    )


def accounts_and_batches() -> None:
    """When accounts were compared; batches of a second kind."""
    op.add_column(
        "account",
        sa.Column(
            "compared_at",
            sa.DateTime(timezone=True),
            server_default=sa.text(NEVER),
            nullable=False,
        ),
        schema="engage",
    )
    op.create_index(
        "account_compared_idx",
        "account",
        ["definition_id", "compared_at", "holder_id"],
        unique=False,
        schema="engage",
    )
    op.drop_constraint(op.f("account_in_flight_check"), "account", schema="engage")
    op.create_table_comment(
        "account",
        "What Engage was told of a point account. batch_id: the one push in flight; "
        "compared_at: when its balance there was last read, 1970 for never.",
        schema="engage",
    )
    op.add_column("batch", sa.Column("idempotency_key", sa.Text(), nullable=True), schema="engage")
    op.add_column(
        "batch",
        sa.Column("first_sent_at", sa.DateTime(timezone=True), nullable=True),
        schema="engage",
    )
    op.add_column(
        "batch",
        sa.Column("must_read", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="engage",
    )
    op.add_column(
        "batch",
        sa.Column("forget_body", sa.Boolean(), server_default=sa.text("false"), nullable=False),
        schema="engage",
    )
    op.drop_constraint(op.f("batch_kind_check"), "batch", schema="engage")
    op.create_check_constraint(
        op.f("batch_kind_check"),
        "batch",
        "kind in ('balances', 'transactions')",
        schema="engage",
    )
    op.create_check_constraint(
        op.f("batch_key_check"),
        "batch",
        "(kind = 'transactions') = (idempotency_key is not null)",
        schema="engage",
    )
    op.create_table_comment(
        "batch",
        "One request to Engage, its exact body stored before it is sent. must_read: of unknown "
        "outcome, and not to be sent again. forget_body: somebody in it was erased; the body goes "
        "when nothing more can happen to it.",
        schema="engage",
    )
    op.add_column("batch_row", sa.Column("row_id", sa.BigInteger(), nullable=True), schema="engage")
    op.create_table_comment(
        "batch_row",
        "Which account a row of a batch was about, and what was said of it. total: of a row of "
        "transactions, its amount.",
        schema="engage",
    )
    op.create_index(
        "delivery_quarantined_idx",
        "delivery",
        ["tenant_id", "id"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("state = 'quarantined'"),
    )
    # What is old is cleared away now.
    state(op, "engage.delivery", delete=True)


def rows() -> None:
    """Movements as Engage is told them."""
    op.create_table(
        "row",
        sa.Column("id", sa.BigInteger(), sa.Identity(always=True), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("number", sa.BigInteger(), nullable=True),
        sa.Column("amount", sa.BigInteger(), nullable=False),
        sa.Column("stamp", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_from", sa.DateTime(timezone=True), nullable=False),
        sa.Column("valid_to", sa.DateTime(timezone=True), nullable=True),
        sa.Column("derived_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("ended_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("retry_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("batch_id", sa.Uuid(), nullable=True),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("line", sa.SmallInteger(), nullable=True),
        sa.Column("part", sa.SmallInteger(), nullable=True),
        sa.Column("place", sa.SmallInteger(), nullable=True),
        sa.Column("failures", sa.SmallInteger(), server_default=sa.text("0"), nullable=False),
        sa.Column("nature", sa.Text(), nullable=False),
        sa.Column("source", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("reason", sa.Text(), nullable=True),
        sa.CheckConstraint("amount <> 0", name=op.f("row_amount_check")),
        sa.CheckConstraint(
            "(number is null) = (line is null) and (line is null) = (part is null)",
            name=op.f("row_origin_check"),
        ),
        sa.CheckConstraint(
            "state in ('waiting', 'sent', 'told', 'parked', 'dropped')",
            name=op.f("row_state_check"),
        ),
        sa.CheckConstraint("(batch_id is null) = (place is null)", name=op.f("row_place_check")),
        sa.CheckConstraint("state <> 'sent' or batch_id is not null", name=op.f("row_sent_check")),
        sa.CheckConstraint(
            "(state in ('told', 'dropped')) = (ended_at is not null)",
            name=op.f("row_ended_check"),
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("row_pk")),
        sa.UniqueConstraint(
            "holder_id",
            "definition_id",
            "stamp",
            name=op.f("row_holder_id_definition_id_stamp_key"),
        ),
        sa.UniqueConstraint(
            "holder_id", "number", "line", "part", name=op.f("row_holder_id_number_line_part_key")
        ),
        schema="engage",
        comment="A movement as Engage is told it. number, line, part: which of the books; none for "
        "a correction. stamp: when it happened, made unique; valid_from: since when it counts.",
        postgresql_with={"fillfactor": "75"},
    )
    op.create_index(
        "row_waiting_idx",
        "row",
        ["definition_id", "id"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("state = 'waiting'"),
    )
    op.create_index(
        "row_parked_idx",
        "row",
        ["definition_id", "id"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("state = 'parked'"),
    )
    op.create_index(
        "row_batch_idx",
        "row",
        ["batch_id", "place"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("batch_id is not null"),
    )
    state(op, "engage.row", delete=True)


def differences() -> None:
    """Where Engage had something else than the books."""
    op.create_table(
        "difference",
        sa.Column("id", sa.Uuid(), nullable=False),
        sa.Column("holder_id", sa.Uuid(), nullable=False),
        sa.Column("found_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("seen_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("repaired_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("closed_at", sa.DateTime(timezone=True), nullable=True),
        sa.Column("books_total", sa.BigInteger(), nullable=False),
        sa.Column("books_pending", sa.BigInteger(), nullable=True),
        sa.Column("repairs", sa.Integer(), server_default=sa.text("0"), nullable=False),
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("definition_id", sa.SmallInteger(), nullable=False),
        sa.Column("engage_total", sa.Numeric(), nullable=True),
        sa.Column("engage_pending", sa.Numeric(), nullable=True),
        sa.Column("size", sa.Numeric(), nullable=False),
        sa.Column("repair", sa.Text(), nullable=True),
        sa.Column("unrepaired", sa.Text(), nullable=True),
        sa.CheckConstraint("repair in ('push', 'rows')", name=op.f("difference_repair_check")),
        sa.CheckConstraint(
            "(repair is null) = (repaired_at is null)", name=op.f("difference_repaired_check")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("difference_pk")),
        schema="engage",
        comment="Where Engage had something else than the books. size: by how much, in points of "
        "the definition, active and pending together.",
    )
    op.create_index(
        "difference_open_idx",
        "difference",
        ["holder_id", "definition_id"],
        unique=True,
        schema="engage",
        postgresql_where=sa.text("closed_at is null"),
    )
    op.create_index(
        "difference_tenant_idx", "difference", ["tenant_id", "id"], unique=False, schema="engage"
    )
    op.create_index(
        "difference_holder_idx", "difference", ["holder_id"], unique=False, schema="engage"
    )
    state(op, "engage.difference", delete=True)


def contacts() -> None:
    """Contacts as Engage knows them."""
    op.create_table(
        "member",
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("member_number", sa.Text(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=True),
        sa.Column("asked_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("expires_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("outcome", sa.Text(), nullable=False),
        sa.CheckConstraint(
            "outcome in ('found', 'unknown', 'ambiguous')", name=op.f("member_outcome_check")
        ),
        sa.CheckConstraint(
            "(outcome = 'found') = (contact_id is not null)", name=op.f("member_contact_check")
        ),
        sa.PrimaryKeyConstraint("tenant_id", "member_number", name=op.f("member_pk")),
        schema="engage",
        comment="Who has a member number, as Engage said when it was asked, until expires_at.",
    )
    op.create_index(
        "member_contact_idx",
        "member",
        ["contact_id"],
        unique=False,
        schema="engage",
        postgresql_where=sa.text("contact_id is not null"),
    )
    op.create_table(
        "gone",
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("contact_id", sa.Uuid(), nullable=False),
        sa.Column("into_contact_id", sa.Uuid(), nullable=True),
        sa.Column("noticed_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decided_at", sa.DateTime(timezone=True), nullable=False),
        sa.Column("decision", sa.Text(), nullable=False),
        sa.Column("message", sa.Text(), nullable=True),
        sa.CheckConstraint(
            "decision in ('listed', 'merged', 'erased', 'failed', 'returned')",
            name=op.f("gone_decision_check"),
        ),
        sa.PrimaryKeyConstraint("tenant_id", "contact_id", name=op.f("gone_pk")),
        schema="engage",
        comment="Contacts of the books that Engage no longer has. into_contact_id: whom their "
        "member number leads to now.",
    )
    op.create_table(
        "feed",
        sa.Column("tenant_id", sa.SmallInteger(), nullable=False),
        sa.Column("change_type", sa.Text(), nullable=False),
        sa.Column("read_until", sa.DateTime(timezone=True), nullable=False),
        sa.PrimaryKeyConstraint("tenant_id", "change_type", name=op.f("feed_pk")),
        schema="engage",
        comment="How far the changes of contacts were read.",
    )
    for table in ("engage.member", "engage.gone", "engage.feed"):
        state(op, table, delete=True)
