"""Reading JSON whose exact form nobody promises: names in any case, values as they were written.

The one hard idea: what can't be read is `None`, for the caller to treat as not known; nothing here
raises. Numbers are kept as their digits, never through a binary fraction.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final

import msgspec

_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_SCALAR: Final = msgspec.json.Decoder(str | int | float | None)

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


def fields_of(text: bytes | msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    """An object's fields by lower-case name; none if it is no object."""
    try:
        decoded = _FIELDS.decode(text)
    except _UNREADABLE:
        return {}
    return {name.lower(): value for name, value in decoded.items()}


def items_of(value: bytes | msgspec.Raw | None) -> list[msgspec.Raw] | None:
    """An array's items; `None` if it is no array."""
    if value is None:
        return None
    try:
        return _ITEMS.decode(value)
    except _UNREADABLE:
        return None


def word_of(value: msgspec.Raw | None) -> str | None:
    """A text, or a whole number's digits."""
    if value is None:
        return None
    try:
        scalar: Any = _SCALAR.decode(value)
    except _UNREADABLE:
        return None
    if isinstance(scalar, bool) or not isinstance(scalar, str | int):
        return None
    return str(scalar)


def decimal_of(value: msgspec.Raw | None) -> Decimal | None:
    """A finite number, exactly."""
    if value is None:
        return None
    try:
        number = Decimal(bytes(_RAW.decode(value)).decode())
    except (*_UNREADABLE, InvalidOperation):
        return None
    return number if number.is_finite() else None


def instant_of(value: msgspec.Raw | None) -> datetime | None:
    """An instant; one without a time zone is taken as UTC, as all of Engage's are."""
    if value is None:
        return None
    try:
        at = msgspec.json.decode(value, type=datetime)
    except _UNREADABLE:
        return None
    return at if at.tzinfo is not None else at.replace(tzinfo=UTC)
