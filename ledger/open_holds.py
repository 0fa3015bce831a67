"""The holds that are open: points set aside for checkouts under way.

The one hard idea: a hold whose time has come is over in every reading, whether or not its time-out
was booked. So it is left out here by the clock and not by what is stored.
"""

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from ledger.amounts import Points
from ledger.connection import Connection
from ledger.facts import Texts
from ledger.identity import ContactId, DefinitionId, TenantId

HOLDS_MAX: Final = 1000
"""The most holds of one answer."""

OPEN_HOLDS = """
    -- A contact's open holds, soonest to time out first; those without end last.
    -- Index: contact_pk, hold_open_idx, transaction_pk.
    select transaction.id, transaction.definition_id, transaction.amount, transaction.effective_at,
           transaction.recorded_at, transaction.source, transaction.idempotency_key,
           transaction.description, transaction.reference, transaction.actor, hold.expires_at
    from ledger.contact
    join ledger.hold using (holder_id)
    join ledger.transaction using (holder_id, number)
    where contact.tenant_id = $1 and contact.contact_id = $2 and hold.ended_by is null
      and ($3::smallint is null or hold.definition_id = $3)
      and (hold.expires_at is null
           or hold.expires_at > coalesce($4::timestamptz, clock_timestamp()))
    order by hold.expires_at nulls last, transaction.number limit $5
"""


@dataclass(frozen=True, slots=True)
class OpenHold:
    """Points set aside by one transaction, all of them still.

    Attributes:
        id: The transaction that placed the hold.
        amount: In minor units.
        expires_at: When it times out by itself; `None` for never.
    """

    id: UUID
    definition: DefinitionId
    amount: Points
    effective_at: datetime
    recorded_at: datetime
    source: str
    texts: Texts
    expires_at: datetime | None


async def open_holds(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    definition: DefinitionId | None = None,
    at: datetime | None = None,
    limit: int = HOLDS_MAX,
) -> list[OpenHold]:
    """A contact's open holds at an instant not before now (default: now), at most `HOLDS_MAX`."""
    rows = await connection.fetch(
        OPEN_HOLDS, tenant, contact, definition, at, min(limit, HOLDS_MAX)
    )
    return [
        OpenHold(
            row["id"],
            DefinitionId(row["definition_id"]),
            Points(row["amount"]),
            row["effective_at"],
            row["recorded_at"],
            row["source"],
            Texts(row["idempotency_key"], row["description"], row["reference"], row["actor"]),
            row["expires_at"],
        )
        for row in rows
    ]
