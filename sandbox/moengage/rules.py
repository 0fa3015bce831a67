"""What MoEngage takes without a word and then cuts, drops or turns into something else.

Each rule is one that its pages state: names, reserved words, lengths, counts, times, types.
Breaking it does not change the answer; it becomes a finding with an example. Names come back by
the thousand, so each is judged once and remembered, and an attribute keeps for ever the type it
had first.
"""

import re
from datetime import UTC, datetime
from typing import Any, Final

from sandbox.findings import Findings
from sandbox.moengage.elements import Element, Kind
from sandbox.moengage.settings import RuleSettings

NAME_CHARACTERS_MAX: Final = 200
VALUE_CHARACTERS_MAX: Final = 512
ARRAY_ITEMS_MAX: Final = 50
EVENT_ATTRIBUTES_MAX: Final = 100
EVENT_NAMES_MAX: Final = 512
USER_ATTRIBUTES_MAX: Final = 256
OFFSET_SECONDS_MAX: Final = 54_000
MILLISECONDS_FROM: Final = 100_000_000_000
"""A number of at least this many is meant in milliseconds; in seconds it is past the year 5000."""
NAMES_REMEMBERED_MAX: Final = 100_000

FORBIDDEN_CUSTOMER_IDS: Final = frozenset(
    {
        "''",
        "-1",
        "-2",
        "0",
        "1",
        "2",
        "customer_id",
        "dummy_seller_code",
        "false",
        "guest",
        "id",
        "n/a",
        "na",
        "none",
        "null",
        "true",
        "uid",
        "unknown",
        "user_attribute_unique_id",
        "user_id",
        "userid",
    },
)
RESERVED_USER_ATTRIBUTES: Final = frozenset(
    {
        "INSTALL",
        "MOE_GAID",
        "MOE_ISLAT",
        "MOE_TIME_FORMAT",
        "MOE_TIME_TIMEZONE",
        "UPDATE",
        "USER_ATTRIBUTE_DND_END_TIME",
        "USER_ATTRIBUTE_DND_START_TIME",
        "USER_ATTRIBUTE_NOTIFICATION_PREF",
        "USER_ATTRIBUTE_OLD_ID",
        "USER_ATTRIBUTE_UNIQUE_ID",
        "USER_ATTRIBUTE_USER_BDAY",
        "USER_ATTRIBUTE_USER_EMAIL",
        "USER_ATTRIBUTE_USER_FIRST_NAME",
        "USER_ATTRIBUTE_USER_GENDER",
        "USER_ATTRIBUTE_USER_LAST_NAME",
        "USER_ATTRIBUTE_USER_MOBILE",
        "USER_ATTRIBUTE_USER_NAME",
        "source",
        "status",
        "user_id",
    },
)
BLOCKED_USER_ATTRIBUTES: Final = frozenset({"id", "_id", ""})
ARRAY_OPERATIONS: Final = frozenset({"addValueToArrayField", "removeValueFromArrayField"})
PLATFORMS: Final = frozenset({"android", "ios", "web", "tv", "unknown"})

_PROHIBITED = re.compile(r"[$.<>+%!`&*#|{}?\"=/:\\@'\s]")
_EMOJI = re.compile(r"[\U0001F000-\U0001FAFF\u2600-\u27BF\u2B50\u2B55\uFE0F]")
_DATE = re.compile(r"\A\d{4}-\d\d-\d\d(?:T\d\d:\d\d:\d\d(?:\.\d{1,6})?Z)?\Z")
_LIKE_A_DATE = re.compile(r"\A\d{4}-\d\d-\d\d[T ]\d\d:\d\d")
_URL = re.compile(r"\Ahttps?://", re.IGNORECASE)


