"""Whose member numbers are, by asking the tenant's Engage.

The one hard idea: who can't be asked for a moment may answer the next; so it is asked again for a
while, and then the import ends where it is, to be begun again: nobody is guessed, and no row is
called wrong because a network was down.
"""

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final

from api.configuration import Configuration
from api.importing.members import MemberNumbers, MembersUnknownError, NoContact
from ledger.identity import ContactId
from ledger.posting import Books
from ledger.tenants import TenantRecord
from sync.engage import Follower
from sync.engage.contacts.lookup import Unasked
from sync.engage.contacts.members import Lookup, Member

MEMBER_UNKNOWN: Final = "member_unknown"
MEMBER_AMBIGUOUS: Final = "member_ambiguous"
"""The codes of rows whose member number leads to nobody, or to several contacts."""

ATTEMPTS_MAX: Final = 5
PAUSE_SECONDS: Final = 2.0
"""Before Engage is asked again; longer each time."""


class EngageMembers:
    """Asks one tenant's Engage, at the rate of its settings.

    Its answers are kept in the database for a day, so an import that is begun again asks little.
    """

    def __init__(self, follower: Follower, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._follower = follower
        self._pause_seconds = pause_seconds

    async def __call__(self, numbers: Sequence[str], /) -> Mapping[str, ContactId | NoContact]:
        """Each number's contact."""
        attempt = 1
        while True:
            found = await self._follower.resolve(numbers)
            unasked = [one for one in found.values() if isinstance(one, Unasked)]
            if not unasked:
                break
            if attempt == ATTEMPTS_MAX:
                raise MembersUnknownError(
                    f"Engage can't be asked for member numbers: {unasked[0].message}"
                )
            await asyncio.sleep(self._pause_seconds * attempt)
            attempt += 1
        return {
            number: _whose(number, one)
            for number, one in found.items()
            if not isinstance(one, Unasked)
        }


def _whose(number: str, member: Member) -> ContactId | NoContact:
    if member.contact is not None:
        return member.contact
    if member.outcome is Lookup.AMBIGUOUS:
        return NoContact(MEMBER_AMBIGUOUS, f"memberNumber {number} is several contacts' in Engage")
    return NoContact(MEMBER_UNKNOWN, f"memberNumber {number} is nobody's in Engage")


@asynccontextmanager
async def members_of(
    configuration: Configuration, books: Books, tenant: TenantRecord
) -> AsyncIterator[MemberNumbers | None]:
    """Who knows a tenant's member numbers; `None` for a tenant without an Engage."""
    engage = next(
        (one.engage for one in configuration.tenants if one.declaration.name == tenant.name), None
    )
    if engage is None:
        yield None
        return
    async with Follower(tenant, engage, books) as follower:
        yield EngageMembers(follower)
