"""Entries: a decided transaction written to the end of its holder's chain, and keys that are known.

The one hard idea: everything a transaction says is said here in one breath, and hashed on top of
the one before; from then on the holder's number, head and last lot are that transaction's. Nothing
is decided here, and nothing stored.
"""

from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.chain import chain_hash, fingerprint_hash, text_hash
from ledger.draft import Draft
from ledger.facts import Texts, Transaction
from ledger.identity import HolderId
from ledger.kinds import Kind
from ledger.requests import Request
from ledger.state import HolderState

DUE_SOURCE: Final = "pointmaster"
"""The source of the books' own transactions."""


class Known(msgspec.Struct, frozen=True, gc=False):
    """A key that is in the books, with what it stood for."""

    holder: HolderId
    number: int
    fingerprint: bytes
    salt: bytes | None

    def stands_for(self, fingerprint: bytes) -> bool:
        """Whether a request is the one that was booked; an erased holder's can't be told."""
        if self.salt is None:
            return False
        return self.fingerprint == fingerprint_hash(fingerprint, self.salt)


class Entry(msgspec.Struct, frozen=True, gc=False):
    """A transaction as written, with its place in the holder's chain and under which key."""

    transaction: Transaction
    texts_hash: bytes
    hash: bytes
    key: UUID | None = None
    fingerprint: bytes | None = None


class Header(msgspec.Struct, gc=False):
    """What a transaction says of itself, beside its transfers."""

    kind: Kind
    amount: Points
    effective_at: datetime
    recorded_at: datetime
    source: str = DUE_SOURCE
    linked: UUID | None = None
    occurred_at: datetime | None = None
    part: int | None = None
    whole: int | None = None
    texts: Texts = Texts()
    key: UUID | None = None
    fingerprint: bytes | None = None


def told_by(request: Request, header: Header, key: UUID) -> Header:
    """Complete a header with what the request says of itself."""
    header.source = request.source
    header.texts = Texts(
        request.idempotency_key, request.description, request.reference, request.actor
    )
    header.key = key
    header.fingerprint = request.fingerprint
    return header


def write(holder: HolderState, draft: Draft, header: Header) -> Entry:
    """Make a draft the last transaction of its holder's chain."""
    transaction = Transaction(
        holder=holder.id,
        number=draft.number,
        id=draft.id,
        definition=draft.account.definition,
        kind=header.kind,
        amount=header.amount,
        effective_at=header.effective_at,
        recorded_at=header.recorded_at,
        occurred_at=header.occurred_at,
        source=header.source,
        reverses=draft.reverses,
        linked=header.linked,
        hold_expires_at=draft.hold_expires_at,
        part=header.part,
        whole=header.whole,
        texts=header.texts,
        transfers=tuple(draft.transfers),
        lots=tuple(draft.lots),
        terms=tuple(draft.terms),
        after=draft.account.balance,
    )
    texts_hash = text_hash(header.texts, holder.salt or b"")
    digest = chain_hash(transaction, texts_hash, holder.head)
    kept = header.fingerprint and fingerprint_hash(header.fingerprint, holder.salt or b"")
    holder.number = transaction.number
    holder.head = digest
    holder.last_recorded_at = header.recorded_at
    holder.last_lot = draft.next_lot - 1
    draft.account.changed = True
    return Entry(transaction, texts_hash, digest, header.key, kept)
