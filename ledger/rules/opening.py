"""Opening: what a program's earlier books say a holder has, or owes, brought in as it stands."""

from ledger.draft import Draft
from ledger.kinds import LedgerAccount
from ledger.lots import take_or_owe
from ledger.requests import Open
from ledger.rules.context import Moment
from ledger.rules.earn import bring_in, term_of


def open_balance(draft: Draft, request: Open, moment: Moment) -> None:
    """Bring a balance in from `opening`; refused as an earn would be for its validity."""
    if request.amount > 0:
        valid_from, valid_to = term_of(request, moment)
        bring_in(draft, LedgerAccount.OPENING, request.amount, moment, valid_from, valid_to)
        return
    take_or_owe(draft, -request.amount, moment.effective_at, LedgerAccount.OPENING)
