"""The way in: bytes to a document that is known to be sound, or a problem that names every mistake.

The one hard idea: msgspec decodes straight into the structs and is believed where it succeeds; the
few rules it can't check (control characters, ranges of times, plain amounts, names given twice)
are checked here. Whatever fails is read a second time, slowly, by `explaining`.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from api.documents.requests import (
    NIL,
    ActivateRequest,
    BatchRequest,
    CancelRequest,
    CaptureRequest,
    ExtendRequest,
    MoveRequest,
    ReleaseRequest,
    ReturnRequest,
    ReversesDocument,
    TransactionRequest,
)
from api.intake import exact
from api.intake.checks import CONTROL_CHARACTER, amount_finding, in_range
from api.intake.explaining import explain, explain_batch
from api.intake.fingerprint import Said, fingerprint, is_signed, said
from api.problems.catalogue import BODY_TOO_LARGE, JSON_INVALID, REQUEST_INVALID
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid
from ledger.posting import BATCH_MAX

_decode = msgspec.json.Decoder(TransactionRequest).decode
_decode_batch = msgspec.json.Decoder(BatchRequest).decode

# Every string of a JSON text, and whether it is a name: then a colon follows.
_STRINGS: Final = re.compile(rb'"[^"\\]*(?:\\.[^"\\]*)*"\s*(:?)')

_FAILURES: Final = (msgspec.MsgspecError, UnicodeError, RecursionError)


@dataclass(frozen=True, slots=True)
class Read:
    """A sound transaction as it was sent, and the fingerprint of what it says."""

    document: TransactionRequest
    fingerprint: bytes


@dataclass(frozen=True, slots=True)
class ReadBatch:
    """A batch whose items are still to be read."""

    items: list[msgspec.Raw]
    atomic: bool


def read_transaction(raw: bytes) -> Read:
    """Read one transaction.

    Raises:
        ProblemError: the bytes are no JSON (`json_invalid`) or no transaction (`request_invalid`).
    """
    try:
        document = _decode(raw)
    except _FAILURES as failure:
        raise _explained(raw, failure) from None
    # JSON holds control characters only spelt by codes, all but this last of ASCII.
    is_plain = b"\\" not in raw and b"\x7f" not in raw
    content = _sound(document, is_plain=is_plain)
    if content is None or len(content) != _count_names(raw):
        raise _explained(raw, None)
    return Read(document, fingerprint(content))


def read_batch(raw: bytes) -> ReadBatch:
    """Read what is around a batch's items.

    Raises:
        ProblemError: likewise, or there are more than `BATCH_MAX` items (`body_too_large`).
    """
    try:
        batch = _decode_batch(raw)
    except _FAILURES as failure:
        raise _explained_batch(raw, failure) from None
    # An item's text may hold these words too, or a name may be spelt by the codes of its letters:
    # only the second look tells.
    spelt = b"\\u006" in raw or b"\\u007" in raw
    if spelt or raw.count(b'"transactions"') > 1 or raw.count(b'"atomic"') > 1:
        try:
            errors = explain_batch(exact.parse(raw))
        except exact.NotJsonError as problem:
            raise ProblemError(JSON_INVALID, f"the body {problem}") from None
        if errors:
            raise invalid(errors)
    return ReadBatch(batch.transactions, batch.atomic)


def _sound(document: TransactionRequest, *, is_plain: bool) -> Said | None:
    """What a decoded document says; `None` where it breaks a rule that msgspec can't check."""
    if not _are_sound(document, signed=is_signed(document), forms=_FORMS[is_plain]):
        return None
    if (document.contact_id is UNSET) == (document.member_number is UNSET):
        return None
    rule = _RULES.get(type(document))
    if rule is not None and not rule(document):
        return None
    return said(document)


def _are_sound(document: msgspec.Struct, *, signed: bool, forms: "_Forms") -> bool:
    """Whether each field is, as far as that can be told of it alone."""
    for value in msgspec.structs.astuple(document):
        check = forms.get(type(value))
        if check is not None:
            if not check(value):
                return False
        elif isinstance(value, msgspec.Raw):
            if amount_finding(_written(value), signed=signed) is not None:
                return False
        elif isinstance(value, msgspec.Struct) and not _are_sound(
            value, signed=signed, forms=forms
        ):
            return False
    return True


