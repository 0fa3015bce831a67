"""Holding: points set aside at a checkout, then spent, given up, or timed out.

The one hard idea: a hold takes from lots when it is placed, so nobody else can spend those points
and their order of consumption is settled. It ends once, by one transaction; a partial capture
releases the rest in the same breath.
"""

from ledger.amounts import Points, format_amount
from ledger.draft import Draft
from ledger.due import release
from ledger.facts import Allocation, total
from ledger.kinds import Kind, LedgerAccount
from ledger.lots import consumption_order, take
from ledger.outcomes import Code, RefusedError
from ledger.requests import Capture, Hold
from ledger.rules.context import Moment, Original
from ledger.rules.enough import enough
from ledger.state import HoldState


def hold(draft: Draft, request: Hold, moment: Moment) -> None:
    """Set points aside. Refused where they are short, or the hold would be over already."""
    effective_at, expires_at = moment.effective_at, request.hold_expires_at
    if expires_at is not None and expires_at <= moment.recorded_at:
        raise RefusedError(Code.HOLD_OVER, "is in the past", "holdExpiresAt")
    found = enough(draft.account, request.amount, moment)
    take(draft, found.takes, effective_at, LedgerAccount.HELD)
    draft.place_hold(found.takes, expires_at)


def open_hold(draft: Draft, original: Original, moment: Moment) -> HoldState:
    """The hold that a capture or release names. Refused where it has ended already."""
    if original.kind is not Kind.HOLD:
        raise RefusedError(
            Code.ORIGINAL_WRONG_KIND,
            f"names a transaction of kind {original.kind.word}, not hold",
            "holdId",
        )
    if original.definition != moment.definition.id:
        raise RefusedError(
            Code.ORIGINAL_OF_ANOTHER_DEFINITION,
            "names a hold of another point definition",
            "holdId",
        )
    found = draft.account.holds.get(original.number)
    # Another holder's hold, of before a merge, may have had the same number.
    if found is None or found.id != original.id or found.ended_by is not None:
        raise RefusedError(
            Code.HOLD_ENDED, "names a hold that was captured, released or timed out", "holdId"
        )
    if moment.effective_at < original.effective_at:
        raise RefusedError(
            Code.EFFECTIVE_BEFORE_ORIGINAL, "is earlier than the hold", "effectiveAt"
        )
    return found


def capture(draft: Draft, request: Capture, original: Original, moment: Moment) -> Points:
    """Spend what is held, soonest to expire first; answers how much was spent."""
    found = open_hold(draft, original, moment)
    held = total(found.parts)
    amount = held if request.amount is None else request.amount
    if amount > held:
        raise RefusedError(
            Code.CAPTURE_EXCEEDS_HOLD,
            f"{format_amount(held, moment.definition.scale)} are held",
            "amount",
        )
    lots = draft.account.lots
    parts = sorted(found.parts, key=lambda part: consumption_order(lots[part.lot]))
    spent, rest = split(tuple(parts), amount)
    draft.end_hold(found)
    draft.transfer(LedgerAccount.HELD, LedgerAccount.REDEEMED, amount, moment.effective_at, spent)
    if rest:
        release(draft, rest, moment.effective_at)
    return Points(amount)


def give_up(draft: Draft, original: Original, moment: Moment) -> Points:
    """Release a hold; answers how much was held."""
    found = open_hold(draft, original, moment)
    draft.end_hold(found)
    release(draft, found.parts, moment.effective_at)
    return total(found.parts)


def split(
    parts: tuple[Allocation, ...], amount: int
) -> tuple[tuple[Allocation, ...], tuple[Allocation, ...]]:
    """Parts cut in two where `amount` is reached."""
    head: list[Allocation] = []
    tail: list[Allocation] = []
    for part in parts:
        taken = min(part.amount, amount)
        amount -= taken
        if taken:
            head.append(Allocation(part.lot, Points(taken)))
        if part.amount > taken:
            tail.append(Allocation(part.lot, Points(part.amount - taken)))
    return tuple(head), tuple(tail)
