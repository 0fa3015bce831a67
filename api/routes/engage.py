"""The doors that Engage itself uses: the webhook it sends adjustments to, the log it asks for.

The one hard idea: Engage has no API key of ours. A webhook proves itself by its signature or its
encryption, a points log by the secret the tenant is configured with; both are judged by
`sync.engage`, and what they are answered is exactly what Engage expects, no more. Whoever calls
from an address that the tenant does not list is turned away before anything else is looked at.
"""

from collections.abc import Sequence
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Request, Response, get, post

from api.answers import JSON, answer
from api.documents.engage import EnvelopeDocument, LogRowDocument, ReceivedDocument
from api.documents.forms import Guid
from api.intake import checks
from api.intake.bodies import raw_body
from api.intake.query import QUERY_BYTES_MAX, path_guid, path_word
from api.openapi.operation import Answer, Body, Operation, Parameter, described
from api.problems import catalogue
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid
from api.service import service_of
from ledger.identity import ContactId
from sync.engage import Follower, may_read_points_log
from sync.engage.addresses import may_call
from sync.engage.adjustments import BAD_MESSAGE, BAD_SIGNATURE, BODY_BYTES_MAX, OK, TOO_LARGE

REFUSALS: Final = {
    BAD_MESSAGE: (catalogue.MESSAGE_REFUSED, "the message can't be used"),
    BAD_SIGNATURE: (catalogue.SIGNATURE_INVALID, "the signature or its time does not fit"),
    TOO_LARGE: (catalogue.BODY_TOO_LARGE, f"more than {BODY_BYTES_MAX} bytes"),
}

TENANT: Final = Parameter(
    "tenant", "path", str, "The tenant's name.", required=True, example="acme"
)
TOKEN: Final = Parameter(
    "token", "path", str, "The unguessable part of the address.", required=True
)
CONTACT_IN_QUERY: Final = Parameter(
    "contactId", "query", Guid, "The contact, in any case.", required=True
)
CONTACT_IN_PATH: Final = Parameter(
    "contactId", "path", Guid, "The contact, in any case.", required=True
)

RECEIVE: Final = Operation(
    id="receiveEngageWebhook",
    tag="Engage",
    summary="Receive a message from Engage",
    description=(
        "The address to enter in Engage for points adjustments. A message is kept and booked in "
        "one transaction before it is answered; one that comes again is answered the same and "
        "books nothing. An authentic message that can't be booked is kept too and can be replayed."
    ),
    parameters=(TENANT,),
    body=Body(EnvelopeDocument),
    answers=(Answer(200, "Kept.", ReceivedDocument, example={"received": True}),),
    problems=(
        catalogue.MESSAGE_REFUSED,
        catalogue.SIGNATURE_INVALID,
        catalogue.ADDRESS_NOT_ALLOWED,
        catalogue.NOT_FOUND,
        catalogue.BODY_TOO_SLOW,
        catalogue.BODY_TOO_LARGE,
    ),
    security="signature",
)


def _log_operation(operation_id: str, *parameters: Parameter) -> Operation:
    return Operation(
        id=operation_id,
        tag="Engage",
        summary="Give Engage a contact's points log",
        description=(
            "The address to enter in Engage for the points log, in whichever form Engage is told. "
            "A bare list, newest first; empty for a contact without points."
        ),
        parameters=(TENANT, *parameters),
        answers=(
            Answer(
                200,
                "The log.",
                tuple[LogRowDocument, ...],
                example=[
                    {
                        "transactionDate": "2026-11-21T09:30:00Z",
                        "amount": 250,
                        "description": "Purchase in store 12",
                    }
                ],
            ),
        ),
        problems=(
            catalogue.REQUEST_INVALID,
            catalogue.POINTS_LOG_CLOSED,
            catalogue.ADDRESS_NOT_ALLOWED,
            catalogue.NOT_FOUND,
        ),
        security="pointsLog",
    )


@post(
    "/engage/{tenant:str}/webhooks",
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(RECEIVE),
)
async def receive_engage_webhook(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Receive what Engage sends."""
    follower = _follower(request)
    _check_address(request, follower.context.options.webhook.addresses)
    receipt = await follower.receive(await raw_body(request), dict(request.headers))
    if receipt.status_code != OK:
        raise ProblemError(*REFUSALS[receipt.status_code])
    return answer(ReceivedDocument())


@get(
    "/engage/{tenant:str}/points-log",
    opt=described(_log_operation("getPointsLog", CONTACT_IN_QUERY)),
)
async def get_points_log(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the log of the contact in the query."""
    return await _points_log(request)


@get(
    "/engage/{tenant:str}/points-log/{contactId:str}",
    opt=described(_log_operation("getPointsLogByPath", CONTACT_IN_PATH)),
)
async def get_points_log_by_path(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the log of the contact in the path."""
    return await _points_log(request)


@get(
    "/engage/{tenant:str}/{token:str}/points-log",
    opt=described(_log_operation("getPointsLogByToken", TOKEN, CONTACT_IN_QUERY)),
)
async def get_points_log_by_token(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the log of the contact in the query, at the unguessable address."""
    return await _points_log(request)


@get(
    "/engage/{tenant:str}/{token:str}/points-log/{contactId:str}",
    opt=described(_log_operation("getPointsLogByTokenAndPath", TOKEN, CONTACT_IN_PATH)),
)
async def get_points_log_by_token_and_path(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give the log of the contact in the path, at the unguessable address."""
    return await _points_log(request)


async def _points_log(request: Request[Any, Any, Any]) -> Response[bytes]:
    follower = _follower(request)
    _check_address(request, follower.context.options.points_log.addresses)
    headers = {name.lower(): value for name, value in request.headers.items()}
    token = request.path_params.get("token")
    settings = follower.context.settings
    if not may_read_points_log(settings, headers, None if token is None else str(token)):
        raise ProblemError(catalogue.POINTS_LOG_CLOSED, "the secret is missing or does not fit")
    if "contactId" in request.path_params:
        contact = path_guid(request, "contactId")
    else:
        contact = _contact_in_query(request)
    return Response(await follower.points_log(ContactId(contact)), media_type=JSON)


def _check_address(request: Request[Any, Any, Any], networks: Sequence[str]) -> None:
    """The caller's address, or that which a trusted proxy says it had."""
    if not may_call(None if request.client is None else request.client.host, networks):
        raise ProblemError(catalogue.ADDRESS_NOT_ALLOWED, "the caller's address is not listed")


def _contact_in_query(request: Request[Any, Any, Any]) -> UUID:
    """The contact; whatever else Engage puts into the query is its own business."""
    raw: bytes = request.scope["query_string"]
    pairs = parse_qsl(raw[:QUERY_BYTES_MAX].decode("latin-1"), errors="replace")
    for name, value in pairs:
        if name.lower() == "contactid":
            finding = checks.guid(value)
            if finding:
                raise invalid([FieldError("contactId", *finding)])
            return UUID(value)
    raise invalid([FieldError("contactId", FieldCode.MISSING, "is missing")])


def _follower(request: Request[Any, Any, Any]) -> Follower:
    follower = service_of(request).synchronisation.followers.get(path_word(request, "tenant"))
    if follower is None:
        raise ProblemError(catalogue.NOT_FOUND, "there is no such tenant")
    return follower
