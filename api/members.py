"""Who has which member number, for the doors: what the tenant's Engage says, or said lately.

The one hard idea: whatever Engage says becomes a contact or a problem with a stable code, and while
it can't be asked, nobody is guessed: the caller is told to come again.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from api.intake.members import FIELD
from api.problems.catalogue import MEMBER_AMBIGUOUS, MEMBER_UNKNOWN, MEMBERS_UNAVAILABLE
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid
from ledger.connection import Pool
from ledger.identity import ContactId, TenantId
from ledger.reading import contacts_of, transaction_by_key
from sync.engage.contacts.lookup import Resolution, Unasked
from sync.engage.contacts.members import Lookup
from sync.service import Synchronisation

RETRY_SECONDS: Final = "5"


class EngageMembers:
    """Asks the tenants' Engages."""

    def __init__(
        self, pool: Pool, synchronisation: Synchronisation, names: Mapping[TenantId, str]
    ) -> None:
        self._pool = pool
        self._synchronisation = synchronisation
        self._names = names

    async def find(
        self, tenant: TenantId, numbers: Sequence[str]
    ) -> dict[str, ContactId | ProblemError]:
        """Each number's contact, or why there is none."""
        follower = self._synchronisation.followers.get(self._names.get(tenant, ""))
        if follower is None:
            message = "can't be looked up: the tenant has no Engage; name the contact by contactId"
            unusable = invalid([FieldError(FIELD, FieldCode.VALUE_UNKNOWN, message)])
            return dict.fromkeys(numbers, unusable)
        found = await follower.resolve(numbers)
        return {number: _contact_or_problem(one) for number, one in found.items()}

    async def booked_for(self, tenant: TenantId, key: str) -> ContactId | None:
        """Whose transaction has an idempotency key; `None` where there is none."""
        async with self._pool.acquire() as connection:
            transaction = await transaction_by_key(connection, tenant, key)
            if transaction is None:
                return None
            return (await contacts_of(connection, [transaction.holder])).get(transaction.holder)


def _contact_or_problem(resolution: Resolution) -> ContactId | ProblemError:
    if isinstance(resolution, Unasked):
        detail = f"Engage can't be asked whose the member number is: {resolution.message}"
        return ProblemError(MEMBERS_UNAVAILABLE, detail, headers={"Retry-After": RETRY_SECONDS})
    if resolution.contact is not None:
        return resolution.contact
    is_ambiguous = resolution.outcome is Lookup.AMBIGUOUS
    problem = MEMBER_AMBIGUOUS if is_ambiguous else MEMBER_UNKNOWN
    said = "is more than one contact's in Engage" if is_ambiguous else "is nobody's in Engage"
    errors = [FieldError(FIELD, problem.code, said)]
    return ProblemError(problem, f"{FIELD} {said}", errors=errors)
