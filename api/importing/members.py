"""Rows that name their contact by its member number, and who finds out whose that is.

The one hard idea: such a row makes a request of a stand-in, whose fingerprint is of the number that
it says, as at the doors. So it is the same row for ever, whoever has the number by then, and only
rows that are not in the books yet need anybody to be asked.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

import msgspec

from ledger.identity import ContactId
from ledger.requests import Move, Request

STAND_IN: Final = ContactId(UUID(int=1))
"""Whom a row names until its member number was looked up; no contact has this GUID."""


class Meant(NamedTuple):
    """A row as a request.

    Attributes:
        number: The member number by which the row names its contact, if it does: the request is
            the stand-in's then.
    """

    request: Request
    number: str | None = None


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


def of_contact(request: Request, contact: ContactId) -> Request:
    """A request of the stand-in as one of the contact who has its number."""
    changes: dict[str, Any] = {"contact": contact}
    if isinstance(request, Move) and request.to_contact == STAND_IN:
        changes["to_contact"] = contact
    return msgspec.structs.replace(request, **changes)
