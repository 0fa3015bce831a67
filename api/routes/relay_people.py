"""Whose the vendors' events are: told by hand, and forgotten.

The one hard idea: a customer is known here by the id at MoEngage alone, and only within the tenant
of the caller's key.
"""

from typing import Any, Final

from litestar import Request, Response, post

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents.relay import (
    ErasureDocument,
    ErasureRequest,
    TellingRequest,
    ToldDocument,
)
from api.intake.bodies import json_body
from api.intake.query import path_word, read_query
from api.intake.small import read_small
from api.openapi.operation import Answer, Body, Operation, Parameter, described
from api.problems import catalogue
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid
from api.service import service_of
from sync.relay.teaching import Whose, judged

BODY_BYTES_MAX: Final = 256 * 1024

FIELDS: Final = {"waits_for": "waitsFor", "customer": "customer"}

TELL: Final = Operation(
    id="tellRelayCustomers",
    tag="Relay",
    summary="Tell whose is what",
    description=(
        "For guests that the vendor's own events don't name. Everything is kept or, where "
        "anything is wrong, nothing; what waits for it goes on."
    ),
    scope=Scope.RELAY_RUN,
    parameters=(Parameter("source", "path", str, "Its name.", required=True),),
    body=Body(
        TellingRequest, {"one": {"customers": [{"waitsFor": "user/7/1001", "customer": "m-1001"}]}}
    ),
    answers=(Answer(200, "They are known.", ToldDocument),),
    problems=(
        catalogue.JSON_INVALID,
        catalogue.REQUEST_INVALID,
        catalogue.NOT_FOUND,
        catalogue.BODY_TOO_LARGE,
        catalogue.MEDIA_TYPE_UNSUPPORTED,
    ),
)
ERASE: Final = Operation(
    id="eraseRelayCustomers",
    tag="Relay",
    summary="Forget customers",
    description=(
        "Removes everything the relay holds of customers, what waits included. What was sent stays "
        "at MoEngage, which has its own way of erasing."
    ),
    scope=Scope.RELAY_RUN,
    body=Body(ErasureRequest, {"one": {"customers": ["cust-1001"]}}),
    answers=(Answer(200, "They are forgotten.", ErasureDocument),),
    problems=(
        catalogue.JSON_INVALID,
        catalogue.REQUEST_INVALID,
        catalogue.BODY_TOO_LARGE,
        catalogue.MEDIA_TYPE_UNSUPPORTED,
    ),
)


@post(
    "/v1/relay/erasures",
    guards=[needs(Scope.RELAY_RUN)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(ERASE),
)
async def erase_relay_customers(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Forget customers."""
    asked = read_small(await json_body(request), ErasureRequest)
    erased = await service_of(request).relay.erase(bearer_of(request).tenant, asked.customers)
    return answer(ErasureDocument(erased))


@post(
    "/v1/relay/sources/{source:str}/customers",
    guards=[needs(Scope.RELAY_RUN)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(TELL),
)
async def tell_relay_customers(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Take in whose is what."""
    read_query(request, {})
    relay = service_of(request).relay
    source = relay.register.sources.get(path_word(request, "source"))
    if source is None or source.tenant != bearer_of(request).tenant:
        raise ProblemError(catalogue.NOT_FOUND, "there is no such source")
    asked = read_small(await json_body(request), TellingRequest)
    given = [Whose(one.waits_for, one.customer) for one in asked.customers]
    errors = []
    for number, (_, trouble) in enumerate(judged(source.settings, given)):
        if trouble is not None:
            field = f"customers[{number}].{FIELDS[trouble[0]]}"
            errors.append(FieldError(field, FieldCode.VALUE_UNKNOWN, trouble[1]))
    if errors:
        raise invalid(errors)
    done = await relay.teach(source, given)
    return answer(ToldDocument(done.told, done.released))
