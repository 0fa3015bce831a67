"""A booked transaction as it is answered.

The one hard idea: the document is made of the transaction's own facts and nothing else, so asking
again, by repeat, by id or by key, gives the same bytes for ever. What holds now is asked of
balances.
"""

from datetime import datetime
from typing import Final
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


class TermDocument(msgspec.Struct, frozen=True, rename="camel"):
    """Points issued together, or given another validity, by a transaction that did so to several.

    Attributes:
        amount: How many were issued; left out where their validity was changed.
        valid_from: The first instant they can be spent.
        valid_to: The first instant they no longer can; null for never.
    """

    valid_from: Instant
    valid_to: Instant | None
    amount: Amount | UnsetType = UNSET


class TransactionDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What happened once, to one point account.

    Attributes:
        kind: As it was posted, or one of the books' own: `activation`, `expiry`, `timeout` of a
            hold, `receive` (what a move brought) and `open` (brought in by an import).
        amount: As asked; signed only where `kind` is `adjust`, and where everything was moved
            from an account that owed more than it had.
        effective_at: When it happened, as the books count it.
        recorded_at: When the books learned of it.
        occurred_at: The true time, where its period was closed already.
        valid_from: Of the points it issued or changed: the first instant they can be spent.
        valid_to: Of the points it issued or changed: the first instant they no longer can; null
            for never.
        terms: Instead of those two, where it issued or changed points of several validities.
        reverses: The transaction it takes back, or whose points it activates or extends.
        hold_id: The hold that it captures, releases, or lets time out.
        hold_expires_at: Of a hold: when it times out by itself; left out for never.
        linked: The other half of a move: what left and what arrived name each other.
        reversed: Of a return: the points that were taken back, as debt included.
        not_reversed: Of a return: the points that could not be taken back.
        released: Held points that became available again.
        debt_added: Points that were short and are owed.
        debt_repaid: Points that paid for what was owed.
        lapsed: Points that lapsed in it, because their validity had ended by then.
        transfers: The double entry; each moves an amount from its debit to its credit side.
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
    terms: tuple[TermDocument, ...] | UnsetType = UNSET
    reverses: UUID | UnsetType = UNSET
    hold_id: UUID | UnsetType = UNSET
    hold_expires_at: Instant | UnsetType = UNSET
    linked: UUID | UnsetType = UNSET
    part: Amount | UnsetType = UNSET
    whole: Amount | UnsetType = UNSET
    reversed: Amount | UnsetType = UNSET
    not_reversed: Amount | UnsetType = UNSET
    released: Amount | UnsetType = UNSET
    debt_added: Amount | UnsetType = UNSET
    debt_repaid: Amount | UnsetType = UNSET
    lapsed: Amount | UnsetType = UNSET
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
    terms = _terms(transaction, scale)
    only = terms[0] if len(terms) == 1 else None
    ends_hold = transaction.kind in ENDS_HOLD
    refers = UNSET if transaction.reverses is None else transaction.reverses
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
        valid_from=UNSET if only is None else only.valid_from,
        valid_to=UNSET if only is None else only.valid_to,
        terms=terms if len(terms) > 1 else UNSET,
        reverses=UNSET if ends_hold else refers,
        hold_id=refers if ends_hold else UNSET,
        hold_expires_at=_or_unset(transaction.hold_expires_at),
        linked=UNSET if transaction.linked is None else transaction.linked,
        part=UNSET if transaction.part is None else exactly(transaction.part, SPEND_SCALE),
        whole=UNSET if transaction.whole is None else exactly(transaction.whole, SPEND_SCALE),
        **_taken_back(transaction, scale),
        **_told(transaction, scale),
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


ENDS_HOLD: Final = frozenset({Kind.CAPTURE, Kind.RELEASE, Kind.TIMEOUT})

LAPSES_BY_ITSELF: Final = frozenset({Kind.EXPIRY})
"""Whose amount says already what lapsed."""


def _terms(transaction: Transaction, scale: int) -> tuple[TermDocument, ...]:
    """The validity of the points it issued or, where it issued none, changed."""
    issued = [
        TermDocument(lot.valid_from, lot.valid_to, exactly(lot.amount, scale))
        for lot in transaction.lots
    ]
    return tuple(
        issued or [TermDocument(term.valid_from, term.valid_to) for term in transaction.terms]
    )


def _taken_back(transaction: Transaction, scale: int) -> dict[str, msgspec.Raw]:
    """What a return took back and what it could not."""
    if transaction.kind is not Kind.RETURN:
        return {}
    back = sum(
        transfer.amount
        for transfer in transaction.transfers
        if transfer.credit is LedgerAccount.ISSUED
    )
    return {
        "reversed": exactly(back, scale),
        "not_reversed": exactly(transaction.amount - back, scale),
    }


def _told(transaction: Transaction, scale: int) -> dict[str, msgspec.Raw]:
    """What a person wants to know of the transfers, where there is anything to know."""
    if all(transfer.debit is LedgerAccount.ISSUED for transfer in transaction.transfers):
        return {}
    sums = {"released": 0, "debt_added": 0, "debt_repaid": 0, "lapsed": 0}
    for transfer in transaction.transfers:
        amount = transfer.amount
        if (transfer.debit, transfer.credit) == (LedgerAccount.HELD, LedgerAccount.AVAILABLE):
            sums["released"] += amount
        if transfer.debit is LedgerAccount.DEBT:
            sums["debt_added"] += amount
        if transfer.credit is LedgerAccount.DEBT:
            sums["debt_repaid"] += amount
        if LedgerAccount.EXPIRED in (transfer.debit, transfer.credit):
            sums["lapsed"] += amount if transfer.credit is LedgerAccount.EXPIRED else -amount
    if transaction.kind in LAPSES_BY_ITSELF:
        sums["lapsed"] = 0
    return {name: exactly(amount, scale) for name, amount in sums.items() if amount > 0}


def _or_unset(moment: datetime | None) -> datetime | UnsetType:
    return UNSET if moment is None else moment


def _text(text: str | None) -> str | UnsetType:
    return UNSET if text is None else text
