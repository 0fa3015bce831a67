"""From what came in to events as they are stored: whose, when, by which key, and in which state.

The one hard idea: whatever is authentic is kept. What can't be read, names nobody, or names what no
customer can be, is kept in quarantine with its reason and answered like any other, because most
vendors never send again. What is on the source's deny-list is hidden here, before anything is
stored or logged.

It is pure: ids are handed in, and nothing is stored or looked up.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from itertools import islice
from typing import Any, Final
from uuid import UUID

from sync.relay.documents import (
    UnreadableError,
    hash_of,
    masked,
    mentions,
    read_document,
    write_document,
)
from sync.relay.hashing import digest_of
from sync.relay.mapping.names import customer_trouble
from sync.relay.settings import Source
from sync.relay.vendors.protocol import UNKNOWN, Arrival, Lesson, Reading

FAMILY_CHARACTERS_MAX: Final = 200
EVENTS_MAX: Final = 5000
"""Of one message."""

TAKEN_APART_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of all events of a message, each of which has what they share."""

KEY_BYTES_MAX: Final = 1000
"""Of what a customer is looked up by, in UTF-8: it has to fit into an index."""


class EventState(StrEnum):
    """How far an event is."""

    WAITING = "waiting"
    """To be delivered, or being delivered."""
    DELIVERED = "delivered"
    QUARANTINED = "quarantined"
    """Can't be sent as things are; its reason says why."""
    DEAD = "dead"
    """MoEngage does not take it, or whether it did can't be known."""
    IGNORED = "ignored"
    """Kept for a while and not forwarded, by rule."""


class Reason(StrEnum):
    """Why an event is not on its way. Stable words: programs branch on them."""

    UNREADABLE = "unreadable"
    TOO_MANY = "too_many"
    CUSTOMER_MISSING = "customer_missing"
    CUSTOMER_UNKNOWN = "customer_unknown"
    """It waits for whoever says to whom it belongs, and goes on by itself then."""
    CUSTOMER_FORBIDDEN = "customer_forbidden"
    BUSINESS_LEVEL = "business_level"
    NOT_WANTED = "not_wanted"
    UNMAPPABLE = "unmappable"
    TOO_MANY_EVENT_NAMES = "too_many_event_names"
    ERASED = "erased"
    REFUSED = "refused"
    GAVE_UP = "gave_up"
    OUTCOME_UNCLEAR = "outcome_unclear"
    SOURCE_GONE = "source_gone"


MESSAGES: Final[dict[Reason, str]] = {
    Reason.TOO_MANY: f"the message holds more than {EVENTS_MAX} events, or too much for each",
    Reason.CUSTOMER_MISSING: "the event names no customer",
    Reason.CUSTOMER_UNKNOWN: "no event has said yet to which customer it belongs",
    Reason.BUSINESS_LEVEL: "the event concerns the business and no customer",
    Reason.NOT_WANTED: "the source's mapping ignores the family",
    Reason.ERASED: "the customer was erased",
    Reason.SOURCE_GONE: "the configuration has no such source any more",
}


@dataclass(frozen=True, slots=True)
class Incoming:
    """An event as it is stored.

    Attributes:
        key: By what a repeat is recognised.
        fresh_until: After which the same key is another event; `None` for never.
        learnable: By what its customer may be looked up; `None` where it is known.
        message: For people; the stable word is `reason`.
    """

    id: UUID
    key: UUID
    fresh_until: datetime | None
    family: str
    customer: str | None
    learnable: str | None
    occurred_at: datetime | None
    state: EventState
    reason: Reason | None
    message: str | None
    payload: bytes | None
    lessons: tuple[Lesson, ...] = ()


def take_in(
    source: Source, body: bytes, arrival: Arrival, ids: Iterator[UUID]
) -> tuple[Incoming, ...]:
    """The events of a message, in its order; at least one for whatever came.

    Args:
        source: Whose it is.
        body: As it came, and authentic.
        arrival: When, and what its channel calls it.
        ids: One for each event, in order.
    """
    try:
        document = read_document(body)
    except UnreadableError as problem:
        return (unreadable(source, body, arrival, next(ids), str(problem)),)
    return take_in_document(source, document, arrival, ids, raw=body)


