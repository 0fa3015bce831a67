"""Who told whom what about a contact, and when: one story out of all that was kept.

The one hard idea: nothing is written for this story's sake. What was sent is in the batches' rows,
what came is in the deliveries, what differed is in the differences; here they are read side by
side. How far back it goes is how long those are kept.
"""

from datetime import datetime
from enum import StrEnum
from typing import Any, Final
from uuid import UUID

import msgspec

from ledger.connection import Connection
from ledger.identity import ContactId, DefinitionId
from sync.engage.context import Context
from sync.engage.people import holders_of

PAGE_MAX: Final = 1000

TOLD = """
    -- What Engage was told, the latest first. Index: batch_row_holder_id_idx, batch_pk.
    select coalesce(batch.first_sent_at, batch.created_at) as at, batch.id, batch.kind, batch.state,
           batch_row.definition_id, batch_row.total, batch_row.message, batch.attempts,
           batch.answered_at, batch.finished_at, row.state as row_state, row.nature, row.stamp
    from engage.batch_row
    join engage.batch on batch.id = batch_row.batch_id
    left join engage.row on row.id = batch_row.row_id
    where batch_row.holder_id = any($1::uuid[])
      and ($2::timestamptz is null or coalesce(batch.first_sent_at, batch.created_at) < $2)
    order by at desc limit $3
"""

HEARD = """
    -- What Engage sent, the latest first. Index: delivery_holder_idx, delivery_contact_idx.
    select delivery.received_at as at, delivery.id, delivery.state, delivery.reason,
           delivery.message, delivery.event_type, transaction.id as transaction_id,
           transaction.definition_id, transaction.amount
    from engage.delivery
    left join ledger.transaction on transaction.holder_id = delivery.holder_id
        and transaction.number = delivery.number
    where delivery.tenant_id = $4
      and (delivery.holder_id = any($1::uuid[]) or delivery.contact_id = $5)
      and ($2::timestamptz is null or delivery.received_at < $2)
    order by at desc limit $3
"""

FOUND = """
    -- What differed, the latest first. Index: difference_holder_idx.
    select found_at as at, id, definition_id, engage_total, books_total, repair, repaired_at,
           closed_at, unrepaired
    from engage.difference
    where holder_id = any($1::uuid[]) and ($2::timestamptz is null or found_at < $2)
    order by at desc limit $3
"""

GONE = """
    -- Index: gone_pk.
    select noticed_at as at, decision, into_contact_id, message from engage.gone
    where tenant_id = $1 and contact_id = $2 and ($3::timestamptz is null or noticed_at < $3)
"""


class Teller(StrEnum):
    """Who said it."""

    BOOKS = "books"
    ENGAGE = "engage"


class What(StrEnum):
    """What was said."""

    TOTAL = "total"
    MOVEMENT = "movement"
    MESSAGE = "message"
    """A webhook's."""
    DIFFERENCE = "difference"
    """Found by comparing."""
    GONE = "gone"
    """Engage no longer has the contact."""


class Entry(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was said.

    Attributes:
        at: When it was first said.
        what: By which the other fields are read.
        definition: The books' own number; `None` where it is about no points.
        amount: In minor units; of a difference, what the books had.
        state: What became of it, in one word.
        settled_at: When that was known.
        message: What was said about it, or why.
        about: The batch, the delivery or the difference.
    """

    at: datetime
    teller: Teller
    what: What
    definition: DefinitionId | None = None
    amount: int | None = None
    state: str
    settled_at: datetime | None = None
    message: str | None = None
    about: UUID | None = None
    transaction: UUID | None = None


async def record_of(
    context: Context,
    connection: Connection,
    contact: ContactId,
    *,
    before: datetime | None = None,
    limit: int = 100,
) -> list[Entry]:
    """What was said about a contact, the latest first; `before` is when the last one seen was."""
    most = min(limit, PAGE_MAX)
    tenant = context.tenant.id
    holders = await holders_of(connection, tenant, [contact])
    told = await connection.fetch(TOLD, holders, before, most)
    heard = await connection.fetch(HEARD, holders, before, most, tenant, contact)
    found = await connection.fetch(FOUND, holders, before, most)
    gone = await connection.fetch(GONE, tenant, contact, before)
    entries = [
        *(_told(row) for row in told),
        *(_heard(row) for row in heard),
        *(_found(row) for row in found),
        *(_gone(row) for row in gone),
    ]
    return sorted(entries, key=lambda entry: entry.at, reverse=True)[:most]


def _told(row: Any) -> Entry:
    is_total = row["kind"] == "balances"
    state = row["state"] if is_total or row["row_state"] in {None, "waiting"} else row["row_state"]
    return Entry(
        at=row["at"],
        teller=Teller.BOOKS,
        what=What.TOTAL if is_total else What.MOVEMENT,
        definition=row["definition_id"],
        amount=row["total"],
        state=state,
        settled_at=row["finished_at"] or row["answered_at"],
        message=row["message"] or row["nature"],
        about=row["id"],
    )


def _heard(row: Any) -> Entry:
    return Entry(
        at=row["at"],
        teller=Teller.ENGAGE,
        what=What.MESSAGE,
        definition=row["definition_id"],
        amount=row["amount"],
        state=row["state"],
        message=row["message"] or row["event_type"],
        about=row["id"],
        transaction=row["transaction_id"],
    )


def _found(row: Any) -> Entry:
    has = "no account" if row["engage_total"] is None else f"{row['engage_total']:f}"
    state = "open" if row["closed_at"] is None else "closed"
    done = f"; repaired by {row['repair']}" if row["repair"] else ""
    left = f"; left: {row['unrepaired']}" if row["unrepaired"] else ""
    return Entry(
        at=row["at"],
        teller=Teller.ENGAGE,
        what=What.DIFFERENCE,
        definition=row["definition_id"],
        amount=row["books_total"],
        state=state,
        settled_at=row["closed_at"],
        message=f"Engage had {has}{done}{left}",
        about=row["id"],
    )


def _gone(row: Any) -> Entry:
    into = (
        f"; its member number leads to {row['into_contact_id']}" if row["into_contact_id"] else ""
    )
    return Entry(
        at=row["at"],
        teller=Teller.ENGAGE,
        what=What.GONE,
        state=row["decision"],
        message=f"{row['message'] or 'Engage no longer has the contact'}{into}",
    )
