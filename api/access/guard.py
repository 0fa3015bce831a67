"""The guard at a door: lets in whoever's key has the scope, and says on the request who it is.

The one hard idea: a missing, misspelt, unknown, expired and revoked key get one and the same
answer, so that nothing can be learnt by trying; only a key that works is told what it lacks.
"""

from collections.abc import Awaitable, Callable
from typing import Any, Final, Protocol, cast

from litestar import Request
from litestar.connection import ASGIConnection
from litestar.handlers import BaseRouteHandler

from api.access.doorkeeper import Bearer, Doorkeeper
from api.access.keys import bearer
from api.access.scopes import Scope, allows
from api.problems.catalogue import SCOPE_MISSING, UNAUTHENTICATED
from api.problems.problem import ProblemError

Guard = Callable[[ASGIConnection[Any, Any, Any, Any], BaseRouteHandler], Awaitable[None]]

CHALLENGE: Final = {"WWW-Authenticate": 'Bearer realm="pointmaster"'}


class HasDoorkeeper(Protocol):
    """What the application's state must offer to the guard."""

    @property
    def doorkeeper(self) -> Doorkeeper:
        """Who looks keys up."""
        ...


async def admitted(connection: ASGIConnection[Any, Any, Any, Any]) -> Bearer:
    """Whoever's key works, whatever it may do; the `unauthenticated` problem for anyone else."""
    service = cast("HasDoorkeeper", connection.app.state.service)
    found = await service.doorkeeper.admit(bearer(connection.headers.get("authorization")))
    if found is None:
        raise ProblemError(
            UNAUTHENTICATED,
            "send an API key that works, as Authorization: Bearer pm_…",
            headers=CHALLENGE,
        )
    return found


def needs(scope: Scope) -> Guard:
    """A guard that demands an API key with this scope."""

    async def guard(
        connection: ASGIConnection[Any, Any, Any, Any], _handler: BaseRouteHandler
    ) -> None:
        found = await admitted(connection)
        if not allows(found.scopes, scope):
            raise ProblemError(SCOPE_MISSING, f"the API key lacks the scope {scope}")
        connection.scope["state"]["bearer"] = found

    return guard


def bearer_of(request: Request[Any, Any, Any]) -> Bearer:
    """Who the guard let in."""
    return cast("Bearer", request.scope["state"]["bearer"])
