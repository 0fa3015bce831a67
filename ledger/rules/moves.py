"""Moving: points passed on to another account, each new lot remembering where it came from.

The one hard idea: one account gives, another takes, through the program account `moved`; the two
transactions are booked together, and over all accounts `moved` is zero. Points keep their term, so
that a gift lives as long as it would have.
"""

from typing import NamedTuple

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.due import settle
from ledger.facts import Allocation, Origin, total
from ledger.identity import HolderId
from ledger.kinds import LedgerAccount
from ledger.lots import consumption_order, take, take_or_owe
from ledger.outcomes import Code, RefusedError
from ledger.requests import Move
from ledger.rules.context import Moment
from ledger.rules.enough import enough
from ledger.state import LotState


class Passed(NamedTuple):
    """Points of one lot on their way from one account to another."""

    lot: LotState
    amount: Points


def move_out(draft: Draft, request: Move, moment: Moment) -> list[Passed]:
    """Take what is to be moved from an account; answers which points of which lots."""
    account, at = draft.account, moment.effective_at
    if request.amount is None:
        return _everything(draft, moment)
    found = enough(account, request.amount, moment)
    take(draft, found.takes, at, LedgerAccount.MOVED)
    return [Passed(account.lots[part.lot], part.amount) for part in found.takes]


def _everything(draft: Draft, moment: Moment) -> list[Passed]:
    account, at = draft.account, moment.effective_at
    if account.held:
        raise RefusedError(
            Code.POINTS_HELD, "has points on hold: capture or release them first", "contactId"
        )
    passed = [
        Passed(lot, lot.remaining)
        for lot in sorted(account.lots.values(), key=consumption_order)
        if lot.remaining
    ]
    for bucket in (LedgerAccount.PENDING, LedgerAccount.AVAILABLE):
        parts = tuple(
            Allocation(lot.lot, amount)
            for lot, amount in passed
            if lot.active == (bucket is LedgerAccount.AVAILABLE)
        )
        if parts:
            draft.transfer(bucket, LedgerAccount.MOVED, total(parts), at, parts)
    if account.debt:
        draft.transfer(LedgerAccount.MOVED, LedgerAccount.DEBT, account.debt, at)
    return passed


def move_in(
    draft: Draft, holder: HolderId, passed: list[Passed], owed: int, moment: Moment
) -> None:
    """Bring moved points into an account, lot by lot with their terms, and debt after them."""
    at = moment.effective_at
    for lot, amount in passed:
        origin = Origin(holder, lot.lot)
        valid_from = max(lot.valid_from, at)
        brought = draft.issue(LedgerAccount.MOVED, amount, at, valid_from, lot.valid_to, origin)
        if brought.active:
            settle(draft, brought, amount, at)
    if owed:
        take_or_owe(draft, owed, at, LedgerAccount.MOVED)
