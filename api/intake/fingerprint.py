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
from typing import Any, Final
from uuid import UUID

import msgspec

from api.documents.requests import AdjustRequest, TransactionRequest

FORM: Final = b"pointmaster transaction 1\n"
"""Which form of canonical content the fingerprint is of."""

_encode = msgspec.json.Encoder().encode

Said = list[tuple[str, str | int | bool | None]]
"""What a request says: names in a fixed order with canonical values; unsaid fields left out."""

_NAMES: Final[dict[type, tuple[tuple[str, str], ...]]] = {}


def said(document: TransactionRequest) -> Said:
    """What a request says."""
    kind = type(document)
    found: Said = [("kind", str(kind.__struct_config__.tag))]
    for encoded, name in _names_of(kind):
        value = getattr(document, name)
        if value is msgspec.UNSET:
            continue
        if isinstance(value, msgspec.Struct):
            found.append((encoded, None))
            found += [
                (f"{encoded}.{inner}", _canonical(given))
                for inner, inner_name in _names_of(type(value))
                if (given := getattr(value, inner_name)) is not msgspec.UNSET
            ]
        else:
            found.append((encoded, _canonical(value)))
    return found


def _names_of(struct: type[msgspec.Struct]) -> tuple[tuple[str, str], ...]:
    """A struct's fields as JSON and as Python call them, in the fixed order of a fingerprint."""
    names = _NAMES.get(struct)
    if names is None:
        fields = msgspec.structs.fields(struct)
        names = _NAMES[struct] = tuple(sorted((one.encode_name, one.name) for one in fields))
    return names


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
