"""Reading Engage's answers, whose form the documentation leaves open in many places.

The one hard idea: be generous in reading and exact in numbers. An id is accepted in every form
that could carry one, names are compared without case, unknown fields are no error; a balance is
read from its digits, never through a binary fraction. What can't be read is `None`, for the caller
to treat as not known.

Contract: docs/contracts/engage.md, "Balances", "Status" and "Reading accounts".
"""

import re
from collections.abc import Iterator
from datetime import datetime
from decimal import Decimal
from typing import Final, NamedTuple
from urllib.parse import unquote, urlsplit

import msgspec

from sync.engage.lenient import decimal_of, fields_of, instant_of, items_of, word_of

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
        fields = fields_of(text)
        found = next((word_of(fields[name]) for name in ID_NAMES if name in fields), None)
    elif text:
        found = word_of(msgspec.Raw(text)) or text.decode(errors="replace")
    if found is not None and _ID.match(found):
        return found
    if location is not None:
        last = unquote(urlsplit(location).path.rstrip("/").rpartition("/")[2])
        if _ID.match(last):
            return last
    return None


def read_status(body: bytes) -> Status | None:
    """A request's status; `None` if the answer doesn't say one."""
    fields = fields_of(body)
    status = word_of(fields.get("status"))
    if status is None:
        return None
    return Status(status.strip()[:STATUS_LENGTH_MAX], tuple(_messages(fields.get("messages"))))


class Standing(NamedTuple):
    """What Engage has of a contact's points of one definition.

    Attributes:
        balance: Active points.
        pending: Points that become active later; `None` where the answer doesn't say.
    """

    balance: Decimal
    pending: Decimal | None


def read_accounts(body: bytes) -> dict[int | None, Standing] | None:
    """A contact's accounts by Engage's `definitionId`; `None` if the answer can't be read.

    A bare array, or an object with `items`. An account that doesn't name its definition is under
    `None`.
    """
    text: bytes | msgspec.Raw | None = body.strip()
    if body.strip().startswith(b"{"):
        text = fields_of(body).get("items")
    items = items_of(text)
    if items is None:
        return None
    accounts: dict[int | None, Standing] = {}
    for item in items:
        fields = fields_of(item)
        balance = decimal_of(fields.get("balance"))
        if balance is None:
            return None
        named = word_of(fields.get("definitionid") or fields.get("pointdefinitionid"))
        definition = int(named) if named is not None and named.isdecimal() else None
        known = accounts.get(definition)
        found = Standing(balance, decimal_of(fields.get("pendingpoints")))
        accounts[definition] = found if known is None else _together(known, found)
    return accounts


def standing_in(body: bytes, definition: int) -> Standing | None:
    """What Engage has of one definition: nothing where there is no account; `None` if not said."""
    accounts = read_accounts(body)
    if accounts is None:
        return None
    nothing = Standing(Decimal(), Decimal())
    if definition in accounts:
        return accounts[definition]
    # Accounts that don't say what they are of: one alone must be the one.
    return accounts.get(None, nothing) if len(accounts) <= 1 else nothing


def error_message(body: bytes) -> str:
    """What an error answer says, on one line and not too long, whatever its form."""
    fields = fields_of(body)
    for name in ("message", "detail", "title", "errormessage", "error", "code"):
        text = word_of(fields.get(name))
        if text:
            break
    else:
        text = body.decode(errors="replace")
    return " ".join(text.split())[:MESSAGE_LENGTH_MAX]


def named_guids(text: str) -> set[str]:
    """The GUIDs a text mentions, in lower case."""
    return {found.group().lower() for found in _GUID.finditer(text)}


def _together(one: Standing, other: Standing) -> Standing:
    pending = None if one.pending is None or other.pending is None else one.pending + other.pending
    return Standing(one.balance + other.balance, pending)


def _messages(value: msgspec.Raw | None) -> Iterator[Message]:
    for item in (items_of(value) or [])[:MESSAGES_MAX]:
        fields = fields_of(item)
        text = word_of(fields.get("message")) if fields else word_of(item)
        if text:
            yield Message(text[:MESSAGE_LENGTH_MAX], instant_of(fields.get("timestamp")))
