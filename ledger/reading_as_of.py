"""Reading a contact's accounts as of any instant of both time axes; what that means is `asof`'s.

The one hard idea: an answer about what the books knew at an instant must never change, so it is
given only once no posting that might still be recorded before that instant holds the holder's lock.
"""

from datetime import datetime

from ledger.asof import AccountAsOf, as_of
from ledger.connection import Connection
from ledger.history import recorded_of
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId

HOLDER_SETTLED = """
    -- The holder, once no posting that may still be recorded in the past holds its lock.
    select holder.id from ledger.contact join ledger.holder on holder.id = contact.holder_id
    where contact.tenant_id = $1 and contact.contact_id = $2
    for share of holder
"""


class FutureRecordError(ValueError):
    """An answer was asked for about what the books will know; they only know what they know."""


async def accounts_as_of(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
    definition: DefinitionId | None = None,
    now: datetime | None = None,
) -> list[AccountAsOf]:
    """A contact's accounts at an instant of either axis (default for each: now).

    Raises `FutureRecordError` for a `recorded_at` that is still to come.
    """
    holder = await connection.fetchval(HOLDER_SETTLED, tenant, contact)
    if holder is None:
        return []
    clock = now or await connection.fetchval("select clock_timestamp()")
    if recorded_at is not None and recorded_at > clock:
        raise FutureRecordError("recordedAt must not be in the future")
    chain = (await recorded_of(connection, [HolderId(holder)]))[HolderId(holder)]
    told = [recorded.transaction for recorded in chain]
    found = as_of(told, effective_at or clock, recorded_at)
    return [account for account in found if definition in (None, account.definition)]
