"""Changing who a contact is: two become one, one leaves, one is forgotten.

The one hard idea: each is one request over all of a contact's points, booked whole or not at all,
and may be sent again: what was done is answered again and not done twice.
"""

import hashlib
from typing import Any, Final

from litestar import Request, Response, delete, post
from msgspec import UNSET, UnsetType

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents import examples
from api.documents.contacts import (
    ClosingDocument,
    ClosingRequest,
    ForgottenDocument,
    MergeDocument,
    MergeRequest,
)
from api.intake.bodies import json_body, no_body
from api.intake.query import path_guid, read_query
from api.intake.small import read_sound
from api.openapi.operation import Answer, Body, Operation, described
from api.problems import catalogue
from api.problems.problem import refused
from api.routes.contacts import CONTACT
from api.routes.transactions import POSTING_PROBLEMS, document_of
from api.service import Service, service_of
from ledger.contacts import (
    NotClosedError,
    NotErasedError,
    NotMergedError,
    close_contact,
    erase_contact,
    key_of,
    merge_contacts,
)
from ledger.facts import Transaction
from ledger.identity import ContactId, TenantId
from ledger.outcomes import Code, Refused
from ledger.person_history import transactions_under
from sync.erasure import ERASERS

BODY_BYTES_MAX: Final = 8 * 1024

_RULES: Final = {problem.code: problem for problem in catalogue.RULES}


def _rules(*codes: Code) -> tuple[catalogue.ProblemType, ...]:
    return tuple(_RULES[code] for code in codes)


MERGE: Final = Operation(
    id="mergeContact",
    tag="Contacts",
    summary="Merge a contact into another",
    description=(
        "Makes two contacts one: all points, pending ones and debt too, are moved to the one that "
        "stays, and from then on both lead to them. Sent again, it does nothing and is answered "
        "the same. Refused while points are on hold. It can't be undone."
    ),
    scope=Scope.CONTACTS_WRITE,
    parameters=(CONTACT,),
    body=Body(MergeRequest, {"merge": examples.MERGE}),
    answers=(Answer(200, "They are one.", MergeDocument, example=examples.MERGE_ANSWER),),
    problems=(
        *POSTING_PROBLEMS,
        *_rules(
            Code.KEY_REUSED,
            Code.MOVE_TO_ITSELF,
            Code.ACCOUNT_CLOSED,
            Code.POINTS_HELD,
            Code.BALANCE_TOO_LARGE,
        ),
    ),
)

CLOSE: Final = Operation(
    id="closeContact",
    tag="Contacts",
    summary="Close all accounts of a contact",
    description=(
        "For a member who leaves: what is left of each kind of points goes, what is owed is let "
        "go, and nothing more can be posted, all at once or not at all. Refused while points are "
        "on hold. The history stays; to forget the person, erase the contact."
    ),
    scope=Scope.CONTACTS_WRITE,
    parameters=(CONTACT,),
    body=Body(ClosingRequest, {"close": examples.CLOSING}),
    answers=(Answer(200, "All are closed.", ClosingDocument, example=examples.CLOSING_ANSWER),),
    problems=(
        *POSTING_PROBLEMS,
        *_rules(Code.KEY_REUSED, Code.NO_ACCOUNT, Code.POINTS_HELD),
    ),
)

ERASE: Final = Operation(
    id="eraseContact",
    tag="Contacts",
    summary="Forget a person",
    description=(
        "Closes what accounts the contact has and removes it, every text of its transactions and "
        "all that the sync and the relay hold of it, for good. The numbers stay, belonging to "
        "nobody, and the books still prove right. Refused while points are on hold. What was told "
        "to Engage or MoEngage is erased there."
    ),
    scope=Scope.CONTACTS_ERASE,
    parameters=(CONTACT,),
    answers=(
        Answer(
            200,
            "Nothing of the contact is left here.",
            ForgottenDocument,
            example=examples.ERASURE_ANSWER,
        ),
    ),
    problems=(catalogue.REQUEST_INVALID, *_rules(Code.POINTS_HELD)),
)


@post(
    "/v1/contacts/{contactId:str}/merge",
    guards=[needs(Scope.CONTACTS_WRITE)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(MERGE),
)
async def merge_contact(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Make two contacts one."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    asked = read_sound(await json_body(request), MergeRequest)
    into = ContactId(asked.into)
    if into == contact:
        raise refused(Refused(Code.MOVE_TO_ITSELF, "is the contact itself", "into"))
    try:
        await merge_contacts(
            service.books,
            tenant,
            contact,
            into,
            idempotency_key=asked.idempotency_key,
            fingerprint=_fingerprint("merge", contact, into),
            actor=_given(asked.actor),
        )
    except NotMergedError as problem:
        raise refused(problem.refused) from None
    moves = await _booked_under(service, tenant, asked.idempotency_key)
    documents = tuple(document_of(service, one, contact) for one in moves)
    return answer(MergeDocument(contact_id=contact, into=into, transactions=documents))


@post(
    "/v1/contacts/{contactId:str}/close",
    guards=[needs(Scope.CONTACTS_WRITE)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(CLOSE),
)
async def close_contact_accounts(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Close all accounts of a contact."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    asked = read_sound(await json_body(request), ClosingRequest)
    try:
        await close_contact(
            service.books,
            tenant,
            contact,
            idempotency_key=asked.idempotency_key,
            fingerprint=_fingerprint(
                "close", contact, asked.source, asked.description, asked.reference, asked.actor
            ),
            source=asked.source,
            description=asked.description,
            reference=_given(asked.reference),
            actor=_given(asked.actor),
        )
    except NotClosedError as problem:
        raise refused(problem.refused) from None
    closings = await _booked_under(service, tenant, asked.idempotency_key)
    documents = tuple(document_of(service, one, contact) for one in closings)
    return answer(ClosingDocument(contact_id=contact, transactions=documents))


@delete(
    "/v1/contacts/{contactId:str}",
    guards=[needs(Scope.CONTACTS_ERASE)],
    status_code=200,
    opt=described(ERASE),
)
async def delete_contact(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Forget a person."""
    service, tenant = service_of(request), bearer_of(request).tenant
    contact = ContactId(path_guid(request, "contactId"))
    no_body(request)
    read_query(request, {})
    try:
        erased = await erase_contact(service.books, tenant, contact, erasers=ERASERS)
    except NotErasedError as problem:
        raise refused(problem.refused) from None
    others = () if erased is None else tuple(one for one in erased.contacts if one != contact)
    return answer(
        ForgottenDocument(contact_id=contact, was_known=erased is not None, merged=others)
    )


def _fingerprint(*said: object) -> bytes:
    """16 bytes that stand for what was asked."""
    words = "\x00".join("" if one is UNSET else str(one) for one in said)
    return hashlib.sha256(words.encode()).digest()[:16]


def _given(text: str | UnsetType) -> str | None:
    return None if isinstance(text, UnsetType) else text


async def _booked_under(
    service: Service, tenant: TenantId, idempotency_key: str
) -> list[Transaction]:
    """What was booked for each definition under a request's key, now or when it came before."""
    definitions = service.catalogue.definitions_of(tenant)
    keys = [key_of(idempotency_key, one.id) for one in definitions]
    async with service.pool.acquire() as connection:
        return await transactions_under(connection, tenant, keys)
