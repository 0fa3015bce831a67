"""Folding facts into state: what one transaction does to its account.

The one hard idea: the same `AccountState.apply` that posting uses. Whoever needs state from facts
(the audit, a reading as of an earlier instant) folds transactions in the order of their numbers.
"""

from collections.abc import Iterable

from ledger.facts import Transaction
from ledger.kinds import Kind, LedgerAccount
from ledger.state import AccountState, HoldState


class UnknownLotError(ValueError):
    """A transfer names a lot that no transaction before it issued."""

    def __init__(self, line: int, lot: int) -> None:
        super().__init__(f"line {line} names lot {lot} before its issue")


def fold(account: AccountState, told: Transaction) -> None:
    """Bring an account from before a transaction to after it.

    Raises `UnknownLotError` for facts that don't belong together.
    """
    issues = {issue.line: issue for issue in told.lots}
    for transfer in told.transfers:
        _check_lots(account, transfer.line, (part.lot for part in transfer.allocations))
        account.apply(transfer)
        issue = issues.get(transfer.line)
        if issue is not None:
            account.issue(issue, told.number, active=transfer.credit == LedgerAccount.AVAILABLE)
    for term in told.terms:
        _check_lots(account, 0, (term.lot,))
        account.amend(term)
    if told.kind is Kind.CLOSE:
        account.closed = True
    _fold_holds(account, told)


def _check_lots(account: AccountState, line: int, lots: Iterable[int]) -> None:
    for lot in lots:
        if lot not in account.lots:
            raise UnknownLotError(line, lot)


def _fold_holds(account: AccountState, told: Transaction) -> None:
    if told.kind is Kind.HOLD:
        parts = tuple(
            part
            for transfer in told.transfers
            if transfer.credit == LedgerAccount.HELD
            for part in transfer.allocations
        )
        account.place(HoldState(told.id, told.number, parts, told.hold_expires_at))
    elif told.kind in (Kind.CAPTURE, Kind.RELEASE, Kind.TIMEOUT):
        for hold in account.holds.values():
            if hold.id == told.reverses:
                hold.ended_by = told.number
