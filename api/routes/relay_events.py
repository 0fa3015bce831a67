"""What became of the vendors' events: see, search, replay, resume.

The one hard idea: everything here is within the tenant of the caller's key; a source or destination
of another tenant is one that does not exist.
"""

from datetime import datetime
from typing import Any, Final

from litestar import Request, Response, get, post

from api.access.guard import bearer_of, needs
from api.access.scopes import Scope
from api.answers import answer
from api.documents.forms import PAGE_DEFAULT, PAGE_MAX, CursorWord, Guid, Instant, PageLimit
from api.documents.relay import (
    RelayEventPage,
    RelayStatusDocument,
    ReplayedDocument,
    ReplayRequest,
    ResumedDocument,
    WholeEventDocument,
    event_document,
    relay_status_document,
    replayed_document,
    whole_event_document,
)
from api.intake import checks
from api.intake.bodies import json_body, no_body
from api.intake.checks import Check, Finding
from api.intake.cursor import cursor_id, id_cursor, write_cursor
from api.intake.query import count_up_to, path_guid, path_word, read_query
from api.intake.small import read_small
from api.openapi.operation import Answer, Body, Operation, Parameter, described
from api.problems import catalogue
from api.problems.fields import FieldCode
from api.problems.problem import ProblemError
from api.service import service_of
from ledger.identity import TenantId
from sync.relay.events import Wanted
from sync.relay.intake import EventState, Reason
from sync.relay.relay import Relay

BODY_BYTES_MAX: Final = 256 * 1024


EVENT: Final = Parameter("eventId", "path", Guid, "The event's id.", required=True)

SEARCH: Final = (
    Parameter("state", "query", EventState, "Only events in this state."),
    Parameter("reason", "query", Reason, "Only events set aside for this reason."),
    Parameter("source", "query", str, "Only events of this source."),
    Parameter("destination", "query", str, "Only events for this destination."),
    Parameter("customer", "query", str, "Only events of this customer, by the id at MoEngage."),
    Parameter("name", "query", str, "Only events of this kind: the vendor's word or MoEngage's."),
    Parameter("possiblyDuplicated", "query", bool, "Only events that may have arrived twice."),
    Parameter("receivedFrom", "query", Instant, "Only events received from this instant on."),
    Parameter("receivedTo", "query", Instant, "Only events received before this instant."),
    Parameter("limit", "query", PageLimit, f"Entries a page; else {PAGE_DEFAULT}."),
    Parameter("cursor", "query", CursorWord, "`nextCursor` of the page before."),
)


