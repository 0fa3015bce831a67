"""Whom a request names by its member number: found out before the books are asked.

The one hard idea: the fingerprint is of what the caller said, and so of the number. A repeat is the
same request whoever has the number by then; and a repeat of what is in the books is answered even
while nobody can be asked whose the number is. Of a move, either side may be named by its number.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Final, Protocol

import msgspec
from msgspec import UNSET

from api.documents.requests import MoveRequest, TransactionRequest
from api.intake.reading import Read
from api.problems.fields import FieldError
from api.problems.problem import ProblemError
from ledger.identity import ContactId, TenantId

FIELD: Final = "memberNumber"
TO_FIELD: Final = "to.memberNumber"


class Members(Protocol):
    """Who has which member number."""

    async def find(
        self, tenant: TenantId, numbers: Sequence[str]
    ) -> Mapping[str, ContactId | ProblemError]:
        """Each number's contact, or why there is none, as a problem of the field `FIELD`."""
        ...

    async def booked_for(self, tenant: TenantId, key: str) -> ContactId | None:
        """Whose transaction has an idempotency key; `None` where there is none."""
        ...


async def named(members: Members, tenant: TenantId, read: Read) -> Read:
    """A request that names its contacts by their ids.

    Raises:
        ProblemError: it names one by a number that leads to nobody, to several, or can't be looked
            up now (`member_unknown`, `member_ambiguous`, `members_unavailable`).
    """
    if not numbers_of(read.document):
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
        number
        for one in reads
        if isinstance(one, Read)
        for number in numbers_of(one.document).values()
    ]
    if not numbers:
        return list(reads)
    found = await members.find(tenant, list(dict.fromkeys(numbers)))
    answers: list[Read | ProblemError] = []
    for read in reads:
        if isinstance(read, ProblemError) or not (asked := numbers_of(read.document)):
            answers.append(read)
            continue
        contacts: dict[str, ContactId] = {}
        problem: ProblemError | None = None
        for field, number in asked.items():
            whose = found[number]
            if isinstance(whose, ProblemError):
                problem = problem or _about(whose, field)
            else:
                contacts[field] = whose
        if problem is not None:
            earlier = await members.booked_for(tenant, read.document.idempotency_key)
            if earlier is None:
                answers.append(problem)
                continue
            # What is booked is answered by its key, whomever the numbers lead to now.
            contacts = dict.fromkeys(asked, earlier)
        answers.append(_of(read, contacts))
    return answers


def numbers_of(document: TransactionRequest) -> dict[str, str]:
    """The member numbers that a request names contacts by, each by its field."""
    numbers: dict[str, str] = {}
    if isinstance(document.member_number, str):
        numbers[FIELD] = document.member_number
    if isinstance(document, MoveRequest) and isinstance(document.to.member_number, str):
        numbers[TO_FIELD] = document.to.member_number
    return numbers


def _about(problem: ProblemError, field: str) -> ProblemError:
    """The problem of a number as the one of the field in which it stands."""
    if field == FIELD:
        return problem
    errors = [FieldError(field, error.code, error.message) for error in problem.errors]
    detail = problem.detail
    if detail.startswith(f"{FIELD} "):
        detail = f"{field}{detail.removeprefix(FIELD)}"
    return ProblemError(problem.problem, detail, errors=errors, headers=problem.headers)


def _of(read: Read, contacts: Mapping[str, ContactId]) -> Read:
    document = read.document
    changes: dict[str, Any] = {}
    if FIELD in contacts:
        changes |= {"contact_id": contacts[FIELD], "member_number": UNSET}
    if TO_FIELD in contacts and isinstance(document, MoveRequest):
        changes["to"] = msgspec.structs.replace(
            document.to, contact_id=contacts[TO_FIELD], member_number=UNSET
        )
    return Read(msgspec.structs.replace(document, **changes), read.fingerprint)
