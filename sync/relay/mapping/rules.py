"""What a configuration may change about how a source's events are mapped, without code.

The one hard idea: every rule names attributes as they come out (`receipt_amount`), and places as
they come in (`/payload/user/id`), so a rule can be read off a preview. Rules are applied in the
order in which they stand below.
"""

from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sync.relay.mapping.names import NAME_CHARACTERS_MAX, RESERVED_PREFIX
from sync.relay.mapping.values import ValueType
from sync.relay.pointers import Pointer, PointerError, parse_pointer

Word = Annotated[str, Meta(min_length=1, max_length=NAME_CHARACTERS_MAX)]
Place = Annotated[str, Meta(min_length=1, max_length=500)]

RULES_MAX: Final = 500


class MappingRules(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a source's events are mapped, beyond what is known of its vendor.

    Attributes:
        customer: Where to look for the customer's id, in this order, instead of where the vendor
            puts it.
        time: Where to look for the event's time, likewise.
        family: Where to look for what kind of event it is, likewise.
        ignore: Families that are kept for a while and not forwarded; the part before a `/`
            stands for all of them.
        prefix: With what event names begin, instead of the vendor's name.
        names: Event names by family, as in `"checkins/loyalty" = "visit"`, likewise; the prefix
            is not added.
        mask: More names whose values are hidden before anything is stored.
        unmask: Names that the vendor's own list hides and that are to be stored and forwarded.
        drop: Attributes that are not sent; a name also stands for all that begin with it and `_`.
        keep: If given, the only attributes that are sent.
        add: Attributes that are looked up in the document.
        rename: New names of attributes.
        types: The type an attribute has for ever.
        profile: Attributes of the customer, looked up in the document, beside the vendor's own.
        write_profile: Whether customers' attributes are written at all.
    """

    customer: tuple[Place, ...] = ()
    time: tuple[Place, ...] = ()
    family: tuple[Place, ...] = ()
    ignore: tuple[Word, ...] = ()
    prefix: Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_-]{0,49}$")] | None = None
    names: dict[Word, Word] = {}
    mask: tuple[Word, ...] = ()
    unmask: tuple[Word, ...] = ()
    drop: tuple[Word, ...] = ()
    keep: tuple[Word, ...] = ()
    add: dict[Word, Place] = {}
    rename: dict[Word, Word] = {}
    types: dict[Word, ValueType] = {}
    profile: dict[Word, Place] = {}
    write_profile: bool = True

    def keeps(self, name: str) -> bool:
        """Whether an attribute of this name is sent."""
        if self.keep and not _is_among(name, self.keep):
            return False
        return not _is_among(name, self.drop)

    def name_of(self, family: str) -> str | None:
        """The name chosen for events of a family, or for all whose family begins with its word."""
        return self.names.get(family) or self.names.get(family.partition("/")[0])

    def ignores(self, family: str) -> bool:
        """Whether events of a family are not forwarded."""
        return family in self.ignore or family.partition("/")[0] in self.ignore


def _is_among(name: str, words: tuple[str, ...]) -> bool:
    return any(name == word or name.startswith(f"{word}_") for word in words)


def rule_problems(rules: MappingRules) -> list[tuple[tuple[str, ...], str]]:
    """What is wrong with the rules beyond what their types refuse: the key, and what it is."""
    found: list[tuple[tuple[str, ...], str]] = []
    for key in ("customer", "time", "family"):
        for index, place in enumerate(getattr(rules, key)):
            found += [((f"{key}[{index}]",), said) for said in _place_problems(place)]
    for key in ("add", "profile"):
        for name, place in getattr(rules, key).items():
            found += [((key, name), said) for said in _place_problems(place)]
    for key in ("ignore", "names", "mask", "unmask", "drop", "keep", "add", "rename", "types"):
        if len(getattr(rules, key)) > RULES_MAX:
            found.append(((key,), f"has more than {RULES_MAX} entries"))
    if rules.prefix is not None and rules.prefix.startswith(RESERVED_PREFIX):
        found.append((("prefix",), "must not begin with moe, which is MoEngage's own"))
    found += [
        (("names", family), "must not begin with moe, which is MoEngage's own")
        for family, name in rules.names.items()
        if name.lower().startswith(RESERVED_PREFIX)
    ]
    return found


def _place_problems(place: str) -> list[str]:
    try:
        parse_pointer(place)
    except PointerError as problem:
        return [str(problem)]
    return []


def places(written: tuple[str, ...]) -> tuple[Pointer, ...]:
    """Pointers that `rule_problems` found nothing wrong with."""
    return tuple(parse_pointer(one) for one in written)
