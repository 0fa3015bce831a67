"""By what MoEngage knows the contacts of the books, where that is not the contact's own id.

The one hard idea: whose a member number is knows whoever asked Engage, and the relay is told by a
function that is handed in. What it was told once it remembers by itself, as it does of any vendor's
users, so that an answer which is forgotten elsewhere costs no event its way.
"""

from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

from ledger.connection import Connection
from ledger.identity import ContactId, TenantId
from sync.relay.options import CustomerKey
from sync.relay.register import SourceRecord

NumbersOf = Callable[
    [Connection, TenantId, Sequence[ContactId]], Awaitable[Mapping[ContactId, str]]
]
"""The member numbers of contacts, as far as anybody has asked for them."""


async def nobody_knows(
    connection: Connection, tenant: TenantId, contacts: Sequence[ContactId]
) -> Mapping[ContactId, str]:
    """A `NumbersOf` where there are no member numbers."""
    del connection, tenant, contacts
    return {}


async def known_numbers(
    connection: Connection,
    sources: Collection[SourceRecord],
    contacts: Collection[ContactId],
    numbers_of: NumbersOf,
) -> dict[tuple[TenantId, ContactId], str]:
    """The member numbers of contacts, for the tenants whose sources name people by them."""
    found: dict[tuple[TenantId, ContactId], str] = {}
    tenants = {source.tenant for source in sources if by_member_number(source)}
    for tenant in sorted(tenants):
        for contact, number in (await numbers_of(connection, tenant, list(contacts))).items():
            found[tenant, contact] = number
    return found


def by_member_number(source: SourceRecord) -> bool:
    """Whether a source of the books names people by their member numbers."""
    books = source.settings.options.books
    return books is not None and books.customer is CustomerKey.MEMBER_NUMBER
