"""One event of a vendor as elements of MoEngage: the name, the attributes, the customer's profile.

The one hard idea: whatever comes in, only what MoEngage takes goes out. Each step below makes one
kind of trouble impossible, in a fixed order, and what is left out is noted for whoever previews a
mapping. The profile comes out as a list of attributes, not as an element: which of them are newer
than what was written last is known only where that is stored.

Contract: docs/contracts/moengage.md.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from types import MappingProxyType
from typing import Any
from uuid import UUID

from sync.relay.mapping.elements import ATTRIBUTES_MAX, Element, event_element
from sync.relay.mapping.flattening import leaves
from sync.relay.mapping.lexicon import Learner, NameKind
from sync.relay.mapping.names import (
    attribute_name,
    customer_trouble,
    event_name,
    numbered,
    user_attribute_name,
)
from sync.relay.mapping.rules import MappingRules
from sync.relay.mapping.values import Dropped, Value, ValueType, forced, value_of
from sync.relay.pointers import find, parse_pointer


@dataclass(frozen=True, slots=True)
class Told:
    """What a vendor's module makes of a document.

    Attributes:
        family: What kind of event it is, in the vendor's words, parts divided by `/`.
        words: What the event is called, after the prefix.
        attributes: Nested, the most telling first.
        profile: Attributes of the customer, likewise.
        types: Attributes whose type is known, by the name they come out with.
        profile_at: As of when the profile is meant, where that is not the event's own time.
    """

    family: str
    words: tuple[str, ...]
    attributes: Mapping[str, Any]
    profile: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    types: Mapping[str, ValueType] = field(default_factory=lambda: MappingProxyType({}))
    profile_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Occurrence:
    """What is known of an event beside its document.

    Attributes:
        at: When it happened, or was received where the vendor doesn't say.
    """

    id: UUID
    customer: str
    at: datetime


@dataclass(frozen=True, slots=True)
class Style:
    """How a source's events are written.

    Attributes:
        prefix: The vendor's name in the words of MoEngage.
        zone: In which the vendor's times without offset are meant.
        bytes_max: Of one element.
    """

    prefix: str
    rules: MappingRules
    zone: tzinfo = UTC
    bytes_max: int = 99_000


@dataclass(frozen=True, slots=True)
class Mapped:
    """An event as it is sent.

    Attributes:
        profile: The customer's attributes as of this event.
        notes: What was left out or changed, for people.
    """

    name: str
    event: Element
    profile: tuple[tuple[str, Value], ...]
    notes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Unmappable:
    """Why an event can't be sent; `reason` is a stable word."""

    reason: str
    message: str


def mapped(
    told: Told,
    document: Any,
    occurrence: Occurrence,
    style: Style,
    learner: Learner,
    now: datetime,
) -> Mapped | Unmappable:
    """Map one event.

    Args:
        told: What the vendor's module made of the document.
        document: As it was received, for rules that look something up in it.
        occurrence: Who and when.
        style: The source's.
        learner: Takes note of names that were never sent before.
        now: No event is later.
    """
    trouble = customer_trouble(occurrence.customer)
    if trouble is not None:
        return Unmappable("customer_forbidden", f"the customer's id {trouble}")
    name = name_of(told, style)
    if not learner.knows_event(name):
        return Unmappable("too_many_event_names", f"{name} would be one name of events too many")
    notes: list[str] = []
    attributes = _event_attributes(told, document, style, learner, notes)
    is_clamped = occurrence.at > now
    if is_clamped:
        notes.append("the time lay in the future; it is now")
    element = event_element(
        occurrence.id,
        occurrence.customer,
        name,
        min(occurrence.at, now),
        attributes,
        is_clamped=is_clamped,
        bytes_max=style.bytes_max,
    )
    profile = _profile(told, document, style, learner, notes)
    return Mapped(name, element, tuple(profile), tuple(notes))


def name_of(told: Told, style: Style) -> str:
    """What an event is called at MoEngage."""
    rules = style.rules
    chosen = rules.name_of(told.family)
    if chosen is not None:
        return event_name([chosen])
    return event_name([rules.prefix or style.prefix, *told.words])


def _event_attributes(
    told: Told, document: Any, style: Style, learner: Learner, notes: list[str]
) -> list[tuple[str, Value]]:
    rules = style.rules
    found = [(name, find(document, parse_pointer(place))) for name, place in rules.add.items()]
    wanted = [
        (rules.rename.get(name, name), raw)
        for name, raw in (
            (attribute_name(written, style.prefix), raw) for written, raw in leaves(told.attributes)
        )
        if rules.keeps(name)
    ]
    types = {**told.types, **rules.types}
    added = leaves({name: raw for name, raw in found if raw is not None})
    return _placed(
        NameKind.EVENT_ATTRIBUTE,
        ((attribute_name(name, style.prefix), raw) for name, raw in (*added, *wanted)),
        types,
        style,
        learner,
        notes,
    )


def _profile(
    told: Told, document: Any, style: Style, learner: Learner, notes: list[str]
) -> list[tuple[str, Value]]:
    rules = style.rules
    if not rules.write_profile:
        return []
    found = {name: find(document, parse_pointer(place)) for name, place in rules.profile.items()}
    chosen = {**told.profile, **{name: raw for name, raw in found.items() if raw is not None}}
    return _placed(
        NameKind.USER_ATTRIBUTE,
        ((user_attribute_name(name, style.prefix), raw) for name, raw in leaves(chosen)),
        {**told.types, **rules.types},
        style,
        learner,
        notes,
    )


def _placed(
    kind: NameKind,
    leaves_found: Iterable[tuple[str, Any]],
    types: Mapping[str, ValueType],
    style: Style,
    learner: Learner,
    notes: list[str],
) -> list[tuple[str, Value]]:
    """Each leaf under a name that nothing else has, in the type that the name has for ever."""
    placed: dict[str, Value] = {}
    for name, raw in leaves_found:
        if len(placed) >= ATTRIBUTES_MAX:
            notes.append(f"{name} and what comes after it is left out: {ATTRIBUTES_MAX} are enough")
            break
        wanted = types.get(name)
        value = value_of(raw, style.zone) if wanted is None else forced(raw, wanted, style.zone)
        if isinstance(value, Dropped):
            notes.append(f"{name} is left out: it {value.reason}")
        if not isinstance(value, Value):
            continue
        found = _free_place(kind, name, value, wanted or value.type, placed, learner)
        if found is None:
            notes.append(f"{name} is left out: there are too many names")
        else:
            placed[found[0]] = found[1]
            if found[0] != name:
                notes.append(f"{name} goes under {found[0]}")
    return list(placed.items())


def _free_place(
    kind: NameKind,
    name: str,
    value: Value,
    type_: ValueType,
    placed: Mapping[str, Value],
    learner: Learner,
) -> tuple[str, Value] | None:
    for number in range(1, ATTRIBUTES_MAX + 2):
        asked = name if number == 1 else numbered(name, number)
        found = learner.place(kind, asked, value, type_)
        if found is None or found[0] not in placed:
            return found
    return None
