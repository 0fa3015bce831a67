"""Whether there are points enough: the one refusal that redeeming, holding and moving share."""

from ledger.amounts import Points, format_amount
from ledger.lots import Consumption, consume
from ledger.outcomes import Code, RefusedError
from ledger.rules.context import Moment
from ledger.state import AccountState


def enough(account: AccountState, amount: Points, moment: Moment) -> Consumption:
    """The lots for a debit of `amount`. Refused where they are short of it."""
    found = consume(account, amount, moment.effective_at)
    if found.short:
        scale = moment.definition.scale
        raise RefusedError(
            Code.INSUFFICIENT_POINTS,
            f"{format_amount(found.taken, scale)} available, {format_amount(amount, scale)} needed",
            "amount",
        )
    return found
