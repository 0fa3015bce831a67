"""A person's transactions, page by page, the last recorded first.

The one hard idea: contacts that were merged are one person with several chains. Each chain is in
the order in which it was recorded, so a page is the newest of the newest of each, and the place
where the next page begins is a transaction: what is booked meanwhile shifts nothing.
"""

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

from ledger.book import Place
from ledger.connection import Connection
from ledger.facts import Transaction
from ledger.history import recorded_at_places
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId, key_hash

PAGE_MAX: Final = 1000
"""The most transactions of one page."""

_PERSON: Final = """
    with recursive person as (
        select holder_id as id from ledger.contact where tenant_id = $1 and contact_id = $2
        union
        select holder.id from person join ledger.holder on holder.merged_into = person.id
    )
"""

PERSON_TRANSACTIONS: Final = f"""
    -- A page, after a place where one is given. Index: contact_pk, holder_merged_into_idx,
    -- transaction_pk.
    {_PERSON}
    select page.holder_id, page.number
    from person
    cross join lateral (
        select transaction.holder_id, transaction.number, transaction.recorded_at
        from ledger.transaction
        where transaction.holder_id = person.id
          and transaction.number
              < case when person.id = $4::uuid then $5::bigint else $8::bigint end
          and (person.id = $4::uuid
               or (transaction.recorded_at, person.id) < ($6::timestamptz, $4::uuid))
          and ($3::smallint is null or transaction.definition_id = $3)
        order by transaction.number desc limit $7
    ) as page
    order by page.recorded_at desc, page.holder_id desc, page.number desc limit $7
"""

PLACE_IN_PERSON: Final = f"""
    -- Where a transaction stands, if it is one of the person's. Index: transaction_id_idx.
    {_PERSON}
    select transaction.holder_id, transaction.number, transaction.recorded_at
    from person join ledger.transaction on transaction.holder_id = person.id
    where transaction.id = $3
"""


PLACES_UNDER_KEYS: Final = """
    -- What was booked under these keys. Index: idempotency_pk.
    select idempotency.holder_id, idempotency.number
    from unnest($1::uuid[]) with ordinality as asked (key_hash, place)
    join ledger.idempotency using (key_hash)
    order by asked.place
"""


class _After(NamedTuple):
    """Where a page begins: after this transaction."""

    holder: UUID
    number: int
    recorded_at: datetime


_NUMBER_MAX: Final = 2**63 - 1
_BEGINNING: Final = _After(UUID(int=0), _NUMBER_MAX, datetime.max.replace(tzinfo=UTC))


class NoSuchPlaceError(LookupError):
    """A page was asked for after a transaction that is none of the person's."""


async def transactions_of(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    definition: DefinitionId | None = None,
    after: UUID | None = None,
    limit: int = 100,
) -> list[Transaction]:
    """A page of a contact's transactions, those of contacts merged into it included.

    Args:
        connection: To the books.
        tenant: Whose contact.
        contact: The contact; one nobody knows has none.
        definition: Only points of this definition.
        after: The last transaction of the page before.
        limit: At most `PAGE_MAX`.

    Raises:
        NoSuchPlaceError: `after` is none of the contact's transactions.
    """
    place = _BEGINNING
    if after is not None:
        row = await connection.fetchrow(PLACE_IN_PERSON, tenant, contact, after)
        if row is None:
            raise NoSuchPlaceError
        place = _After(row["holder_id"], row["number"], row["recorded_at"])
    rows = await connection.fetch(
        PERSON_TRANSACTIONS, tenant, contact, definition, *place, min(limit, PAGE_MAX), _NUMBER_MAX
    )
    places: list[Place] = [(HolderId(row["holder_id"]), row["number"]) for row in rows]
    found = await recorded_at_places(connection, places)
    return [found[one].transaction for one in places]


async def transactions_under(
    connection: Connection, tenant: TenantId, idempotency_keys: Sequence[str]
) -> list[Transaction]:
    """A tenant's transactions that were booked under these keys, in their order."""
    hashes = [key_hash(tenant, key) for key in idempotency_keys]
    rows = await connection.fetch(PLACES_UNDER_KEYS, hashes)
    places: list[Place] = [(HolderId(row["holder_id"]), row["number"]) for row in rows]
    found = await recorded_at_places(connection, places)
    return [found[one].transaction for one in places]
