"""Whoever a contact is in the books: its holder, and all that were merged into it."""

from collections.abc import Sequence
from typing import Final

from ledger.connection import Connection
from ledger.identity import ContactId, HolderId, TenantId

HOLDERS: Final = """
    -- Index: contact_pk, holder_merged_into_idx.
    with recursive people as (
        select holder_id as id from ledger.contact
        where tenant_id = $1 and contact_id = any($2::uuid[])
        union
        select holder.id from ledger.holder join people on holder.merged_into = people.id
    )
    select id from people
"""


async def holders_of(
    connection: Connection, tenant: TenantId, contacts: Sequence[ContactId]
) -> list[HolderId]:
    """The holders of some contacts, in no order; none for those the books don't know."""
    rows = await connection.fetch(HOLDERS, tenant, list(contacts))
    return [HolderId(row["id"]) for row in rows]
