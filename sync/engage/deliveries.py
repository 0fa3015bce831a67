"""Webhook messages in the database: each once, with what became of it.

The one hard idea: three constraints of the database recognise a message that was here before: its
sender's id, Engage's id of the event, and the ciphertext itself. A second one waits for the first
to be committed, and then only counts.
"""

from datetime import datetime
from enum import StrEnum
from typing import NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from ledger.connection import Connection
from ledger.identity import ContactId, HolderId, TenantId
from sync.engage.judgement import Judgement

LIST_MAX = 1000
"""The most deliveries of one page."""

DISMISSED = "dismissed"
"""The reason of what a person said is not to be booked."""

EARLIER_BODIES_MAX = 10
"""How many bodies that came before under the same id are kept; the first of them always is."""

ADD = """
    -- A message, unless it was here before.
    insert into engage.delivery (
        id, tenant_id, received_at, decided_at, state, message_id, envelope_id, digest, event_type,
        body
    ) values ($1, $2, $3, $3, 'received', $4, $5, $6, $7, $8)
    on conflict do nothing
    returning id
"""

FIND_AND_LOCK = """
    -- The message that was here before. Index: its three unique ones.
    select id, state, body, message_id from engage.delivery
    where tenant_id = $1 and (message_id = $2 or envelope_id = $3 or digest = $4)
    order by id limit 1
    for update
"""

LOCK = """
    -- Index: delivery_pk.
    select id, state, body, message_id from engage.delivery
    where id = $1 and tenant_id = $2
    for update
"""

COUNT_REPEAT = """
    update engage.delivery set repeats = repeats + 1 where id = $1
"""

DECIDE = """
    -- What became of a message. Index: delivery_pk.
    update engage.delivery set state = $2, decided_at = $3, reason = $4, message = $5,
        holder_id = $6, number = $7, contact_id = $8,
        envelope_id = coalesce($9, envelope_id), digest = coalesce($10, digest),
        event_type = coalesce($11, event_type), payload = coalesce($12, payload)
    where id = $1
"""

REPLACE_BODY = f"""
    -- What is judged from now on; what came before stays beside it, for whoever compares.
    -- Index: delivery_pk.
    update engage.delivery set body = $2, earlier_bodies = case
        when cardinality(earlier_bodies) >= {EARLIER_BODIES_MAX}
        then earlier_bodies[1:1] || earlier_bodies[3:] || body
        else earlier_bodies || body
    end
    where id = $1
"""

TAKEN_ALREADY = """
    -- Whether another message of the tenant has the event's id or ciphertext.
    select exists (
        select from engage.delivery
        where tenant_id = $1 and id <> $2 and (envelope_id = $3 or digest = $4)
    )
"""

COLUMNS = """
    delivery.id, delivery.state, delivery.reason, delivery.message, delivery.event_type,
    delivery.message_id, delivery.envelope_id, delivery.received_at, delivery.decided_at,
    delivery.repeats, coalesce(cardinality(delivery.earlier_bodies), 0) as earlier_bodies,
    delivery.payload, transaction.id as transaction_id,
    coalesce(contact.contact_id, delivery.contact_id) as contact_id
"""

LIST = f"""
    -- A page of messages, newest first. Index: delivery_tenant_idx, transaction_pk,
    -- contact_holder_id_idx.
    select {COLUMNS}
    from (
        select * from engage.delivery
        where tenant_id = $1 and ($2::uuid is null or id < $2) and ($3::text is null or state = $3)
        order by id desc limit $4
    ) as delivery
    left join ledger.transaction on transaction.holder_id = delivery.holder_id
        and transaction.number = delivery.number
    left join ledger.contact on contact.holder_id = delivery.holder_id
        and contact.tenant_id = delivery.tenant_id
    order by delivery.id desc
"""

ONE = f"""
    select {COLUMNS}
    from engage.delivery
    left join ledger.transaction on transaction.holder_id = delivery.holder_id
        and transaction.number = delivery.number
    left join ledger.contact on contact.holder_id = delivery.holder_id
        and contact.tenant_id = delivery.tenant_id
    where delivery.id = $1 and delivery.tenant_id = $2
"""

