"""Cancelling: a redemption undone, its points back in the lots they came from.

The one hard idea: a partial cancellation leaves things as if less had been redeemed in the first
place. So debt the redemption made goes first, then the points that were taken last, which are
those that live longest. Points keep their expiry; those whose validity has passed lapse at once.
Debt that was repaid meanwhile has been paid with other points: it comes back as new ones.
"""

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.due import follow
from ledger.facts import Allocation, Origin, total
from ledger.kinds import Kind, LedgerAccount
from ledger.requests import Cancel
from ledger.rules.context import Moment, Original
from ledger.rules.holds import split
from ledger.rules.returns import asked_of, check_original


def cancel(draft: Draft, request: Cancel, original: Original, moment: Moment) -> Points:
    """Give points of a redemption back; answers how many."""
    check_original(original, moment, Kind.REDEEM, Kind.CAPTURE)
    asked = asked_of(request, original)
    at = moment.effective_at
    owed_back, parts = _next_back(original, asked)
    repaid = min(owed_back, draft.account.debt)
    if repaid:
        since = draft.account.debt_since or at
        draft.transfer(LedgerAccount.REDEEMED, LedgerAccount.DEBT, repaid, max(at, since))
    if original.elsewhere:
        _bring_back(draft, original, parts, moment)
    elif parts:
        amount = total(parts)
        draft.transfer(LedgerAccount.REDEEMED, LedgerAccount.AVAILABLE, amount, at, parts)
        follow(draft, parts, at)
    anew = Points(owed_back - repaid)
    if anew:
        # Where some of it had been repaid, nothing is owed any more: there is nothing to settle.
        valid_to = moment.definition.valid_to(at, at)
        draft.issue(LedgerAccount.REDEEMED, anew, at, at, valid_to)
    return asked


def _bring_back(
    draft: Draft, original: Original, parts: tuple[Allocation, ...], moment: Moment
) -> None:
    """Give points back where the lots they came from stayed with a holder that was merged."""
    at = moment.effective_at
    brought: list[Allocation] = []
    for part in parts:
        lot = original.elsewhere[part.lot]
        origin = Origin(original.holder, lot.lot)
        anew = draft.issue(LedgerAccount.REDEEMED, part.amount, at, at, lot.valid_to, origin)
        brought.append(Allocation(anew.lot, part.amount))
    follow(draft, brought, at)


def _next_back(original: Original, asked: int) -> tuple[int, tuple[Allocation, ...]]:
    """What comes back next: how much of the debt, and which lots, the last taken first."""
    owed = original.amount - total(original.taken)
    owed_back = min(asked, max(0, owed - original.returned))
    from_lots = max(0, original.returned - owed)
    _, left = split(tuple(reversed(original.taken)), from_lots)
    back, _ = split(left, asked - owed_back)
    return owed_back, back
