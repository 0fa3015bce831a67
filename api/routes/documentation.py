"""The description of the doors, as a document for programs and as pages for people.

The one hard idea: like everything but health it is closed unless the configuration opens it; a key
of any scope opens it too.
"""

from typing import Any, Final

import msgspec
from litestar import Request, Response, get
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.access.guard import admitted
from api.answers import JSON
from api.openapi.page import POLICY, render_problem
from api.problems.catalogue import CATALOGUE, NOT_FOUND
from api.problems.problem import ProblemError

HTML: Final = "text/html; charset=utf-8"

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


class Described(msgspec.Struct, frozen=True):
    """The description, rendered once."""

    document: bytes
    page: bytes
    is_open: bool


async def _open_or_keyed(
    connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
) -> None:
    described: Described = connection.app.state.described
    if not described.is_open:
        await admitted(connection)


@get("/openapi.json", guards=[_open_or_keyed])
async def get_document(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The OpenAPI document."""
    return Response(_described(request).document, media_type=JSON)


@get("/docs", guards=[_open_or_keyed])
async def get_page(request: Request[Any, Any, Any]) -> Response[bytes]:
    """The description to read."""
    return Response(_described(request).page, media_type=HTML, headers=HEADERS)


@get("/problems/{code:str}", guards=[_open_or_keyed])
async def get_problem(request: Request[Any, Any, Any]) -> Response[bytes]:
    """What a problem means: where the `type` of its document leads."""
    problem = CATALOGUE.get(str(request.path_params["code"]))
    if problem is None:
        raise ProblemError(NOT_FOUND, "there is no such problem")
    return Response(render_problem(problem), media_type=HTML, headers=HEADERS)


def _described(request: Request[Any, Any, Any]) -> Described:
    described: Described = request.app.state.described
    return described