HELD_UP = """
    -- What is quarantined, for one reason or any, oldest first. Index: delivery_quarantined_idx.
    select id from engage.delivery
    where tenant_id = $1 and state = 'quarantined' and ($2::text is null or reason = $2)
      and ($4::uuid is null or id > $4) and body is not null
    order by id limit $3
"""

COUNT_BY_STATE = """
    select state, count(*) from engage.delivery where tenant_id = $1 group by state
"""


DISMISS = """
    -- A person says that a quarantined message is not to be booked. Index: delivery_pk.
    update engage.delivery set state = 'ignored', reason = $2, decided_at = $3,
        message = $4 || '; before: ' || coalesce(reason, 'no reason')
            || coalesce(': ' || message, '')
    where id = $1
"""

QUARANTINE = """
    -- What is quarantined, by reason, the reason of the latest message first.
    -- Index: delivery_quarantined_idx.
    select reason, count(*), max(received_at) as received_at,
           (array_agg(message order by id desc))[1] as message
    from engage.delivery where tenant_id = $1 and state = 'quarantined'
    group by reason order by max(received_at) desc limit $2
"""


class DeliveryState(StrEnum):
    """What became of a message."""

    RECEIVED = "received"
    """Only ever seen inside the transaction that decides it."""
    BOOKED = "booked"
    DUPLICATE = "duplicate"
    """The books had it under the same key."""
    QUARANTINED = "quarantined"
    """Authentic, and not to be booked as things are; can be replayed."""
    IGNORED = "ignored"
    """Kept as evidence; nothing to book."""


class Delivery(NamedTuple):
    """A message as it is stored."""

    id: UUID
    state: DeliveryState
    body: bytes | None
    message_id: str | None


class QuarantineCount(NamedTuple):
    """What is quarantined for one reason.

    Attributes:
        received_at: When the latest of it came.
        message: What is said of the latest.
    """

    reason: str
    messages: int
    received_at: datetime
    message: str | None


class DeliveryRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A message as people look at it.

    Attributes:
        reason: A stable word for why it was not booked.
        message: The same for the person who reads it.
        message_id: The sender's, the same when it is sent again.
        envelope_id: Engage's, of the event.
        repeats: How often it came again.
        earlier_bodies: With how many other bodies it had come before the one that was judged.
        transaction_id: What it became in the books.
        payload: What an adjustment says, every field of it, a JSON object as Engage wrote it;
            `None` for what is no adjustment, can't be read, or was cleared away.
    """

    id: UUID
    state: DeliveryState
    reason: str | None
    message: str | None
    event_type: str | None
    message_id: str | None
    envelope_id: str | None
    received_at: datetime
    decided_at: datetime
    repeats: int
    earlier_bodies: int
    transaction_id: UUID | None
    contact_id: ContactId | None
    payload: str | None


async def add(
    connection: Connection,
    delivery: UUID,
    tenant: TenantId,
    at: datetime,
    message_id: str | None,
    judgement: Judgement,
    body: bytes,
) -> bool:
    """Store a message; False if it was here before."""
    added = await connection.fetchval(
        ADD,
        delivery,
        tenant,
        at,
        message_id,
        judgement.envelope_id,
        judgement.digest,
        judgement.event_type,
        body,
    )
    return added is not None


async def find_and_lock(
    connection: Connection, tenant: TenantId, message_id: str | None, judgement: Judgement
) -> Delivery | None:
    """The message that was here before, counted once more."""
    row = await connection.fetchrow(
        FIND_AND_LOCK, tenant, message_id, judgement.envelope_id, judgement.digest
    )
    if row is not None:
        await connection.execute(COUNT_REPEAT, row["id"])
    return _stored(row)


async def replace_body(connection: Connection, delivery: UUID, body: bytes) -> None:
    """Keep the body that a message is judged by from now on; the one before stays beside it."""
    await connection.execute(REPLACE_BODY, delivery, body)


async def lock(connection: Connection, tenant: TenantId, delivery: UUID) -> Delivery | None:
    """A tenant's message by its id here."""
    return _stored(await connection.fetchrow(LOCK, delivery, tenant))


