"""A booked transaction as it is answered.

The one hard idea: the document is made of the transaction's own facts and nothing else, so asking
again, by repeat, by id or by key, gives the same bytes for ever. What holds now is asked of
balances.
"""

from datetime import datetime
from uuid import UUID

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.forms import Amount, Guid, Instant, exactly
from api.problems.problem import ProblemDocument
from ledger.amounts import SPEND_SCALE
from ledger.facts import Balance, Transaction
from ledger.identity import ContactId
from ledger.kinds import Kind, LedgerAccount
from ledger.policies import Definition


class BucketsDocument(msgspec.Struct, frozen=True, rename="camel"):
    """What a point account holds, by bucket; none is ever below zero.

    Attributes:
        available: What can be spent.
        pending: Earned, but not valid yet.
        held: Set aside for a checkout that is under way.
        debt: What the contact owes; above zero only while nothing is available.
    """

    available: Amount
    pending: Amount
    held: Amount
    debt: Amount


class TransferDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A movement of points from one ledger account to another."""

    debit: str
    credit: str
    amount: Amount
    effective_at: Instant


class TransactionDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What happened once, to one point account.

    Attributes:
        amount: As asked; signed only where `kind` is `adjust`.
        effective_at: When it happened, as the books count it.
        recorded_at: When the books learned of it.
        occurred_at: The true time, where its period was closed already.
        valid_from: Of the points it issued: the first instant they can be spent.
        valid_to: Of the points it issued: the first instant they no longer can; null for never.
        reverses: The transaction it takes back.
        reversed: Of a return: the points that were taken back, as debt included.
        not_reversed: Of a return: the points that could not be taken back.
        transfers: The double entry: each moves an amount from its debit to its credit side.
        balance: The account right after it.
    """

    transaction_id: UUID
    kind: str
    contact_id: Guid | UnsetType
    definition_id: int
    amount: Amount
    effective_at: Instant
    recorded_at: Instant
    occurred_at: Instant | UnsetType = UNSET
    source: str
    idempotency_key: str | UnsetType = UNSET
    description: str | UnsetType = UNSET
    reference: str | UnsetType = UNSET
    actor: str | UnsetType = UNSET
    valid_from: Instant | UnsetType = UNSET
    valid_to: Instant | UnsetType | None = UNSET
    reverses: UUID | UnsetType = UNSET
    part: Amount | UnsetType = UNSET
    whole: Amount | UnsetType = UNSET
    reversed: Amount | UnsetType = UNSET
    not_reversed: Amount | UnsetType = UNSET
    transfers: tuple[TransferDocument, ...]
    balance: BucketsDocument


class TransactionPage(msgspec.Struct, frozen=True, rename="camel"):
    """Some of a contact's transactions, the last recorded first.

    Attributes:
        next_cursor: Where the next page begins; left out on the last page.
    """

    transactions: tuple[TransactionDocument, ...]
    next_cursor: str | UnsetType = UNSET


class OutcomeDocument(msgspec.Struct, frozen=True, rename="camel", omit_defaults=True):
    """What became of one item of a batch.

    Attributes:
        status: `booked`, `replayed` (it was in the books already) or `refused`.
        transaction: Where it is in the books.
        problem: Where it was refused.
    """

    status: str
    transaction: TransactionDocument | UnsetType = UNSET
    problem: ProblemDocument | UnsetType = UNSET


class BatchDocument(msgspec.Struct, frozen=True, rename="camel"):
    """One outcome per item, in the order of the request, and how many there are of each."""

    booked: int
    replayed: int
    refused: int
    outcomes: tuple[OutcomeDocument, ...]


def buckets(balance: Balance, scale: int) -> BucketsDocument:
    """A balance as it is answered."""
    return BucketsDocument(
        exactly(balance.available, scale),
        exactly(balance.pending, scale),
        exactly(balance.held, scale),
        exactly(balance.debt, scale),
    )


def transaction_document(
    transaction: Transaction, definition: Definition, contact: ContactId | None
) -> TransactionDocument:
    """A transaction as it is answered; without a contact where the person was erased."""
    scale = definition.scale
    texts = transaction.texts
    back = _taken_back(transaction)
    lot = transaction.lots[0] if len(transaction.lots) == 1 else None
    return TransactionDocument(
        transaction_id=transaction.id,
        kind=transaction.kind.word,
        contact_id=UNSET if contact is None else contact,
        definition_id=definition.engage_id,
        amount=exactly(transaction.amount, scale),
        effective_at=transaction.effective_at,
        recorded_at=transaction.recorded_at,
        occurred_at=_or_unset(transaction.occurred_at),
        source=transaction.source,
        idempotency_key=_text(texts.idempotency_key),
        description=_text(texts.description),
        reference=_text(texts.reference),
        actor=_text(texts.actor),
        valid_from=UNSET if lot is None else lot.valid_from,
        valid_to=UNSET if lot is None else lot.valid_to,
        reverses=UNSET if transaction.reverses is None else transaction.reverses,
        part=UNSET if transaction.part is None else exactly(transaction.part, SPEND_SCALE),
        whole=UNSET if transaction.whole is None else exactly(transaction.whole, SPEND_SCALE),
        reversed=UNSET if back is None else exactly(back, scale),
        not_reversed=UNSET if back is None else exactly(transaction.amount - back, scale),
        transfers=tuple(
            TransferDocument(
                transfer.debit.word,
                transfer.credit.word,
                exactly(transfer.amount, scale),
                transfer.effective_at,
            )
            for transfer in transaction.transfers
        ),
        balance=buckets(transaction.after, scale),
    )


def _taken_back(transaction: Transaction) -> int | None:
    """The points a return took back; `None` of what is no return."""
    if transaction.kind is not Kind.RETURN:
        return None
    return sum(
        transfer.amount
        for transfer in transaction.transfers
        if transfer.credit is LedgerAccount.ISSUED
    )


def _or_unset(moment: datetime | None) -> datetime | UnsetType:
    return UNSET if moment is None else moment


def _text(text: str | None) -> str | UnsetType:
    return UNSET if text is None else text
