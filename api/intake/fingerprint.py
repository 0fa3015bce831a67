"""The fingerprint of a request: 16 bytes that stand for its content as it was sent.

The one hard idea: it is taken of what the caller said and not of what that came to mean, so a
repeat is known as one even after a policy changed; and of the meaning of each value and not of its
spelling, so `12.50` and `12.5`, `+01:00` and `Z`, upper and lower case GUIDs are the same.

Fingerprints are kept for ever. What enters one may grow by fields that did not exist before, and
never change otherwise: a test holds examples of it.
"""

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime
from functools import cache
from typing import Any, Final
from uuid import UUID

import msgspec

from api.documents.requests import AdjustRequest, TransactionRequest

FORM: Final = b"pointmaster transaction 1\n"
"""Which form of canonical content the fingerprint is of."""

_encode = msgspec.json.Encoder().encode

Said = list[tuple[str, str | int | bool | None]]
"""What a request says: names in a fixed order with canonical values; unsaid fields left out."""


def said(document: TransactionRequest) -> Said:
    """What a request says."""
    found: Said = [("kind", str(type(document).__struct_config__.tag))]
    for encoded, value in _given(document):
        kind = type(value)
        if kind in _AS_IT_IS:
            found.append((encoded, value))  # type: ignore[arg-type]  # it is of one of these types
        elif kind in _CANONICAL:
            found.append((encoded, _CANONICAL[kind](value)))
        elif isinstance(value, msgspec.Struct):
            found.append((encoded, None))
            found += [(f"{encoded}.{inner}", _canonical(one)) for inner, one in _given(value)]
        else:
            raise TypeError(f"no canonical form for {kind.__name__}")
    return found


def _given(document: msgspec.Struct) -> list[tuple[str, object]]:
    """What a document gives, as JSON calls it, in the fixed order of a fingerprint."""
    values = msgspec.structs.astuple(document)
    return [
        (encoded, values[place])
        for encoded, place in _places_of(type(document))
        if values[place] is not msgspec.UNSET
    ]


@cache
def _places_of(struct: type[msgspec.Struct]) -> tuple[tuple[str, int], ...]:
    """A struct's fields as JSON calls them, with where each stands among its values."""
    fields = msgspec.structs.fields(struct)
    return tuple(sorted((one.encode_name, place) for place, one in enumerate(fields)))


def fingerprint(content: Said) -> bytes:
    """The 16 bytes that stand for it."""
    return hashlib.sha256(FORM + _encode(content)).digest()[:16]


def _canonical(value: object) -> str | int | bool | None:
    kind = type(value)
    if kind in _AS_IT_IS:
        return value  # type: ignore[return-value]  # it is of one of these types
    form = _CANONICAL.get(kind)
    if form is None:
        raise TypeError(f"no canonical form for {kind.__name__}")
    return form(value)


def canonical_amount(written: str) -> str:
    """A plain number without superfluous decimals."""
    return written.rstrip("0").rstrip(".") if "." in written else written


_AS_IT_IS: Final = frozenset({str, int, bool, type(None)})

_CANONICAL: Final[dict[type, Callable[[Any], str]]] = {
    msgspec.Raw: lambda amount: canonical_amount(bytes(amount).decode()),
    datetime: lambda moment: moment.astimezone(UTC).isoformat(),
    UUID: str,
}


def is_signed(document: TransactionRequest) -> bool:
    """Whether the kind's amount may be below zero."""
    return isinstance(document, AdjustRequest)
