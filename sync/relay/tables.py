"""The tables of the relay.

The one hard idea: three things are kept apart that change at different times. `event` is what was
received, written once and settled once. `queue` has a row for each customer with something to send;
that row is the lock under which the customer's events are sent in order, and `bulk_id` in it the
promise that at most one request is under way for them. `seen` recognises repeats and outlives both;
it holds nothing of a person.

Nothing here is a fact of the books. What names a person (`customer`, `payload`, keys of `identity`)
can be removed.
"""

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Column,
    DateTime,
    Identity,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    Uuid,
    text,
)

from ledger.tables import NAMING_CONVENTION

metadata = MetaData(schema="relay", naming_convention=NAMING_CONVENTION)


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _count(name: str) -> Column[object]:
    return Column(name, BigInteger, nullable=False, server_default=text("0"))


source = Table(
    "source",
    metadata,
    Column("id", SmallInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", SmallInteger, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("vendor", Text, nullable=False),
)

destination = Table(
    "destination",
    metadata,
    Column("id", SmallInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", SmallInteger, nullable=False),
    Column("name", Text, nullable=False, unique=True),
    Column("address", Text, nullable=False),
)

standing = Table(
    "standing",
    metadata,
    Column("destination_id", SmallInteger, primary_key=True, autoincrement=False),
    _instant("events_free_at", nullable=True),
    _instant("customers_free_at", nullable=True),
    _instant("limited_until", nullable=True),
    _instant("paused_until", nullable=True),
    _instant("broken_until", nullable=True),
    _instant("accepted_at", nullable=True),
    _instant("failed_at", nullable=True),
    Column("failures", Integer, nullable=False, server_default=text("0")),
    Column("trouble", Text, nullable=True),
    comment="How a destination takes what is sent, over all replicas.",
    postgresql_with={"fillfactor": "10"},
)

seen = Table(
    "seen",
    metadata,
    Column("key", Uuid, nullable=False),
    Column("event_id", Uuid, nullable=False),
    _instant("at"),
    _instant("fresh_until", nullable=True),
    Column("repeats", Integer, nullable=False, server_default=text("0")),
    Column("group_id", SmallInteger, nullable=False),
    PrimaryKeyConstraint("group_id", "key"),
    Index(None, "at", postgresql_using="brin"),
    comment="By what a repeat is recognised. group_id: the source, or the one it shares with.",
)

event = Table(
    "event",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("number", BigInteger, Identity(always=True), nullable=False),
    _instant("received_at"),
    _instant("occurred_at", nullable=True),
    _instant("settled_at", nullable=True),
    Column("bulk_id", Uuid, nullable=True),
    Column("source_id", SmallInteger, nullable=False),
    Column("destination_id", SmallInteger, nullable=False),
    Column("attempts", SmallInteger, nullable=False, server_default=text("0")),
    Column("portion", SmallInteger, nullable=True),
    Column("profile_sent", Boolean, nullable=False, server_default=text("false")),
    Column("maybe_repeated", Boolean, nullable=False, server_default=text("false")),
    Column("state", Text, nullable=False),
    Column("family", Text, nullable=False),
    Column("name", Text, nullable=True),
    Column("reason", Text, nullable=True),
    Column("message", Text, nullable=True),
    Column("customer", Text, nullable=True),
    Column("join_key", Text, nullable=True),
    Column("payload", LargeBinary, nullable=True),
    CheckConstraint(
        "state in ('waiting', 'delivered', 'quarantined', 'dead', 'ignored')", name="state"
    ),
    CheckConstraint("state <> 'waiting' or customer is not null", name="customer"),
    Index(
        "event_waiting_idx",
        "destination_id",
        "customer",
        "number",
        postgresql_where=text("state = 'waiting'"),
    ),
    Index(
        "event_troubled_idx",
        "state",
        "id",
        postgresql_where=text("state in ('quarantined', 'dead')"),
    ),
    Index("event_repeated_idx", "id", postgresql_where=text("maybe_repeated")),
    Index(
        "event_join_key_idx",
        "join_key",
        postgresql_where=text("join_key is not null and state = 'quarantined'"),
    ),
    Index("event_customer_idx", "customer", "id", postgresql_where=text("customer is not null")),
    comment="What was received, in the order of its number; settled once.",
)

queue = Table(
    "queue",
    metadata,
    Column("destination_id", SmallInteger, nullable=False),
    Column("customer", Text, nullable=False),
    Column("bulk_id", Uuid, nullable=True),
    _instant("since"),
    _instant("ready_at"),
    PrimaryKeyConstraint("destination_id", "customer"),
    Index(
        "queue_ready_idx",
        "destination_id",
        "ready_at",
        postgresql_where=text("bulk_id is null"),
    ),
    comment="Customers with something to send. since: the receipt of the oldest of it.",
    postgresql_with={"fillfactor": "70"},
)

bulk = Table(
    "bulk",
    metadata,
    Column("id", Uuid, primary_key=True),
    _instant("created_at"),
    _instant("lease_until"),
    _instant("finished_at", nullable=True),
    Column("destination_id", SmallInteger, nullable=False),
    Column("http_status", SmallInteger, nullable=True),
    Column("event_count", Integer, nullable=False),
    Column("element_count", Integer, nullable=False),
    Column("byte_count", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("request_id", Text, nullable=True),
    Column("error", Text, nullable=True),
    Column("events", ARRAY(Uuid), nullable=True),
    CheckConstraint(
        "state in ('sending', 'accepted', 'refused', 'limited', 'denied', 'unreached', 'unclear')",
        name="state",
    ),
    CheckConstraint("(state = 'sending') = (finished_at is null)", name="finished"),
    Index(
        "bulk_lease_idx",
        "destination_id",
        "lease_until",
        postgresql_where=text("state = 'sending'"),
    ),
    comment="One request to MoEngage, written down before it is sent.",
)

identity = Table(
    "identity",
    metadata,
    Column("group_id", SmallInteger, nullable=False),
    Column("key", Text, nullable=False),
    Column("customer", Text, nullable=False),
    _instant("learned_at"),
    _instant("expires_at", nullable=True),
    PrimaryKeyConstraint("group_id", "key"),
    Index(None, "customer"),
    comment="To which customer belongs what goes by another name.",
)

known_name = Table(
    "known_name",
    metadata,
    Column("destination_id", SmallInteger, nullable=False),
    Column("kind", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("type", Text, nullable=True),
    PrimaryKeyConstraint("destination_id", "kind", "name"),
    comment="Names of events and attributes that were sent, each with its type for ever.",
)

profile = Table(
    "profile",
    metadata,
    Column("destination_id", SmallInteger, nullable=False),
    Column("customer", Text, nullable=False),
    Column("attribute", Text, nullable=False),
    _instant("as_of"),
    PrimaryKeyConstraint("destination_id", "customer", "attribute"),
    Index(None, "as_of", postgresql_using="brin"),
    comment="As of when an attribute of a customer was last written.",
)

tally = Table(
    "tally",
    metadata,
    _instant("minute"),
    Column("source_id", SmallInteger, nullable=False),
    Column("destination_id", SmallInteger, nullable=False),
    _count("received"),
    _count("repeats"),
    _count("delivered"),
    _count("quarantined"),
    _count("dead"),
    _count("maybe_repeated"),
    PrimaryKeyConstraint("minute", "source_id", "destination_id"),
    comment="How much came in and went out, minute by minute.",
)

file = Table(
    "file",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("source_id", SmallInteger, nullable=False),
    Column("name", Text, nullable=False),
    Column("size", BigInteger, nullable=False),
    _instant("modified_at"),
    _instant("taken_at"),
    _count("rows"),
    _count("fresh"),
    Column("digest", LargeBinary, nullable=True),
    Column("trouble", Text, nullable=True),
    Index(None, "source_id", "name"),
    comment="Files that were fetched, and what was wrong with those that were not.",
)
