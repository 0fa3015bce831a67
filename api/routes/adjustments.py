"""What Engage sent: see it, and have what was quarantined judged again, or left for good."""

from typing import Any, Final

from litestar import Request, Response, get, post
from msgspec import UNSET

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents.forms import Guid
from api.documents.sync import (
    AdjustmentDismissalRequest,
    AdjustmentDocument,
    AdjustmentPage,
    AdjustmentReplayRequest,
    AdjustmentsReplayedDocument,
    adjustment_document,
)
from api.intake.bodies import json_body, no_body
from api.intake.cursor import write_cursor
from api.intake.paging import read_page
from api.intake.query import path_guid, read_query
from api.intake.small import read_sound
from api.openapi.operation import Answer, Body, Operation, Parameter, described
from api.problems import catalogue
from api.problems.problem import ProblemError
from api.routes.sync import BODY_BYTES_MAX, CURSOR, LIMIT, found_follower, own_follower
from api.service import service_of
from sync.engage import DeliveryRecord, DeliveryState, NotReplayableError

LIST_ADJUSTMENTS: Final = Operation(
    id="listAdjustments",
    tag="Adjustments",
    summary="List what Engage sent",
    description=(
        "Every message that came to the tenant's webhook and was authentic, the latest first, with "
        "what became of it."
    ),
    scope=Scope.SYNC_READ,
    parameters=(
        Parameter("state", "query", DeliveryState, "Only messages in this state."),
        LIMIT,
        CURSOR,
    ),
    answers=(Answer(200, "A page.", AdjustmentPage),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

REPLAY: Final = Operation(
    id="replayAdjustment",
    tag="Adjustments",
    summary="Judge a quarantined message again",
    description=(
        "After its cause was mended: a definition added, a key corrected. It is booked now, once, "
        "or stays where it is with its reason."
    ),
    scope=Scope.SYNC_RUN,
    parameters=(Parameter("adjustmentId", "path", Guid, "The message's id.", required=True),),
    answers=(Answer(200, "The message as it stands now.", AdjustmentDocument),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND, catalogue.NOT_REPLAYABLE),
)


DISMISS: Final = Operation(
    id="dismissAdjustment",
    tag="Adjustments",
    summary="Leave a quarantined message unbooked for good",
    description=(
        "What was a slip in Engage, or was adjusted there anew. It no longer counts as "
        "quarantined, and is not booked if it comes again; who decided it, and why, is kept."
    ),
    scope=Scope.SYNC_RUN,
    parameters=(Parameter("adjustmentId", "path", Guid, "The message's id.", required=True),),
    body=Body(AdjustmentDismissalRequest, {"slip": {"reason": "adjusted anew without decimals"}}),
    answers=(Answer(200, "The message as it stands now.", AdjustmentDocument),),
    problems=(
        catalogue.JSON_INVALID,
        catalogue.REQUEST_INVALID,
        catalogue.NOT_FOUND,
        catalogue.NOT_REPLAYABLE,
        catalogue.BODY_TOO_SLOW,
        catalogue.BODY_TOO_LARGE,
        catalogue.MEDIA_TYPE_UNSUPPORTED,
    ),
)

GET_ADJUSTMENT: Final = Operation(
    id="getAdjustment",
    tag="Adjustments",
    summary="Look at one message",
    description="With everything an adjustment says, and what became of it.",
    scope=Scope.SYNC_READ,
    parameters=(Parameter("adjustmentId", "path", Guid, "The message's id.", required=True),),
    answers=(Answer(200, "The message.", AdjustmentDocument),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)

REPLAY_ALL: Final = Operation(
    id="replayAdjustments",
    tag="Adjustments",
    summary="Judge all quarantined messages again",
    description=(
        "Or those that were set aside for one reason, once its cause was mended. In the order in "
        "which they came; each is booked once, or stays where it is with its reason."
    ),
    scope=Scope.SYNC_RUN,
    body=Body(AdjustmentReplayRequest, {"reason": {"reason": "undecryptable"}, "all": {}}),
    answers=(
        Answer(
            200,
            "What became of them.",
            AdjustmentsReplayedDocument,
            example={"replayed": 3, "states": {"booked": 2, "quarantined": 1}},
        ),
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


@get("/v1/adjustments", guards=[needs(Scope.SYNC_READ)], opt=described(LIST_ADJUSTMENTS))
async def list_adjustments(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show what came in."""
    follower = found_follower(request, service_of(request))
    limit, before, state = read_page(request, list(DeliveryState))
    if follower is None:
        return answer(AdjustmentPage(()))
    found = await follower.deliveries(
        before=before, state=None if state is None else DeliveryState(state), limit=limit + 1
    )
    documents = tuple(adjustment_document(one) for one in found[:limit])
    if len(found) > limit:
        return answer(AdjustmentPage(documents, write_cursor(found[limit - 1].id)))
    return answer(AdjustmentPage(documents))


@post(
    "/v1/adjustments/{adjustmentId:str}/replays",
    guards=[needs(Scope.SYNC_RUN)],
    status_code=200,
    opt=described(REPLAY),
)
async def replay_adjustment(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Judge one message again."""
    follower = own_follower(request, service_of(request))
    identifier = path_guid(request, "adjustmentId")
    no_body(request)
    read_query(request, {})
    try:
        found = await follower.replay(identifier)
    except NotReplayableError as problem:
        raise ProblemError(catalogue.NOT_REPLAYABLE, str(problem)) from None
    return _shown(found)


@post(
    "/v1/adjustments/{adjustmentId:str}/dismissals",
    guards=[needs(Scope.SYNC_RUN)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(DISMISS),
)
async def dismiss_adjustment(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Leave one message unbooked."""
    follower = own_follower(request, service_of(request))
    identifier = path_guid(request, "adjustmentId")
    read_query(request, {})
    wanted = read_sound(await json_body(request), AdjustmentDismissalRequest)
    try:
        found = await follower.dismiss(
            identifier, f"key {bearer_of(request).key_id}", wanted.reason
        )
    except NotReplayableError as problem:
        raise ProblemError(catalogue.NOT_REPLAYABLE, str(problem)) from None
    return _shown(found)


@get(
    "/v1/adjustments/{adjustmentId:str}",
    guards=[needs(Scope.SYNC_READ)],
    opt=described(GET_ADJUSTMENT),
)
async def get_adjustment(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show one message."""
    follower = own_follower(request, service_of(request))
    found = await follower.delivery(path_guid(request, "adjustmentId"))
    read_query(request, {})
    return _shown(found)


@post(
    "/v1/adjustments/replays",
    guards=[needs(Scope.SYNC_RUN)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(REPLAY_ALL),
)
async def replay_adjustments(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Judge what was set aside again."""
    follower = own_follower(request, service_of(request))
    read_query(request, {})
    wanted = read_sound(await json_body(request), AdjustmentReplayRequest)
    states = await follower.replay_all(None if wanted.reason is UNSET else wanted.reason)
    document = AdjustmentsReplayedDocument(
        states.total(), {state.value: number for state, number in states.items()}
    )
    return answer(document)


def _shown(found: DeliveryRecord | None) -> Response[bytes]:
    """A message as it stands; 404 where there is none of that id."""
    if found is None:
        raise ProblemError(catalogue.NOT_FOUND, "there is no such message")
    return answer(adjustment_document(found))
