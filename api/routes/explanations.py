"""Where points went: a contact's, or those of one transaction.

The one hard idea: what is answered is made of facts alone and adds up to the balance it explains;
where a history is long, its older part is told as a sum and still adds up.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Any, Final, NamedTuple

from litestar import Request, Response, get
from msgspec import UNSET

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents import examples
from api.documents.explanations import (
    ExplanationDocument,
    TransactionExplanationDocument,
    earlier,
    explained_document,
    life_document,
    other_lots,
    source_documents,
)
from api.documents.forms import DefinitionNumber, ExplanationLimit
from api.documents.lots import Contacts, Counterparts, Origins
from api.documents.transactions import buckets
from api.intake.as_of import AS_OF_CHECKS, EFFECTIVE_AT, RECORDED_AT, AsOf, read_as_of
from api.intake.query import count_up_to, definition_number, path_guid, read_query
from api.intake.understanding import definition_of
from api.openapi.operation import Answer, Operation, Parameter, described
from api.problems import catalogue
from api.problems.problem import ProblemError
from api.routes.contacts import AS_OF_PROBLEMS, CONTACT, answering_as_of
from api.routes.transactions import TRANSACTION, document_of
from api.service import service_of
from ledger.amounts import Points
from ledger.connection import Connection
from ledger.explaining import Explanation, LotLife, Movement, explain
from ledger.facts import Balance, Origin
from ledger.identity import ContactId
from ledger.origins import first_issues, holders_of
from ledger.policies import Definition
from ledger.reading import contacts_of, transaction_by_id
from ledger.reading_as_of import told_of, told_of_holder

LISTED_DEFAULT: Final = 200
LISTED_MAX: Final = 1000
"""Transactions, and lots, that one explanation lists; those beyond are told as a sum."""

NOTHING: Final = Explanation(Balance(*[Points(0)] * 4), (), ())

EXPLAIN_CONTACT: Final = Operation(
    id="explainContactPoints",
    tag="Contacts",
    summary="Explain where a contact's points went",
    description=(
        "The balance at any moment, the lots it is made of with all that happened to them, and the "
        "transactions that made it with the earns whose points they took. It adds up: the lots by "
        "bucket, the transactions by `net`."
    ),
    scope=Scope.TRANSACTIONS_READ,
    parameters=(
        CONTACT,
        Parameter(
            "definitionId", "query", DefinitionNumber, "Which points.", required=True, example=1
        ),
        EFFECTIVE_AT,
        RECORDED_AT,
        Parameter(
            "limit",
            "query",
            ExplanationLimit,
            f"Transactions, and lots, that are listed; {LISTED_DEFAULT} if left out.",
        ),
    ),
    answers=(
        Answer(200, "All that adds up.", ExplanationDocument, example=examples.EXPLANATION_ANSWER),
    ),
    problems=AS_OF_PROBLEMS,
)

EXPLAIN_TRANSACTION: Final = Operation(
    id="explainTransaction",
    tag="Transactions",
    summary="Explain a transaction's points",
    description=(
        "Of a redemption, a return, a hold, a move: the earns whose points it took. Of an earn or "
        "anything else that issued points: what has become of them up to now."
    ),
    scope=Scope.TRANSACTIONS_READ,
    parameters=(TRANSACTION,),
    answers=(Answer(200, "Where from, and where to.", TransactionExplanationDocument),),
    problems=(
        catalogue.REQUEST_INVALID,
        catalogue.NOT_FOUND,
        catalogue.HISTORY_TOO_LONG,
        catalogue.BOOKS_BUSY,
    ),
)

EXPLAIN_CHECKS: Final = {
    "definitionId": definition_number,
    **AS_OF_CHECKS,
    "limit": count_up_to(LISTED_MAX),
}


class Ground(NamedTuple):
    """What must be looked up beside the chains to tell of moved points.

    Attributes:
        origins: Where lots that were moved came from.
        contacts: Whose they were then.
        counterparts: Who stood at the other end of a move, by its other half.
    """

    origins: Origins
    contacts: Contacts
    counterparts: Counterparts


async def ground_of(
    connection: Connection, lives: Iterable[LotLife], movements: Iterable[Movement] = ()
) -> Ground:
    """Where those of these lots that were moved came from, and where these moves led."""
    moved = [Origin(one.holder, one.issue.lot) for one in lives if one.issue.origin is not None]
    origins = await first_issues(connection, moved)
    told = [one.transaction for one in movements if one.transaction is not None]
    linked = {one.linked for one in told if one.linked is not None}
    ends = await holders_of(connection, linked) if linked else {}
    holders = {*(found.holder for found in origins.values()), *ends.values()}
    contacts = await contacts_of(connection, list(holders)) if holders else {}
    counterparts = {half: contacts[holder] for half, holder in ends.items() if holder in contacts}
    return Ground(origins, contacts, counterparts)


@get(
    "/v1/contacts/{contactId:str}/explanation",
    guards=[needs(Scope.TRANSACTIONS_READ)],
    opt=described(EXPLAIN_CONTACT),
)
async def explain_contact_points(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Explain where a contact's points went."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    query = read_query(request, EXPLAIN_CHECKS, required="definitionId")
    definition = definition_of(int(query["definitionId"]), tenant, service.catalogue)
    as_of = read_as_of(query)
    limit = int(query.get("limit", LISTED_DEFAULT))
    async with service.pool.acquire() as connection:
        with answering_as_of():
            told = await told_of(connection, tenant, contact, recorded_at=as_of.recorded_at)
        at = as_of.effective_at or told.now
        found = explain(told.chains, definition.id, at, as_of.recorded_at) or NOTHING
        ground = await ground_of(connection, found.lots, found.movements)
    return answer(explanation_document(contact, definition, found, ground, at, as_of, limit))


@get(
    "/v1/transactions/{transactionId:str}/explanation",
    guards=[needs(Scope.TRANSACTIONS_READ)],
    opt=described(EXPLAIN_TRANSACTION),
)
async def explain_transaction(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Explain one transaction's points."""
    service, tenant = service_of(request), bearer_of(request).tenant
    identifier = path_guid(request, "transactionId")
    read_query(request, {})
    async with service.pool.acquire() as connection:
        transaction = await transaction_by_id(connection, tenant, identifier)
        if transaction is None:
            raise ProblemError(catalogue.NOT_FOUND, "there is no such transaction")
        with answering_as_of():
            told = await told_of_holder(connection, transaction.holder)
        at = max(told.now, transaction.effective_at)
        found = explain(told.chains, transaction.definition, at) or NOTHING
        ground = await ground_of(connection, found.lots)
        contacts = await contacts_of(connection, [transaction.holder])
    definition = service.catalogue.definitions[transaction.definition]
    movements = [one for one in found.movements if one.transaction == transaction]
    lives = [one for one in found.lots if one.issued_by == transaction]
    whence = (definition, ground.origins, ground.contacts)
    sources = [source for one in movements for source in source_documents(one, *whence)]
    return answer(
        TransactionExplanationDocument(
            transaction=document_of(service, transaction, contacts.get(transaction.holder)),
            sources=tuple(sources),
            lots=tuple(life_document(one, *whence) for one in lives),
        )
    )


def explanation_document(
    contact: ContactId,
    definition: Definition,
    found: Explanation,
    ground: Ground,
    at: datetime,
    as_of: AsOf,
    limit: int,
) -> ExplanationDocument:
    """An explanation as it is answered, at most `limit` transactions and lots of it one by one."""
    newest: list[Movement] = list(reversed(found.movements))
    scale = definition.scale
    return ExplanationDocument(
        contact_id=contact,
        definition_id=definition.engage_id,
        name=definition.name,
        effective_at=at,
        recorded_at=as_of.recorded_at or UNSET,
        balance=buckets(found.balance, scale),
        lots=tuple(
            life_document(one, definition, ground.origins, ground.contacts)
            for one in found.lots[:limit]
        ),
        other_lots=other_lots(found.lots[limit:], scale),
        transactions=tuple(explained_document(one, definition, *ground) for one in newest[:limit]),
        earlier=earlier(newest[limit:], scale),
    )
