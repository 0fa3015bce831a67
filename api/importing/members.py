"""Rows that name their contact by its member number, and who finds out whose that is.

The one hard idea: such a row is read as if it named a stand-in, and its fingerprint is taken with
the number that it says. So it is the same row for ever, whoever has the number by then, and only
rows that are not in the books yet need anybody to be asked.
"""

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, Protocol
from uuid import UUID

import msgspec

from api.importing.columns import MEMBER_NUMBER, Column
from api.importing.rows import Cells
from api.intake.checks import text
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import invalid
from ledger.identity import ContactId
from ledger.requests import Move, Request

MEMBER_NUMBER_LENGTH_MAX: Final = 100
"""Characters."""

STAND_IN: Final = ContactId(UUID(int=1))
"""Whom a row names until its member number was looked up; no contact has this GUID."""

_CONTACT: Final = Column("contactId")
_check = text(MEMBER_NUMBER_LENGTH_MAX)


@dataclass(frozen=True, slots=True)
class NoContact:
    """A member number that leads to nobody, or not to one contact alone."""

    code: str
    message: str


class MembersUnknownError(Exception):
    """Whose member numbers are can't be found out now, in a sentence for a person."""


class MemberNumbers(Protocol):
    """Finds out whose member numbers are."""

    async def __call__(self, numbers: Sequence[str], /) -> Mapping[str, ContactId | NoContact]:
        """Each number's contact; raises `MembersUnknownError` where nobody can be asked."""
        ...


def without_number(cells: Cells) -> tuple[Cells, str | None]:
    """A row with the stand-in where it names a member number, and the number.

    Raises:
        ProblemError: the number is none, or the row names a contact too (`request_invalid`).
    """
    number = next((cell for column, cell in cells if column.name == MEMBER_NUMBER), None)
    if number is None:
        return cells, None
    others = [one for one in cells if one[0].name != MEMBER_NUMBER]
    if finding := _check(number):
        raise invalid([FieldError(MEMBER_NUMBER, *finding)])
    if any(column.name == _CONTACT.name for column, _ in others):
        message = "can't be given together with contactId"
        raise invalid([FieldError(MEMBER_NUMBER, FieldCode.NOT_TOGETHER, message)])
    return [*others, (_CONTACT, str(STAND_IN))], number


def with_number(request: Request, number: str) -> Request:
    """A request of the stand-in that says this member number."""
    said = hashlib.sha256(request.fingerprint + number.encode()).digest()
    return msgspec.structs.replace(request, fingerprint=said[: len(request.fingerprint)])


def of_contact(request: Request, contact: ContactId) -> Request:
    """A request of the stand-in as one of the contact who has its number."""
    changes: dict[str, Any] = {"contact": contact}
    if isinstance(request, Move) and request.to_contact == STAND_IN:
        changes["to_contact"] = contact
    return msgspec.structs.replace(request, **changes)