class Inspector:
    """Judges the elements of one workspace."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._types: dict[tuple[Kind, str], str] = {}
        self._judged: set[tuple[Kind, str]] = set()
        self._event_names: set[str] = set()
        self._user_attributes: set[str] = set()

    def inspect(self, element: Element, now: datetime, settings: RuleSettings) -> tuple[bool, ...]:
        """Note what is wrong with an element.

        Returns:
            For each of its actions (for a user or device: once) whether MoEngage would process it.
        """
        if not element.right_case:
            self._note("wrong-case-type", element, "the type is case-sensitive; it is ignored")
        usable = element.right_case and self._customer_is_usable(element)
        if element.kind is not Kind.EVENT:
            self._attributes(element, element.content["attributes"], settings)
            return (usable,)
        outcome = []
        for action in element.actions:
            self._event_name(element, action["action"])
            self._attributes(element, action.get("attributes", {}), settings)
            self._placement(element, action)
            outcome.append(usable and self._time_is_usable(element, action, now, settings))
        return tuple(outcome)

    def _note(self, kind: str, element: Element, detail: str) -> None:
        self._findings.note(kind, f"{element.kind.value} of {element.customer_id[:80]}: {detail}")

    def _customer_is_usable(self, element: Element) -> bool:
        customer_id = element.customer_id
        if len(customer_id) > 1 and customer_id.lower() not in FORBIDDEN_CUSTOMER_IDS:
            return True
        self._note("forbidden-customer-id", element, "is never taken as a customer")
        return False

    def _event_name(self, element: Element, name: str) -> None:
        if name in self._event_names:
            return
        if len(name) > NAME_CHARACTERS_MAX:
            self._note("long-name", element, f"event name {name[:40]!r}… is cut")
        if _PROHIBITED.search(name) or _EMOJI.search(name):
            self._note("prohibited-event-name", element, f"event name {name[:80]!r}")
            return
        if name.lower().startswith("moe"):
            self._note("reserved-prefix", element, f"event name {name[:80]!r}")
            return
        self._event_names.add(name)
        if len(self._event_names) > EVENT_NAMES_MAX:
            self._note("too-many-event-names", element, f"{name[:80]!r} is one too many")

    def _placement(self, element: Element, action: dict[str, Any]) -> None:
        platform = action.get("platform")
        if platform is not None and str(platform).lower() not in PLATFORMS:
            self._note("unknown-platform", element, f"platform {str(platform)[:40]!r}")
        offset = action.get("user_timezone_offset")
        if offset is not None and not (
            isinstance(offset, int | float) and abs(offset) <= OFFSET_SECONDS_MAX
        ):
            self._note("bad-time-zone-offset", element, f"user_timezone_offset {offset!r}")

    def _time_is_usable(
        self, element: Element, action: dict[str, Any], now: datetime, settings: RuleSettings
    ) -> bool:
        usable = True
        for name in ("current_time", "user_time"):
            written = action.get(name)
            if written is None:
                continue
            moment = read_time(written)
            if moment is None:
                self._note("unreadable-time", element, f"{name} {str(written)[:40]!r}")
            elif name == "current_time" and (
                moment.timestamp() > now.timestamp() + settings.future_seconds
            ):
                self._note("future-time", element, f"{name} {written} is after {now:%FT%TZ}")
                usable = False
        return usable

    def _attributes(
        self, element: Element, attributes: dict[str, Any], settings: RuleSettings
    ) -> None:
        if element.kind is Kind.EVENT and len(attributes) > EVENT_ATTRIBUTES_MAX:
            self._note("too-many-attributes", element, f"{len(attributes)}; the first 100 are kept")
        for name, value in attributes.items():
            if name in ARRAY_OPERATIONS or (name == "platforms" and element.kind is Kind.CUSTOMER):
                continue
            if (element.kind, name) not in self._judged:
                self._attribute_name(element, name)
            kind = self._value(element, name, value, settings)
            if kind is not None:
                self._pinned(element, name, kind)

    def _attribute_name(self, element: Element, name: str) -> None:
        good = True
        if len(name) > NAME_CHARACTERS_MAX:
            self._note("long-name", element, f"attribute {name[:40]!r}… is cut")
            good = False
        if name.lower().startswith("moe_"):
            self._note("reserved-prefix", element, f"attribute {name[:80]!r}")
            good = False
        if element.kind is Kind.CUSTOMER:
            if name in BLOCKED_USER_ATTRIBUTES or name in RESERVED_USER_ATTRIBUTES:
                self._note("reserved-user-attribute", element, f"attribute {name!r}")
                good = False
            self._user_attributes.add(name)
            if len(self._user_attributes) == USER_ATTRIBUTES_MAX + 1:
                self._note("too-many-user-attributes", element, f"{name[:80]!r} is one too many")
        if good and len(self._judged) < NAMES_REMEMBERED_MAX:
            self._judged.add((element.kind, name))

    def _value(self, element: Element, name: str, value: Any, settings: RuleSettings) -> str | None:
        """The type MoEngage would see; None when there is nothing to see."""
        match value:
            case bool():
                return "boolean"
            case int() | float():
                return "number"
            case str():
                return self._text(element, name, value)
            case None:
                self._note("null-value", element, f"attribute {name[:80]!r} is not ingested")
                return None
            case list():
                self._array(element, name, value)
                return "array"
            case _:
                if not settings.objects_allowed:
                    self._note("object-value", element, f"attribute {name[:80]!r} is an object")
                return "object"

    def _text(self, element: Element, name: str, value: str) -> str:
        if len(value) > VALUE_CHARACTERS_MAX:
            kind = "long-url" if _URL.match(value) else "long-value"
            self._note(kind, element, f"attribute {name[:80]!r} has {len(value)} characters")
        if _DATE.match(value):
            if read_time(value) is not None:
                return "datetime"
            self._note("datetime-becomes-text", element, f"{name[:80]!r}: no such day: {value}")
        elif _LIKE_A_DATE.match(value):
            self._note("datetime-becomes-text", element, f"{name[:80]!r}: {value[:40]} lacks Z")
        return "text"

    def _array(self, element: Element, name: str, values: list[Any]) -> None:
        if len(values) > ARRAY_ITEMS_MAX:
            self._note("long-array", element, f"attribute {name[:80]!r} has {len(values)} items")
        # Whole or not, a number is a number.
        if len({float if type(value) is int else type(value) for value in values}) > 1:
            self._note("mixed-array", element, f"attribute {name[:80]!r}")
        if any(isinstance(value, str) and len(value) > VALUE_CHARACTERS_MAX for value in values):
            self._note("long-value", element, f"an item of attribute {name[:80]!r}")

    def _pinned(self, element: Element, name: str, kind: str) -> None:
        if len(self._types) >= NAMES_REMEMBERED_MAX:
            return
        first = self._types.setdefault((element.kind, name), kind)
        if first != kind:
            self._note("changed-type", element, f"{name[:80]!r} was {first}, now {kind}")


def read_time(written: Any) -> datetime | None:
    """A time as the Data API takes it: ISO 8601 in UTC, or Unix time in seconds or milliseconds."""
    if isinstance(written, bool):
        return None
    if isinstance(written, str) and written.isdecimal() and len(written) <= 15:
        written = int(written)
    try:
        if isinstance(written, int | float):
            seconds = written / 1000 if written >= MILLISECONDS_FROM else written
            return datetime.fromtimestamp(seconds, UTC)
        if isinstance(written, str) and _DATE.match(written):
            moment = datetime.fromisoformat(written)
            return moment if moment.tzinfo is not None else moment.replace(tzinfo=UTC)
    except (ValueError, OverflowError, OSError):
        return None
    return None
