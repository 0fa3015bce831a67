"""Forgetting a person: everything the relay holds of a customer, on its way or done with.

The one hard idea: a customer at MoEngage may be a contact of the books or an id of a vendor's, so a
person is erased by either. What waits is not sent any more; what was sent stays at MoEngage, which
has its own way of erasing. Keys by which repeats are recognised are hashes and stay.
"""

from collections.abc import Sequence
from typing import Final

from ledger.connection import Connection
from ledger.identity import ContactId, HolderId, TenantId

SOURCES: Final = "select id from relay.source where tenant_id = $1"
DESTINATIONS: Final = "select id from relay.destination where tenant_id = $1"

LOCK_QUEUES: Final = f"""
    -- In everybody's order. Index: queue_pk.
    select customer from relay.queue
    where destination_id in ({DESTINATIONS}) and customer = any($2::text[])
    order by destination_id, customer for update
"""

JOIN_KEYS: Final = f"""
    -- By what else these customers go. Index: identity_customer_idx.
    delete from relay.identity
    where group_id in ({SOURCES}) and customer = any($2::text[])
    returning key
"""

EVENTS: Final = f"""
    -- Whoever is sending one of them at this moment finds nothing to settle afterwards.
    -- Index: event_customer_idx.
    delete from relay.event
    where source_id in ({SOURCES}) and customer = any($2::text[])
"""

EVENTS_BY_KEY: Final = f"""
    -- Index: event_join_key_idx.
    delete from relay.event
    where source_id in ({SOURCES}) and join_key = any($2::text[]) and state = 'quarantined'
"""

QUEUES: Final = f"""
    -- Index: queue_pk.
    delete from relay.queue
    where destination_id in ({DESTINATIONS}) and customer = any($2::text[]) and bulk_id is null
"""

PROFILES: Final = f"""
    -- Index: profile_pk.
    delete from relay.profile
    where destination_id in ({DESTINATIONS}) and customer = any($2::text[])
"""


async def erase_customers(
    connection: Connection, tenant: TenantId, customers: Sequence[str]
) -> int:
    """Forget customers by their ids at MoEngage; answers how many events are gone.

    Args:
        connection: In a transaction.
        tenant: Whose they are.
        customers: Ids exactly as they are sent.
    """
    wanted = list(customers)
    await connection.execute(LOCK_QUEUES, tenant, wanted)
    keys = [row["key"] for row in await connection.fetch(JOIN_KEYS, tenant, wanted)]
    done = await connection.execute(EVENTS, tenant, wanted)
    erased = int(done.rpartition(" ")[2])
    if keys:
        done = await connection.execute(EVENTS_BY_KEY, tenant, keys)
        erased += int(done.rpartition(" ")[2])
    await connection.execute(QUEUES, tenant, wanted)
    await connection.execute(PROFILES, tenant, wanted)
    return erased


async def erase(
    connection: Connection,
    tenant_id: TenantId,
    contact_ids: Sequence[ContactId],
    holder_ids: Sequence[HolderId],
) -> None:
    """Forget contacts of the books; a `ledger.contacts.Eraser`."""
    del holder_ids
    await erase_customers(connection, tenant_id, [str(contact) for contact in contact_ids])