def take_in_document(
    source: Source,
    document: Any,
    arrival: Arrival,
    ids: Iterator[UUID],
    *,
    raw: bytes | None = None,
) -> tuple[Incoming, ...]:
    """The events of a document that was read already; `raw` is what it was read from."""
    found: list[Incoming] = []
    size = 0
    for reading in islice(source.module.read(document, arrival), EVENTS_MAX + 1):
        own = raw if reading.document is document else None
        found.append(_incoming(source, reading, arrival, next(ids), own))
        size += len(found[-1].payload or b"")
        if len(found) > EVENTS_MAX or size > TAKEN_APART_BYTES_MAX:
            return (_too_many(source, document, arrival, next(ids)),)
    return tuple(found)


def _too_many(source: Source, document: Any, arrival: Arrival, identifier: UUID) -> Incoming:
    """A message that holds too much, kept whole."""
    key = arrival.channel_key or f"body/{hash_of(document)}"
    whole = Reading(family=UNKNOWN, key=key, document=document)
    return _set_aside(_incoming(source, whole, arrival, identifier, None), Reason.TOO_MANY)


def _incoming(
    source: Source, reading: Reading, arrival: Arrival, identifier: UUID, raw: bytes | None
) -> Incoming:
    customer, learnable, reason = _customer_of(source, reading)
    state, message = EventState.WAITING, None
    if reason is not None:
        state, message = EventState.QUARANTINED, _message(reason, reading.customer)
        if reason in {Reason.BUSINESS_LEVEL, Reason.NOT_WANTED}:
            state = EventState.IGNORED
    window = reading.window_seconds
    return Incoming(
        id=identifier,
        key=digest_of(reading.key),
        fresh_until=None if window is None else arrival.received_at + timedelta(seconds=window),
        family=reading.family[:FAMILY_CHARACTERS_MAX],
        customer=customer,
        learnable=learnable,
        occurred_at=reading.occurred_at,
        state=state,
        reason=reason,
        message=message,
        payload=_payload(source, reading.document, raw),
        lessons=tuple(
            one
            for one in reading.lessons
            if customer_trouble(one.customer) is None and not is_too_long(one.key)
        ),
    )


def _customer_of(source: Source, reading: Reading) -> tuple[str | None, str | None, Reason | None]:
    """Whose an event is, or by what that may be looked up; and what keeps it from being sent."""
    if source.options.mapping.ignores(reading.family):
        return reading.customer, None, Reason.NOT_WANTED
    if reading.is_business_level and reading.customer is None:
        stand_in = source.options.business_customer
        return (stand_in, None, None) if stand_in else (None, None, Reason.BUSINESS_LEVEL)
    if reading.customer is None:
        if reading.join_key is not None and not is_too_long(reading.join_key):
            return None, reading.join_key, None
        return None, None, Reason.CUSTOMER_MISSING
    if customer_trouble(reading.customer) is not None:
        return None, None, Reason.CUSTOMER_FORBIDDEN
    return reading.customer, None, None


def is_too_long(key: str) -> bool:
    """Whether a customer can't be looked up by this, and nobody ever is."""
    return len(key.encode()) > KEY_BYTES_MAX


def _message(reason: Reason, customer: str | None) -> str | None:
    if reason is Reason.CUSTOMER_FORBIDDEN and customer is not None:
        return f"the customer's id {customer_trouble(customer)}"
    return MESSAGES.get(reason)


def _payload(source: Source, document: Any, raw: bytes | None) -> bytes:
    """What is kept of an event: as it came where nothing had to be hidden."""
    kept = masked(document, source.denied)
    if kept is document and raw is not None:
        return raw
    return write_document(kept)


def unreadable(
    source: Source, body: bytes, arrival: Arrival, identifier: UUID, problem: str
) -> Incoming:
    """What nobody can read, kept as it came unless it names what must be hidden."""
    hides = mentions(body, source.denied)
    return Incoming(
        id=identifier,
        key=digest_of(arrival.channel_key or body),
        fresh_until=None
        if arrival.channel_key
        else arrival.received_at + timedelta(seconds=source.options.repeat_seconds),
        family=UNKNOWN,
        customer=None,
        learnable=None,
        occurred_at=None,
        state=EventState.QUARANTINED,
        reason=Reason.UNREADABLE,
        message=f"the message {problem}"
        + ("; it was not kept, as it names what must be hidden" if hides else ""),
        payload=None if hides else body,
    )


def _set_aside(incoming: Incoming, reason: Reason) -> Incoming:
    return replace(
        incoming,
        state=EventState.QUARANTINED,
        reason=reason,
        message=MESSAGES.get(reason),
        learnable=None,
    )
