"""Lots and holds as they are answered: what stands where, how long it is valid, where it came from.

The one hard idea: a lot has no name of its own outside the books. It is known by the transaction
that issued it, which is also what a caller needs to look further.
"""

from collections.abc import Mapping
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.forms import Amount, Guid, Instant, exactly
from ledger.explaining import LotLife
from ledger.facts import Origin
from ledger.identity import ContactId, HolderId
from ledger.open_holds import OpenHold
from ledger.origins import FirstIssue
from ledger.policies import Definition


class OriginDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What first issued points that were moved since.

    Attributes:
        contact_id: Whose they were then; left out where the person was erased.
    """

    transaction_id: UUID
    kind: str
    effective_at: Instant
    contact_id: Guid | UnsetType = UNSET


class LotDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Points issued together, and where they stand.

    Attributes:
        transaction_id: The transaction that issued them.
        kind: Of that transaction.
        amount: How many were issued.
        effective_at: When they were issued.
        valid_from: The first instant they can be spent.
        valid_to: The first instant they no longer can; null for never.
        available: Can be spent.
        pending: Not valid yet.
        held: Set aside for a checkout that is under way.
        lapsed: Expired unspent.
        spent: Left it otherwise: redeemed, taken back, moved, or paid for debt.
        origin: Of points that were moved, what first issued them.
    """

    transaction_id: UUID
    kind: str
    definition_id: int
    amount: Amount
    effective_at: Instant
    valid_from: Instant
    valid_to: Instant | None
    available: Amount
    pending: Amount
    held: Amount
    lapsed: Amount
    spent: Amount
    origin: OriginDocument | UnsetType = UNSET


class LotPage(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Some of a contact's lots, in the order in which they will be consumed.

    Attributes:
        effective_at: The moment that was looked at.
        recorded_at: As far as the books knew when; left out for as they know now.
        next_cursor: Where the next page begins; left out on the last page.
    """

    contact_id: Guid
    effective_at: Instant
    recorded_at: Instant | UnsetType = UNSET
    lots: tuple[LotDocument, ...]
    next_cursor: str | UnsetType = UNSET


class HoldDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Points set aside for a checkout that is under way.

    Attributes:
        hold_id: The transaction that placed it; captured or released by this.
        hold_expires_at: When it times out by itself; left out for never.
    """

    hold_id: UUID
    definition_id: int
    amount: Amount
    effective_at: Instant
    recorded_at: Instant
    hold_expires_at: Instant | UnsetType = UNSET
    source: str
    idempotency_key: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    actor: str | UnsetType = UNSET


class HoldsDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A contact's open holds, soonest to time out first; at most 1000."""

    contact_id: Guid
    holds: tuple[HoldDocument, ...]


Origins = Mapping[Origin, FirstIssue]
Contacts = Mapping[HolderId, ContactId]
Counterparts = Mapping[UUID, ContactId]


def lot_document(
    life: LotLife, definition: Definition, origins: Origins, contacts: Contacts
) -> LotDocument:
    """A lot as it is answered."""
    scale, now = definition.scale, life.now
    return LotDocument(
        transaction_id=life.issued_by.id,
        kind=life.issued_by.kind.word,
        definition_id=definition.engage_id,
        amount=exactly(life.issue.amount, scale),
        effective_at=life.issue.effective_at,
        valid_from=now.lot.valid_from,
        valid_to=now.lot.valid_to,
        available=exactly(now.available, scale),
        pending=exactly(now.pending, scale),
        held=exactly(now.held, scale),
        lapsed=exactly(now.lapsed, scale),
        spent=exactly(now.spent, scale),
        origin=origin_document(Origin(life.holder, life.issue.lot), origins, contacts),
    )


def origin_document(
    lot: Origin, origins: Origins, contacts: Contacts
) -> OriginDocument | UnsetType:
    """What first issued a lot's points, where that was another transaction than the lot's own."""
    found = origins.get(lot)
    if found is None:
        return UNSET
    return OriginDocument(
        transaction_id=found.transaction,
        kind=found.kind.word,
        effective_at=found.effective_at,
        contact_id=contacts.get(found.holder, UNSET),
    )


def hold_document(hold: OpenHold, definition: Definition) -> HoldDocument:
    """A hold as it is answered."""
    texts = hold.texts
    return HoldDocument(
        hold_id=hold.id,
        definition_id=definition.engage_id,
        amount=exactly(hold.amount, definition.scale),
        effective_at=hold.effective_at,
        recorded_at=hold.recorded_at,
        hold_expires_at=UNSET if hold.expires_at is None else hold.expires_at,
        source=hold.source,
        idempotency_key=_text(texts.idempotency_key),
        description=_text(texts.description),
        reference=_text(texts.reference),
        actor=_text(texts.actor),
    )


def _text(text: str | None) -> str | UnsetType:
    return UNSET if text is None else text
