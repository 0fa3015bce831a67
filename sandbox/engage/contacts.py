"""The contacts that the stand-in holds, and how they are found.

Two things are less simple than they look. A lookup by `any` is decided by the *format* of what is
asked for: a customer number that looks like a telephone number is never found as a customer
number. And a contact can disappear, deleted or merged into another, while the outside world still
uses its id; what disappeared is remembered, because that is what `contacts/changes` reports.
Contacts hold no points here (`accounts` does).
"""

import enum
import re
from collections.abc import Iterable, Iterator
from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

import msgspec

CONTACTS_PER_CALL_MAX: Final = 100_000
CHANGES_MAX: Final = 1_000_000

_EMAIL = re.compile(r"\A[^@\s]+@[^@\s]+\.[^@\s]+\Z")
_TELEPHONE = re.compile(r"\A\+?[0-9][0-9 \-]{5,18}\Z")
_NOT_DIGITS = re.compile(r"[^0-9+]")

Text = Annotated[str, msgspec.Meta(max_length=500)]


class Contact(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A person Engage knows."""

    id: str
    """A GUID, kept in lower case."""
    email: Text | None = None
    mobile_phone: Text | None = None
    custom_key: Text | None = None
    """The member number, or whatever else the tenant is set up to use."""
    contact_type: Text = "Member"
    attributes: dict[str, Any] | None = None


class ChangeType(enum.Enum):
    """What happened to a contact."""

    CREATED = "Created"
    UPDATED = "Updated"
    DELETED = "Deleted"


class Change(msgspec.Struct, frozen=True):
    """Something that happened to a contact."""

    at: datetime
    kind: ChangeType
    contact_id: str


class InvalidLookupError(Exception):
    """A lookup is not well-formed; the argument is Engage's symbolic code."""


class ContactNotFoundError(Exception):
    """No contact answers to what was asked."""


class MultipleMatchesError(Exception):
    """More than one contact answers to what was asked."""


def read_guid(text: str) -> str | None:
    """The GUID in lower case, or None when it is none."""
    try:
        return str(UUID(text)) if len(text) == 36 else None
    except ValueError:
        return None


class Contacts:
    """All contacts, with the indexes for finding them."""

    def __init__(self) -> None:
        self.by_id: dict[str, Contact] = {}
        self.changes: list[Change] = []
        self._by_email: dict[str, set[str]] = {}
        self._by_telephone: dict[str, set[str]] = {}
        self._by_custom_key: dict[str, set[str]] = {}

    def put(self, contact: Contact, now: datetime) -> bool:
        """Add a contact, or replace the one with the same id.

        Returns:
            True when it is new.

        Raises:
            ValueError: its id is not a GUID.
        """
        guid = read_guid(contact.id)
        if guid is None:
            message = f"id {contact.id!r} is not a GUID"
            raise ValueError(message)
        if guid != contact.id:
            contact = msgspec.structs.replace(contact, id=guid)
        previous = self.by_id.get(guid)
        if previous is not None:
            self._unindex(previous)
        self.by_id[guid] = contact
        self._index(contact)
        kind = ChangeType.CREATED if previous is None else ChangeType.UPDATED
        self._changed(Change(now, kind, guid))
        return previous is None

    def remove(self, contact_id: str, now: datetime) -> bool:
        """Delete a contact; False when there was none."""
        contact = self.by_id.pop(contact_id.lower(), None)
        if contact is None:
            return False
        self._unindex(contact)
        self._changed(Change(now, ChangeType.DELETED, contact.id))
        return True

    def known(self, contact_id: str) -> str | None:
        """The id as Engage writes it, if the contact exists; any letter case is understood."""
        if contact_id in self.by_id:
            return contact_id
        lowered = contact_id.lower()
        return lowered if lowered in self.by_id else None

    def find(self, criteria: dict[str, str], contact_type: str | None) -> str:
        """The id of the one contact that fits.

        Args:
            criteria: exactly one of `email`, `mobilePhone`, `customKey`, `any`, with its value.
            contact_type: if given, only contacts of that type.

        Raises:
            InvalidLookupError: no or several criteria, or a value of the wrong format.
            ContactNotFoundError: nobody fits.
            MultipleMatchesError: several do.
        """
        if len(criteria) != 1:
            raise InvalidLookupError("InvalidSearchQuery")
        [(name, value)] = criteria.items()
        found = self._candidates(name, value)
        if contact_type is not None:
            wanted = contact_type.lower()
            found = {one for one in found if self.by_id[one].contact_type.lower() == wanted}
        if not found:
            raise ContactNotFoundError
        if len(found) > 1:
            raise MultipleMatchesError
        return next(iter(found))

    def changed_between(self, kind: ChangeType, start: datetime, end: datetime) -> list[str]:
        """Ids of the contacts to which that happened in `start` ≤ time < `end`, each once."""
        return list(
            dict.fromkeys(
                change.contact_id
                for change in self.changes
                if change.kind is kind and start <= change.at < end
            ),
        )

    def page(self, offset: int, count: int) -> Iterator[Contact]:
        """Contacts in the order they were added."""
        for position, contact in enumerate(self.by_id.values()):
            if position >= offset + count:
                return
            if position >= offset:
                yield contact

    def restore(self, contacts: Iterable[Contact], changes: list[Change]) -> None:
        """Take over what was saved."""
        for contact in contacts:
            self.by_id[contact.id] = contact
            self._index(contact)
        self.changes = changes

    def _candidates(self, name: str, value: str) -> set[str]:
        if name == "any":
            name = _kind_of(value)
        match name:
            case "email":
                return self._with_email(value)
            case "mobilePhone":
                return self._with_telephone(value)
            case "customKey":
                return self._with_custom_key(value)
            case _:
                raise InvalidLookupError("InvalidSearchQuery")

    def _with_email(self, value: str) -> set[str]:
        if not _EMAIL.match(value):
            raise InvalidLookupError("InvalidEmailAddress")
        return self._by_email.get(value.lower(), set())

    def _with_telephone(self, value: str) -> set[str]:
        if not _TELEPHONE.match(value):
            raise InvalidLookupError("InvalidPhoneNumber")
        return self._by_telephone.get(_NOT_DIGITS.sub("", value), set())

    def _with_custom_key(self, value: str) -> set[str]:
        if not value:
            raise InvalidLookupError("InvalidSearchQuery")
        return self._by_custom_key.get(value, set())

    def _changed(self, change: Change) -> None:
        self.changes.append(change)
        if len(self.changes) > CHANGES_MAX:
            del self.changes[: CHANGES_MAX // 10]

    def _keys(self, contact: Contact) -> Iterator[tuple[dict[str, set[str]], str]]:
        if contact.email:
            yield self._by_email, contact.email.lower()
        if contact.mobile_phone:
            yield self._by_telephone, _NOT_DIGITS.sub("", contact.mobile_phone)
        if contact.custom_key:
            yield self._by_custom_key, contact.custom_key

    def _index(self, contact: Contact) -> None:
        for index, key in self._keys(contact):
            index.setdefault(key, set()).add(contact.id)

    def _unindex(self, contact: Contact) -> None:
        for index, key in self._keys(contact):
            ids = index.get(key)
            if ids is not None:
                ids.discard(contact.id)
                if not ids:
                    del index[key]


def _kind_of(value: str) -> str:
    """What a value asked for by `any` is taken to be: the first format that fits."""
    if _EMAIL.match(value):
        return "email"
    return "mobilePhone" if _TELEPHONE.match(value) else "customKey"
