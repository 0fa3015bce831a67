"""The tables of the wires to Engage.

The one hard idea: what is sent is stored before it is sent, and who may send it is a row the
database holds. `account.batch_id` is the promise that at most one push is in flight for a point
account; `batch.state` says how far that push has come; `next_action_at` is both its appointment
and, moved into the future by whoever takes it up, the claim that keeps others away meanwhile.
What only one part of the wires knows of has its tables there: rows in `transactions`, differences
in `drift`, member numbers in `contacts`.

Nothing here is a fact of the books: all of it can be told to Engage again. What may name a person
(bodies, messages, contacts) can be set to NULL.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import ARRAY, JSONB

from ledger.tables import NAMING_CONVENTION

metadata = MetaData(schema="engage", naming_convention=NAMING_CONVENTION)


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


account = Table(
    "account",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("batch_id", Uuid, nullable=True),
    Column("sent_total", BigInteger, nullable=True),
    Column("confirmed_total", BigInteger, nullable=True),
    _instant("sent_at", nullable=True),
    _instant("confirmed_at", nullable=True),
    _instant("retry_at", nullable=True),
    Column("definition_id", SmallInteger, nullable=False),
    Column("failures", SmallInteger, nullable=False, server_default=text("0")),
    Column("parked_reason", Text, nullable=True),
    Column(
        "compared_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("'1970-01-01 00:00:00+00'"),
    ),
    PrimaryKeyConstraint("holder_id", "definition_id"),
    Index("account_compared_idx", "definition_id", "compared_at", "holder_id"),
    Index(
        "account_parked_idx",
        "definition_id",
        "holder_id",
        postgresql_where=text("parked_reason is not null"),
    ),
    comment="What Engage was told of a point account. batch_id: the one push in flight; "
    "compared_at: when its balance there was last read, 1970 for never.",
    # Written twice a push; the room keeps both versions on one page and out of the indexes.
    postgresql_with={"fillfactor": "60"},
)

batch = Table(
    "batch",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("row_count", Integer, nullable=False),
    Column("attempts", Integer, nullable=False, server_default=text("0")),
    Column("polls", Integer, nullable=False, server_default=text("0")),
    _instant("created_at"),
    _instant("sent_at", nullable=True),
    _instant("answered_at", nullable=True),
    _instant("finished_at", nullable=True),
    _instant("next_action_at", nullable=True),
    Column("http_status", SmallInteger, nullable=True),
    Column("engage_id", Text, nullable=True),
    Column("status", Text, nullable=True),
    Column("messages", JSONB, nullable=True),
    Column("error", Text, nullable=True),
    Column("path", Text, nullable=False),
    Column("body", LargeBinary, nullable=True),
    Column("idempotency_key", Text, nullable=True),
    _instant("first_sent_at", nullable=True),
    Column("must_read", Boolean, nullable=False, server_default=text("false")),
    Column("forget_body", Boolean, nullable=False, server_default=text("false")),
    CheckConstraint("kind in ('balances', 'transactions')", name="kind"),
    CheckConstraint("(kind = 'transactions') = (idempotency_key is not null)", name="key"),
    CheckConstraint(
        "state in ('stored', 'sending', 'accepted', 'unclear', "
        "'done', 'failed', 'refused', 'settled')",
        name="state",
    ),
    CheckConstraint(
        "(state in ('done', 'failed', 'refused', 'settled')) = (finished_at is not null)",
        name="finished",
    ),
    CheckConstraint("(finished_at is null) = (next_action_at is not null)", name="next_action"),
    CheckConstraint("row_count > 0", name="row_count"),
    Index(
        "batch_next_action_idx",
        "tenant_id",
        "next_action_at",
        postgresql_where=text("next_action_at is not null"),
    ),
    Index("batch_tenant_idx", "tenant_id", "id"),
    comment="One request to Engage, its exact body stored before it is sent. must_read: of unknown "
    "outcome, and not to be sent again. forget_body: somebody in it was erased; the body goes when "
    "nothing more can happen to it.",
    postgresql_with={"fillfactor": "80"},
)

batch_row = Table(
    "batch_row",
    metadata,
    Column("batch_id", Uuid, nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("total", BigInteger, nullable=False),
    Column("place", SmallInteger, nullable=False),
    Column("definition_id", SmallInteger, nullable=False),
    Column("message", Text, nullable=True),
    Column("row_id", BigInteger, nullable=True),
    PrimaryKeyConstraint("batch_id", "place"),
    Index(None, "holder_id"),
    comment="Which account a row of a batch was about, and what was said of it. total: of a row of "
    "transactions, its amount.",
)

delivery = Table(
    "delivery",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", SmallInteger, nullable=False),
    Column("repeats", Integer, nullable=False, server_default=text("0")),
    _instant("received_at"),
    _instant("decided_at"),
    Column("state", Text, nullable=False),
    Column("reason", Text, nullable=True),
    Column("message", Text, nullable=True),
    Column("event_type", Text, nullable=True),
    Column("message_id", Text, nullable=True),
    Column("envelope_id", Text, nullable=True),
    Column("digest", LargeBinary, nullable=True),
    Column("holder_id", Uuid, nullable=True),
    Column("number", BigInteger, nullable=True),
    Column("contact_id", Uuid, nullable=True),
    Column("body", LargeBinary, nullable=True),
    Column("earlier_bodies", ARRAY(LargeBinary), nullable=True),
    Column("payload", Text, nullable=True),
    UniqueConstraint("tenant_id", "message_id"),
    UniqueConstraint("tenant_id", "envelope_id"),
    UniqueConstraint("tenant_id", "digest"),
    CheckConstraint(
        "state in ('received', 'booked', 'duplicate', 'quarantined', 'ignored')", name="state"
    ),
    CheckConstraint("(holder_id is null) = (number is null)", name="place"),
    CheckConstraint("state <> 'booked' or number is not null", name="booked"),
    Index("delivery_tenant_idx", "tenant_id", "id"),
    Index(
        "delivery_quarantined_idx",
        "tenant_id",
        "id",
        postgresql_where=text("state = 'quarantined'"),
    ),
    Index("delivery_holder_idx", "holder_id", postgresql_where=text("holder_id is not null")),
    Index("delivery_contact_idx", "contact_id", postgresql_where=text("contact_id is not null")),
    comment="A webhook's message, once. contact_id: only until it is booked; body: the one that "
    "was judged; earlier_bodies: others that came under the same id before; payload: what an "
    "adjustment says, as Engage wrote it.",
)

rate = Table(
    "rate",
    metadata,
    Column("key_hash", Uuid, primary_key=True),
    _instant("free_at"),
    comment="From when on the next call with an API key may be made, over all replicas.",
    postgresql_with={"fillfactor": "10"},
)

run = Table(
    "run",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", SmallInteger, nullable=True),
    Column("kind", Text, nullable=False),
    Column("cause", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("is_quiet", Boolean, nullable=False, server_default=text("false")),
    _instant("asked_at"),
    _instant("started_at", nullable=True),
    _instant("finished_at", nullable=True),
    Column("summary", JSONB, nullable=True),
    Column("error", Text, nullable=True),
    CheckConstraint("cause in ('schedule', 'request')", name="cause"),
    CheckConstraint("state in ('waiting', 'running', 'done', 'failed', 'abandoned')", name="state"),
    CheckConstraint(
        "(state in ('done', 'failed', 'abandoned')) = (finished_at is not null)", name="finished"
    ),
    Index("run_kind_idx", "kind", "tenant_id", "id"),
    comment="Work that was due or asked for. is_quiet: nothing to do; only the latest is kept.",
)

pause = Table(
    "pause",
    metadata,
    Column("tenant_id", SmallInteger, nullable=False),
    Column("direction", Text, nullable=False),
    _instant("paused_at"),
    Column("paused_by", Text, nullable=False),
    Column("reason", Text, nullable=True),
    PrimaryKeyConstraint("tenant_id", "direction"),
    comment="What people stopped, until they let it go on; the schedule's own pauses are settings.",
)
