"""Reading what Engage's webhooks carry: the envelope, and the adjustment inside.

The one hard idea: two generations of the documentation write the same fields in different case, and
one names the id differently; so names are compared without case, all but three fields of an
adjustment are optional, and unknown ones are no error. Amounts are kept as the text they were
written as. Nothing is decrypted or booked here.

Contract: docs/contracts/engage.md, "Webhook: envelope and payload".
"""

import json
import re
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final
from uuid import UUID

import msgspec

from ledger.identity import ContactId

ADJUSTMENT_EVENT: Final = "loyalty.addPoints"
"""The only event that is booked."""

BALANCE_EVENT: Final = "point.balance.updated"
"""The event that says what Engage shows: evidence, and never booked."""

TEXT_LENGTH_MAX: Final = 500
DEFINITION_MAX: Final = 2**31 - 1

_FIELDS: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])
_TEXT: Final = msgspec.json.Decoder(str)
_GUID: Final = re.compile(
    r"\{?[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}\}?\Z", re.IGNORECASE
)
_NUMBER: Final = re.compile(r"-?[0-9][0-9.eE+-]{0,60}\Z")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")
_WHOLE: Final = re.compile(r"[0-9]{1,10}\Z")


class UnreadableError(Exception):
    """A message that isn't what the contract says; `reason` is a stable word, the text explains."""

    def __init__(self, reason: str, message: str) -> None:
        super().__init__(message)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Envelope:
    """The outside of a message.

    Attributes:
        id: Engage's own id of the event, `id` or `eventId`; `None` where there is none.
        tenant: As Engage calls it; `None` where it isn't said.
        ciphertext: The payload where it is encrypted: a text.
        plain: The payload where it isn't: a JSON object's bytes. Some events have neither.
    """

    event_type: str
    id: str | None
    tenant: str | None
    ciphertext: str | None
    plain: bytes | None


@dataclass(frozen=True, slots=True)
class Adjustment:
    """Points that somebody or something in Engage wants given or taken.

    Attributes:
        amount: As written, trailing zeros of its decimals removed; may be negative.
        source: `Manual`, `Automation`, or whatever else Engage says.
        actor: Who did it, where it was a person: a name, or else an id.
        reference: Which automation's run, or what else Engage refers to.
    """

    contact: ContactId
    definition: int
    amount: str
    source: str | None
    description: str | None
    actor: str | None
    reference: str | None


@dataclass(frozen=True, slots=True)
class ShownBalance:
    """What Engage says it shows of an account, by itself.

    Attributes:
        definition: Engage's `definitionId`.
        balance: Active points.
    """

    contact: ContactId
    definition: int
    balance: Decimal


def read_envelope(body: bytes) -> Envelope:
    """Read the outside of a message.

    Raises:
        UnreadableError: no JSON object, or no event type.
    """
    fields = _fields(body, "envelope_unreadable", "the message")
    event_type = _text(fields.get("eventtype"))
    if not event_type:
        raise UnreadableError("envelope_unreadable", "the message has no eventType")
    payload = bytes(fields.get("payload", b""))
    ciphertext, plain = None, None
    if payload.startswith(b"{"):
        plain = payload
    elif payload.startswith(b'"'):
        text = _text(msgspec.Raw(payload), length_max=None) or ""
        # Base64 has no brace, so a text that begins with one is an object written as text.
        if text.lstrip().startswith("{"):
            plain = text.encode()
        else:
            ciphertext = text
    return Envelope(
        event_type,
        _identifier(_text(fields.get("id")) or _text(fields.get("eventid"))),
        _text(fields.get("tenant")),
        ciphertext,
        plain,
    )


