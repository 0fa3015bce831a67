"""What a contact has, and what happened to it.

The one hard idea: a contact nobody posted for yet is no error: it has no points. So a till may ask
for anyone's balance, and learns nothing about who exists elsewhere.
"""

from typing import Any, Final

from litestar import Request, Response, get

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents import examples
from api.documents.balances import BalancesDocument, account_document
from api.documents.forms import (
    PAGE_DEFAULT,
    PAGE_MAX,
    CursorWord,
    DefinitionNumber,
    Guid,
    PageLimit,
)
from api.documents.transactions import TransactionPage
from api.intake.cursor import cursor_number, number_cursor, write_cursor
from api.intake.query import count_up_to, definition_number, path_guid, read_query
from api.intake.understanding import definition_of
from api.openapi.operation import Answer, Operation, Parameter, described
from api.problems import catalogue
from api.routes.transactions import document_of
from api.service import Service, service_of
from ledger.identity import ContactId, TenantId
from ledger.policies import Definition
from ledger.reading import balances, transactions_of

CONTACT: Final = Parameter("contactId", "path", Guid, "The contact in Engage.", required=True)
DEFINITION: Final = Parameter(
    "definitionId", "query", DefinitionNumber, "Only points of this definition."
)

GET_BALANCES: Final = Operation(
    id="getContactBalances",
    tag="Contacts",
    summary="Read a contact's balances",
    description=(
        "What the contact has at this instant of each of the tenant's definitions, points that "
        "became valid or lapsed up to now included."
    ),
    scope=Scope.BALANCES_READ,
    parameters=(CONTACT, DEFINITION),
    answers=(
        Answer(200, "One entry a definition.", BalancesDocument, example=examples.BALANCES_ANSWER),
    ),
    problems=(catalogue.REQUEST_INVALID, catalogue.DEFINITION_UNKNOWN),
)

LIST_TRANSACTIONS: Final = Operation(
    id="listContactTransactions",
    tag="Contacts",
    summary="List a contact's transactions",
    description=(
        "The last recorded first, page by page: hand `nextCursor` back as `cursor` until there is "
        "none. Pages don't shift when new transactions are booked meanwhile."
    ),
    scope=Scope.TRANSACTIONS_READ,
    parameters=(
        CONTACT,
        DEFINITION,
        Parameter("limit", "query", PageLimit, f"Transactions a page; {PAGE_DEFAULT} if left out."),
        Parameter("cursor", "query", CursorWord, "`nextCursor` of the page before."),
    ),
    answers=(Answer(200, "A page.", TransactionPage, example=examples.PAGE_ANSWER),),
    problems=(catalogue.REQUEST_INVALID, catalogue.DEFINITION_UNKNOWN),
)


LIST_CHECKS: Final = {
    "definitionId": definition_number,
    "limit": count_up_to(PAGE_MAX),
    "cursor": number_cursor,
}


@get(
    "/v1/contacts/{contactId:str}/balances",
    guards=[needs(Scope.BALANCES_READ)],
    opt=described(GET_BALANCES),
)
async def get_contact_balances(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read what a contact has."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    query = read_query(request, {"definitionId": definition_number})
    only = _definition(service, tenant, query)
    async with service.pool.acquire() as connection:
        found = await balances(
            connection, tenant, contact, definition=None if only is None else only.id
        )
    held = {one.definition: one for one in found}
    definitions = [only] if only else service.catalogue.definitions_of(tenant)
    accounts = tuple(account_document(one, held.get(one.id)) for one in definitions)
    return answer(BalancesDocument(contact, accounts))


@get(
    "/v1/contacts/{contactId:str}/transactions",
    guards=[needs(Scope.TRANSACTIONS_READ)],
    opt=described(LIST_TRANSACTIONS),
)
async def list_contact_transactions(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read a page of a contact's transactions."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    query = read_query(
        request,
        {
            "definitionId": definition_number,
            "limit": count_up_to(PAGE_MAX),
            "cursor": number_cursor,
        },
    )
    only = _definition(service, tenant, query)
    limit = int(query.get("limit", PAGE_DEFAULT))
    async with service.pool.acquire() as connection:
        found = await transactions_of(
            connection,
            tenant,
            contact,
            definition=None if only is None else only.id,
            before=cursor_number(query["cursor"]) if "cursor" in query else None,
            limit=limit + 1,
        )
    page = found[:limit]
    documents = tuple(document_of(service, one, contact) for one in page)
    if len(found) > limit:
        return answer(TransactionPage(documents, write_cursor(page[-1].number)))
    return answer(TransactionPage(documents))


def _definition(service: Service, tenant: TenantId, query: dict[str, str]) -> Definition | None:
    if "definitionId" not in query:
        return None
    return definition_of(int(query["definitionId"]), tenant, service.catalogue)
