"""The hash chain of a holder's transactions, over a canonical form of all their facts.

The one hard idea: the form is bytes with a version in front, every field at a fixed place or with
its length before it, so that two different transactions never have one form. Personal texts enter
only as a salted hash; with the salt gone, the hash says nothing of the person and the chain stands.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.facts import Term, Texts, Transaction

VERSION: Final = 1
GENESIS: Final = bytes(32)
"""The head of a chain before its first transaction."""

SALT_LENGTH: Final = 16

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
_ABSENT = -(2**63)
_HEAD = struct.Struct(">B16sQ32s16sHBqqqq16s16sqqq32s")
_TRANSFER = struct.Struct(">HBBqqH")
_ALLOCATION = struct.Struct(">Iq")
_LOT = struct.Struct(">IHqqqq16sI")
_TERM = struct.Struct(">IHqq")
_COUNTS = struct.Struct(">HHH")
_NO_BYTES = bytes(16)
_NO_TEXT = b"\xff\xff\xff\xff"


def text_hash(texts: Texts, salt: bytes) -> bytes:
    """The salted hash that stands for a transaction's personal texts in the chain."""
    parts = [salt]
    for text in (texts.idempotency_key, texts.description, texts.reference, texts.actor):
        if text is None:
            parts.append(_NO_TEXT)
        else:
            encoded = text.encode()
            parts += (len(encoded).to_bytes(4), encoded)
    return hashlib.sha256(b"".join(parts)).digest()


def fingerprint_hash(fingerprint: bytes, salt: bytes) -> bytes:
    """What is kept of a request's fingerprint; it tells nothing once the salt is gone."""
    return hashlib.sha256(salt + fingerprint).digest()[:16]


def chain_hash(transaction: Transaction, texts_hash: bytes, previous: bytes) -> bytes:
    """The hash of a transaction on top of its predecessor's."""
    source = transaction.source.encode()
    # Most instants of a transaction are one and the same object: it is converted once.
    at = transaction.effective_at
    effective_at = _instant(at)
    parts = [
        _HEAD.pack(
            VERSION,
            transaction.holder.bytes,
            transaction.number,
            previous,
            transaction.id.bytes,
            transaction.definition,
            transaction.kind,
            transaction.amount,
            effective_at,
            effective_at if transaction.recorded_at is at else _instant(transaction.recorded_at),
            _instant(transaction.occurred_at),
            _NO_BYTES if transaction.reverses is None else transaction.reverses.bytes,
            _NO_BYTES if transaction.linked is None else transaction.linked.bytes,
            _instant(transaction.hold_expires_at),
            _ABSENT if transaction.part is None else transaction.part,
            _ABSENT if transaction.whole is None else transaction.whole,
            texts_hash,
        ),
        len(source).to_bytes(2),
        source,
        _COUNTS.pack(len(transaction.transfers), len(transaction.lots), len(transaction.terms)),
    ]
    for line, debit, credit, amount, when, allocations in transaction.transfers:
        instant = effective_at if when is at else _instant(when)
        parts.append(_TRANSFER.pack(line, debit, credit, amount, instant, len(allocations)))
        parts += [_ALLOCATION.pack(*allocation) for allocation in allocations]
    for lot, line, amount, when, valid_from, valid_to, origin in transaction.lots:
        holder, number = (_NO_BYTES, 0) if origin is None else (origin[0].bytes, origin[1])
        instant = effective_at if when is at else _instant(when)
        begins = effective_at if valid_from is at else _instant(valid_from)
        ends = _instant(valid_to)
        parts.append(_LOT.pack(lot, line, amount, instant, begins, ends, holder, number))
    parts += [_term_form(term) for term in transaction.terms]
    return hashlib.sha256(b"".join(parts)).digest()


def _term_form(term: Term) -> bytes:
    return _TERM.pack(term.lot, term.term, _instant(term.valid_from), _instant(term.valid_to))


def _instant(moment: datetime | None) -> int:
    return _ABSENT if moment is None else (moment - _EPOCH) // _MICROSECOND
