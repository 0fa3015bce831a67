"""Engage's doors for contacts: find the id, look at one, see which ones changed.

They only read; contacts come and go by the control address.
"""

from datetime import UTC, datetime
from typing import Any, Final

from litestar import Response, get

from sandbox.control import AnyRequest
from sandbox.engage.contacts import (
    ChangeType,
    Contact,
    ContactNotFoundError,
    InvalidLookupError,
    MultipleMatchesError,
)
from sandbox.engage.queries import answered, query_of, refused
from sandbox.engage.state import Engage

CRITERIA: Final = ("email", "mobilePhone", "customKey", "any")


@get(["/api/v2/contacts/id", "/api/v3/contacts/id"])
async def find_contact_id(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """The id of the one contact that fits, as a bare JSON string."""
    found = _found(query_of(request), engage)
    return found if isinstance(found, Response) else answered(200, found)


@get("/api/v2/contacts/changes")
async def list_changes(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """Ids of the contacts that were created, updated or deleted in a time."""
    query = query_of(request)
    kinds = {kind.value.lower(): kind for kind in ChangeType}
    kind = kinds.get(query.get("changetype", "").lower())
    start, end = _time(query.get("fromdate")), _time(query.get("todate"))
    if kind is None:
        return refused(400, "InvalidRequest", "changeType must be Created, Updated or Deleted")
    if start is None:
        return refused(400, "InvalidRequest", "fromDate must be a date and time")
    if end is None:
        if "todate" in query:
            return refused(400, "InvalidRequest", "toDate must be a date and time")
        end = engage.present()
    return answered(200, engage.contacts.changed_between(kind, start, end))


@get(["/api/v2/contacts/{contact_id:str}", "/api/v3/contacts/{contact_id:str}"])
async def get_contact(contact_id: str, engage: Engage) -> Response[bytes]:
    """One contact."""
    known = engage.contacts.known(contact_id)
    if known is None:
        return refused(404, "ContactNotFound", f"No contact {contact_id[:100]}")
    return answered(200, _written(engage.contacts.by_id[known]))


@get("/api/v2/contactoverview")
async def get_overview(request: AnyRequest, engage: Engage) -> Response[bytes]:
    """One contact by id, or by another key with its contact type."""
    query = query_of(request)
    asked = query.get("contactid")
    if asked is None:
        if "contacttype" not in query:
            return refused(400, "InvalidContactType", "contactType is required without contactId")
        found = _found(query, engage)
        if isinstance(found, Response):
            return found
        asked = found
    known = engage.contacts.known(asked)
    if known is None:
        return refused(404, "ContactNotFound", f"No contact {asked[:100]}")
    return answered(200, _written(engage.contacts.by_id[known]))


def _found(query: dict[str, str], engage: Engage) -> str | Response[bytes]:
    criteria = {name: query[name.lower()] for name in CRITERIA if name.lower() in query}
    try:
        return engage.contacts.find(criteria, query.get("contacttype"))
    except InvalidLookupError as error:
        return refused(400, str(error), f"Exactly one of {', '.join(CRITERIA)}, well-formed")
    except ContactNotFoundError:
        return refused(404, "ContactNotFound", "No contact fits")
    except MultipleMatchesError:
        return refused(409, "MultipleMatches", "More than one contact fits")


def _time(text: str | None) -> datetime | None:
    """The time, taken as UTC when it names no zone; None when it is none."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _written(contact: Contact) -> dict[str, Any]:
    return {
        "id": contact.id,
        "attributes": {
            "email": contact.email,
            "mobilePhone": contact.mobile_phone,
            "memberNumber": contact.custom_key,
            **(contact.attributes or {}),
        },
        "meta": {"contactType": contact.contact_type},
        "preferences": {},
        "consents": [],
    }
