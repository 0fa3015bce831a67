"""Posting a transaction, and reading one back.

The one hard idea: an answer is made of the booked transaction alone, so a repeat is answered with
the same bytes as the first time; only the status and a header tell that it is one.
"""

from typing import Any, Final

from litestar import Request, Response, get, post

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import JSON, answer, encoded
from api.documents import examples
from api.documents.forms import Guid, IdempotencyKey
from api.documents.requests import TransactionRequest
from api.documents.transactions import (
    TransactionDocument,
    transaction_document,
)
from api.intake import checks
from api.intake.bodies import BODY_BYTES_MAX, json_body
from api.intake.members import named
from api.intake.query import path_guid, read_query
from api.intake.reading import read_transaction
from api.intake.understanding import understand
from api.openapi.operation import Answer, Body, Operation, Parameter, described
from api.problems import catalogue
from api.problems.problem import ProblemError, refused
from api.service import Service, service_of
from ledger.connection import Connection
from ledger.facts import Transaction
from ledger.identity import KEY_LENGTH_MAX, ContactId, TenantId
from ledger.outcomes import Booked, Outcome, Refused
from ledger.reading import contacts_of, transaction_by_id, transaction_by_key, transactions_at
from ledger.requests import Request as Asked

POSTING_PROBLEMS: Final = (
    catalogue.JSON_INVALID,
    catalogue.REQUEST_INVALID,
    catalogue.BODY_TOO_SLOW,
    catalogue.BODY_TOO_LARGE,
    catalogue.MEDIA_TYPE_UNSUPPORTED,
    catalogue.BOOKS_BUSY,
)

MEMBER_PROBLEMS: Final = (
    catalogue.MEMBER_UNKNOWN,
    catalogue.MEMBER_AMBIGUOUS,
    catalogue.MEMBERS_UNAVAILABLE,
)
"""Of a contact that is named by its member number; in a batch, each item's own."""

POST_ONE: Final = Operation(
    id="postTransaction",
    tag="Transactions",
    summary="Post a transaction",
    description=(
        "Books what happened once in the world. The idempotency key makes it safe to send again: "
        "the same key with the same content is booked once and answered the same, for ever. What "
        "is refused leaves no trace, and its key stays free."
    ),
    scope=Scope.TRANSACTIONS_WRITE,
    body=Body(TransactionRequest, examples.POSTING_EXAMPLES),
    answers=(
        Answer(
            201,
            "Booked.",
            TransactionDocument,
            example=examples.EARN_ANSWER,
            headers={"Location": "Where the transaction can be read."},
        ),
        Answer(
            200,
            "In the books already, by an earlier request with the same key and content.",
            TransactionDocument,
            example=examples.EARN_ANSWER,
            headers={"Idempotency-Replayed": "`true`."},
        ),
    ),
    problems=(
        *POSTING_PROBLEMS,
        catalogue.DEFINITION_UNKNOWN,
        *MEMBER_PROBLEMS,
        *catalogue.RULES,
    ),
)

TRANSACTION: Final = Parameter(
    "transactionId", "path", Guid, "The transaction's id.", required=True
)

