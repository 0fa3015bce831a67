"""The sync with Engage: ask for a run, see what ran and what was sent.

The one hard idea: a run asked for here and one of the schedule are the same kind of run, so an
outside scheduler may use this door and never collides with ours.
"""

from datetime import UTC, datetime, timedelta
from typing import Any, Final

from litestar import Request, Response, get, post

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents.following import StatusDocument, status_document
from api.documents.forms import PAGE_DEFAULT, CursorWord, Guid, PageLimit
from api.documents.sync import (
    BatchPage,
    RunDocument,
    RunPage,
    RunRequest,
    batch_document,
    run_document,
)
from api.intake.bodies import json_body
from api.intake.cursor import write_cursor
from api.intake.paging import read_page
from api.intake.query import path_guid, path_word, read_query
from api.intake.small import read_small
from api.openapi.operation import Answer, Body, Operation, Parameter, described
from api.problems import catalogue
from api.problems.problem import ProblemError
from api.service import Service, service_of
from sync.engage import Follower, State
from sync.jobs import JobKind
from sync.runs import Cause, RunState

BODY_BYTES_MAX: Final = 4 * 1024

AT_ONCE_MAX: Final = 3
"""Runs asked for that may be under way or wait at once, for one tenant."""

LATEST: Final = 20
"""How many of the latest runs are looked at to count them."""

ASKED_FOR: Final = timedelta(minutes=12)
"""No run that was asked for takes or waits longer; older ones have lost their process."""

TENANT: Final = Parameter(
    "tenant", "path", str, "The tenant's name; the key's own.", required=True, example="acme"
)
LIMIT: Final = Parameter("limit", "query", PageLimit, f"Entries a page; else {PAGE_DEFAULT}.")
CURSOR: Final = Parameter("cursor", "query", CursorWord, "`nextCursor` of the page before.")

RUN_EXAMPLE: Final = {
    "runId": "019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11",
    "kind": "push",
    "cause": "request",
    "state": "done",
    "isFinal": True,
    "askedAt": "2026-11-21T09:30:00Z",
    "startedAt": "2026-11-21T09:30:00.01Z",
    "finishedAt": "2026-11-21T09:30:04.2Z",
    "summary": {"is_complete": True, "parked": 0},
    "error": None,
}

POST_RUN: Final = Operation(
    id="postSyncRun",
    tag="Sync",
    summary="Push what changed to Engage now, or do another job",
    description=(
        "Starts a run; by default one that tells Engage what changed and asks what became of it. "
        "With `waitSeconds` the answer waits until it is done: a push, until Engage has what the "
        "books have, or it can be said that it won't soon. Without, the answer comes at once and "
        "the run goes on. The schedule never collides with it."
    ),
    scope=Scope.SYNC_RUN,
    parameters=(TENANT,),
    body=Body(
        RunRequest,
        {
            "wait": {"waitSeconds": 60},
            "start": {},
            "compare": {"kind": "drift_sample", "waitSeconds": 60},
        },
    ),
    answers=(
        Answer(200, "The run has ended; `state` says how.", RunDocument, example=RUN_EXAMPLE),
        Answer(202, "The run is under way.", RunDocument),
    ),
    problems=(
        catalogue.JSON_INVALID,
        catalogue.REQUEST_INVALID,
        catalogue.NOT_FOUND,
        catalogue.BODY_TOO_SLOW,
        catalogue.BODY_TOO_LARGE,
        catalogue.MEDIA_TYPE_UNSUPPORTED,
    ),
)

