"""What a vendor's module answers about a document: what it is, whose it is, when, and the rest.

The one hard idea: a document is read twice. On receipt only what decides its place is read (key,
customer, time); what it says is told later, when it is sent, so that a mended mapping holds for
everything that still waits. Both are pure.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, tzinfo
from enum import StrEnum
from types import MappingProxyType
from typing import Any, NamedTuple, Protocol

from sync.relay.mapping.mapper import Told
from sync.relay.pointers import Pointer


class Vendor(StrEnum):
    """Whose events a source brings."""

    PUNCHH = "punchh"
    PASSKIT = "passkit"
    OPEN_LOYALTY = "open_loyalty"
    PERX = "perx"
    LEDGER = "ledger"
    """The books themselves."""


@dataclass(frozen=True, slots=True)
class Arrival:
    """How a document came.

    Attributes:
        channel_key: What the channel itself calls it by, such as a place in a Kafka topic; `None`
            where the channel has no name for it.
    """

    received_at: datetime
    channel_key: str | None = None


class Lesson(NamedTuple):
    """That what goes by `key` belongs to a customer.

    Attributes:
        lasts: For good, as a person's id; else only as long as such events come.
    """

    key: str
    customer: str
    lasts: bool


@dataclass(frozen=True, slots=True)
class Reading:
    """What decides an event's place.

    Attributes:
        family: What kind of event it is, in the vendor's words, parts divided by `/`.
        key: What makes it the event it is; the same key again is a repeat.
        document: Of this event alone.
        window_seconds: After which the same key is another event; `None` for never.
        customer: The customer's id as the vendor knows it.
        join_key: By what the customer may be found, where the event doesn't say who it is.
        lessons: What can be learnt of others from it.
        is_business_level: It concerns no customer.
    """

    family: str
    key: str
    document: Any
    window_seconds: int | None = None
    customer: str | None = None
    join_key: str | None = None
    occurred_at: datetime | None = None
    lessons: tuple[Lesson, ...] = ()
    is_business_level: bool = False


@dataclass(frozen=True, slots=True)
class Places:
    """Where a configuration says to look, instead of where the vendor puts things."""

    customer: tuple[Pointer, ...] = ()
    time: tuple[Pointer, ...] = ()
    family: tuple[Pointer, ...] = ()


@dataclass(frozen=True, slots=True)
class VendorOptions:
    """What a vendor's module is told of its source.

    Attributes:
        zone: In which times without offset are meant.
        repeat_seconds: How long a document without anything that makes it unique counts as a
            repeat of the same one.
        identifier: Where an event's own id stands, for vendors that leave that to us.
        definitions: What points are called in attributes, by Engage's number; the books' own.
        by_member_number: Whether a contact of the books is known by its member number.
    """

    zone: tzinfo
    places: Places = field(default_factory=Places)
    repeat_seconds: int = 10
    identifier: tuple[Pointer, ...] = ()
    definitions: Mapping[int, str] = field(default_factory=lambda: MappingProxyType({}))
    by_member_number: bool = False


class VendorModule(Protocol):
    """One vendor."""

    @property
    def prefix(self) -> str:
        """What the names of its events begin with."""
        ...

    @property
    def denied(self) -> frozenset[str]:
        """Names, in lower case, whose values are hidden before anything is stored."""
        ...

    @property
    def waits_for(self) -> str | None:
        """The form of the keys by which a customer is looked up who can be told by hand.

        Parts divided by `/`, the first as it is; `None` where there are none.
        """
        ...

    def read(self, document: Any, arrival: Arrival) -> Iterator[Reading]:
        """The events of a document; several where the vendor sends lists.

        A document of an unexpected form is one event of the family `unknown`. They are read as they
        are asked for: a message may hold a million.
        """
        ...

    def tell(self, document: Any) -> Told:
        """What one event's document, as `read` gave it, says."""
        ...


UNKNOWN = "unknown"


def part_of(arrival: Arrival, number: int) -> Arrival:
    """How a part of a list came, of which the channel knows only the whole."""
    key = arrival.channel_key
    return arrival if key is None else Arrival(arrival.received_at, f"{key}/{number}")


def object_at(document: Any, name: str) -> dict[str, Any]:
    """The object of this name; an empty one where there is none."""
    found = document.get(name) if isinstance(document, dict) else None
    return found if isinstance(found, dict) else {}


def plain_first(document: Mapping[str, Any]) -> dict[str, Any]:
    """The entries of an object, those with plain values before those with parts."""
    plain = {name: one for name, one in document.items() if not isinstance(one, dict | list)}
    return {**plain, **{name: one for name, one in document.items() if name not in plain}}
