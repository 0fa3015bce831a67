"""Elements as MoEngage's Data API takes them, written to bytes.

The one hard idea: an element is written once, by itself, and its bytes are put together with others
later; so the size of a request is known exactly and nothing is written twice. One that would be too
large for any request loses its last attributes, which are the least telling.

Contract: docs/contracts/moengage.md, "Elements".
"""

from collections.abc import Callable, Sequence
from datetime import datetime
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

import msgspec

from sync.relay.instants import write_instant
from sync.relay.mapping.names import RELAY_EVENT_ID, TIME_CLAMPED
from sync.relay.mapping.values import Value

ATTRIBUTES_MAX: Final = 100
"""Of one event, the relay's own included."""

PROFILE_ENDING: Final = ".profile"
"""Of the `relay_event_id` that a customer's attributes carry: the event's own, and this."""

_encoder = msgspec.json.Encoder()


class ElementKind(StrEnum):
    """What an element is about."""

    EVENT = "event"
    CUSTOMER = "customer"


class Element(NamedTuple):
    """An element as it is sent."""

    kind: ElementKind
    body: bytes


Attributes = Sequence[tuple[str, Value]]


def event_element(
    event: UUID,
    customer: str,
    name: str,
    at: datetime,
    attributes: Attributes,
    *,
    is_clamped: bool,
    bytes_max: int,
) -> Element:
    """One event; attributes that don't fit, by number or by size, are left out from the end."""
    own: dict[str, Any] = {RELAY_EVENT_ID: str(event)}
    if is_clamped:
        own[TIME_CLAMPED] = True
    kept = attributes[: ATTRIBUTES_MAX - len(own)]

    def written(some: Attributes) -> bytes:
        return _encoder.encode(
            {
                "type": "event",
                "customer_id": customer,
                "actions": [
                    {
                        "action": name,
                        "attributes": {**own, **{one: value.json for one, value in some}},
                        "current_time": write_instant(at),
                    }
                ],
            }
        )

    return Element(ElementKind.EVENT, _fitting(written, kept, bytes_max))


def customer_element(
    event: UUID,
    customer: str,
    attributes: Attributes,
    *,
    update_existing_only: bool,
    bytes_max: int,
) -> Element:
    """A customer's attributes, as of one event."""
    own = {RELAY_EVENT_ID: f"{event}{PROFILE_ENDING}"}
    only = {"update_existing_only": True} if update_existing_only else {}

    def written(some: Attributes) -> bytes:
        return _encoder.encode(
            {
                "type": "customer",
                "customer_id": customer,
                **only,
                "attributes": {**own, **{one: value.json for one, value in some}},
            }
        )

    return Element(ElementKind.CUSTOMER, _fitting(written, attributes, bytes_max))


def _fitting(
    written: Callable[[Attributes], bytes], attributes: Attributes, bytes_max: int
) -> bytes:
    """The element with as many of the attributes, from the first on, as there is room for."""
    body = written(attributes)
    if len(body) <= bytes_max:
        return body
    fits, too_many = 0, len(attributes)
    while too_many - fits > 1:
        middle = (fits + too_many) // 2
        if len(written(attributes[:middle])) <= bytes_max:
            fits = middle
        else:
            too_many = middle
    return written(attributes[:fits])
