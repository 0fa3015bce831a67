"""What was said between the books and Engage: parked, differing, gone, a contact's own story."""

from typing import Any, Final
from uuid import UUID

from litestar import Request, Response, get

from api.access.guard import needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents.engage_record import (
    DifferencePage,
    GonePage,
    ParkedPage,
    RecordPage,
    difference_document,
    entry_document,
    gone_document,
    parked_document,
)
from api.documents.forms import PAGE_DEFAULT, PAGE_MAX, Flag, Guid
from api.intake.account_cursor import read_account_cursor, write_account_cursor
from api.intake.checks import Check, Finding
from api.intake.cursor import (
    REFUSED,
    cursor_id,
    cursor_number,
    id_cursor,
    write_cursor,
)
from api.intake.instant_cursor import (
    InstantPlace,
    instant_cursor,
    read_instant_cursor,
    write_instant_cursor,
)
from api.intake.query import count_up_to, flag, path_guid, read_query
from api.openapi.operation import Answer, Operation, Parameter, described
from api.problems import catalogue
from api.routes.sync import CURSOR, LIMIT, TENANT, follower_of
from api.service import service_of
from ledger.identity import ContactId
from sync.engage.parked import ParkedRecord
from sync.engage.record import PAGE_MAX as ENTRIES_MAX
from sync.engage.record import Entry

