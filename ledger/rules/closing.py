"""Closing an account: what is left lapses or is paid out, what is owed is let go, for good."""

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.facts import Allocation, total
from ledger.kinds import LedgerAccount
from ledger.lots import consumption_order
from ledger.outcomes import Code, RefusedError
from ledger.rules.context import Moment


def close(draft: Draft, moment: Moment) -> Points:
    """Empty the account now; answers how many points were left. Refused where points are held."""
    account, at = draft.account, moment.effective_at
    if account.held:
        raise RefusedError(
            Code.POINTS_HELD, "has points on hold: capture or release them first", "contactId"
        )
    left = account.available + account.pending
    for bucket in (LedgerAccount.PENDING, LedgerAccount.AVAILABLE):
        parts = tuple(
            Allocation(lot.lot, lot.remaining)
            for lot in sorted(account.lots.values(), key=consumption_order)
            if lot.remaining and lot.active == (bucket is LedgerAccount.AVAILABLE)
        )
        if parts:
            draft.transfer(bucket, LedgerAccount.CLOSED, total(parts), at, parts)
    if account.debt:
        draft.transfer(LedgerAccount.CLOSED, LedgerAccount.DEBT, account.debt, at)
    return Points(left)
