"""Point accounts: what Engage believes each contact has.

A balance changes in three ways: it is set (a master's total), it is moved by a transaction, or
time passes and pending points become active or active ones lapse. The last needs nobody to ask:
whatever reads or writes first lets the clock catch up, so an answer never depends on when a job
ran.

Which points a deduction consumed matters only where Engage itself expires points; it is then
derived from the account's transactions (`unspent`), and nothing is stored about it. Running totals
are kept for each definition, so that looking at a million accounts costs nothing.
"""

import heapq
from collections.abc import Callable, Iterable
from datetime import datetime
from decimal import Decimal
from typing import Final

import msgspec

from sandbox.engage.settings import Consumption

ZERO: Final = Decimal(0)

_ACCOUNT_GUID = "acc00000-0000-4000-8000-"
_TRANSACTION_GUID = "7ac00000-0000-4000-8000-"


class PointAccount(msgspec.Struct, gc=False):
    """The points of one contact of one definition."""

    id: int
    contact_id: str
    definition_id: int
    balance: Decimal
    """Active points only."""
    pending: Decimal
    set_at: datetime | None
    """The `timeStamp` of the balance that was set last, if one was."""


class PointTransaction(msgspec.Struct, gc=False):
    """One row of an account."""

    id: int
    account_id: int
    amount: Decimal
    description: str
    source: str
    type: str
    transaction_date: datetime
    created_on: datetime
    modified_on: datetime
    valid_from: datetime
    valid_to: datetime | None
    pending: bool = False
    expires: int | None = None
    """For an expiry, the id of the addition that lapsed."""


class Totals(msgspec.Struct, rename="camel"):
    """What all accounts of one definition hold together."""

    accounts: int = 0
    balance: Decimal = ZERO
    pending_points: Decimal = ZERO


class AccountsSaved(msgspec.Struct):
    """All of it, as a file keeps it."""

    last_number: int
    accounts: list[PointAccount]
    transactions: list[PointTransaction]


def account_guid(account_id: int) -> str:
    """The id v3 gives the account that v2 knows by a number."""
    return f"{_ACCOUNT_GUID}{account_id:012x}"


def transaction_guid(transaction_id: int) -> str:
    """The id v3 gives the transaction that v2 knows by a number."""
    return f"{_TRANSACTION_GUID}{transaction_id:012x}"


def read_account_guid(text: str) -> int | None:
    """The number behind an account's GUID; None when it is not one of ours."""
    lowered = text.lower()
    if not lowered.startswith(_ACCOUNT_GUID) or len(lowered) != 36:
        return None
    try:
        return int(lowered[len(_ACCOUNT_GUID) :], 16)
    except ValueError:
        return None


