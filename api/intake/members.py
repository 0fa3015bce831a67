"""Whom a request names by its member number: found out before the books are asked.

The one hard idea: the fingerprint is of what the caller said, and so of the number. A repeat is the
same request whoever has the number by then; and a repeat of what is in the books is answered even
while nobody can be asked whose the number is.
"""

from collections.abc import Mapping, Sequence
from typing import Final, Protocol

import msgspec
from msgspec import UNSET

from api.intake.reading import Read
from api.problems.problem import ProblemError
from ledger.identity import ContactId, TenantId

FIELD: Final = "memberNumber"


class Members(Protocol):
    """Who has which member number."""

    async def find(
        self, tenant: TenantId, numbers: Sequence[str]
    ) -> Mapping[str, ContactId | ProblemError]:
        """Each number's contact, or why there is none."""
        ...

    async def booked_for(self, tenant: TenantId, key: str) -> ContactId | None:
        """Whose transaction has an idempotency key; `None` where there is none."""
        ...


async def named(members: Members, tenant: TenantId, read: Read) -> Read:
    """A request that names a contact by its id.

    Raises:
        ProblemError: it names one by a number that leads to nobody, to several, or can't be looked
            up now (`member_unknown`, `member_ambiguous`, `members_unavailable`).
    """
    if read.document.member_number is UNSET:
        return read
    (found,) = await all_named(members, tenant, [read])
    if isinstance(found, ProblemError):
        raise found
    return found


async def all_named(
    members: Members, tenant: TenantId, reads: Sequence[Read | ProblemError]
) -> list[Read | ProblemError]:
    """The same for many, each with its own problem; a number is looked up once."""
    numbers = [
        one.document.member_number
        for one in reads
        if isinstance(one, Read) and one.document.member_number is not UNSET
    ]
    if not numbers:
        return list(reads)
    found = await members.find(tenant, list(dict.fromkeys(numbers)))
    answers: list[Read | ProblemError] = []
    for read in reads:
        if isinstance(read, ProblemError) or read.document.member_number is UNSET:
            answers.append(read)
            continue
        contact = found[read.document.member_number]
        if isinstance(contact, ProblemError):
            problem = contact
            earlier = await members.booked_for(tenant, read.document.idempotency_key)
            answers.append(problem if earlier is None else _of(read, earlier))
        else:
            answers.append(_of(read, contact))
    return answers


def _of(read: Read, contact: ContactId) -> Read:
    document = msgspec.structs.replace(read.document, contact_id=contact, member_number=UNSET)
    return Read(document, read.fingerprint)