GET_ONE: Final = Operation(
    id="getTransaction",
    tag="Transactions",
    summary="Read a transaction by its id",
    description="The transaction as it was answered when it was booked.",
    scope=Scope.TRANSACTIONS_READ,
    parameters=(TRANSACTION,),
    answers=(Answer(200, "The transaction.", TransactionDocument, example=examples.EARN_ANSWER),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

GET_BY_KEY: Final = Operation(
    id="getTransactionByKey",
    tag="Transactions",
    summary="Read a transaction by its idempotency key",
    description="Tells whether a posting whose answer was lost is in the books.",
    scope=Scope.TRANSACTIONS_READ,
    parameters=(
        Parameter(
            "idempotencyKey",
            "query",
            IdempotencyKey,
            "The key it was posted with.",
            required=True,
            example="receipt-20261121-000417",
        ),
    ),
    answers=(Answer(200, "The transaction.", TransactionDocument, example=examples.EARN_ANSWER),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)


@post(
    "/v1/transactions",
    guards=[needs(Scope.TRANSACTIONS_WRITE)],
    request_max_body_size=BODY_BYTES_MAX,
    opt=described(POST_ONE),
)
async def post_transaction(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Book one transaction."""
    raw = await json_body(request)
    status, body, headers = await post_one(service_of(request), bearer_of(request).tenant, raw)
    return Response(body, status_code=status, headers=headers, media_type=JSON)


async def post_one(
    service: Service, tenant: TenantId, raw: bytes
) -> tuple[int, bytes, dict[str, str]]:
    """Book the transaction of a body; status, body and headers of the answer.

    Raises:
        ProblemError: it can't be read, or the books refuse it.
    """
    said = read_transaction(raw)
    read = await named(service.members, tenant, said)
    asked = understand(read, tenant, service.catalogue)
    outcome = await service.poster.post(asked)
    count_posting(service, asked, outcome)
    if isinstance(outcome, Refused):
        raise refused(outcome)
    if isinstance(outcome, Booked):
        document = document_of(service, outcome.transaction, asked.contact)
        location = f"/v1/transactions/{document.transaction_id}"
        return 201, encoded(document), {"Location": location}
    place = (outcome.holder, outcome.number)
    async with service.pool.acquire() as connection:
        transaction = (await transactions_at(connection, [place]))[place]
        # A member number may be somebody else's by now: whose the transaction is counts.
        contact = asked.contact if read is said else await _contact_of(connection, transaction)
    document = document_of(service, transaction, contact)
    return 200, encoded(document), {"Idempotency-Replayed": "true"}


@get(
    "/v1/transactions/{transactionId:str}",
    guards=[needs(Scope.TRANSACTIONS_READ)],
    opt=described(GET_ONE),
)
async def get_transaction(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read one transaction."""
    service, tenant = service_of(request), bearer_of(request).tenant
    identifier = path_guid(request, "transactionId")
    read_query(request, {})
    async with service.pool.acquire() as connection:
        transaction = await transaction_by_id(connection, tenant, identifier)
        contact = await _contact_of(connection, transaction)
    return _found(service, transaction, contact)


@get(
    "/v1/transactions",
    guards=[needs(Scope.TRANSACTIONS_READ)],
    opt=described(GET_BY_KEY),
)
async def get_transaction_by_key(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Read one transaction by its key."""
    service, tenant = service_of(request), bearer_of(request).tenant
    known = {"idempotencyKey": checks.text(KEY_LENGTH_MAX)}
    key = read_query(request, known, required="idempotencyKey")["idempotencyKey"]
    async with service.pool.acquire() as connection:
        transaction = await transaction_by_key(connection, tenant, key)
        contact = await _contact_of(connection, transaction)
    return _found(service, transaction, contact)


def document_of(
    service: Service, transaction: Transaction, contact: ContactId | None
) -> TransactionDocument:
    """A transaction as it is answered."""
    definition = service.catalogue.definitions[transaction.definition]
    return transaction_document(transaction, definition, contact)


def count_posting(service: Service, asked: Asked, outcome: Outcome) -> None:
    """Count what became of a request."""
    if isinstance(outcome, Refused):
        word = str(outcome.code)
    else:
        word = "booked" if isinstance(outcome, Booked) else "replayed"
    tenant = service.tenant_names[asked.tenant]
    service.measures.posted(tenant, type(asked).__name__.lower(), word)


async def _contact_of(connection: Connection, transaction: Transaction | None) -> ContactId | None:
    if transaction is None:
        return None
    return (await contacts_of(connection, [transaction.holder])).get(transaction.holder)


def _found(
    service: Service, transaction: Transaction | None, contact: ContactId | None
) -> Response[bytes]:
    if transaction is None:
        raise ProblemError(catalogue.NOT_FOUND, "there is no such transaction")
    return answer(document_of(service, transaction, contact))