class Accounts:
    """All accounts and their transactions."""

    def __init__(self) -> None:
        self.by_contact: dict[str, list[PointAccount]] = {}
        self.by_number: dict[int, PointAccount] = {}
        self.transactions: list[PointTransaction] = []
        self.totals: dict[int, Totals] = {}
        self.on_change: Callable[[PointAccount], None] | None = None
        self._transactions_of: dict[int, list[PointTransaction]] = {}
        self._activations: list[tuple[datetime, int]] = []
        self._expiries: list[tuple[datetime, int]] = []
        self._last_number = 0

    def account(self, contact_id: str, definition_id: int) -> PointAccount | None:
        """The account, if the contact has one of that definition."""
        for account in self.by_contact.get(contact_id, ()):
            if account.definition_id == definition_id:
                return account
        return None

    def opened(self, contact_id: str, definition_id: int) -> PointAccount:
        """The account, made now if there is none."""
        account = self.account(contact_id, definition_id)
        if account is None:
            self._last_number += 1
            account = PointAccount(
                self._last_number, contact_id, definition_id, ZERO, ZERO, set_at=None
            )
            self._place(account)
        return account

    def set_balance(
        self, contact_id: str, definition_id: int, amount: Decimal, at: datetime
    ) -> None:
        """Make the active points exactly that many; pending ones stay as they are."""
        account = self.opened(contact_id, definition_id)
        account.set_at = at
        moved = amount - account.balance
        self._move(account, moved, ZERO)
        account.balance = amount  # the same number, with the decimals that were sent

    def post(self, transaction: PointTransaction, now: datetime) -> None:
        """Add a transaction to its account; its id is assigned here.

        Args:
            transaction: pending or not, as its `valid_from` says.
            now: the stand-in's present.
        """
        transaction.id = len(self.transactions) + 1
        transaction.pending = transaction.valid_from > now
        self.transactions.append(transaction)
        self._transactions_of.setdefault(transaction.account_id, []).append(transaction)
        account = self.by_number[transaction.account_id]
        if transaction.pending:
            heapq.heappush(self._activations, (transaction.valid_from, transaction.id))
            self._move(account, ZERO, transaction.amount)
        else:
            self._move(account, transaction.amount, ZERO)
        self._watch_expiry(transaction)

    def transactions_of(self, account_id: int) -> list[PointTransaction]:
        """The transactions of an account, oldest first."""
        return self._transactions_of.get(account_id, [])

    def settle(self, now: datetime, consumption: Consumption | None) -> None:
        """Let the clock catch up: activate and expire what has become due, in order of time.

        Args:
            now: the stand-in's present.
            consumption: which points a deduction took first; None: Engage expires nothing.
        """
        while True:
            activation = self._activations[0][0] if self._activations else None
            expiry = self._expiries[0][0] if self._expiries and consumption else None
            if (
                activation is not None
                and activation <= now
                and (expiry is None or activation <= expiry)
            ):
                _, number = heapq.heappop(self._activations)
                self._activate(self.transactions[number - 1])
            elif consumption is not None and expiry is not None and expiry <= now:
                _, number = heapq.heappop(self._expiries)
                self._expire(self.transactions[number - 1], consumption)
            else:
                return

    def forget(self, contact_id: str) -> list[PointAccount]:
        """Remove the accounts of a contact; what they held is in the answer."""
        accounts = self.by_contact.pop(contact_id, [])
        for account in accounts:
            del self.by_number[account.id]
            totals = self.totals[account.definition_id]
            totals.accounts -= 1
            totals.balance -= account.balance
            totals.pending_points -= account.pending
            self._transactions_of.pop(account.id, None)
        return accounts

    def saved(self) -> AccountsSaved:
        """What a file needs to keep."""
        return AccountsSaved(self._last_number, list(self.by_number.values()), self.transactions)

    def restore(self, saved: AccountsSaved) -> None:
        """Take over what was saved."""
        self._last_number = saved.last_number
        for account in saved.accounts:
            self._place(account)
        self.transactions = saved.transactions
        for transaction in saved.transactions:
            self._transactions_of.setdefault(transaction.account_id, []).append(transaction)
            if transaction.pending:
                heapq.heappush(self._activations, (transaction.valid_from, transaction.id))
            self._watch_expiry(transaction)

    def _watch_expiry(self, transaction: PointTransaction) -> None:
        """Remember when an addition lapses, for the case that Engage is told to expire points."""
        if transaction.valid_to is not None and transaction.amount > ZERO:
            heapq.heappush(self._expiries, (transaction.valid_to, transaction.id))

    def _place(self, account: PointAccount) -> None:
        self.by_number[account.id] = account
        self.by_contact.setdefault(account.contact_id, []).append(account)
        totals = self.totals.setdefault(account.definition_id, Totals())
        totals.accounts += 1
        totals.balance += account.balance
        totals.pending_points += account.pending

    def _move(self, account: PointAccount, active: Decimal, pending: Decimal) -> None:
        account.balance += active
        account.pending += pending
        totals = self.totals[account.definition_id]
        totals.balance += active
        totals.pending_points += pending
        if active and self.on_change is not None:
            self.on_change(account)

    def _activate(self, transaction: PointTransaction) -> None:
        account = self.by_number.get(transaction.account_id)
        transaction.pending = False
        transaction.modified_on = transaction.valid_from
        if account is not None:
            self._move(account, transaction.amount, -transaction.amount)

    def _expire(self, transaction: PointTransaction, consumption: Consumption) -> None:
        account = self.by_number.get(transaction.account_id)
        if account is None or transaction.valid_to is None:
            return
        left = unspent(self.transactions_of(account.id), transaction.id, consumption)
        if left <= ZERO:
            return
        expired = PointTransaction(
            id=0,
            account_id=account.id,
            amount=-left,
            description=f"Expired points of transaction {transaction.id}",
            source="Expiry",
            type="Expiry",
            transaction_date=transaction.valid_to,
            created_on=transaction.valid_to,
            modified_on=transaction.valid_to,
            valid_from=transaction.valid_to,
            valid_to=None,
            expires=transaction.id,
        )
        self.post(expired, transaction.valid_to)


def unspent(
    transactions: Iterable[PointTransaction], wanted: int, consumption: Consumption
) -> Decimal:
    """How much of one addition is left after the deductions so far, before it lapses.

    Each deduction, in order, consumes what was active when it was made. How Engage chooses is not
    documented: by `consumption`, the soonest to expire or the oldest.

    Args:
        transactions: of one account, oldest first.
        wanted: the id of the addition.
        consumption: which points a deduction takes first.
    """
    lots: list[tuple[PointTransaction, Decimal]] = []
    for transaction in transactions:
        if transaction.pending:
            continue
        if transaction.amount > ZERO:
            lots.append((transaction, transaction.amount))
            continue
        if transaction.expires is not None:
            lots = [(lot, ZERO if lot.id == transaction.expires else left) for lot, left in lots]
            continue
        moment = transaction.created_on
        due = -transaction.amount
        order = sorted(range(len(lots)), key=lambda place: _rank(lots[place][0], consumption))
        for place in order:
            lot, left = lots[place]
            lapsed = lot.valid_to is not None and lot.valid_to <= moment
            if lot.valid_from > moment or lapsed:
                continue
            taken = min(left, due)
            lots[place] = (lot, left - taken)
            due -= taken
    return next((left for lot, left in lots if lot.id == wanted), ZERO)


def _rank(lot: PointTransaction, consumption: Consumption) -> tuple[bool, datetime, int]:
    if consumption is Consumption.SOONEST_EXPIRING and lot.valid_to is not None:
        return (False, lot.valid_to, lot.id)
    return (consumption is Consumption.SOONEST_EXPIRING, lot.valid_from, lot.id)
