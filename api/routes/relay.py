"""Where vendors send their events.

The one hard idea: a vendor has no API key of ours. Its message proves itself as its source is
configured, and is told no more than that it is safe; whatever is wrong with what it says is for
people to see (`api.routes.relay_events`), because most vendors never send again.
"""

from typing import Any, Final

from litestar import HttpMethod, Request, Response, get, route

from api.answers import answer
from api.documents.relay import MessageKeptDocument
from api.intake.bodies import raw_body
from api.intake.query import path_word
from api.openapi.operation import Answer, Operation, Parameter, described
from api.problems import catalogue
from api.problems.problem import ProblemError
from api.service import service_of
from sync.relay.authentication import Message
from sync.relay.relay import Welcome

SOURCE: Final = Parameter(
    "source", "path", str, "The source's name.", required=True, example="punchh"
)
TOKEN: Final = Parameter(
    "token", "path", str, "The unguessable part of the address.", required=True
)

KEPT: Final = Answer(200, "Safe.", MessageKeptDocument, example={"received": True})


def _receive(operation_id: str, *parameters: Parameter) -> Operation:
    return Operation(
        id=operation_id,
        tag="Relay",
        summary="Receive a vendor's message",
        description=(
            "The address to enter at the vendor. POST, PUT and DELETE are one and the same. The "
            "message is proved on its raw bytes, stored and answered; it is sent on later. One "
            "that can't be read or sent is kept all the same, for people to see."
        ),
        parameters=parameters,
        answers=(KEPT,),
        problems=(
            catalogue.VENDOR_REFUSED,
            catalogue.NOT_FOUND,
            catalogue.BODY_TOO_LARGE,
            catalogue.JSON_INVALID,
        ),
        security="vendor",
    )


def _greet(operation_id: str, *parameters: Parameter) -> Operation:
    return Operation(
        id=operation_id,
        tag="Relay",
        summary="Answer a vendor's health check",
        description=(
            "200 as long as the source is there. A proof need not be sent; a wrong one is refused, "
            "so that a vendor that was set up wrongly is found when it is checked."
        ),
        parameters=parameters,
        answers=(KEPT,),
        problems=(catalogue.VENDOR_REFUSED, catalogue.NOT_FOUND),
        security="vendor",
    )


SENT: Final = [HttpMethod.POST, HttpMethod.PUT, HttpMethod.DELETE]


@route(
    "/relay/{source:str}",
    http_method=SENT,
    status_code=200,
    opt=described(_receive("receiveRelayMessage", SOURCE)),
)
async def receive_relay_message(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Receive what a vendor sends."""
    return await _received(request)


@route(
    "/relay/{source:str}/{token:str}",
    http_method=SENT,
    status_code=200,
    opt=described(_receive("receiveRelayMessageByToken", SOURCE, TOKEN)),
)
async def receive_relay_message_by_token(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Receive what a vendor sends to the unguessable address."""
    return await _received(request)


@get("/relay/{source:str}", opt=described(_greet("greetRelaySource", SOURCE)))
async def greet_relay_source(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer a health check."""
    return _greeted(request)


@get(
    "/relay/{source:str}/{token:str}",
    opt=described(_greet("greetRelaySourceByToken", SOURCE, TOKEN)),
)
async def greet_relay_source_by_token(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Answer a health check at the unguessable address."""
    return _greeted(request)


async def _received(request: Request[Any, Any, Any]) -> Response[bytes]:
    body = await raw_body(request)
    receipt = await service_of(request).relay.receive(
        path_word(request, "source"), _message(request, body)
    )
    return _welcomed(receipt.welcome)


def _greeted(request: Request[Any, Any, Any]) -> Response[bytes]:
    return _welcomed(
        service_of(request).relay.greet(path_word(request, "source"), _message(request, b""))
    )


def _welcomed(welcome: Welcome) -> Response[bytes]:
    if welcome is Welcome.UNKNOWN:
        raise ProblemError(catalogue.NOT_FOUND, "there is no such source")
    if welcome is Welcome.REFUSED:
        raise ProblemError(catalogue.VENDOR_REFUSED, "the proof is missing or does not fit")
    return answer(MessageKeptDocument())


def _message(request: Request[Any, Any, Any], body: bytes) -> Message:
    scope = request.scope
    raw_path: bytes = scope.get("raw_path") or scope["path"].encode()
    token = request.path_params.get("token")
    return Message(
        body=body,
        headers={name.lower(): value for name, value in request.headers.items()},
        path=raw_path.partition(b"?")[0].decode("latin-1"),
        query=scope["query_string"].decode("latin-1"),
        token=None if token is None else str(token),
    )
