"""The values that MoEngage knows, and how a value becomes one of another type.

The one hard idea: a value has one of seven types, and a change of type is either exact or does not
happen. `"12.50"` becomes a number, `"twelve"` never does. What MoEngage would cut or drop without a
word is cut or dropped here, where it can be said.

Contract: docs/contracts/moengage.md, "Values".
"""

import re
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, tzinfo
from decimal import Decimal
from enum import StrEnum
from typing import Any, Final, NamedTuple

import msgspec

from sync.relay.documents import MASK
from sync.relay.instants import (
    is_day,
    looks_like_instant,
    read_instant,
    write_instant,
)

TEXT_CHARACTERS_MAX: Final = 512
ITEMS_MAX: Final = 50
WHOLE_MAX: Final = 2**63 - 1
DIGITS_MAX: Final = 25
"""Of a fraction, before and after the point together, written without exponent."""


class ValueType(StrEnum):
    """A type of values at MoEngage."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "boolean"
    DATETIME = "datetime"
    TEXTS = "texts"
    NUMBERS = "numbers"
    BOOLEANS = "booleans"


LISTS: Final = {
    ValueType.TEXT: ValueType.TEXTS,
    ValueType.DATETIME: ValueType.TEXTS,
    ValueType.NUMBER: ValueType.NUMBERS,
    ValueType.BOOLEAN: ValueType.BOOLEANS,
}


class Value(NamedTuple):
    """A value as it is sent.

    Attributes:
        json: What `msgspec` writes: numbers are there as their digits.
    """

    type: ValueType
    json: Any


class Dropped(NamedTuple):
    """A value that is not sent, and why, for whoever previews a mapping."""

    reason: str


_ADDRESS = re.compile(r"[a-z][a-z0-9+.-]{1,20}://", re.IGNORECASE)
_NUMBER = re.compile(r"-?(?:0|[1-9]\d*)(?:\.\d+)?", re.ASCII)


def value_of(raw: Any, zone: tzinfo = UTC) -> Value | Dropped | None:
    """A value of a document as MoEngage takes it.

    Args:
        raw: A text, number, boolean, null, or list of such.
        zone: In which a time without offset is meant.

    Returns:
        `None` for null, an empty text or an empty list, which MoEngage does not take.
    """
    if isinstance(raw, bool):
        return Value(ValueType.BOOLEAN, raw)
    if isinstance(raw, int | Decimal):
        return _number(raw)
    if isinstance(raw, str):
        return _text(raw, zone)
    if isinstance(raw, list):
        return _list([value_of(one, zone) for one in raw])
    return None


def _number(raw: int | Decimal) -> Value:
    written = plain(raw)
    if written is None:
        return Value(ValueType.TEXT, str(raw)[:TEXT_CHARACTERS_MAX])
    return Value(ValueType.NUMBER, msgspec.Raw(written.encode()))


def plain(number: int | Decimal) -> str | None:
    """A number in digits, as JSON writes it; `None` for one that no receiver could hold."""
    if isinstance(number, int):
        return str(number) if abs(number) <= WHOLE_MAX else None
    if not number.is_finite() or abs(number.adjusted()) > DIGITS_MAX:
        return None
    written = format(number, "f")
    if sum(one.isdigit() for one in written) > DIGITS_MAX or abs(number) > WHOLE_MAX:
        return None
    return "0" if not number else written


def _text(raw: str, zone: tzinfo) -> Value | Dropped | None:
    text = raw.replace("\x00", "").strip()
    if not text:
        return None
    if text == MASK:
        return Dropped("is masked")
    if is_day(text):
        return Value(ValueType.DATETIME, text)
    if looks_like_instant(text):
        moment = read_instant(text, zone)
        if moment is not None:
            return Value(ValueType.DATETIME, write_instant(moment))
        # It would be taken for a mistaken time.
        text = f"text: {text}"
    if len(text) > TEXT_CHARACTERS_MAX and _ADDRESS.match(text):
        return Dropped(f"is an address of more than {TEXT_CHARACTERS_MAX} characters")
    return Value(ValueType.TEXT, text[:TEXT_CHARACTERS_MAX])


def _list(items: Sequence[Value | Dropped | None]) -> Value | Dropped | None:
    """A list all of one type; where items differ, all become texts."""
    values = [one for one in items if isinstance(one, Value) and one.type in LISTS][:ITEMS_MAX]
    if not values:
        return next((one for one in items if isinstance(one, Dropped)), None)
    types = {LISTS[one.type] for one in values}
    if len(types) == 1:
        return Value(types.pop(), [one.json for one in values])
    return Value(ValueType.TEXTS, [_as_text(one) for one in values])


def _as_text(value: Value) -> str:
    if value.type is ValueType.BOOLEAN:
        return _word_of(is_so=value.json)
    if value.type is ValueType.NUMBER:
        return bytes(value.json).decode()
    return str(value.json)


def _word_of(*, is_so: bool) -> str:
    return "true" if is_so else "false"


def cast(value: Value, wanted: ValueType) -> Value | None:
    """The value as one of another type; `None` where that can't be done exactly."""
    if value.type is wanted:
        return value
    if LISTS.get(value.type) is wanted:
        return Value(wanted, [value.json])
    convert = _CASTS.get((value.type, wanted))
    return None if convert is None else convert(value.json)


def _boolean_of_text(text: str) -> Value | None:
    return Value(ValueType.BOOLEAN, text == "true") if text in {"true", "false"} else None


def _number_of_text(text: str) -> Value | None:
    if not _NUMBER.fullmatch(text):
        return None
    written = plain(Decimal(text))
    return None if written is None else Value(ValueType.NUMBER, msgspec.Raw(written.encode()))


_CASTS: Final[dict[tuple[ValueType, ValueType], Callable[[Any], Value | None]]] = {
    (ValueType.NUMBER, ValueType.TEXT): lambda one: Value(ValueType.TEXT, bytes(one).decode()),
    (ValueType.BOOLEAN, ValueType.TEXT): lambda one: Value(ValueType.TEXT, _word_of(is_so=one)),
    (ValueType.TEXT, ValueType.NUMBER): _number_of_text,
    (ValueType.TEXT, ValueType.BOOLEAN): _boolean_of_text,
    (ValueType.NUMBERS, ValueType.TEXTS): lambda many: Value(
        ValueType.TEXTS, [bytes(one).decode() for one in many]
    ),
    (ValueType.BOOLEANS, ValueType.TEXTS): lambda many: Value(
        ValueType.TEXTS, [_word_of(is_so=one) for one in many]
    ),
}
"""The exact changes from one type to another."""


def forced(raw: Any, wanted: ValueType, zone: tzinfo = UTC) -> Value | Dropped | None:
    """A value of a document as the type that somebody says it has; else as what it is.

    Beyond `cast`, an epoch in a `datetime` attribute becomes a time, and a fraction that is a whole
    number loses its zeros: `"100.000000"` is 100.
    """
    if wanted is ValueType.DATETIME and not isinstance(raw, list):
        moment = read_instant(raw, zone)
        if isinstance(moment, datetime) and not (isinstance(raw, str) and is_day(raw.strip())):
            return Value(wanted, write_instant(moment))
    found = value_of(raw, zone)
    if not isinstance(found, Value):
        return found
    exact = cast(found, wanted)
    if exact is not None and wanted is ValueType.NUMBER and isinstance(raw, str):
        number = Decimal(raw.strip())
        if number == number.to_integral_value():
            return _number(int(number))
    return exact or found
