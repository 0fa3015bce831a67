"""Whether the service lives, whether it is ready for callers, and what it measures.

The one hard idea: alive and ready are different questions. A service whose database is away is
alive and must not be killed for it; it is not ready, and should get no requests meanwhile.
"""

from typing import Any, Final

import asyncpg
import msgspec
from litestar import HttpMethod, Request, Response, get, route

from api.access.guard import needs
from api.access.scopes import Scope
from api.answers import RETRY_SECONDS, answer
from api.openapi.operation import Answer, Operation, described
from api.problems.catalogue import UNAVAILABLE
from api.problems.problem import ProblemError
from api.service import service_of

READY_SECONDS_MAX: Final = 2.0
"""How long the database may take to say anything at all."""


class HealthDocument(msgspec.Struct, frozen=True):
    """That all is well."""

    status: str = "ok"


GET_LIVE: Final = Operation(
    id="getLiveness",
    tag="Health",
    summary="Ask whether the service lives",
    description="Answers as long as the process can; says nothing about the database.",
    answers=(Answer(200, "It lives.", HealthDocument, example={"status": "ok"}),),
    security="none",
)

GET_READY: Final = Operation(
    id="getReadiness",
    tag="Health",
    summary="Ask whether the service is ready for callers",
    description="Ready means that the database answers and that the service is not being stopped.",
    answers=(Answer(200, "It is ready.", HealthDocument, example={"status": "ok"}),),
    problems=(UNAVAILABLE,),
    security="none",
)

GET_METRICS: Final = Operation(
    id="getMetrics",
    tag="Health",
    summary="Read the service's metrics",
    description="In Prometheus's text form; of this process, for all tenants together.",
    scope=Scope.METRICS_READ,
    answers=(Answer(200, "The metrics.", str, media_type="text/plain"),),
)


@route(
    "/health/live",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    status_code=200,
    opt=described(GET_LIVE),
)
async def get_liveness() -> Response[bytes]:
    """Say that the process lives."""
    return answer(HealthDocument())


@route(
    "/health/ready",
    http_method=[HttpMethod.GET, HttpMethod.HEAD],
    status_code=200,
    opt=described(GET_READY),
)
async def get_readiness(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Say whether callers are welcome."""
    service = service_of(request)
    if service.draining:
        raise _not_ready("the service is being stopped")
    try:
        async with service.pool.acquire(timeout=READY_SECONDS_MAX) as connection:
            await connection.fetchval("select 1", timeout=READY_SECONDS_MAX)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
        raise _not_ready("the database does not answer") from None
    return answer(HealthDocument())


@get("/metrics", guards=[needs(Scope.METRICS_READ)], opt=described(GET_METRICS))
async def get_metrics(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Give Prometheus what it asks for."""
    service = service_of(request)
    measures = service.measures
    await service.relay_measures.look()
    await service.engage_measures.look()
    return Response(await measures.exposition_of_all(), media_type=measures.media_type)


def _not_ready(why: str) -> ProblemError:
    return ProblemError(UNAVAILABLE, why, headers={"Retry-After": RETRY_SECONDS})