async def is_taken(
    connection: Connection, tenant: TenantId, delivery: UUID, judgement: Judgement
) -> bool:
    """Whether another message already stands for the same event."""
    taken = await connection.fetchval(
        TAKEN_ALREADY, tenant, delivery, judgement.envelope_id, judgement.digest
    )
    return bool(taken)


async def decide(
    connection: Connection,
    delivery: UUID,
    state: DeliveryState,
    at: datetime,
    judgement: Judgement,
    *,
    reason: str | None = None,
    message: str | None = None,
    place: tuple[HolderId, int] | None = None,
) -> None:
    """Write down what became of a message, and learn of it what the judgement could read."""
    holder, number = place or (None, None)
    # Once a holder stands for the person, the contact itself is kept in one place only.
    contact = None if place is not None else judgement.contact
    await connection.execute(
        DECIDE,
        delivery,
        state.value,
        at,
        reason,
        message,
        holder,
        number,
        contact,
        judgement.envelope_id,
        judgement.digest,
        judgement.event_type,
        judgement.payload,
    )


async def page(
    connection: Connection,
    tenant: TenantId,
    *,
    before: UUID | None = None,
    state: DeliveryState | None = None,
    limit: int = 100,
) -> list[DeliveryRecord]:
    """A page of messages, newest first; `before` is the id of the last one seen."""
    word = None if state is None else state.value
    rows = await connection.fetch(LIST, tenant, before, word, min(limit, LIST_MAX))
    return [_record(row) for row in rows]


async def one(connection: Connection, tenant: TenantId, delivery: UUID) -> DeliveryRecord | None:
    """A message by its id here."""
    row = await connection.fetchrow(ONE, delivery, tenant)
    return None if row is None else _record(row)


async def held_up(
    connection: Connection, tenant: TenantId, reason: str | None, *, after: UUID | None = None
) -> list[UUID]:
    """What is quarantined for a reason, or any, oldest first, at most a thousand."""
    rows = await connection.fetch(HELD_UP, tenant, reason, LIST_MAX, after)
    return [row["id"] for row in rows]


async def counts(connection: Connection, tenant: TenantId) -> dict[DeliveryState, int]:
    """How many messages there are, by what became of them."""
    rows = await connection.fetch(COUNT_BY_STATE, tenant)
    return {DeliveryState(row["state"]): row["count"] for row in rows}


async def dismiss(connection: Connection, delivery: UUID, at: datetime, said: str) -> None:
    """Note that a person does not want a message booked, and what is said of that."""
    await connection.execute(DISMISS, delivery, DISMISSED, at, said)


async def quarantine(
    connection: Connection, tenant: TenantId, reasons_max: int = 5
) -> list[QuarantineCount]:
    """What is quarantined, by reason, the reason of the latest message first."""
    rows = await connection.fetch(QUARANTINE, tenant, reasons_max)
    return [QuarantineCount(*row.values()) for row in rows]


def _stored(row: asyncpg.Record | None) -> Delivery | None:
    if row is None:
        return None
    return Delivery(row["id"], DeliveryState(row["state"]), row["body"], row["message_id"])


def _record(row: asyncpg.Record) -> DeliveryRecord:
    return DeliveryRecord(
        id=row["id"],
        state=DeliveryState(row["state"]),
        reason=row["reason"],
        message=row["message"],
        event_type=row["event_type"],
        message_id=row["message_id"],
        envelope_id=row["envelope_id"],
        received_at=row["received_at"],
        decided_at=row["decided_at"],
        repeats=row["repeats"],
        earlier_bodies=row["earlier_bodies"],
        transaction_id=row["transaction_id"],
        contact_id=row["contact_id"],
        payload=row["payload"],
    )
