"""Posting many transactions in one request.

The one hard idea: items are read one by one, so that one that can't be read has its own problem
and its neighbours are booked all the same; only `atomic` ties them together.
"""

from typing import Any, Final

from litestar import Request, Response, post
from msgspec import UNSET

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents import examples
from api.documents.requests import BatchRequest
from api.documents.transactions import BatchDocument, OutcomeDocument
from api.intake.bodies import BODY_BYTES_MAX, json_body
from api.intake.members import all_named
from api.intake.reading import Read, ReadBatch, read_batch, read_transaction
from api.intake.understanding import understand
from api.openapi.operation import Answer, Body, Operation, described
from api.problems.catalogue import BATCH_NOT_BOOKED
from api.problems.problem import ProblemError, refused
from api.routes.transactions import POSTING_PROBLEMS, count_posting, document_of
from api.service import Service, service_of
from ledger.book import Place
from ledger.facts import Transaction
from ledger.identity import ContactId, HolderId, TenantId
from ledger.outcomes import Booked, Outcome, Refused, Replayed
from ledger.reading import contacts_of, transactions_at
from ledger.requests import Request as Asked

BOOKED: Final = "booked"
REPLAYED: Final = "replayed"
REFUSED: Final = "refused"

POST_BATCH: Final = Operation(
    id="postTransactionBatch",
    tag="Transactions",
    summary="Post up to 1000 transactions",
    description=(
        "Decides the transactions in order and answers with one outcome for each. One that is "
        "refused, or can't even be read, harms no other; with `atomic`, all are booked or none."
    ),
    scope=Scope.TRANSACTIONS_WRITE,
    body=Body(BatchRequest, examples.BATCH_EXAMPLES),
    answers=(
        Answer(
            200, "Decided; each outcome says how.", BatchDocument, example=examples.BATCH_ANSWER
        ),
    ),
    problems=POSTING_PROBLEMS,
)


@post(
    "/v1/transactions/batch",
    guards=[needs(Scope.TRANSACTIONS_WRITE)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(POST_BATCH),
)
async def post_transaction_batch(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Book many transactions."""
    service, tenant = service_of(request), bearer_of(request).tenant
    batch = read_batch(await json_body(request))
    items, by_number = await _read_items(service, tenant, batch)
    sound = [item for item in items if isinstance(item, Asked)]
    if batch.atomic and len(sound) < len(items):
        outcomes = [_refused(_not_booked() if isinstance(one, Asked) else one) for one in items]
    else:
        decided = iter(await _decide(service, sound, by_number, atomic=batch.atomic))
        outcomes = [next(decided) if isinstance(one, Asked) else _refused(one) for one in items]
    counts = dict.fromkeys((BOOKED, REPLAYED, REFUSED), 0)
    for outcome in outcomes:
        counts[outcome.status] += 1
    return answer(BatchDocument(**counts, outcomes=tuple(outcomes)))


async def _read_items(
    service: Service, tenant: TenantId, batch: ReadBatch
) -> tuple[list[Asked | ProblemError], set[str]]:
    """Each item as a request to the books, or as the problem it has by itself.

    And the keys of those that name their contact by its member number.
    """
    reads: list[Read | ProblemError] = []
    for raw in batch.items:
        try:
            reads.append(read_transaction(bytes(raw)))
        except ProblemError as problem:
            reads.append(problem)
    items: list[Asked | ProblemError] = []
    for one in await all_named(service.members, tenant, reads):
        try:
            items.append(
                understand(one, tenant, service.catalogue) if isinstance(one, Read) else one
            )
        except ProblemError as problem:
            items.append(problem)
    sound = [one.document for one in reads if isinstance(one, Read)]
    return items, {one.idempotency_key for one in sound if one.member_number is not UNSET}


async def _decide(
    service: Service, asked: list[Asked], by_number: set[str], *, atomic: bool
) -> list[OutcomeDocument]:
    """What became of each request."""
    outcomes = await service.poster.post_batch(asked, atomic=atomic)
    places = [(one.holder, one.number) for one in outcomes if isinstance(one, Replayed)]
    earlier: dict[Place, Transaction] = {}
    whose: dict[HolderId, ContactId] = {}
    if places:
        async with service.pool.acquire() as connection:
            earlier = await transactions_at(connection, places)
            if by_number:
                whose = await contacts_of(connection, [holder for holder, _ in places])
    # A member number may be somebody else's by now: whose the transaction is counts.
    contacts = [
        whose.get(outcome.holder)
        if isinstance(outcome, Replayed) and request.idempotency_key in by_number
        else request.contact
        for request, outcome in zip(asked, outcomes, strict=True)
    ]
    return [
        _outcome(service, request, outcome, earlier, contact)
        for request, outcome, contact in zip(asked, outcomes, contacts, strict=True)
    ]


def _outcome(
    service: Service,
    asked: Asked,
    outcome: Outcome,
    earlier: dict[Place, Transaction],
    contact: ContactId | None,
) -> OutcomeDocument:
    count_posting(service, asked, outcome)
    if isinstance(outcome, Refused):
        return _refused(refused(outcome))
    if isinstance(outcome, Booked):
        return OutcomeDocument(
            BOOKED, transaction=document_of(service, outcome.transaction, contact)
        )
    transaction = earlier.get((outcome.holder, outcome.number))
    if transaction is None:
        # It repeats an earlier item of an atomic batch that was not booked in the end.
        return _refused(_not_booked())
    return OutcomeDocument(REPLAYED, transaction=document_of(service, transaction, contact))


def _refused(problem: ProblemError) -> OutcomeDocument:
    return OutcomeDocument(REFUSED, problem=problem.document())


def _not_booked() -> ProblemError:
    return ProblemError(BATCH_NOT_BOOKED, "another item of this atomic batch was refused")
