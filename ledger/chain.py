"""The hash chain of a holder's transactions, over a canonical form of all their facts.

The one hard idea: the form is bytes with a version in front, every field at a fixed place or with
its length before it, so that two different transactions never have one form. Personal texts enter
only as a salted hash; with the salt gone, the hash says nothing of the person and the chain stands.
"""

import hashlib
import struct
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

from ledger.facts import LotIssue, Term, Texts, Transaction, Transfer
from ledger.identity import HolderId

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
_NO_UUID = UUID(int=0)


def text_hash(texts: Texts, salt: bytes) -> bytes:
    """The salted hash that stands for a transaction's personal texts in the chain."""
    digest = hashlib.sha256(salt)
    for text in (texts.idempotency_key, texts.description, texts.reference, texts.actor):
        if text is None:
            digest.update(b"\xff\xff\xff\xff")
        else:
            encoded = text.encode()
            digest.update(len(encoded).to_bytes(4))
            digest.update(encoded)
    return digest.digest()


def fingerprint_hash(fingerprint: bytes, salt: bytes) -> bytes:
    """What is kept of a request's fingerprint; it tells nothing once the salt is gone."""
    return hashlib.sha256(salt + fingerprint).digest()[:16]


def chain_hash(transaction: Transaction, texts_hash: bytes, previous: bytes) -> bytes:
    """The hash of a transaction on top of its predecessor's."""
    source = transaction.source.encode()
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
            _instant(transaction.effective_at),
            _instant(transaction.recorded_at),
            _instant(transaction.occurred_at),
            (transaction.reverses or _NO_UUID).bytes,
            (transaction.linked or _NO_UUID).bytes,
            _instant(transaction.hold_expires_at),
            _ABSENT if transaction.part is None else transaction.part,
            _ABSENT if transaction.whole is None else transaction.whole,
            texts_hash,
        ),
        len(source).to_bytes(2),
        source,
        _COUNTS.pack(len(transaction.transfers), len(transaction.lots), len(transaction.terms)),
    ]
    parts += [_transfer_form(transfer) for transfer in transaction.transfers]
    parts += [_lot_form(lot) for lot in transaction.lots]
    parts += [_term_form(term) for term in transaction.terms]
    return hashlib.sha256(b"".join(parts)).digest()


def _transfer_form(transfer: Transfer) -> bytes:
    form = _TRANSFER.pack(
        transfer.line,
        transfer.debit,
        transfer.credit,
        transfer.amount,
        _instant(transfer.effective_at),
        len(transfer.allocations),
    )
    if not transfer.allocations:
        return form
    return form + b"".join(_ALLOCATION.pack(lot, amount) for lot, amount in transfer.allocations)


def _lot_form(lot: LotIssue) -> bytes:
    origin: tuple[HolderId | UUID, int] = lot.origin or (_NO_UUID, 0)
    return _LOT.pack(
        lot.lot,
        lot.line,
        lot.amount,
        _instant(lot.effective_at),
        _instant(lot.valid_from),
        _instant(lot.valid_to),
        origin[0].bytes,
        origin[1],
    )


def _term_form(term: Term) -> bytes:
    return _TERM.pack(term.lot, term.term, _instant(term.valid_from), _instant(term.valid_to))


def _instant(moment: datetime | None) -> int:
    return _ABSENT if moment is None else (moment - _EPOCH) // _MICROSECOND
