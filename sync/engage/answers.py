"""Reading Engage's answers, whose form the documentation leaves open in many places.

The one hard idea: be generous in reading and exact in numbers. An id is accepted in every form
that could carry one, names are compared without case, unknown fields are no error; a balance is
read from its digits, never through a binary fraction. What can't be read is `None`, for the caller
to treat as not known.

Contract: docs/contracts/engage.md, "Balances", "Status" and "Reading accounts".
"""

import re
from collections.abc import Iterator, Mapping
from datetime import datetime
from decimal import Decimal, InvalidOperation
from typing import Any, Final
from urllib.parse import unquote, urlsplit

import msgspec

ID_NAMES: Final = ("id", "transactionid", "batchid", "requestid", "operationid", "messageid")
"""Fields that may carry a request's id, likeliest first; lower case."""

MESSAGES_MAX: Final = 2000
MESSAGE_LENGTH_MAX: Final = 500
STATUS_LENGTH_MAX: Final = 200

# An id has a digit somewhere; "Accepted", "true" and "null" have not.
_ID: Final = re.compile(r"(?=[^0-9]*[0-9])[A-Za-z0-9][A-Za-z0-9._:-]{0,199}\Z")
_GUID: Final = re.compile(
    r"(?<![0-9a-f])[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}(?![0-9a-f])",
    re.IGNORECASE,
)
_RAW: Final = msgspec.json.Decoder(msgspec.Raw)
_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_ITEMS: Final = msgspec.json.Decoder(list[msgspec.Raw])
_SCALAR: Final = msgspec.json.Decoder(str | int | float | None)

_UNREADABLE = (msgspec.DecodeError, UnicodeDecodeError, RecursionError)


class Message(msgspec.Struct, frozen=True):
    """Something Engage says about a request."""

    message: str
    at: datetime | None = None


class Status(msgspec.Struct, frozen=True):
    """How far Engage says a request has come, in its own words."""

    status: str
    messages: tuple[Message, ...] = ()


def request_id(body: bytes, location: str | None) -> str | None:
    """The id by which to ask for a request's status: from the answer's body, else its location."""
    text = body.strip()
    found = None
    if text.startswith(b"{"):
        fields = _lower_case(text)
        found = next((_word(fields[name]) for name in ID_NAMES if name in fields), None)
    elif text:
        found = _word(msgspec.Raw(text)) or text.decode(errors="replace")
    if found is not None and _ID.match(found):
        return found
    if location is not None:
        last = unquote(urlsplit(location).path.rstrip("/").rpartition("/")[2])
        if _ID.match(last):
            return last
    return None


def read_status(body: bytes) -> Status | None:
    """A request's status; `None` if the answer doesn't say one."""
    fields = _lower_case(body)
    status = _word(fields.get("status"))
    if status is None:
        return None
    return Status(status.strip()[:STATUS_LENGTH_MAX], tuple(_messages(fields.get("messages"))))


def read_balances(body: bytes) -> dict[int | None, Decimal] | None:
    """A contact's balances by Engage's `definitionId`; `None` if the answer can't be read.

    A bare array, or an object with `items`. An account that doesn't name its definition is under
    `None`.
    """
    text = body.strip()
    if text.startswith(b"{"):
        listed = _lower_case(text).get("items")
        if listed is None:
            return None
        text = bytes(listed)
    try:
        items = _ITEMS.decode(text)
    except _UNREADABLE:
        return None
    balances: dict[int | None, Decimal] = {}
    for item in items:
        fields = _lower_case(item)
        balance = _decimal(fields.get("balance"))
        if balance is None:
            return None
        named = _word(fields.get("definitionid") or fields.get("pointdefinitionid"))
        definition = int(named) if named is not None and named.isdecimal() else None
        known = balances.get(definition)
        balances[definition] = balance if known is None else known + balance
    return balances


def error_message(body: bytes) -> str:
    """What an error answer says, on one line and not too long, whatever its form."""
    fields = _lower_case(body)
    for name in ("message", "detail", "title", "errormessage", "error", "code"):
        text = _word(fields.get(name))
        if text:
            break
    else:
        text = body.decode(errors="replace")
    return " ".join(text.split())[:MESSAGE_LENGTH_MAX]


def named_guids(text: str) -> set[str]:
    """The GUIDs a text mentions, in lower case."""
    return {found.group().lower() for found in _GUID.finditer(text)}


def _messages(value: msgspec.Raw | None) -> Iterator[Message]:
    if value is None:
        return
    try:
        items = _ITEMS.decode(value)
    except _UNREADABLE:
        return
    for item in items[:MESSAGES_MAX]:
        fields = _lower_case(item)
        text = _word(fields.get("message")) if fields else _word(item)
        if text:
            yield Message(text[:MESSAGE_LENGTH_MAX], _instant(fields.get("timestamp")))


def _lower_case(text: bytes | msgspec.Raw) -> Mapping[str, msgspec.Raw]:
    """An object's fields by lower-case name; none if it is no object."""
    try:
        decoded = _FIELDS.decode(text)
    except _UNREADABLE:
        return {}
    return {name.lower(): value for name, value in decoded.items()}


def _word(value: msgspec.Raw | None) -> str | None:
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


def _decimal(value: msgspec.Raw | None) -> Decimal | None:
    if value is None:
        return None
    try:
        number = Decimal(bytes(_RAW.decode(value)).decode())
    except (*_UNREADABLE, InvalidOperation):
        return None
    return number if number.is_finite() else None


def _instant(value: msgspec.Raw | None) -> datetime | None:
    if value is None:
        return None
    try:
        at = msgspec.json.decode(value, type=datetime)
    except _UNREADABLE:
        return None
    return at if at.tzinfo is not None else None
