"""What a transaction of the books changes in what Engage counts, movement by movement.

The one hard idea: Engage knows two numbers of an account, active points and pending ones with the
instant they become active. A transfer's row is the difference it makes to what Engage should show
(`TotalOptions` says what counts as active: what is spendable, unless set otherwise), so the rows of
any history add up to the books' own total, debt and holds included. Engage activates pending points
by itself; so an activation at its appointed instant is no row, and one at any other instant takes
the points out of their old appointment and into the new one.

Everything here is a function of values. docs/decisions/rows-of-transactions.md has the table.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from ledger.facts import LotIssue, Transaction, Transfer
from ledger.kinds import Kind, LedgerAccount
from sync.engage.total_options import TotalOptions

_AVAILABLE: Final = LedgerAccount.AVAILABLE
_PENDING: Final = LedgerAccount.PENDING


class Nature(StrEnum):
    """What a row is about, as the settings for its source and its description name it."""

    EARN = "earn"
    REDEEM = "redeem"
    HOLD = "hold"
    """Points set aside for a checkout."""
    RELEASE = "release"
    """Points set aside that are free again."""
    RETURN = "return"
    CANCEL = "cancel"
    """A redemption undone."""
    ADJUST = "adjust"
    EXPIRY = "expiry"
    """Points that lapsed, or whose lapse turned out wrong."""
    MOVE = "move"
    OPEN = "open"
    """A balance from earlier books."""
    CLOSE = "close"
    REPAYMENT = "repayment"
    """New points that repaid what was owed."""
    TERM = "term"
    """Pending points with another appointment: out of the old one, into the new one."""
    CORRECTION = "correction"
    """Not of the books: it puts right what Engage had wrong."""


class Expiry(StrEnum):
    """Who takes lapsed points away at Engage."""

    MASTER = "master"
    """The books: rows have no end, and a lapse is a row of its own."""
    ENGAGE = "engage"
    """Engage itself: rows carry the end of their validity, and lapses at their time are no rows."""


class Effect(NamedTuple):
    """One row: what changes, when, and since when it counts.

    Attributes:
        line, part: The transfer's place and the part of it; beyond the last transfer for terms.
        amount: In minor units, never zero.
        at: When it happened.
        valid_from: When pending points become active; `None` for what counts at once.
        valid_to: When Engage is to take the points away; `None` for never.
    """

    line: int
    part: int
    amount: int
    at: datetime
    nature: Nature
    valid_from: datetime | None = None
    valid_to: datetime | None = None


class LotBefore(NamedTuple):
    """A lot as Engage knew it before a transaction.

    Attributes:
        valid_from, valid_to: By the term that held then.
        remaining: In available or pending, in minor units; where a term is changed.
    """

    valid_from: datetime
    valid_to: datetime | None
    remaining: int = 0


OTHER_SIDES: Final = {
    LedgerAccount.ISSUED: (Nature.EARN, Nature.RETURN),
    LedgerAccount.REDEEMED: (Nature.CANCEL, Nature.REDEEM),
    LedgerAccount.EXPIRED: (Nature.EXPIRY, Nature.EXPIRY),
    LedgerAccount.ADJUSTED: (Nature.ADJUST, Nature.ADJUST),
    LedgerAccount.OPENING: (Nature.OPEN, Nature.OPEN),
    LedgerAccount.MOVED: (Nature.MOVE, Nature.MOVE),
    LedgerAccount.CLOSED: (Nature.CLOSE, Nature.CLOSE),
}
"""What a transfer from, and one to, a program account is."""


def effects_of(
    transaction: Transaction,
    lots: Mapping[int, LotBefore],
    counted: TotalOptions,
    expiry: Expiry = Expiry.MASTER,
) -> list[Effect]:
    """The rows of a transaction, those that add before those that take away.

    Args:
        transaction: As booked.
        lots: By number, those of `lots_needed`.
        counted: What of a balance Engage counts as active.
        expiry: Who takes lapsed points away.
    """
    reading = _Reading(transaction, lots, counted, expiry)
    effects = [effect for transfer in transaction.transfers for effect in reading.of(transfer)]
    effects += reading.of_terms()
    # So that Engage's balance is never lower on the way than before or after.
    return sorted(effects, key=lambda effect: effect.amount < 0)


def lots_needed(transaction: Transaction) -> set[int]:
    """The lots whose state before the transaction must be known: those it didn't issue itself."""
    named = {part.lot for transfer in transaction.transfers for part in transfer.allocations}
    named |= {term.lot for term in transaction.terms}
    return named - {issue.lot for issue in transaction.lots}