GET_STATUS: Final = Operation(
    id="getRelayStatus",
    tag="Relay",
    summary="Read how the relay stands",
    description="What comes in, what goes out, what waits and since when, what needs mending.",
    scope=Scope.RELAY_READ,
    answers=(Answer(200, "How it stands.", RelayStatusDocument),),
    problems=(catalogue.REQUEST_INVALID,),
)
LIST_EVENTS: Final = Operation(
    id="listRelayEvents",
    tag="Relay",
    summary="Search events",
    description="Events of the tenant's sources, the latest first, with what became of each.",
    scope=Scope.RELAY_READ,
    parameters=SEARCH,
    answers=(Answer(200, "A page.", RelayEventPage),),
    problems=(catalogue.REQUEST_INVALID,),
)
GET_EVENT: Final = Operation(
    id="getRelayEvent",
    tag="Relay",
    summary="Read an event",
    description="With what was kept of the vendor's message; what is on the deny-list is masked.",
    scope=Scope.RELAY_READ,
    parameters=(EVENT,),
    answers=(Answer(200, "The event.", WholeEventDocument),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)
REPLAY_EVENT: Final = Operation(
    id="replayRelayEvent",
    tag="Relay",
    summary="Replay an event",
    description=(
        "Reads a quarantined, dead or ignored event again by the mapping in force now, and sends "
        "it with its own id and time if it can be sent."
    ),
    scope=Scope.RELAY_RUN,
    parameters=(EVENT,),
    answers=(Answer(200, "What it came to.", ReplayedDocument),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)
REPLAY_EVENTS: Final = Operation(
    id="replayRelayEvents",
    tag="Relay",
    summary="Replay events",
    description="All that fit what is given, as `replayRelayEvent` does with one.",
    scope=Scope.RELAY_RUN,
    body=Body(ReplayRequest, {"dead": {"state": "dead", "source": "punchh"}}),
    answers=(Answer(200, "What it came to.", ReplayedDocument),),
    problems=(
        catalogue.JSON_INVALID,
        catalogue.REQUEST_INVALID,
        catalogue.BODY_TOO_LARGE,
        catalogue.MEDIA_TYPE_UNSUPPORTED,
    ),
)
RESUME: Final = Operation(
    id="resumeRelayDestination",
    tag="Relay",
    summary="Send to a destination again",
    description="At once, whatever was the matter; it may be paused again by the next answer.",
    scope=Scope.RELAY_RUN,
    parameters=(Parameter("destination", "path", str, "Its name.", required=True),),
    answers=(Answer(200, "It is sent to.", ResumedDocument),),
    problems=(catalogue.REQUEST_INVALID, catalogue.NOT_FOUND),
)


@get("/v1/relay/status", guards=[needs(Scope.RELAY_READ)], opt=described(GET_STATUS))
async def get_relay_status(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show how things stand."""
    read_query(request, {})
    return answer(relay_status_document(await _relay(request).status(_tenant(request))))


@get("/v1/relay/events", guards=[needs(Scope.RELAY_READ)], opt=described(LIST_EVENTS))
async def list_relay_events(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show events."""
    query = read_query(request, SEARCHABLE)
    limit = int(query.get("limit", PAGE_DEFAULT))
    before = cursor_id(query["cursor"]) if "cursor" in query else None
    wanted = _wanted(
        request,
        state=query.get("state"),
        reason=query.get("reason"),
        source=query.get("source"),
        destination=query.get("destination"),
        customer=query.get("customer"),
        name=query.get("name"),
        possibly_duplicated=query.get("possiblyDuplicated") == "true",
        received_from=_instant(query.get("receivedFrom")),
        received_to=_instant(query.get("receivedTo")),
    )
    if wanted is None:
        return answer(RelayEventPage(()))
    found = await _relay(request).events(wanted, before=before, limit=limit + 1)
    documents = tuple(event_document(one) for one in found[:limit])
    if len(found) > limit:
        return answer(RelayEventPage(documents, write_cursor(found[limit - 1].id)))
    return answer(RelayEventPage(documents))


@get("/v1/relay/events/{eventId:str}", guards=[needs(Scope.RELAY_READ)], opt=described(GET_EVENT))
async def get_relay_event(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Show one event whole."""
    identifier = path_guid(request, "eventId")
    read_query(request, {})
    found = await _relay(request).event(_tenant(request), identifier)
    if found is None:
        raise ProblemError(catalogue.NOT_FOUND, "there is no such event")
    return answer(whole_event_document(*found))


@post(
    "/v1/relay/events/{eventId:str}/replays",
    guards=[needs(Scope.RELAY_RUN)],
    status_code=200,
    opt=described(REPLAY_EVENT),
)
async def replay_relay_event(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Replay one event."""
    identifier = path_guid(request, "eventId")
    no_body(request)
    read_query(request, {})
    found = await _relay(request).replay(_tenant(request), identifier)
    if found is None:
        raise ProblemError(catalogue.NOT_FOUND, "there is no such event that could be replayed")
    return answer(replayed_document(found))


@post(
    "/v1/relay/replays",
    guards=[needs(Scope.RELAY_RUN)],
    request_max_body_size=BODY_BYTES_MAX,
    status_code=200,
    opt=described(REPLAY_EVENTS),
)
async def replay_relay_events(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Replay all that fit."""
    asked = read_small(await json_body(request), ReplayRequest)
    wanted = _wanted(
        request,
        state=asked.state,
        reason=asked.reason,
        source=asked.source,
        destination=asked.destination,
        customer=asked.customer,
        name=asked.name,
        received_from=asked.received_from,
        received_to=asked.received_to,
    )
    if wanted is None:
        return answer(ReplayedDocument(0, 0))
    done = await _relay(request).replay_all(wanted, events_max=asked.events_max)
    return answer(replayed_document(done))


@post(
    "/v1/relay/destinations/{destination:str}/resumptions",
    guards=[needs(Scope.RELAY_RUN)],
    status_code=200,
    opt=described(RESUME),
)
async def resume_relay_destination(request: Request[Any, Any, Any]) -> Response[bytes]:
    """Send to a destination again."""
    no_body(request)
    read_query(request, {})
    relay, name = _relay(request), path_word(request, "destination")
    found = relay.register.destinations.get(name)
    if found is None or found.tenant != _tenant(request):
        raise ProblemError(catalogue.NOT_FOUND, "there is no such destination")
    await relay.resume(found.id)
    return answer(ResumedDocument(name))


def _relay(request: Request[Any, Any, Any]) -> Relay:
    return service_of(request).relay


def _tenant(request: Request[Any, Any, Any]) -> TenantId:
    return bearer_of(request).tenant


def _wanted(
    request: Request[Any, Any, Any],
    *,
    state: str | None,
    reason: str | None,
    source: str | None,
    destination: str | None,
    customer: str | None,
    name: str | None,
    possibly_duplicated: bool = False,
    received_from: datetime | None = None,
    received_to: datetime | None = None,
) -> Wanted | None:
    """What is looked for; `None` where the tenant has no such source or destination."""
    register, tenant = _relay(request).register, _tenant(request)
    sources = [
        number
        for number in register.sources_of(tenant)
        if source is None or register.source_names[number][1] == source
    ]
    places = [
        number
        for number in register.destinations_of(tenant)
        if destination is None or register.destination_names[number][1] == destination
    ]
    if not sources or not places:
        return None
    return Wanted(
        sources=sources,
        state=None if state is None else EventState(state),
        reason=None if reason is None else Reason(reason),
        customer=customer,
        name=name,
        destination=None if destination is None else places[0],
        maybe_repeated=possibly_duplicated,
        received_from=received_from,
        received_to=received_to,
    )


def _one_of(words: list[str]) -> Check:
    def check(value: object) -> Finding | None:
        if value in words:
            return None
        return FieldCode.VALUE_UNKNOWN, f"is none of: {', '.join(words)}"

    return check


def _instant(value: str | None) -> datetime | None:
    return None if value is None else datetime.fromisoformat(value)


SEARCHABLE: Final[dict[str, Check]] = {
    "state": _one_of(list(EventState)),
    "reason": _one_of(list(Reason)),
    "source": checks.text(1000),
    "destination": checks.text(1000),
    "customer": checks.text(1000),
    "name": checks.text(1000),
    "possiblyDuplicated": _one_of(["true", "false"]),
    "receivedFrom": checks.instant,
    "receivedTo": checks.instant,
    "limit": count_up_to(PAGE_MAX),
    "cursor": id_cursor,
}
