"""What a contact's points are made of: lots with their validity, and holds that are open.

The one hard idea: lots are listed in the order in which they will be consumed, which is what a
customer asks ("what do I lose next?"), and a page begins after a lot and not at a count, so that it
stays where it was while points are spent.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get
from msgspec import UNSET

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents import examples
from api.documents.forms import PAGE_DEFAULT, PAGE_MAX, Flag
from api.documents.lots import (
    HoldsDocument,
    LotDocument,
    LotPage,
    hold_document,
    lot_document,
)
from api.intake.as_of import AS_OF_CHECKS, EFFECTIVE_AT, RECORDED_AT, read_as_of
from api.intake.cursor import REFUSED, LotPlace, cursor_lot, lot_cursor, write_cursor
from api.intake.query import count_up_to, definition_number, flag, path_guid, read_query
from api.openapi.operation import Answer, Operation, Parameter, described
from api.problems import catalogue
from api.problems.fields import FieldError
from api.problems.problem import invalid
from api.routes.contacts import (
    AS_OF_PROBLEMS,
    CONTACT,
    CURSOR,
    DEFINITION,
    LIMIT,
    answering_as_of,
    only_definition,
)
from api.routes.explanations import Ground, ground_of
from api.service import service_of
from ledger.explaining import LotLife, explain
from ledger.identity import ContactId
from ledger.open_holds import open_holds
from ledger.policies import Definition
from ledger.reading_as_of import Told, told_of

SPENT: Final = Parameter(
    "spent", "query", Flag, "`true`: lots of which nothing is left too, after the others."
)

LIST_LOTS: Final = Operation(
    id="listContactLots",
    tag="Contacts",
    summary="List a contact's lots",
    description=(
        "The points issued together, how long they are valid, where they stand and where they came "
        "from, in the order in which they will be consumed; at any moment, as balances are."
    ),
    scope=Scope.BALANCES_READ,
    parameters=(CONTACT, DEFINITION, EFFECTIVE_AT, RECORDED_AT, SPENT, LIMIT, CURSOR),
    answers=(Answer(200, "A page.", LotPage, example=examples.LOTS_ANSWER),),
    problems=AS_OF_PROBLEMS,
)

LIST_HOLDS: Final = Operation(
    id="listContactHolds",
    tag="Contacts",
    summary="List a contact's open holds",
    description="Points set aside for checkouts under way, soonest to time out first.",
    scope=Scope.TRANSACTIONS_READ,
    parameters=(CONTACT, DEFINITION),
    answers=(Answer(200, "The open holds.", HoldsDocument, example=examples.HOLDS_ANSWER),),
    problems=(catalogue.REQUEST_INVALID, catalogue.DEFINITION_UNKNOWN),
)

LOTS_CHECKS: Final = {
    "definitionId": definition_number,
    **AS_OF_CHECKS,
    "spent": flag,
    "limit": count_up_to(PAGE_MAX),
    "cursor": lot_cursor,
}


@get(
    "/v1/contacts/{contactId:str}/lots",
    guards=[needs(Scope.BALANCES_READ)],
    opt=described(LIST_LOTS),
)
async def list_contact_lots(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read a page of a contact's lots."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    query = read_query(request, LOTS_CHECKS)
    only, as_of = only_definition(service, tenant, query), read_as_of(query)
    definitions = [only] if only else service.catalogue.definitions_of(tenant)
    limit = int(query.get("limit", PAGE_DEFAULT))
    async with service.pool.acquire() as connection:
        with answering_as_of():
            told = await told_of(connection, tenant, contact, recorded_at=as_of.recorded_at)
        at = as_of.effective_at or told.now
        everything = _lives(told, definitions, at, as_of.recorded_at)
        after = _after(everything, query.get("cursor"))
        found = [one for one in after if query.get("spent") == "true" or one[1].standing]
        page = found[:limit]
        ground = await ground_of(connection, [life for _, life in page])
    documents = tuple(_document(definition, life, ground) for definition, life in page)
    return answer(
        LotPage(
            contact_id=contact,
            effective_at=at,
            recorded_at=as_of.recorded_at or UNSET,
            lots=documents,
            next_cursor=write_cursor(_place(page[-1][1])) if len(found) > limit else UNSET,
        )
    )


@get(
    "/v1/contacts/{contactId:str}/holds",
    guards=[needs(Scope.TRANSACTIONS_READ)],
    opt=described(LIST_HOLDS),
)
async def list_contact_holds(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read a contact's open holds."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    query = read_query(request, {"definitionId": definition_number})
    only = only_definition(service, tenant, query)
    async with service.pool.acquire() as connection:
        found = await open_holds(
            connection, tenant, contact, definition=None if only is None else only.id
        )
    definitions = service.catalogue.definitions
    holds = tuple(hold_document(one, definitions[one.definition]) for one in found)
    return answer(HoldsDocument(contact, holds))


_Lives = list[tuple[Definition, LotLife]]


def _lives(
    told: Told, definitions: Sequence[Definition], at: datetime, recorded_at: datetime | None
) -> _Lives:
    """All lots ever issued by then, definition by definition in the order of consumption."""
    found: _Lives = []
    for definition in definitions:
        explained = explain(told.chains, definition.id, at, recorded_at)
        lives = () if explained is None else explained.lots
        found += [(definition, life) for life in sorted(lives, key=lambda life: life.order)]
    return found


def _after(everything: _Lives, cursor: str | None) -> _Lives:
    """The lots after the one that a page ended with, whatever has become of it meanwhile."""
    if cursor is None:
        return everything
    last = cursor_lot(cursor)
    for index, (_, life) in enumerate(everything, start=1):
        if _place(life) == last:
            return everything[index:]
    raise invalid([FieldError("cursor", *REFUSED)])


def _place(life: LotLife) -> LotPlace:
    return LotPlace(life.issued_by.id, life.issue.lot)


def _document(definition: Definition, life: LotLife, ground: Ground) -> LotDocument:
    return lot_document(life, definition, ground.origins, ground.contacts)
