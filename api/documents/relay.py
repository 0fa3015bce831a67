"""The relay as it is answered: events, how things stand, and what a replay came to."""

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.documents.forms import Instant
from sync.relay.documents import UnreadableError, read_document, write_document
from sync.relay.events import EventRecord
from sync.relay.intake import EventState, Reason
from sync.relay.replaying import Replayed
from sync.relay.status import DestinationStatus, RelayStatus, SourceStatus

REPLAY_MAX = 100_000
_PLAIN = "^[^\\u0000-\\u001f\\u007f]*$"
ERASE_MAX = 1000
TELL_MAX = 1000

Number = TypeVar("Number", int, float)


class MessageKeptDocument(msgspec.Struct, frozen=True):
    """That a message is safe."""

    received: bool = True


class RelayEventDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """An event on its way to MoEngage.

    Attributes:
        event_id: Also the attribute `relay_event_id` at MoEngage.
        family: What the vendor calls it.
        name: What MoEngage was told it is called.
        state: `waiting`, `delivered`, `quarantined` (can't be sent as things are), `dead` (not
            taken, or nobody knows) or `ignored` (kept, not forwarded).
        reason: A stable word for why it is where it is.
        message: The same for the person who reads it.
        waits_for: What belongs to nobody known yet, and holds the event up; see
            `tellRelayCustomers`.
        possibly_duplicated: Whether it was sent again after an unclear outcome, so that MoEngage
            may have it twice.
        request_id: MoEngage's name for the request it went with.
    """

    event_id: UUID
    source: str
    destination: str
    family: str
    name: str | None
    customer: str | None
    state: EventState
    reason: str | None
    message: str | None
    waits_for: str | None
    received_at: Instant
    occurred_at: Instant | None
    settled_at: Instant | None
    attempts: int
    possibly_duplicated: bool
    request_id: str | None


class WholeEventDocument(RelayEventDocument, frozen=True, kw_only=True, rename="camel"):
    """An event with what was kept of the vendor's message.

    Attributes:
        content: The message, without what is on the deny-list; a text where it is no JSON.
    """

    content: Any


class RelayEventPage(msgspec.Struct, frozen=True, rename="camel"):
    """Some events, the latest first."""

    events: tuple[RelayEventDocument, ...]
    next_cursor: str | UnsetType = UNSET


class ReplayRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Which events are replayed: those that all the fields given fit, the earliest first.

    Attributes:
        name: The vendor's word for the kind of event, or MoEngage's.
        events_max: At most so many.
    """

    state: Annotated[str, Meta(pattern="^(quarantined|dead|ignored)$")] | None = None
    reason: Reason | None = None
    source: Annotated[str, Meta(max_length=100, pattern=_PLAIN)] | None = None
    destination: Annotated[str, Meta(max_length=100, pattern=_PLAIN)] | None = None
    customer: Annotated[str, Meta(max_length=1000, pattern=_PLAIN)] | None = None
    name: Annotated[str, Meta(max_length=300, pattern=_PLAIN)] | None = None
    received_from: Instant | None = None
    received_to: Instant | None = None
    events_max: Annotated[int, Meta(ge=1, le=REPLAY_MAX)] = 10_000


class ReplayedDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What a replay came to.

    Attributes:
        waiting: How many events are on their way again.
        unchanged: How many were looked at and stay where they are.
    """

    waiting: int
    unchanged: int


class ErasureRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Whom the relay is to forget.

    Attributes:
        customers: Their ids at MoEngage, exactly.
    """

    customers: Annotated[
        tuple[Annotated[str, Meta(min_length=1, max_length=1000, pattern=_PLAIN)], ...],
        Meta(min_length=1, max_length=ERASE_MAX),
    ]


class ErasureDocument(msgspec.Struct, frozen=True, rename="camel"):
    """How many events were forgotten."""

    events: int


class WhoseDocument(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """That what is waited for belongs to a customer.

    Attributes:
        waits_for: As events show it: `user/7/1001` is user 1001 of Punchh's business 7,
            `contact/…` a contact of the books.
        customer: Its customer's id at MoEngage.
    """

    waits_for: Annotated[str, Meta(min_length=1, max_length=1000, pattern=_PLAIN)]
    customer: Annotated[str, Meta(min_length=1, max_length=1000, pattern=_PLAIN)]


class TellingRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Whose is what.

    Attributes:
        customers: Each with what waits for it.
    """

    customers: Annotated[tuple[WhoseDocument, ...], Meta(min_length=1, max_length=TELL_MAX)]


class ToldDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What came of it.

    Attributes:
        told: How many are known.
        released: How many events go on now that their customer is known.
    """

    told: int
    released: int


class ResumedDocument(msgspec.Struct, frozen=True):
    """That a destination is sent to again."""

    destination: str


class RelaySourceDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A source.

    Attributes:
        last_hour: What happened in the last hour, up to some seconds ago, by kind.
        per_minute: What happened a minute, over the last five whole minutes, by kind.
        quarantined: How many events are, by reason.
        dead: Likewise.
        possibly_duplicated: How many events MoEngage may have twice.
        is_configured: Whether the configuration still has it.
    """

    source: str
    vendor: str | None
    destination: str | None
    is_configured: bool
    last_hour: dict[str, int]
    per_minute: dict[str, float]
    quarantined: dict[str, int]
    dead: dict[str, int]
    possibly_duplicated: int


class RelayDestinationDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A destination.

    Attributes:
        condition: `open`, `limited` (MoEngage asked to wait), `paused` (it refused the key or the
            address) or `broken` (requests in a row failed).
        waiting: How many events wait; counted up to a million.
        customers: Of how many customers.
        lag_seconds: For how long the oldest of them waits.
    """

    destination: str
    is_configured: bool
    condition: str
    closed_until: Instant | None
    trouble: str | None
    failures: int
    accepted_at: Instant | None
    waiting: int
    customers: int
    lag_seconds: float
    last_hour: dict[str, int]
    per_minute: dict[str, float]


class RelayStatusDocument(msgspec.Struct, frozen=True):
    """How the relay stands."""

    sources: tuple[RelaySourceDocument, ...]
    destinations: tuple[RelayDestinationDocument, ...]


def event_document(event: EventRecord) -> RelayEventDocument:
    """An event as it is answered."""
    return RelayEventDocument(**_fields(event))


def whole_event_document(event: EventRecord, payload: bytes | None) -> WholeEventDocument:
    """An event with its content as it is answered."""
    return WholeEventDocument(**_fields(event), content=_content(payload))


def _fields(event: EventRecord) -> dict[str, Any]:
    return {
        "event_id": event.id,
        "source": event.source,
        "destination": event.destination,
        "family": event.family,
        "name": event.name,
        "customer": event.customer,
        "state": event.state,
        "reason": event.reason,
        "message": event.message,
        "waits_for": event.waits_for,
        "received_at": event.received_at,
        "occurred_at": event.occurred_at,
        "settled_at": event.settled_at,
        "attempts": event.attempts,
        "possibly_duplicated": event.maybe_repeated,
        "request_id": event.request_id,
    }


def _content(payload: bytes | None) -> Any:
    if payload is None:
        return None
    try:
        return msgspec.Raw(write_document(read_document(payload)))
    except UnreadableError:
        return payload.decode("utf-8", "replace")


def replayed_document(replayed: Replayed) -> ReplayedDocument:
    """What a replay came to as it is answered."""
    return ReplayedDocument(replayed.waiting, replayed.unchanged)


def relay_status_document(status: RelayStatus) -> RelayStatusDocument:
    """How the relay stands as it is answered."""
    return RelayStatusDocument(
        tuple(_source(one) for one in status.sources),
        tuple(_destination(one) for one in status.destinations),
    )


def _source(source: SourceStatus) -> RelaySourceDocument:
    return RelaySourceDocument(
        source=source.name,
        vendor=source.vendor,
        destination=source.destination,
        is_configured=source.is_configured,
        last_hour=_worded(source.last_hour),
        per_minute=_worded(source.per_minute),
        quarantined=source.quarantined,
        dead=source.dead,
        possibly_duplicated=source.maybe_repeated,
    )


def _destination(destination: DestinationStatus) -> RelayDestinationDocument:
    return RelayDestinationDocument(
        destination=destination.name,
        is_configured=destination.is_configured,
        condition=destination.condition,
        closed_until=destination.closed_until,
        trouble=destination.trouble,
        failures=destination.failures,
        accepted_at=destination.accepted_at,
        waiting=destination.waiting,
        customers=destination.customers,
        lag_seconds=destination.lag_seconds,
        last_hour=_worded(destination.last_hour),
        per_minute=_worded(destination.per_minute),
    )


def _worded(counts: Mapping[str, Number]) -> dict[str, Number]:
    """The kinds in the words of the doors."""
    return {
        "possiblyDuplicated" if kind == "maybe_repeated" else kind: count
        for kind, count in counts.items()
    }
