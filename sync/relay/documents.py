"""Reading what a vendor sent as JSON, whatever state it is in, and hiding what must not be kept.

The one hard idea: numbers stay what they were. Fractions become decimals, never floats, and whole
numbers of any size stay whole. A second, slower reader takes what the first is too strict for (half
a character, a byte order mark, a line break inside a text), because a sender that gets no 2xx may
never try again.

It knows no vendor; which names are hidden is told.
"""

import json
from collections.abc import Collection
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from uuid import UUID

import msgspec

from sync.relay.hashing import digest_of

MASK: Final = "(masked)"
"""Stands where a value was that must not be kept; never forwarded."""

BYTE_ORDER_MARK: Final = b"\xef\xbb\xbf"

DEPTH_MAX: Final = 200
"""Objects and lists within each other; more than any vendor sends, and few enough for whatever goes
through a document step by step."""

_decoder = msgspec.json.Decoder(float_hook=Decimal)
_canonical = msgspec.json.Encoder(decimal_format="number", order="deterministic")
_encoder = msgspec.json.Encoder(decimal_format="number")


class UnreadableError(ValueError):
    """A body that is no JSON; the message says where reading ended and quotes nothing."""


def read_document(body: bytes) -> Any:
    """The document of a body.

    Raises:
        UnreadableError: it is no JSON in UTF-8, or too deeply nested.
    """
    try:
        document = _decoder.decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, InvalidOperation):
        document = _read_leniently(body)
    except RecursionError:
        raise UnreadableError("is nested too deeply") from None
    # Nearly every body begins so few objects and lists that they can't be too deep.
    if body.count(b"{") + body.count(b"[") > DEPTH_MAX and _is_deep(document):
        raise UnreadableError("is nested too deeply")
    return document


def _is_deep(document: Any) -> bool:
    """Whether a document has more than `DEPTH_MAX` objects and lists within each other."""
    level = [document]
    for _ in range(DEPTH_MAX + 1):
        level = [
            inner
            for one in level
            if isinstance(one, dict | list)
            for inner in (one.values() if isinstance(one, dict) else one)
            if isinstance(inner, dict | list)
        ]
        if not level:
            return False
    return True


def _read_leniently(body: bytes) -> Any:
    try:
        text = body.removeprefix(BYTE_ORDER_MARK).decode()
        document = json.loads(text, parse_float=_fraction, parse_constant=_nothing, strict=False)
        return _with_whole_characters(document)
    except json.JSONDecodeError as problem:
        raise UnreadableError(f"is no JSON from character {problem.pos} on") from None
    except UnicodeDecodeError as problem:
        raise UnreadableError(f"is no UTF-8 from byte {problem.start} on") from None
    except ValueError:
        raise UnreadableError("has a number with thousands of digits") from None
    except RecursionError:
        raise UnreadableError("is nested too deeply") from None


def _fraction(written: str) -> Decimal | None:
    """A fraction; nothing where its exponent is past what anybody reckons with."""
    try:
        return Decimal(written)
    except InvalidOperation:
        return None


def _nothing(_word: str) -> None:
    """NaN and the infinities, which are no JSON and no value to anyone."""
    return


def _with_whole_characters(document: Any) -> Any:
    """The document with halves of characters replaced: no UTF-8 can hold one."""
    if isinstance(document, str):
        return document.encode("utf-16", "surrogatepass").decode("utf-16", "replace")
    if isinstance(document, list):
        return [_with_whole_characters(one) for one in document]
    if isinstance(document, dict):
        return {
            _with_whole_characters(name): _with_whole_characters(value)
            for name, value in document.items()
        }
    return document


def write_document(document: Any) -> bytes:
    """A document as JSON, its numbers as they were read."""
    return _encoder.encode(document)


def hash_of(document: Any) -> UUID:
    """A number for a document: the same for the same content, however it was spaced or ordered."""
    return digest_of(_canonical.encode(document))


def masked(document: Any, denied: Collection[str]) -> Any:
    """The document with the values of these names hidden, at any depth.

    What stands below a name is hidden if it is a value or a list of values; inside an object the
    search goes on. Names are compared without regard to case, `denied` is in lower case. A document
    with none of them is answered itself, not as a copy.
    """
    if isinstance(document, dict):
        return _masked_object(document, denied)
    if isinstance(document, list):
        changed = [masked(one, denied) for one in document]
        is_same = all(new is old for new, old in zip(changed, document, strict=True))
        return document if is_same else changed
    return document


def _masked_object(document: dict[str, Any], denied: Collection[str]) -> dict[str, Any]:
    changed: dict[str, Any] | None = None
    for name, value in document.items():
        if name.lower() in denied and _is_plain(value):
            new: Any = MASK
        else:
            new = masked(value, denied)
        if new is not value:
            if changed is None:
                changed = dict(document)
            changed[name] = new
    return document if changed is None else changed


def _is_plain(value: Any) -> bool:
    """Whether it is a value, or a list of nothing but values; null and empty lists hide nothing."""
    if isinstance(value, list):
        return bool(value) and not any(isinstance(one, dict | list) for one in value)
    return value is not None and not isinstance(value, dict)


def mentions(body: bytes, denied: Collection[str]) -> bool:
    """Whether an unreadable body has any of these names in it, and so can't be kept as it is."""
    lower = body.lower()
    return any(name.encode() in lower for name in denied)
