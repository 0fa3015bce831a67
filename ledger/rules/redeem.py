"""Redeeming: points spent, soonest to expire first; short ones refused, or owed by choice."""

from ledger.draft import Draft
from ledger.kinds import LedgerAccount
from ledger.lots import take, take_or_owe
from ledger.requests import Redeem
from ledger.rules.context import Moment
from ledger.rules.enough import enough


def redeem(draft: Draft, request: Redeem, moment: Moment) -> None:
    """Take points from lots. Refused where they are short, unless debt is allowed."""
    at = moment.effective_at
    if request.allow_debt:
        take_or_owe(draft, request.amount, at, LedgerAccount.REDEEMED)
    else:
        found = enough(draft.account, request.amount, moment)
        take(draft, found.takes, at, LedgerAccount.REDEEMED)