LIST_PARKED: Final = Operation(
    id="listParked",
    tag="Sync",
    summary="List what Engage does not take",
    description=(
        "Movements, oldest first, then totals, each with Engage's reason. They are tried again "
        "when the settings say so, when their contact is there, or when asked for."
    ),
    scope=Scope.SYNC_READ,
    parameters=(TENANT, LIMIT, CURSOR),
    answers=(Answer(200, "A page.", ParkedPage),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

READ_RECORD: Final = Operation(
    id="readSyncRecord",
    tag="Sync",
    summary="Read who told whom what about a contact",
    description=(
        "What Engage was told, what it sent, what differed and what was done about it, the latest "
        "first, as far back as it is kept. Contacts that were merged into this one are included."
    ),
    scope=Scope.SYNC_READ,
    parameters=(
        TENANT,
        Parameter("contactId", "path", Guid, "Whose record.", required=True),
        LIMIT,
        CURSOR,
    ),
    answers=(Answer(200, "A page.", RecordPage),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

LIST_DIFFERENCES: Final = Operation(
    id="listSyncDifferences",
    tag="Sync",
    summary="List where Engage had something else",
    description=(
        "Accounts of which Engage had another balance than the books when they were compared, the "
        "latest first, with what was done about each and when both agreed again."
    ),
    scope=Scope.SYNC_READ,
    parameters=(
        TENANT,
        Parameter("open", "query", Flag, "Only those that still differ, as far as is known."),
        LIMIT,
        CURSOR,
    ),
    answers=(Answer(200, "A page.", DifferencePage),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

LIST_GONE: Final = Operation(
    id="listGoneContacts",
    tag="Sync",
    summary="List contacts that Engage no longer has",
    description=(
        "Contacts of the books that Engage deleted or merged, the latest first, with what was done "
        "about each. What is `listed` waits for a person: merge them, erase them, or leave them."
    ),
    scope=Scope.SYNC_READ,
    parameters=(TENANT, LIMIT, CURSOR),
    answers=(Answer(200, "A page.", GonePage),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)


@get("/v1/sync/{tenant:str}/parked", guards=[needs(Scope.SYNC_READ)], opt=described(LIST_PARKED))
async def list_parked(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what is parked."""
    follower = follower_of(request, service_of(request))
    query = read_query(request, _paged(_parked_cursor))
    limit, cursor = int(query.get("limit", PAGE_DEFAULT)), query.get("cursor", "")
    after = read_account_cursor(cursor) or cursor_number(cursor) or 0
    found = await follower.parked(after=after, limit=limit + 1)
    definitions = follower.context.definitions
    documents = tuple(parked_document(one, definitions) for one in found[:limit])
    if len(found) > limit:
        return answer(ParkedPage(documents, _cursor_of(found[limit - 1])))
    return answer(ParkedPage(documents))


@get(
    "/v1/sync/{tenant:str}/contacts/{contactId:str}/record",
    guards=[needs(Scope.SYNC_READ)],
    opt=described(READ_RECORD),
)
async def read_sync_record(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show who told whom what."""
    follower = follower_of(request, service_of(request))
    contact = ContactId(path_guid(request, "contactId"))
    query = read_query(request, _paged(instant_cursor))
    limit = int(query.get("limit", PAGE_DEFAULT))
    place = read_instant_cursor(query.get("cursor", ""))
    before = None if place is None else place.at
    found = await follower.record_of(contact, before=before, limit=limit + 1)
    page, is_last = found, len(found) <= limit
    if not is_last:
        page = _whole_instants(found)
        if not page:  # more at one instant than a page has
            found = await follower.record_of(contact, before=before, limit=ENTRIES_MAX)
            page = [one for one in found if one.at == found[0].at]
    definitions = follower.context.definitions
    documents = tuple(entry_document(one, definitions) for one in page)
    if is_last:
        return answer(RecordPage(documents))
    return answer(RecordPage(documents, write_instant_cursor(InstantPlace(page[-1].at))))


@get(
    "/v1/sync/{tenant:str}/differences",
    guards=[needs(Scope.SYNC_READ)],
    opt=described(LIST_DIFFERENCES),
)
async def list_sync_differences(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what differed."""
    follower = follower_of(request, service_of(request))
    query = read_query(request, {**_paged(id_cursor), "open": flag})
    limit = int(query.get("limit", PAGE_DEFAULT))
    found = await follower.differences(
        before=cursor_id(query.get("cursor", "")),
        only_open=query.get("open") == "true",
        limit=limit + 1,
    )
    definitions = follower.context.definitions
    documents = tuple(difference_document(one, definitions) for one in found[:limit])
    if len(found) > limit:
        return answer(DifferencePage(documents, write_cursor(found[limit - 1].id)))
    return answer(DifferencePage(documents))


@get(
    "/v1/sync/{tenant:str}/gone-contacts", guards=[needs(Scope.SYNC_READ)], opt=described(LIST_GONE)
)
async def list_gone_contacts(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show who is gone."""
    follower = follower_of(request, service_of(request))
    query = read_query(request, _paged(instant_cursor))
    limit = int(query.get("limit", PAGE_DEFAULT))
    place = read_instant_cursor(query.get("cursor", ""))
    before = None if place is None else (place.at, ContactId(place.who))
    found = await follower.gone(before=before, limit=limit + 1)
    documents = tuple(gone_document(one) for one in found[:limit])
    if len(found) > limit:
        last = found[limit - 1]
        cursor = write_instant_cursor(InstantPlace(last.noticed_at, UUID(str(last.contact))))
        return answer(GonePage(documents, cursor))
    return answer(GonePage(documents))


def _paged(cursor: Check) -> dict[str, Check]:
    return {"limit": count_up_to(PAGE_MAX), "cursor": cursor}


def _parked_cursor(value: object) -> Finding | None:
    text = str(value)
    is_one = cursor_number(text) is not None or read_account_cursor(text) is not None
    return None if is_one else REFUSED


def _cursor_of(parked: ParkedRecord) -> str:
    """Movements go by their id, totals by their account."""
    if parked.id is not None:
        return write_cursor(parked.id)
    return write_account_cursor((parked.holder, parked.definition))


def _whole_instants(found: list[Entry]) -> list[Entry]:
    """Entries of one too many, without those of the last instant: others may have it too."""
    edge = found[-1].at
    return [one for one in found if one.at > edge]
