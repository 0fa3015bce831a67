"""Adjusting: a correction by hand or by Engage, up as a new lot, down from lots and then debt."""

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.due import settle
from ledger.kinds import LedgerAccount
from ledger.lots import consume, owe, take
from ledger.requests import Adjust
from ledger.rules.context import Moment


def adjust(draft: Draft, request: Adjust, moment: Moment) -> None:
    """Book a correction; it is never refused for lack of points."""
    effective_at = moment.effective_at
    if request.amount > 0:
        valid_to = moment.definition.valid_to(effective_at, effective_at)
        lot = draft.issue(
            LedgerAccount.ADJUSTED, request.amount, effective_at, effective_at, valid_to
        )
        settle(draft, lot, request.amount, effective_at)
        return
    found = consume(draft.account, Points(-request.amount), effective_at)
    take(draft, found.takes, effective_at, LedgerAccount.ADJUSTED)
    if found.short:
        owe(draft, found.short, effective_at, LedgerAccount.ADJUSTED)