_Forms = dict[type, Callable[[Any], bool]]

_OF_PLAIN: Final[_Forms] = {UUID: lambda identifier: identifier != NIL, datetime: in_range}

_FORMS: Final[dict[bool, _Forms]] = {
    True: _OF_PLAIN,
    False: {**_OF_PLAIN, str: lambda text: not CONTROL_CHARACTER.search(text)},
}
"""What a value must fulfil, by whether its text was plain: then texts do already."""


def _names_one(document: ReversesDocument) -> bool:
    by_id = document.transaction_id is not UNSET
    return by_id != (document.idempotency_key is not UNSET)


def _is_sound_reversal(document: Any) -> bool:
    has_part, has_whole = document.part is not UNSET, document.whole is not UNSET
    says_it_twice = has_part and document.amount is not UNSET
    return has_part == has_whole and not says_it_twice and _names_one(document.reverses)


def _is_sound_ending(document: Any) -> bool:
    return (document.hold_id is not UNSET) != (document.hold_key is not UNSET)


def _is_sound_move(document: Any) -> bool:
    to = document.to
    has_id, has_number = to.contact_id is not UNSET, to.member_number is not UNSET
    leads_somewhere = has_id != has_number or (to.definition_id is not UNSET and not has_id)
    if document.everything is UNSET:
        return leads_somewhere and document.amount is not UNSET
    says_more = document.amount is not UNSET or document.effective_at is not UNSET
    return leads_somewhere and document.everything is True and not says_more


def _is_sound_extension(document: Any) -> bool:
    says_something = document.valid_from is not UNSET or document.valid_to is not UNSET
    return says_something and _names_one(document.reverses)


_RULES: Final[dict[type[TransactionRequest], Callable[[Any], bool]]] = {
    ReturnRequest: _is_sound_reversal,
    CancelRequest: _is_sound_reversal,
    CaptureRequest: _is_sound_ending,
    ReleaseRequest: _is_sound_ending,
    MoveRequest: _is_sound_move,
    ActivateRequest: lambda document: _names_one(document.reverses),
    ExtendRequest: _is_sound_extension,
}
"""What must hold between the fields of a kind; `explaining` says the same to a person."""


def _written(amount: msgspec.Raw) -> str:
    # Anything beyond ASCII is no number, and what it becomes here is none either.
    return bytes(amount).decode("ascii", errors="replace")


def _count_names(raw: bytes) -> int:
    return _STRINGS.findall(raw).count(b":")


def _explained(raw: bytes, failure: Exception | None) -> ProblemError:
    try:
        errors = explain(exact.parse(raw))
    except exact.NotJsonError as problem:
        return ProblemError(JSON_INVALID, f"the body {problem}")
    return invalid(errors) if errors else _unexplained(failure)


def _explained_batch(raw: bytes, failure: Exception | None) -> ProblemError:
    try:
        batch = exact.parse(raw)
    except exact.NotJsonError as problem:
        return ProblemError(JSON_INVALID, f"the body {problem}")
    errors = explain_batch(batch)
    items = batch.get("transactions") if isinstance(batch, exact.Members) else None
    if isinstance(items, list):
        if len(items) > BATCH_MAX:
            return ProblemError(
                BODY_TOO_LARGE, f"the batch has {len(items)} items, {BATCH_MAX} are allowed"
            )
        errors += [
            FieldError(
                f"transactions[{index}].{error.field}".rstrip("."), error.code, error.message
            )
            for index, item in enumerate(items)
            for error in explain(item)
        ]
    return invalid(errors) if errors else _unexplained(failure)


def _unexplained(failure: Exception | None) -> ProblemError:
    """The problem of what only the fast reader refused."""
    if isinstance(failure, msgspec.ValidationError):
        error = FieldError("", FieldCode.WRONG_TYPE, str(failure))
        return ProblemError(REQUEST_INVALID, str(failure), errors=[error])
    return ProblemError(JSON_INVALID, "the body is no valid JSON")
