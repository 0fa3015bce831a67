"""Filling requests with elements, by exact size.

The one hard idea: customers' elements are taken in order of receipt and never out of it, so what
doesn't fit ends the customer's part of this request, while other customers may still fill the room
that is left. A suspect, an element of a request that was refused, may only travel with so many
others; that is how the culprit among hundreds is found in a few requests.

Contract: docs/contracts/moengage.md, "Sizes".
"""

from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, TypeVar

from sync.relay.mapping.elements import Element

BULK_BEGINNING: Final = b'{"type":"transition","elements":['
BULK_ENDING: Final = b"]}"
ENVELOPE_BYTES: Final = len(BULK_BEGINNING) + len(BULK_ENDING)

Owner = TypeVar("Owner", bound=Hashable)


@dataclass(frozen=True, slots=True)
class Piece(Generic[Owner]):
    """One element that is to be sent.

    Attributes:
        owner: What the caller knows it by.
        portion: With how many elements at most, itself included, it may travel; `None` for any
            number.
    """

    owner: Owner
    element: Element
    portion: int | None = None


@dataclass(frozen=True, slots=True)
class Room:
    """How much a request may hold.

    Attributes:
        bytes_max: Of the whole body.
        events_max, customers_max: Of elements of each kind.
    """

    bytes_max: int
    elements_max: int


def packed(queues: Iterable[Sequence[Piece[Owner]]], room: Room) -> list[Piece[Owner]]:
    """The pieces of one request, a beginning of each queue; at least one if there is any that fits.

    Args:
        queues: One a customer, each in order.
        room: The request's.
    """
    chosen: list[Piece[Owner]] = []
    size, elements_max = ENVELOPE_BYTES, room.elements_max
    for queue in queues:
        for piece in queue:
            more = len(piece.element.body) + (1 if chosen else 0)
            limit = elements_max if piece.portion is None else min(elements_max, piece.portion)
            if size + more > room.bytes_max or len(chosen) >= limit:
                break
            chosen.append(piece)
            size += more
            elements_max = limit
        if len(chosen) >= elements_max or size >= room.bytes_max:
            break
    return chosen


def bulk_body(elements: Sequence[Element]) -> bytes:
    """The body of a request to `/transition`."""
    return BULK_BEGINNING + b",".join(one.body for one in elements) + BULK_ENDING
