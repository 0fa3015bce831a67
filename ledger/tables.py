"""The tables of the books.

The one hard idea: every table carries `holder_id` and every unique key includes it (the
idempotency table has its key's own hash instead), so that the books can be spread over several
servers by holder. Facts (`transaction`, `transfer`, `allocation`, `term`) are only ever inserted;
privileges and triggers of the migrations hold that. There are no foreign keys between them:
they are written together by one function, `verify` checks what a foreign key would, and a check
per inserted row would cost a quarter of the posting rate.

Times are `timestamptz`; amounts are whole minor units of the definition's scale.
"""

from enum import IntEnum

from sqlalchemy import (
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
    Numeric,
    PrimaryKeyConstraint,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    Uuid,
    text,
)
from sqlalchemy.dialects.postgresql import JSONB

from ledger.kinds import Kind, LedgerAccount
from ledger.storage import CHANGING, GROWING, QUEUE

NAMING_CONVENTION = {
    "pk": "%(table_name)s_pk",
    "uq": "%(table_name)s_%(column_0_N_name)s_key",
    "ix": "%(table_name)s_%(column_0_N_name)s_idx",
    "ck": "%(table_name)s_%(constraint_name)s_check",
    "fk": "%(table_name)s_%(column_0_N_name)s_fk",
}

metadata = MetaData(schema="ledger", naming_convention=NAMING_CONVENTION)


def _is_one_of(name: str, numbers: type[IntEnum]) -> str:
    """That a column says nothing but numbers that are known: a new one needs a revision."""
    return f"{name} in ({', '.join(str(one.value) for one in numbers)})"


def _instant(name: str, *, nullable: bool = False) -> Column[object]:
    return Column(name, DateTime(timezone=True), nullable=nullable)


def _points(name: str) -> Column[object]:
    return Column(name, BigInteger, nullable=False)


tenant = Table(
    "tenant",
    metadata,
    Column("id", SmallInteger, Identity(always=True), primary_key=True),
    Column("name", Text, nullable=False, unique=True),
    Column("time_zone", Text, nullable=False),
    Column(
        "created_at",
        DateTime(timezone=True),
        nullable=False,
        server_default=text("clock_timestamp()"),
    ),
)

definition = Table(
    "definition",
    metadata,
    Column("id", SmallInteger, Identity(always=True), primary_key=True),
    Column("tenant_id", SmallInteger, nullable=False),
    Column("engage_id", Integer, nullable=False),
    Column("name", Text, nullable=False),
    Column("scale", SmallInteger, nullable=False),
    UniqueConstraint("tenant_id", "engage_id"),
    CheckConstraint("scale between 0 and 4", name="scale"),
)

definition_policy = Table(
    "definition_policy",
    metadata,
    Column("definition_id", SmallInteger, nullable=False),
    Column("version", Integer, nullable=False),
    Column("policy", JSONB, nullable=False),
    Column("since", DateTime(timezone=True), nullable=False),
    PrimaryKeyConstraint("definition_id", "version"),
)

