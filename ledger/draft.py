"""A transaction while it is being decided.

The one hard idea: a draft books each transfer into the account the moment it is written, so that a
rule's next step sees the state its last step left. A rule therefore refuses before its first
transfer or not at all.
"""

from datetime import datetime
from typing import Final, Protocol
from uuid import UUID

from ledger.amounts import Points
from ledger.facts import Allocation, LotIssue, Origin, Term, Transfer, total
from ledger.kinds import Kind, LedgerAccount
from ledger.state import AccountState, HoldState, LotState

_UNNAMED: Final = UUID(int=0)


ALLOCATIONS_MAX: Final = 10_000
"""The most lots of one transfer."""


class Draft:
    """The transfers, lots and terms of a transaction, as far as they are decided."""

    __slots__ = (
        "account",
        "hold_expires_at",
        "id",
        "lots",
        "next_lot",
        "number",
        "reverses",
        "terms",
        "transfers",
    )

    def __init__(
        self, account: AccountState, number: int, next_lot: int, identifier: UUID = _UNNAMED
    ) -> None:
        self.account = account
        self.number = number
        self.id = identifier
        self.reverses: UUID | None = None
        self.hold_expires_at: datetime | None = None
        self.next_lot = next_lot
        self.transfers: list[Transfer] = []
        self.lots: list[LotIssue] = []
        self.terms: list[Term] = []

    def transfer(
        self,
        debit: LedgerAccount,
        credit: LedgerAccount,
        amount: int,
        effective_at: datetime,
        allocations: tuple[Allocation, ...] = (),
    ) -> None:
        """Move `amount` from `debit` to `credit`, of these lots (many in several transfers)."""
        if len(allocations) > ALLOCATIONS_MAX:
            for start in range(0, len(allocations), ALLOCATIONS_MAX):
                some = allocations[start : start + ALLOCATIONS_MAX]
                self.transfer(debit, credit, total(some), effective_at, some)
            return
        transfer = Transfer(
            len(self.transfers) + 1, debit, credit, Points(amount), effective_at, allocations
        )
        self.transfers.append(transfer)
        self.account.apply(transfer)

    def issue(
        self,
        program_account: LedgerAccount,
        amount: Points,
        effective_at: datetime,
        valid_from: datetime,
        valid_to: datetime | None,
        origin: Origin | None = None,
    ) -> LotState:
        """Bring new points in: pending where their validity begins later, else available."""
        active = valid_from <= effective_at
        bucket = LedgerAccount.AVAILABLE if active else LedgerAccount.PENDING
        issue = LotIssue(
            self.next_lot,
            len(self.transfers) + 1,
            amount,
            effective_at,
            valid_from,
            valid_to,
            origin,
        )
        self.next_lot += 1
        self.lots.append(issue)
        self.transfer(program_account, bucket, amount, effective_at)
        return self.account.issue(issue, self.number, active=active)

    def amend(self, lot: LotState, *, valid_from: datetime, valid_to: datetime | None) -> None:
        """Give a lot its next term."""
        term = Term(lot.lot, lot.term + 1, valid_from, valid_to)
        self.terms.append(term)
        self.account.amend(term)

    def place_hold(self, parts: tuple[Allocation, ...], expires_at: datetime | None) -> None:
        """Keep what this transaction held as a hold of its own."""
        self.hold_expires_at = expires_at
        self.account.place(HoldState(self.id, self.number, parts, expires_at))

    def end_hold(self, hold: HoldState) -> None:
        """Let this transaction be the one that ends a hold."""
        self.reverses = hold.id
        hold.ended_by = self.number
        hold.changed = True


class OpenDraft(Protocol):
    """Says in which draft a due transfer of this kind and instant is to be written."""

    def __call__(self, kind: Kind, at: datetime, hold: int | None, /) -> Draft:
        """The draft to write to; `hold` is the number of the hold that times out."""
        ...