@dataclass(frozen=True, slots=True)
class _Reading:
    """A transaction being read."""

    transaction: Transaction
    lots: Mapping[int, LotBefore]
    counted: TotalOptions
    expiry: Expiry

    def of(self, transfer: Transfer) -> Iterator[Effect]:
        """What one transfer changes."""
        if self.expiry is Expiry.ENGAGE and self.transaction.kind is Kind.EXPIRY:
            return
        sides = {transfer.debit, transfer.credit}
        if sides == {_AVAILABLE, _PENDING}:
            yield from self._of_activation(transfer)
            return
        nature = nature_of(transfer)
        part = 0
        if _PENDING in sides:
            sign = 1 if transfer.credit == _PENDING else -1
            for valid_from, valid_to, amount in self._terms_of(transfer):
                end = self._end(valid_to) if sign > 0 else None
                yield self._effect(transfer, part, sign * amount, nature, valid_from, end)
                part += 1
        change = self._weight(transfer.credit) - self._weight(transfer.debit)
        if change == 0:
            return
        if change > 0 and self.expiry is Expiry.ENGAGE:
            for _, valid_to, amount in self._terms_of(transfer):
                end = self._end(valid_to)
                yield self._effect(transfer, part, change * amount, nature, None, end)
                part += 1
            return
        yield self._effect(transfer, part, change * transfer.amount, nature)

    def of_terms(self) -> Iterator[Effect]:
        """What new appointments of pending points change."""
        transfers = self.transaction.transfers
        moved = {part.lot for transfer in transfers for part in transfer.allocations}
        line = len(transfers)
        for term in self.transaction.terms:
            before = self.lots[term.lot]
            if term.lot in moved or before.valid_from == term.valid_from or not before.remaining:
                continue
            line += 1
            at = self.transaction.effective_at
            end = self._end(term.valid_to)
            yield Effect(line, 0, before.remaining, at, Nature.TERM, term.valid_from, end)
            yield Effect(line, 1, -before.remaining, at, Nature.TERM, before.valid_from)

    def _of_activation(self, transfer: Transfer) -> Iterator[Effect]:
        """Engage activates at the appointed instant, and so has taken back what is taken back."""
        sign = 1 if transfer.credit == _AVAILABLE else -1
        part = 0
        for valid_from, valid_to, amount in self._terms_of(transfer):
            if valid_from != transfer.effective_at:
                end = self._end(valid_to) if sign > 0 else None
                yield self._effect(transfer, part, sign * amount, Nature.TERM, None, end)
                yield self._effect(transfer, part + 1, -sign * amount, Nature.TERM, valid_from)
                part += 2

    def _terms_of(
        self, transfer: Transfer
    ) -> Iterator[tuple[datetime | None, datetime | None, int]]:
        """The validity of a transfer's points as Engage knows it, lot by lot."""
        issue = self._issued_by(transfer)
        if issue is not None:
            yield issue.valid_from, issue.valid_to, issue.amount
            return
        own = {one.lot: one for one in self.transaction.lots}
        rest: int = transfer.amount
        for part in transfer.allocations:
            lot = own.get(part.lot) or self.lots[part.lot]
            yield lot.valid_from, lot.valid_to, part.amount
            rest -= part.amount
        if rest:
            yield None, None, rest

    def _issued_by(self, transfer: Transfer) -> LotIssue | None:
        return next((one for one in self.transaction.lots if one.line == transfer.line), None)

    def _weight(self, account: LedgerAccount) -> int:
        """How much a credit to this account adds to what Engage counts as active."""
        if account == _AVAILABLE:
            return 1
        if account == LedgerAccount.HELD:
            return int(self.counted.count_held)
        return int(account == LedgerAccount.DEBT and self.counted.below_zero)

    def _end(self, valid_to: datetime | None) -> datetime | None:
        """When Engage is told the points end: not where they had when the books learned of it."""
        if self.expiry is Expiry.MASTER or valid_to is None:
            return None
        return valid_to if valid_to > self.transaction.recorded_at else None

    def _effect(
        self,
        transfer: Transfer,
        part: int,
        amount: int,
        nature: Nature,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
    ) -> Effect:
        booked = self.transaction
        at = transfer.effective_at
        if booked.occurred_at is not None and at == booked.effective_at:
            at = booked.occurred_at
        return Effect(transfer.line, part, amount, at, nature, valid_from, valid_to)


def nature_of(transfer: Transfer) -> Nature:
    """What a transfer is, by its two sides."""
    if not transfer.debit.is_bucket:
        return OTHER_SIDES[transfer.debit][0]
    if not transfer.credit.is_bucket:
        return OTHER_SIDES[transfer.credit][1]
    if transfer.credit == LedgerAccount.DEBT:
        return Nature.REPAYMENT
    if transfer.credit == LedgerAccount.HELD:
        return Nature.HOLD
    return Nature.RELEASE if transfer.debit == LedgerAccount.HELD else Nature.TERM
