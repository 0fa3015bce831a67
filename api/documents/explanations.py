"""Where points went, as it is answered.

The one hard idea: what is answered adds up, whatever is left out of it. Transactions beyond those
listed are there as one sum, and so are lots; a caller can check the sum and need not trust it.
"""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.forms import Amount, Guid, Instant, exactly
from api.documents.lots import (
    Contacts,
    Counterparts,
    LotDocument,
    OriginDocument,
    Origins,
    lot_document,
    origin_document,
)
from api.documents.transactions import BucketsDocument, TransactionDocument
from ledger.explaining import LotLife, Movement, Source, Step
from ledger.facts import Origin, Transaction
from ledger.policies import Definition


class StepDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Something that happened to points of a lot.

    Attributes:
        transaction_id: What did it; left out where it has fallen due and is not booked yet.
        kind: Of that transaction.
        from_: The side they left: `available`, `pending`, `held`, or a program account.
        to: The side they went to.
    """

    transaction_id: UUID | UnsetType = UNSET
    kind: str
    effective_at: Instant
    recorded_at: Instant | UnsetType = UNSET
    from_: str = msgspec.field(name="from")
    to: str
    amount: Amount


class LotLifeDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A lot, and all that happened to its points up to the moment that is explained."""

    lot: LotDocument
    description: str | UnsetType = UNSET
    steps: tuple[StepDocument, ...]


class SourceDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Of whose points a transaction's are.

    Attributes:
        transaction_id: The transaction that issued the points.
        from_: The side they left.
        to: The side they went to.
        origin: Where they were moved since, what first issued them.
    """

    transaction_id: UUID
    amount: Amount
    from_: str = msgspec.field(name="from")
    to: str
    origin: OriginDocument | UnsetType = UNSET


class ExplainedDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A transaction, what it did to the points and of which earns they were.

    Attributes:
        transaction_id: Left out where it has fallen due and is not booked yet.
        net: What it did to what the contact has, what is owed counted against it.
        linked: The other half of a move.
        linked_contact_id: Whose that is; left out where the person was erased.
        debt_added: Points that were short and are owed.
        debt_repaid: Points that paid for what was owed.
        sources: The points it took, gave back, held or let lapse, by the earn they came from.
    """

    transaction_id: UUID | UnsetType = UNSET
    kind: str
    net: Amount
    effective_at: Instant
    recorded_at: Instant | UnsetType = UNSET
    occurred_at: Instant | UnsetType = UNSET
    source: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    actor: str | UnsetType = UNSET
    reverses: UUID | UnsetType = UNSET
    linked: UUID | UnsetType = UNSET
    linked_contact_id: Guid | UnsetType = UNSET
    debt_added: Amount | UnsetType = UNSET
    debt_repaid: Amount | UnsetType = UNSET
    sources: tuple[SourceDocument, ...]


class EarlierDocument(msgspec.Struct, frozen=True, rename="camel"):
    """The transactions before those listed, as one sum."""

    transactions: int
    net: Amount


class OtherLotsDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The lots beside those listed, as one sum."""

    lots: int
    amount: Amount
    available: Amount
    pending: Amount
    held: Amount
    lapsed: Amount
    spent: Amount


class ExplanationDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a contact's points went: the balance, what it is made of, and what made it.

    `available`, `pending` and `held` are the sums of the lots'; what all transactions did (`net`)
    is available + pending + held - debt.

    Attributes:
        effective_at: The moment that is explained.
        recorded_at: As far as the books knew when; left out for as they know now.
        lots: Those that still hold points first, in the order in which they will be consumed.
        transactions: The last recorded first; what is due and not booked yet before them.
        earlier: What was recorded before those, where they are not all.
        other_lots: The lots beside those listed, where they are not all.
    """

    contact_id: Guid
    definition_id: int
    name: str
    effective_at: Instant
    recorded_at: Instant | UnsetType = UNSET
    balance: BucketsDocument
    lots: tuple[LotLifeDocument, ...]
    other_lots: OtherLotsDocument | UnsetType = UNSET
    transactions: tuple[ExplainedDocument, ...]
    earlier: EarlierDocument | UnsetType = UNSET


class TransactionExplanationDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Where a transaction's points came from, and what became of those it issued.

    Attributes:
        sources: Of a redemption, a return, a move and the like: the earns whose points it took.
        lots: Of an earn and the like: the points it issued, and all that happened to them since.
    """

    transaction: TransactionDocument
    sources: tuple[SourceDocument, ...]
    lots: tuple[LotLifeDocument, ...]


def life_document(
    life: LotLife, definition: Definition, origins: Origins, contacts: Contacts
) -> LotLifeDocument:
    """A lot with its life as it is answered."""
    description = life.issued_by.texts.description
    return LotLifeDocument(
        lot=lot_document(life, definition, origins, contacts),
        description=UNSET if description is None else description,
        steps=tuple(_step_document(step, definition.scale) for step in life.steps),
    )


def explained_document(
    movement: Movement,
    definition: Definition,
    origins: Origins,
    contacts: Contacts,
    counterparts: Counterparts,
) -> ExplainedDocument:
    """A movement as it is answered."""
    scale = definition.scale
    told = movement.transaction
    linked = None if told is None else told.linked
    return ExplainedDocument(
        kind=movement.kind.word,
        net=exactly(movement.net, scale),
        effective_at=movement.effective_at,
        debt_added=exactly(movement.owed, scale) if movement.owed else UNSET,
        debt_repaid=exactly(movement.repaid, scale) if movement.repaid else UNSET,
        sources=source_documents(movement, definition, origins, contacts),
        linked_contact_id=UNSET if linked is None else counterparts.get(linked, UNSET),
        **({} if told is None else _booked(told)),
    )


def source_documents(
    movement: Movement, definition: Definition, origins: Origins, contacts: Contacts
) -> tuple[SourceDocument, ...]:
    """The sources of a movement as they are answered."""
    return tuple(
        _source_document(
            one,
            definition.scale,
            origin_document(Origin(movement.holder, one.lot), origins, contacts),
        )
        for one in movement.sources
    )


def other_lots(lives: Sequence[LotLife], scale: int) -> OtherLotsDocument | UnsetType:
    """Lots that are not listed, as one sum."""
    if not lives:
        return UNSET
    return OtherLotsDocument(
        lots=len(lives),
        amount=exactly(sum(one.issue.amount for one in lives), scale),
        available=exactly(sum(one.now.available for one in lives), scale),
        pending=exactly(sum(one.now.pending for one in lives), scale),
        held=exactly(sum(one.now.held for one in lives), scale),
        lapsed=exactly(sum(one.now.lapsed for one in lives), scale),
        spent=exactly(sum(one.now.spent for one in lives), scale),
    )


def earlier(movements: Sequence[Movement], scale: int) -> EarlierDocument | UnsetType:
    """Transactions that are not listed, as one sum."""
    if not movements:
        return UNSET
    return EarlierDocument(len(movements), exactly(sum(one.net for one in movements), scale))


def _booked(told: Transaction) -> dict[str, Any]:
    """What only a transaction that is in the books can say of itself."""
    texts = told.texts
    said = {
        "transaction_id": told.id,
        "recorded_at": told.recorded_at,
        "occurred_at": told.occurred_at,
        "source": told.source,
        "description": texts.description,
        "reference": texts.reference,
        "actor": texts.actor,
        "reverses": told.reverses,
        "linked": told.linked,
    }
    return {name: value for name, value in said.items() if value is not None}


def _source_document(
    source: Source, scale: int, origin: OriginDocument | UnsetType
) -> SourceDocument:
    return SourceDocument(
        transaction_id=source.issued_by,
        amount=exactly(source.amount, scale),
        from_=source.debit.word,
        to=source.credit.word,
        origin=origin,
    )


def _step_document(step: Step, scale: int) -> StepDocument:
    return StepDocument(
        transaction_id=UNSET if step.transaction is None else step.transaction,
        kind=step.kind.word,
        effective_at=step.effective_at,
        recorded_at=UNSET if step.recorded_at is None else step.recorded_at,
        from_=step.debit.word,
        to=step.credit.word,
        amount=exactly(step.amount, scale),
    )