LIST_RUNS: Final = Operation(
    id="listSyncRuns",
    tag="Sync",
    summary="List what ran",
    description="Runs of the schedule and those asked for, the latest first.",
    scope=Scope.SYNC_READ,
    parameters=(TENANT, LIMIT, CURSOR),
    answers=(Answer(200, "A page.", RunPage),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

GET_RUN: Final = Operation(
    id="getSyncRun",
    tag="Sync",
    summary="Read a run",
    description="How far a run is, or how it ended.",
    scope=Scope.SYNC_READ,
    parameters=(TENANT, Parameter("runId", "path", Guid, "The run's id.", required=True)),
    answers=(Answer(200, "The run.", RunDocument, example=RUN_EXAMPLE),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

GET_STATUS: Final = Operation(
    id="getSyncStatus",
    tag="Sync",
    summary="Read how the sync stands",
    description=(
        "What is still to be sent, what is on its way, parked, stuck or stopped, how far Engage is "
        "known to be from the books, and of each job what ran, what is due, what failed and why."
    ),
    scope=Scope.SYNC_READ,
    parameters=(TENANT,),
    answers=(Answer(200, "How it stands.", StatusDocument),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

LIST_BATCHES: Final = Operation(
    id="listSyncBatches",
    tag="Sync",
    summary="List what was sent to Engage",
    description="The requests to Engage and what became of each, the latest first.",
    scope=Scope.SYNC_READ,
    parameters=(
        Parameter("state", "query", State, "Only batches in this state."),
        LIMIT,
        CURSOR,
    ),
    answers=(Answer(200, "A page.", BatchPage),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)


@post(
    "/v1/sync/{tenant:str}/runs",
    guards=[needs(Scope.SYNC_RUN)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=202,
    opt=described(POST_RUN),
)
async def post_sync_run(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Start a run, and wait for it if asked."""
    service = service_of(request)
    follower = follower_of(request, service)
    wanted = read_small(await json_body(request), RunRequest)
    await _check_turn(service, follower.tenant.name)
    if wanted.everything and wanted.kind is JobKind.PUSH:
        await follower.push_everything()
    run = run_document(
        await service.synchronisation.run_now(
            follower.tenant.name, wanted.kind, wait_seconds=wanted.wait_seconds
        )
    )
    location = f"/v1/sync/{follower.tenant.name}/runs/{run.run_id}"
    return answer(run, 200 if run.is_final else 202, {"Location": location})


@get("/v1/sync/{tenant:str}/runs", guards=[needs(Scope.SYNC_READ)], opt=described(LIST_RUNS))
async def list_sync_runs(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what ran."""
    service = service_of(request)
    follower = follower_of(request, service)
    limit, before, _ = read_page(request)
    found = await service.synchronisation.runs(follower.tenant.name, before=before, limit=limit + 1)
    documents = tuple(run_document(one) for one in found[:limit])
    if len(found) > limit:
        return answer(RunPage(documents, write_cursor(found[limit - 1].id)))
    return answer(RunPage(documents))


@get(
    "/v1/sync/{tenant:str}/runs/{runId:str}",
    guards=[needs(Scope.SYNC_READ)],
    opt=described(GET_RUN),
)
async def get_sync_run(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show one run."""
    service = service_of(request)
    follower = follower_of(request, service)
    identifier = path_guid(request, "runId")
    read_query(request, {})
    found = await service.synchronisation.run(follower.tenant.name, identifier)
    if found is None:
        raise ProblemError(catalogue.NOT_FOUND, "there is no such run")
    return answer(run_document(found))


@get("/v1/sync/{tenant:str}/status", guards=[needs(Scope.SYNC_READ)], opt=described(GET_STATUS))
async def get_sync_status(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show how things stand."""
    service = service_of(request)
    follower = follower_of(request, service)
    read_query(request, {})
    jobs = await service.synchronisation.jobs(follower.tenant.name)
    return answer(status_document(await follower.status(), jobs))


@get("/v1/sync/batches", guards=[needs(Scope.SYNC_READ)], opt=described(LIST_BATCHES))
async def list_sync_batches(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what was sent."""
    follower = found_follower(request, service_of(request))
    limit, before, state = read_page(request, list(State))
    if follower is None:
        return answer(BatchPage(()))
    found = await follower.batches(
        before=before, state=None if state is None else State(state), limit=limit + 1
    )
    documents = tuple(batch_document(one) for one in found[:limit])
    if len(found) > limit:
        return answer(BatchPage(documents, write_cursor(found[limit - 1].id)))
    return answer(BatchPage(documents))


async def _check_turn(service: Service, tenant: str) -> None:
    """Refuse a run where enough of them wait already: each keeps a connection while it does."""
    latest = await service.synchronisation.runs(tenant, limit=LATEST)
    since = datetime.now(UTC) - ASKED_FOR
    waiting = [
        run
        for run in latest
        if run.cause is Cause.REQUEST
        and run.state in {RunState.WAITING, RunState.RUNNING}
        and run.asked_at > since
    ]
    if len(waiting) >= AT_ONCE_MAX:
        raise ProblemError(
            catalogue.TOO_MANY_REQUESTS,
            f"{len(waiting)} runs that were asked for are under way or wait for their turn",
            headers={"Retry-After": "5"},
        )


def follower_of(request: Request[Any, Any, Any], service: Service) -> Follower:
    """The Engage of the tenant in the path, where that is the key's own; else `not_found`."""
    name = service.tenant_names.get(bearer_of(request).tenant)
    if name != path_word(request, "tenant"):
        raise ProblemError(catalogue.NOT_FOUND, "there is no such tenant")
    return own_follower(request, service)


def own_follower(request: Request[Any, Any, Any], service: Service) -> Follower:
    """The Engage of the key's tenant; `not_found` where it has none."""
    follower = found_follower(request, service)
    if follower is None:
        raise ProblemError(catalogue.NOT_FOUND, "the tenant has no Engage")
    return follower


def found_follower(request: Request[Any, Any, Any], service: Service) -> Follower | None:
    """The Engage of the key's tenant, if it has one."""
    name = service.tenant_names.get(bearer_of(request).tenant, "")
    return service.synchronisation.followers.get(name)
