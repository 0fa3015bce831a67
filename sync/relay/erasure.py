"""Forgetting a person: everything the relay holds of a customer, on its way or done with.

The one hard idea: a customer at MoEngage may be a contact of the books or an id of a vendor's, so a
person is erased by either; and a contact that goes or went by member numbers there, by all that
the relay remembers of those. What waits is not sent any more; what was sent stays at MoEngage,
which has its own way of erasing. Keys by which repeats are recognised are hashes and stay.
"""

from collections.abc import Sequence
from typing import Final

from ledger.connection import Connection
from ledger.identity import ContactId, HolderId, TenantId
from sync.relay.vendors.books import NUMBER_PREFIX, contact_key, number_key

SOURCES: Final = "any(array(select id from relay.source where tenant_id = $1))"
DESTINATIONS: Final = "any(array(select id from relay.destination where tenant_id = $1))"
"""As arrays, by whose elements an index is looked up; a join reads it whole."""

LOCK_QUEUES: Final = f"""
    -- In everybody's order. Index: queue_pk.
    select customer from relay.queue
    where destination_id = {DESTINATIONS} and customer = any($2::text[])
    order by destination_id, customer for update
"""

JOIN_KEYS: Final = f"""
    -- By what else these customers go. Index: identity_customer_idx, identity_pk.
    with by_customer as (
        delete from relay.identity where group_id = {SOURCES} and customer = any($2::text[])
        returning key
    ), by_key as (
        delete from relay.identity where group_id = {SOURCES} and key = any($3::text[])
        returning key
    )
    select key from by_customer union select key from by_key
"""

EVENTS: Final = f"""
    -- Whoever is sending one of them at this moment finds nothing to settle afterwards.
    -- Index: event_customer_idx.
    delete from relay.event
    where source_id = {SOURCES} and customer = any($2::text[])
"""

NUMBERS: Final = f"""
    -- The member numbers by which contacts go, and those by which they went.
    -- Index: identity_pk, identity_customer_idx.
    select customer as number from relay.identity
    where group_id = {SOURCES} and key = any($3::text[])
    union
    select substr(key, {len(NUMBER_PREFIX) + 1}) from relay.identity
    where group_id = {SOURCES} and customer = any($2::text[])
      and starts_with(key, '{NUMBER_PREFIX}')
"""

EVENTS_BY_KEY: Final = f"""
    -- Index: event_join_key_idx.
    delete from relay.event
    where source_id = {SOURCES} and join_key = any($2::text[]) and state = 'quarantined'
"""

QUEUES: Final = f"""
    -- Index: queue_pk.
    delete from relay.queue
    where destination_id = {DESTINATIONS} and customer = any($2::text[]) and bulk_id is null
"""

PROFILES: Final = f"""
    -- Index: profile_pk.
    delete from relay.profile
    where destination_id = {DESTINATIONS} and customer = any($2::text[])
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
    numbers = [number_key(customer) for customer in customers]
    keys = [row["key"] for row in await connection.fetch(JOIN_KEYS, tenant, wanted, numbers)]
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
    names = [str(contact) for contact in contact_ids]
    keys = [contact_key(name) for name in names]
    numbers = [row["number"] for row in await connection.fetch(NUMBERS, tenant_id, names, keys)]
    await erase_customers(connection, tenant_id, names + numbers)
    # What waits for a number that nobody knows yet.
    await connection.execute(EVENTS_BY_KEY, tenant_id, keys)