contact = Table(
    "contact",
    metadata,
    Column("tenant_id", SmallInteger, nullable=False),
    Column("contact_id", Uuid, nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("former_holder_id", Uuid, nullable=True),
    PrimaryKeyConstraint("tenant_id", "contact_id"),
    Index(None, "holder_id"),
    Index(
        "contact_former_holder_id_idx",
        "former_holder_id",
        postgresql_where=text("former_holder_id is not null"),
    ),
    comment="Where a contact and a holder meet; erasing a person deletes the row. "
    "former_holder_id: whose the contact was before it was merged into another.",
)

holder = Table(
    "holder",
    metadata,
    Column("id", Uuid, primary_key=True),
    Column("tenant_id", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False, server_default=text("0")),
    Column(
        "head", LargeBinary, nullable=False, server_default=text(r"'\x" + "00" * 32 + "'::bytea")
    ),
    _instant("last_recorded_at", nullable=True),
    Column("last_lot", Integer, nullable=False, server_default=text("0")),
    Column("salt", LargeBinary, nullable=True),
    Column("merged_into", Uuid, nullable=True),
    _instant("merged_at", nullable=True),
    Index(
        "holder_merged_into_idx",
        "merged_into",
        postgresql_where=text("merged_into is not null"),
    ),
    comment="Chain head and counters; the row is the lock for all accounts of the holder.",
    postgresql_with={"fillfactor": "70", **CHANGING},
)

account = Table(
    "account",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("definition_id", SmallInteger, nullable=False),
    _points("available"),
    _points("pending"),
    _points("held"),
    _points("debt"),
    _instant("debt_since", nullable=True),
    _instant("last_effective_at", nullable=True),
    _instant("next_due_at", nullable=True),
    Column("closed", Boolean, nullable=False, server_default=text("false")),
    PrimaryKeyConstraint("holder_id", "definition_id"),
    CheckConstraint(
        "available >= 0 and pending >= 0 and held >= 0 and debt >= 0", name="not_negative"
    ),
    CheckConstraint("available = 0 or debt = 0", name="available_or_debt"),
    Index(
        "account_next_due_at_idx", "next_due_at", postgresql_where=text("next_due_at is not null")
    ),
    postgresql_with={"fillfactor": "70", **CHANGING},
)

transaction = Table(
    "transaction",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("id", Uuid, nullable=False),
    _instant("effective_at"),
    _instant("recorded_at"),
    _instant("occurred_at", nullable=True),
    _points("amount"),
    _points("net"),
    Column("reverses", Uuid, nullable=True),
    Column("linked", Uuid, nullable=True),
    _instant("hold_expires_at", nullable=True),
    Column("part", BigInteger, nullable=True),
    Column("whole", BigInteger, nullable=True),
    _points("available_after"),
    _points("pending_after"),
    _points("held_after"),
    _points("debt_after"),
    Column("definition_id", SmallInteger, nullable=False),
    Column("kind", SmallInteger, nullable=False),
    Column("source", Text, nullable=False),
    Column("texts_hash", LargeBinary, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    Column("idempotency_key", Text, nullable=True),
    Column("description", Text, nullable=True),
    Column("reference", Text, nullable=True),
    Column("actor", Text, nullable=True),
    PrimaryKeyConstraint("holder_id", "number"),
    Index(None, "id"),
    Index(
        "transaction_reverses_idx",
        "holder_id",
        "reverses",
        postgresql_where=text("reverses is not null"),
    ),
    CheckConstraint(_is_one_of("kind", Kind), name="kind"),
    postgresql_with=GROWING,
)

transfer = Table(
    "transfer",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
    _points("amount"),
    _instant("effective_at"),
    _instant("recorded_at"),
    Column("line", SmallInteger, nullable=False),
    Column("definition_id", SmallInteger, nullable=False),
    Column("debit", SmallInteger, nullable=False),
    Column("credit", SmallInteger, nullable=False),
    PrimaryKeyConstraint("holder_id", "number", "line"),
    Index(None, "effective_at", postgresql_using="brin"),
    Index(None, "recorded_at", postgresql_using="brin"),
    Index(
        "transfer_due_idx",
        "recorded_at",
        "effective_at",
        postgresql_where=text(
            "debit = 1 and credit = 13 or debit = 2 and credit = 1 or debit = 3 and credit = 1"
        ),
    ),
    CheckConstraint("amount > 0", name="amount"),
    CheckConstraint("debit <> credit", name="sides"),
    CheckConstraint(_is_one_of("debit", LedgerAccount), name="debit"),
    CheckConstraint(_is_one_of("credit", LedgerAccount), name="credit"),
    CheckConstraint(f"least(debit, credit) <= {LedgerAccount.DEBT.value}", name="of_a_holder"),
    postgresql_with=GROWING,
)

lot = Table(
    "lot",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("lot", Integer, nullable=False),
    Column("line", SmallInteger, nullable=False),
    Column("definition_id", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    _points("issued"),
    _points("remaining"),
    _points("lapsed"),
    _instant("effective_at"),
    _instant("first_valid_from"),
    _instant("first_valid_to", nullable=True),
    _instant("valid_from"),
    _instant("valid_to", nullable=True),
    Column("term", SmallInteger, nullable=False, server_default=text("0")),
    Column("active", Boolean, nullable=False),
    Column("origin_holder", Uuid, nullable=True),
    Column("origin_lot", Integer, nullable=True),
    PrimaryKeyConstraint("holder_id", "lot"),
    Index(
        "lot_origin_idx",
        "origin_holder",
        "origin_lot",
        postgresql_where=text("origin_holder is not null"),
    ),
    Index(
        "lot_boundaries_idx",
        "effective_at",
        "first_valid_from",
        "first_valid_to",
        postgresql_using="brin",
    ),
    CheckConstraint("remaining between 0 and issued", name="remaining"),
    CheckConstraint("lapsed between 0 and issued", name="lapsed"),
    postgresql_with={"fillfactor": "85", **CHANGING},
)

term = Table(
    "term",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("lot", Integer, nullable=False),
    Column("term", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    _instant("valid_from"),
    _instant("valid_to", nullable=True),
    PrimaryKeyConstraint("holder_id", "number", "lot"),
    UniqueConstraint("holder_id", "lot", "term"),
)

hold = Table(
    "hold",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("definition_id", SmallInteger, nullable=False),
    _instant("expires_at", nullable=True),
    Column("ended_by", BigInteger, nullable=True),
    PrimaryKeyConstraint("holder_id", "number"),
    Index(
        "hold_open_idx",
        "holder_id",
        "definition_id",
        postgresql_where=text("ended_by is null"),
    ),
    comment="One row a hold; the transaction that ends it is entered once.",
)

allocation = Table(
    "allocation",
    metadata,
    Column("holder_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
    _points("amount"),
    Column("lot", Integer, nullable=False),
    Column("line", SmallInteger, nullable=False),
    Column("place", SmallInteger, nullable=False),
    PrimaryKeyConstraint("holder_id", "number", "line", "place"),
    CheckConstraint("amount > 0", name="amount"),
    postgresql_with=GROWING,
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("key_hash", Uuid, primary_key=True),
    Column("holder_id", Uuid, nullable=False),
    Column("number", BigInteger, nullable=False),
    Column("fingerprint", LargeBinary, nullable=False),
    comment="Every key ever booked; never deleted, so that a key stays unique for ever.",
    postgresql_with=GROWING,
)

period = Table(
    "period",
    metadata,
    Column("tenant_id", SmallInteger, nullable=False),
    _instant("closed_until"),
    _instant("closed_at"),
    PrimaryKeyConstraint("tenant_id", "closed_until"),
)

seal = Table(
    "seal",
    metadata,
    Column("sealed_at", DateTime(timezone=True), primary_key=True),
    Column("holders", BigInteger, nullable=False),
    Column("transactions", BigInteger, nullable=False),
    Column("root", LargeBinary, nullable=False),
    Column("branches", LargeBinary, nullable=False),
)

rollup = Table(
    "rollup",
    metadata,
    Column("definition_id", SmallInteger, nullable=False),
    Column("account", SmallInteger, nullable=False),
    _instant("effective_hour"),
    _instant("recorded_hour"),
    _points("amount"),
    Index(None, "definition_id", "account", "effective_hour", "recorded_hour"),
    Index(None, "recorded_hour"),
    comment="What batches added to each ledger account by hour; compacted now and then.",
)

rollup_day = Table(
    "rollup_day",
    metadata,
    _instant("recorded_day"),
    _instant("effective_day"),
    Column("definition_id", SmallInteger, nullable=False),
    Column("account", SmallInteger, nullable=False),
    Column("amount", Numeric, nullable=False),
    PrimaryKeyConstraint("recorded_day", "definition_id", "account", "effective_day"),
    comment="The same by day, of days of record that are over; made from the hours, which stay.",
)

recount = Table(
    "recount",
    metadata,
    _instant("counted_at"),
    Column("definition_id", SmallInteger, nullable=False),
    Column("account", SmallInteger, nullable=False),
    Column("stored", Numeric, nullable=False),
    Column("rolled_up", Numeric, nullable=False),
    PrimaryKeyConstraint("definition_id", "account"),
    comment="What all accounts held when they were last added up, beside what roll-ups made.",
)

outbox = Table(
    "outbox",
    metadata,
    Column("consumer", SmallInteger, nullable=False),
    Column("id", BigInteger, Identity(always=True), nullable=False),
    Column("holder_id", Uuid, nullable=False),
    Column("definition_id", SmallInteger, nullable=False),
    Column("number", BigInteger, nullable=False),
    PrimaryKeyConstraint("consumer", "id"),
    comment="Work for the wires, left in the posting's own transaction.",
    postgresql_with=QUEUE,
)
