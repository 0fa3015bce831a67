"""Taking the sync in hand: stopping a direction, letting it go on, a dry run, trying parked ones.

The one hard idea: what a person stops stays stopped, on every replica and over restarts, until a
person lets it go on. The schedule has pauses of its own, in the configuration.
"""

from typing import Any, Final

from litestar import Request, Response, delete, get, post
from msgspec import UNSET

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents.engage_record import RetriedDocument, RetryRequest
from api.documents.following import (
    PauseRequest,
    PausesDocument,
    RehearsalDocument,
    pause_document,
    rehearsal_document,
)
from api.intake.bodies import json_body, no_body
from api.intake.query import path_word, read_query
from api.intake.small import read_small, read_sound
from api.openapi.operation import Answer, Body, Operation, Parameter, described
from api.problems import catalogue
from api.problems.problem import ProblemError
from api.routes.sync import BODY_BYTES_MAX, TENANT, follower_of
from api.service import service_of
from ledger.identity import ContactId
from sync.engage import Follower
from sync.engage.pauses import Direction

RETRY_BYTES_MAX: Final = 128 * 1024

PAUSED_EXAMPLE: Final = {
    "pauses": [
        {
            "direction": "push",
            "pausedAt": "2026-11-21T09:30:00Z",
            "pausedBy": "key 6f0b8d5a2c11",
            "reason": "Engage is being migrated",
        }
    ]
}

BODY_PROBLEMS: Final = (
    catalogue.JSON_INVALID,
    catalogue.REQUEST_INVALID,
    catalogue.NOT_FOUND,
    catalogue.BODY_TOO_SLOW,
    catalogue.BODY_TOO_LARGE,
    catalogue.MEDIA_TYPE_UNSUPPORTED,
)

LIST_PAUSES: Final = Operation(
    id="listSyncPauses",
    tag="Sync",
    summary="List what is stopped",
    description="The directions that people stopped, by whom, since when and why.",
    scope=Scope.SYNC_READ,
    parameters=(TENANT,),
    answers=(Answer(200, "What is stopped.", PausesDocument, example=PAUSED_EXAMPLE),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

PAUSE: Final = Operation(
    id="pauseSync",
    tag="Sync",
    summary="Stop a direction of the sync",
    description=(
        "Within a request or two, on all replicas and over restarts, until it is resumed. `push` "
        "stops telling Engage anything; `adjustments` keeps what Engage sends and books it "
        "afterwards; `drift` stops comparing and repairing; `contacts` stops looking for contacts "
        "that are gone. What is stopped already stays as it is."
    ),
    scope=Scope.SYNC_RUN,
    parameters=(TENANT,),
    body=Body(PauseRequest, {"push": {"direction": "push", "reason": "Engage is being migrated"}}),
    answers=(Answer(200, "What is stopped now.", PausesDocument, example=PAUSED_EXAMPLE),),
    problems=BODY_PROBLEMS,
)

RESUME: Final = Operation(
    id="resumeSync",
    tag="Sync",
    summary="Let a direction of the sync go on",
    description="What was kept meanwhile is told or booked by the next runs.",
    scope=Scope.SYNC_RUN,
    parameters=(
        TENANT,
        Parameter("direction", "path", Direction, "What was stopped.", required=True),
    ),
    answers=(Answer(200, "What is still stopped.", PausesDocument, example={"pauses": []}),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

REHEARSE: Final = Operation(
    id="rehearseSync",
    tag="Sync",
    summary="See what would be sent now",
    description=(
        "A dry run: byte for byte what the next push would send, at most a thousand rows of what "
        "is new. Nothing is sent or changed."
    ),
    scope=Scope.SYNC_READ,
    parameters=(TENANT,),
    answers=(Answer(200, "What would be sent.", RehearsalDocument),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

RETRY: Final = Operation(
    id="retryParked",
    tag="Sync",
    summary="Try again what Engage did not take",
    description=(
        "Some movements, everything of some contacts, or all that is parked. It is told by the "
        "next pushes; what Engage still does not take is parked again."
    ),
    scope=Scope.SYNC_RUN,
    parameters=(TENANT,),
    body=Body(RetryRequest, {"all": {}, "some": {"rowIds": [17, 18]}}),
    answers=(Answer(200, "How many.", RetriedDocument, example={"retried": 2}),),
    problems=BODY_PROBLEMS,
)


@get("/v1/sync/{tenant:str}/pauses", guards=[needs(Scope.SYNC_READ)], opt=described(LIST_PAUSES))
async def list_sync_pauses(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what is stopped."""
    follower = follower_of(request, service_of(request))
    read_query(request, {})
    return await _pauses(follower)


@post(
    "/v1/sync/{tenant:str}/pauses",
    guards=[needs(Scope.SYNC_RUN)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(PAUSE),
)
async def pause_sync(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Stop something."""
    follower = follower_of(request, service_of(request))
    wanted = read_sound(await json_body(request), PauseRequest)
    reason = None if wanted.reason is UNSET else wanted.reason
    await follower.pause(wanted.direction, f"key {bearer_of(request).key_id}", reason)
    return await _pauses(follower)


@delete(
    "/v1/sync/{tenant:str}/pauses/{direction:str}",
    guards=[needs(Scope.SYNC_RUN)],
    status_code=200,
    opt=described(RESUME),
)
async def resume_sync(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Let something go on."""
    follower = follower_of(request, service_of(request))
    no_body(request)
    read_query(request, {})
    try:
        direction = Direction(path_word(request, "direction"))
    except ValueError:
        known = ", ".join(Direction)
        raise ProblemError(catalogue.NOT_FOUND, f"there are the directions {known}") from None
    await follower.resume(direction)
    if direction is Direction.ADJUSTMENTS:
        await follower.catch_up()
    return await _pauses(follower)


@get("/v1/sync/{tenant:str}/rehearsal", guards=[needs(Scope.SYNC_READ)], opt=described(REHEARSE))
async def rehearse_sync(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what would be sent."""
    follower = follower_of(request, service_of(request))
    read_query(request, {})
    return answer(rehearsal_document(await follower.rehearse()))


@post(
    "/v1/sync/{tenant:str}/parked/retries",
    guards=[needs(Scope.SYNC_RUN)],
    request_max_body_size=RETRY_BYTES_MAX,
    status_code=200,
    opt=described(RETRY),
)
async def retry_parked(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Try parked ones again."""
    follower = follower_of(request, service_of(request))
    wanted = read_small(await json_body(request), RetryRequest)
    retried = 0
    if wanted.row_ids is not UNSET:
        retried += await follower.retry_parked(rows=list(wanted.row_ids))
    if wanted.contact_ids is not UNSET:
        contacts = [ContactId(one) for one in wanted.contact_ids]
        retried += await follower.retry_parked(contacts=contacts)
    if wanted.row_ids is UNSET and wanted.contact_ids is UNSET:
        retried = await follower.retry_parked()
    return answer(RetriedDocument(retried))


async def _pauses(follower: Follower) -> Response[bytes]:
    found = await follower.pauses()
    return answer(PausesDocument(tuple(pause_document(one) for one in found)))