def read_adjustment(plain: bytes) -> Adjustment:
    """Read the payload of an adjustment.

    Raises:
        UnreadableError: a contact, an amount or a point definition is missing or malformed.
    """
    fields = _fields(plain, "payload_unreadable", "the payload")
    return Adjustment(
        contact=_contact(fields.get("contactid")),
        definition=_definition(fields.get("pointdefinitionid") or fields.get("definitionid")),
        amount=_amount(fields.get("amount")),
        source=_text(fields.get("source")),
        description=_text(fields.get("description")) or _text(fields.get("reason")),
        actor=_text(fields.get("username")) or _text(fields.get("userid")),
        reference=_text(fields.get("processid"))
        or _text(fields.get("sourceid"))
        or _text(fields.get("workflowid")),
    )


def read_shown_balance(plain: bytes | None) -> ShownBalance | None:
    """Read the payload of `point.balance.updated`; `None` if it doesn't say whose or how much."""
    try:
        fields = _fields(plain or b"", "", "")
        return ShownBalance(
            _contact(fields.get("contactid")),
            _definition(fields.get("definitionid") or fields.get("pointdefinitionid")),
            Decimal(_amount(fields.get("balance"))),
        )
    except (UnreadableError, InvalidOperation):
        return None


def _fields(text: bytes, reason: str, what: str) -> dict[str, msgspec.Raw]:
    """An object's fields by lower-case name, `null` ones left out."""
    try:
        text.decode()
    except UnicodeDecodeError:
        raise UnreadableError(reason, f"{what} is no text in UTF-8") from None
    try:
        decoded = _FIELDS.decode(text)
        # The decoder keeps the last of two fields with one name; which was meant, nobody can tell.
        names = json.loads(text, object_pairs_hook=list, parse_int=str, parse_float=str)
    except (ValueError, RecursionError):
        raise UnreadableError(reason, f"{what} is no JSON object") from None
    if len(names) > len(decoded):
        raise UnreadableError(reason, f"{what} has a field twice")
    fields: dict[str, msgspec.Raw] = {}
    for name, value in decoded.items():
        if bytes(value) == b"null":
            continue
        if name.lower() in fields:
            raise UnreadableError(reason, f"{what} has the field {name.lower()[:50]} twice")
        fields[name.lower()] = value
    return fields


def _text(value: msgspec.Raw | None, *, length_max: int | None = TEXT_LENGTH_MAX) -> str | None:
    """A field's text; a number's digits; nothing for anything else, or for an empty text."""
    if value is None:
        return None
    written = bytes(value)
    if _NUMBER.match(written.decode(errors="replace")):
        return written.decode()
    try:
        text = _TEXT.decode(written)
    except (msgspec.DecodeError, UnicodeDecodeError):
        return None
    if length_max is not None:
        # PostgreSQL's text can't hold the null character; terminals would obey the others.
        text = _CONTROL.sub(" ", text.replace("\x00", "")).strip()
    return text[:length_max] or None


def read_contact(plain: bytes | None) -> ContactId | None:
    """Whom the payload of any event is about, where it says so by `contactId`."""
    try:
        return _contact(_fields(plain or b"", "", "").get("contactid"))
    except UnreadableError:
        return None


def _identifier(text: str | None) -> str | None:
    """An id to compare: GUIDs are the same in either case, other ids perhaps not."""
    return text.lower() if text is not None and _GUID.match(text) else text


def _contact(value: msgspec.Raw | None) -> ContactId:
    text = _text(value)
    if text is None or _GUID.match(text) is None:
        raise UnreadableError("contact_unreadable", "contactId must be a GUID")
    contact = UUID(text)
    if not contact.int:
        raise UnreadableError("contact_unreadable", "contactId is all zeros and names nobody")
    return ContactId(contact)


def _definition(value: msgspec.Raw | None) -> int:
    text = _text(value)
    if text is None or _WHOLE.match(text) is None or int(text) > DEFINITION_MAX:
        raise UnreadableError("definition_unreadable", "pointDefinitionId must be a whole number")
    return int(text)


def _amount(value: msgspec.Raw | None) -> str:
    text = _text(value)
    if text is None or _NUMBER.match(text) is None:
        raise UnreadableError("amount_unreadable", "amount must be a number")
    if "." in text and "e" not in text.lower():
        text = text.rstrip("0").removesuffix(".")
    return text
