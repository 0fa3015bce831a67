"""The way in: bytes to a document that is known to be sound, or a problem that names every mistake.

The one hard idea: msgspec decodes straight into the structs and is believed where it succeeds; the
few rules it can't check (control characters, ranges of times, plain amounts, names given twice)
are checked here. Whatever fails is read a second time, slowly, by `explaining`.
"""

import re
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import msgspec

from api.documents.requests import (
    NIL,
    BatchRequest,
    ReturnRequest,
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
    content = _sound(document)
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
    # An item's text may hold these words too: only the second look tells.
    if raw.count(b'"transactions"') > 1 or raw.count(b'"atomic"') > 1:
        try:
            errors = explain_batch(exact.parse(raw))
        except exact.NotJsonError as problem:
            raise ProblemError(JSON_INVALID, f"the body {problem}") from None
        if errors:
            raise invalid(errors)
    return ReadBatch(batch.transactions, batch.atomic)


def _sound(document: TransactionRequest) -> Said | None:
    """What a decoded document says; `None` where it breaks a rule that msgspec can't check."""
    if document.contact_id == NIL:
        return None
    signed = is_signed(document)
    for name in document.__struct_fields__:
        value = getattr(document, name)
        if isinstance(value, str):
            if CONTROL_CHARACTER.search(value):
                return None
        elif isinstance(value, msgspec.Raw):
            if amount_finding(_written(value), signed=signed) is not None:
                return None
        elif isinstance(value, datetime) and not in_range(value):
            return None
    if isinstance(document, ReturnRequest) and not _is_sound_return(document):
        return None
    return said(document)


def _is_sound_return(document: ReturnRequest) -> bool:
    reverses = document.reverses
    by_id = reverses.transaction_id is not msgspec.UNSET
    by_key = reverses.idempotency_key is not msgspec.UNSET
    if by_id == by_key or reverses.transaction_id == NIL:
        return False
    if isinstance(reverses.idempotency_key, str) and CONTROL_CHARACTER.search(
        reverses.idempotency_key
    ):
        return False
    has_part = document.part is not msgspec.UNSET
    has_whole = document.whole is not msgspec.UNSET
    return has_part == has_whole and not (has_part and document.amount is not msgspec.UNSET)


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
