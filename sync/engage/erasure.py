"""Forgetting a person: everything the wires to Engage hold that names a contact.

The one hard idea: what is on its way can't be forgotten before it has arrived, or nobody could tell
what Engage has. So bodies of finished requests go at once, and those of unfinished ones as soon as
nothing more can happen to them, which is a matter of minutes (`settle_seconds`). A push that is
being stored at this moment is waited for; one that comes later finds nobody to tell of.

Engage itself keeps what it was told: it has its own way of erasing a contact. Totals stay here,
under a holder who is nobody any more.
"""

from collections.abc import Sequence
from typing import Final

from ledger.connection import Connection
from ledger.identity import ContactId, HolderId, TenantId

ERASED: Final = "erased"
"""What is written instead of a contact's id in Engage's own words."""

LOCK_BATCHES: Final = """
    -- Requests with these holders in them; before their accounts, as whoever sends them does.
    -- Index: batch_row_holder_id_idx, batch_pk.
    select id from engage.batch
    where id in (select batch_id from engage.batch_row where holder_id = any($1::uuid[]))
    order by id for update
"""

BEGIN_FOLLOWING: Final = """
    -- Something to lock, also for accounts that Engage was never told of. Index: account_pk.
    insert into engage.account (holder_id, definition_id)
    select holder_id, definition_id from ledger.account where holder_id = any($1::uuid[])
    order by holder_id, definition_id
    on conflict do nothing
"""

LOCK_ACCOUNTS: Final = """
    -- Waits for a push that is being stored; a later one finds no contact. Index: account_pk.
    select from engage.account where holder_id = any($1::uuid[])
    order by holder_id, definition_id for update
"""

FORGET_BODIES: Final = """
    -- Engage's words lose the contact's id at once. Index: batch_row_holder_id_idx, batch_pk.
    update engage.batch set
        body = case when finished_at is null then body end,
        forget_body = finished_at is null,
        messages = regexp_replace(messages::text, $2, $3, 'gi')::jsonb,
        error = regexp_replace(error, $2, $3, 'gi')
    where id in (select batch_id from engage.batch_row where holder_id = any($1::uuid[]))
"""

FORGET_ROW_MESSAGES: Final = """
    -- Index: batch_row_holder_id_idx.
    update engage.batch_row set message = null
    where holder_id = any($1::uuid[]) and message is not null
"""

FORGET_PARKED: Final = """
    -- Index: account_pk.
    update engage.account set parked_reason = null
    where holder_id = any($1::uuid[]) and parked_reason is not null
"""

FORGET_ROWS: Final = """
    -- What a row of transactions was parked for. Index: row_holder_id_definition_id_stamp_key.
    update engage.row set reason = null
    where holder_id = any($1::uuid[]) and reason is not null
"""

FORGET_DELIVERIES: Final = """
    -- Messages that were booked for them or are known to be about them; their keys stay, so that a
    -- repeat is recognised. Index: delivery_holder_idx, delivery_contact_idx.
    update engage.delivery set body = null, earlier_bodies = null, payload = null,
        contact_id = null, message = null
    where tenant_id = $1 and (holder_id = any($2::uuid[]) or contact_id = any($3::uuid[]))
"""

FORGET_QUARANTINED: Final = """
    -- Messages that could not be read, if the contact's id stands in them in plain.
    -- Index: delivery_tenant_idx.
    update engage.delivery set body = null, earlier_bodies = null, payload = null,
        contact_id = null, message = null
    where tenant_id = $1 and holder_id is null and (body is not null or payload is not null)
      and (payload ~* $2 or exists (
          select from unnest(earlier_bodies || body) as came (bytes)
          where encode(bytes, 'escape') ~* $2
      ))
"""

FORGET_RUNS: Final = """
    -- What runs said of their trouble, where Engage's own words name the contact.
    update engage.run set
        error = regexp_replace(error, $2, $3, 'gi'),
        summary = regexp_replace(summary::text, $2, $3, 'gi')::jsonb
    where tenant_id = $1 and (error ~* $2 or summary::text ~* $2)
"""

FORGET_MEMBERS: Final = """
    -- Index: member_contact_idx.
    delete from engage.member where tenant_id = $1 and contact_id = any($2::uuid[])
"""

FORGET_GONE: Final = """
    -- Index: gone_pk.
    delete from engage.gone
    where tenant_id = $1 and (contact_id = any($2::uuid[]) or into_contact_id = any($2::uuid[]))
"""


async def erase(
    connection: Connection,
    tenant: TenantId,
    contacts: Sequence[ContactId],
    holders: Sequence[HolderId],
) -> None:
    """Forget a person, inside the transaction in which the books do; a `contacts.Eraser`."""
    people, names = list(holders), list(contacts)
    spellings = [text for one in names for text in (str(one), one.hex)]
    if people:
        pattern = "|".join(spellings) or "$^"
        await connection.execute(LOCK_BATCHES, people)
        await connection.execute(BEGIN_FOLLOWING, people)
        await connection.execute(LOCK_ACCOUNTS, people)
        await connection.execute(FORGET_BODIES, people, pattern, ERASED)
        await connection.execute(FORGET_ROW_MESSAGES, people)
        await connection.execute(FORGET_PARKED, people)
        await connection.execute(FORGET_ROWS, people)
    await connection.execute(FORGET_DELIVERIES, tenant, people, names)
    if names:
        pattern = "|".join(spellings)
        await connection.execute(FORGET_QUARANTINED, tenant, pattern)
        await connection.execute(FORGET_RUNS, tenant, pattern, ERASED)
        await connection.execute(FORGET_MEMBERS, tenant, names)
        await connection.execute(FORGET_GONE, tenant, names)
