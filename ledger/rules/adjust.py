"""Adjusting: a correction by hand or by Engage, up as a new lot, down from lots and then debt."""

from ledger.draft import Draft
from ledger.kinds import LedgerAccount
from ledger.lots import take_or_owe
from ledger.requests import Adjust
from ledger.rules.context import Moment
from ledger.rules.earn import bring_in


def adjust(draft: Draft, request: Adjust, moment: Moment) -> None:
    """Book a correction; it is never refused for lack of points."""
    effective_at = moment.effective_at
    if request.amount > 0:
        valid_to = moment.definition.valid_to(effective_at, effective_at)
        bring_in(draft, LedgerAccount.ADJUSTED, request.amount, moment, effective_at, valid_to)
        return
    take_or_owe(draft, -request.amount, effective_at, LedgerAccount.ADJUSTED)
