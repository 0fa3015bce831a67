"""What a contact has, and what happened to it.

The one hard idea: a contact nobody posted for yet is no error: it has no points. So a till may ask
for anyone's balance, and learns nothing about who exists elsewhere.
"""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get
from msgspec import UNSET

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
from api.intake.as_of import (
    AS_OF_CHECKS,
    EFFECTIVE_AT,
    NOW,
    RECORDED_AT,
    AsOf,
    read_as_of,
    unknown_yet,
)
from api.intake.cursor import REFUSED, cursor_id, id_cursor, write_cursor
from api.intake.query import count_up_to, definition_number, path_guid, read_query
from api.intake.understanding import definition_of
from api.openapi.operation import Answer, Operation, Parameter, described
from api.problems import catalogue
from api.problems.fields import FieldError
from api.problems.problem import ProblemError, invalid
from api.routes.transactions import document_of
from api.service import Service, service_of
from ledger.balances_as_of import balances_as_of
from ledger.facts import Balance
from ledger.identity import ContactId, DefinitionId, TenantId
from ledger.person_history import NoSuchPlaceError, transactions_of
from ledger.policies import Definition
from ledger.reading import balances, contacts_of
from ledger.reading_as_of import FutureRecordError, HistoryTooLongError

CONTACT: Final = Parameter("contactId", "path", Guid, "The contact in Engage.", required=True)
DEFINITION: Final = Parameter(
    "definitionId", "query", DefinitionNumber, "Only points of this definition."
)
LIMIT: Final = Parameter(
    "limit", "query", PageLimit, f"Entries a page; {PAGE_DEFAULT} if left out."
)
CURSOR: Final = Parameter("cursor", "query", CursorWord, "`nextCursor` of the page before.")

AS_OF_PROBLEMS: Final = (
    catalogue.REQUEST_INVALID,
    catalogue.DEFINITION_UNKNOWN,
    catalogue.HISTORY_TOO_LONG,
    catalogue.BOOKS_BUSY,
)

GET_BALANCES: Final = Operation(
    id="getContactBalances",
    tag="Contacts",
    summary="Read a contact's balances",
    description=(
        "What the contact has of each of the tenant's definitions, points that became valid or "
        "lapsed up to that moment included: now or, by `effectiveAt` and `recordedAt`, at any "
        "moment, past or future, as the books know it now or knew it then."
    ),
    scope=Scope.BALANCES_READ,
    parameters=(CONTACT, DEFINITION, EFFECTIVE_AT, RECORDED_AT),
    answers=(
        Answer(200, "One entry a definition.", BalancesDocument, example=examples.BALANCES_ANSWER),
    ),
    problems=AS_OF_PROBLEMS,
)

LIST_TRANSACTIONS: Final = Operation(
    id="listContactTransactions",
    tag="Contacts",
    summary="List a contact's transactions",
    description=(
        "The last recorded first, page by page: hand `nextCursor` back as `cursor` until there is "
        "none. Pages don't shift when new transactions are booked meanwhile. Those of contacts "
        "that were merged into this one are among them, each with the contact it was booked for."
    ),
    scope=Scope.TRANSACTIONS_READ,
    parameters=(CONTACT, DEFINITION, LIMIT, CURSOR),
    answers=(Answer(200, "A page.", TransactionPage, example=examples.PAGE_ANSWER),),
    problems=(catalogue.REQUEST_INVALID, catalogue.DEFINITION_UNKNOWN),
)

Held = Mapping[DefinitionId, tuple[Balance, datetime | None]]
"""What there is of each definition, and when that will next change by time alone."""

LIST_CHECKS: Final = {
    "definitionId": definition_number,
    "limit": count_up_to(PAGE_MAX),
    "cursor": id_cursor,
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
    query = read_query(request, {"definitionId": definition_number, **AS_OF_CHECKS})
    only, as_of = only_definition(service, tenant, query), read_as_of(query)
    definition = None if only is None else only.id
    held: Held
    async with service.pool.acquire() as connection:
        if as_of.is_now:
            found = await balances(connection, tenant, contact, definition=definition)
            held = {one.definition: (one.balance, one.next_due_at) for one in found}
        else:
            with answering_as_of():
                stood = await balances_as_of(
                    connection, tenant, contact, definition=definition, **as_of._asdict()
                )
            held = {kind: (balance, None) for kind, balance in stood.items()}
    definitions = [only] if only else service.catalogue.definitions_of(tenant)
    return answer(balances_document(contact, definitions, held, as_of))


def balances_document(
    contact: ContactId,
    definitions: Sequence[Definition],
    held: Held,
    as_of: AsOf = NOW,
) -> BalancesDocument:
    """What a contact has, as it is answered: an entry for each of these definitions."""
    accounts = tuple(account_document(one, *held.get(one.id, (None,))) for one in definitions)
    return BalancesDocument(contact, accounts, *(at or UNSET for at in as_of))


@get(
    "/v1/contacts/{contactId:str}/transactions",
    guards=[needs(Scope.TRANSACTIONS_READ)],
    opt=described(LIST_TRANSACTIONS),
)
async def list_contact_transactions(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read a page of a contact's transactions."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    query = read_query(request, LIST_CHECKS)
    only = only_definition(service, tenant, query)
    limit = int(query.get("limit", PAGE_DEFAULT))
    async with service.pool.acquire() as connection:
        try:
            found = await transactions_of(
                connection,
                tenant,
                contact,
                definition=None if only is None else only.id,
                after=cursor_id(query["cursor"]) if "cursor" in query else None,
                limit=limit + 1,
            )
        except NoSuchPlaceError:
            raise invalid([FieldError("cursor", *REFUSED)]) from None
        page = found[:limit]
        holders = {one.holder for one in page}
        # Asked only where it can be another: of one chain all is booked for one contact.
        contacts = await contacts_of(connection, list(holders)) if len(holders) > 1 else {}
    documents = tuple(document_of(service, one, contacts.get(one.holder, contact)) for one in page)
    if len(found) > limit:
        return answer(TransactionPage(documents, write_cursor(page[-1].id)))
    return answer(TransactionPage(documents))


def only_definition(
    service: Service, tenant: TenantId, query: Mapping[str, str]
) -> Definition | None:
    """The definition that a query asks for, if it asks for one."""
    if "definitionId" not in query:
        return None
    return definition_of(int(query["definitionId"]), tenant, service.catalogue)


@contextmanager
def answering_as_of() -> Iterator[None]:
    """Turn what a reading as of an instant may refuse into its problem."""
    try:
        yield
    except FutureRecordError:
        raise unknown_yet() from None
    except HistoryTooLongError as too_long:
        raise ProblemError(catalogue.HISTORY_TOO_LONG, str(too_long)) from None
