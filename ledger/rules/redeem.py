"""Redeeming: points spent, soonest to expire first; short ones refused, or owed by choice."""

from ledger.amounts import format_amount
from ledger.draft import Draft
from ledger.kinds import LedgerAccount
from ledger.lots import consume, owe, take
from ledger.outcomes import Code, RefusedError
from ledger.requests import Redeem
from ledger.rules.context import Moment


def redeem(draft: Draft, request: Redeem, moment: Moment) -> None:
    """Take points from lots. Refused where they are short, unless debt is allowed."""
    found = consume(draft.account, request.amount, moment.effective_at)
    if found.short and not request.allow_debt:
        scale = moment.definition.scale
        raise RefusedError(
            Code.INSUFFICIENT_POINTS,
            f"{format_amount(found.taken, scale)} available, "
            f"{format_amount(request.amount, scale)} needed",
            "amount",
        )
    take(draft, found.takes, moment.effective_at, LedgerAccount.REDEEMED)
    if found.short:
        owe(draft, found.short, moment.effective_at, LedgerAccount.REDEEMED)
