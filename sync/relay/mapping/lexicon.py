"""The names a destination was sent so far: each attribute with its type, which it keeps for ever.

The one hard idea: MoEngage pins an attribute to the type it had first and drops or bends whatever
comes later. So the relay pins it too, before sending; a value of another type is turned into the
pinned one where that is exact, and otherwise goes under a name of its own, `amount_text` beside
`amount`. Nothing is lost and nothing is bent.

A `Lexicon` is what is known; a `Learner` maps with it and gathers what is new, to be stored before
it is relied on. Storing is `sync.relay.dictionary`'s business.

Contract: docs/contracts/moengage.md, "Counts" and "Values".
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Final

from sync.relay.mapping.names import NAME_CHARACTERS_MAX
from sync.relay.mapping.values import Value, ValueType, cast

EVENT_NAMES_MAX: Final = 512
USER_ATTRIBUTES_MAX: Final = 256
EVENT_ATTRIBUTES_MAX: Final = 20_000
"""Over all events: no limit of MoEngage's, but one against names that are made of ids."""

SIBLINGS_MAX: Final = 3


class NameKind(StrEnum):
    """What a name is the name of."""

    EVENT = "event"
    EVENT_ATTRIBUTE = "event_attribute"
    USER_ATTRIBUTE = "user_attribute"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many names there may be of each kind."""

    event_names: int = EVENT_NAMES_MAX
    user_attributes: int = USER_ATTRIBUTES_MAX
    event_attributes: int = EVENT_ATTRIBUTES_MAX

    def of(self, kind: NameKind) -> int:
        """The limit of a kind."""
        match kind:
            case NameKind.EVENT:
                return self.event_names
            case NameKind.USER_ATTRIBUTE:
                return self.user_attributes
            case NameKind.EVENT_ATTRIBUTE:
                return self.event_attributes


Entry = tuple[NameKind, str]
Entries = Mapping[Entry, ValueType | None]
"""Names with their types; an event has none."""


@dataclass(frozen=True, slots=True)
class Lexicon:
    """What a destination is known to have been sent."""

    entries: Entries = field(default_factory=lambda: MappingProxyType({}))
    limits: Limits = Limits()

    def count(self, kind: NameKind) -> int:
        """How many names of a kind there are."""
        return sum(1 for known, _ in self.entries if known is kind)

    def learnt(self, entries: Entries) -> "Lexicon":
        """This lexicon with more entries; those known already stay as they are."""
        return Lexicon(MappingProxyType({**entries, **self.entries}), self.limits)


class Learner:
    """Maps with a lexicon and gathers what is new; made for one piece of work and thrown away."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._counts: dict[NameKind, int] = {}
        self.learned: dict[Entry, ValueType | None] = {}

    def knows_event(self, name: str) -> bool:
        """Whether an event may have this name; False where there are too many names already."""
        return self._pin((NameKind.EVENT, name), None)

    def place(
        self, kind: NameKind, name: str, value: Value, type_: ValueType
    ) -> tuple[str, Value] | None:
        """The name and form under which a value is sent; `None` where there are too many names.

        Args:
            kind: Whose attribute it is.
            name: As it would be called.
            value: What it is.
            type_: The type of the name for ever, if it has none yet.
        """
        for _ in range(SIBLINGS_MAX):
            if not self._pin((kind, name), type_):
                return None
            pinned = self._type_of((kind, name))
            exact = value if pinned is None else cast(value, pinned)
            if exact is not None:
                return name, exact
            name, type_ = _beside(name, value.type), value.type
        return None

    def _type_of(self, entry: Entry) -> ValueType | None:
        if entry in self._lexicon.entries:
            return self._lexicon.entries[entry]
        return self.learned.get(entry)

    def _pin(self, entry: Entry, type_: ValueType | None) -> bool:
        """Make sure the entry is there; False where there is no room for it."""
        if entry in self._lexicon.entries or entry in self.learned:
            return True
        kind = entry[0]
        count = self._counts.get(kind)
        if count is None:
            count = self._lexicon.count(kind)
        if count >= self._lexicon.limits.of(kind):
            return False
        self._counts[kind] = count + 1
        self.learned[entry] = type_
        return True


def _beside(name: str, type_: ValueType) -> str:
    """The name for values of a type that the name itself can't take."""
    ending = f"_{type_.value}"
    return f"{name[: NAME_CHARACTERS_MAX - len(ending)]}{ending}"
