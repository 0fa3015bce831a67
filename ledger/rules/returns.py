"""Returning: a purchase taken back, in whole or in part, and its points with it.

The one hard idea: rounding is cumulative. With the part of the spend that came back, the points
asked are what all parts so far make, rounded down, less what earlier returns asked; so returning
everything takes back exactly everything, however it was sliced.

A return is never refused for lack of points: it takes what the policy allows. Points of the
purchase that lapsed unspent have gone already and are not taken a second time from others.
"""

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.facts import Allocation
from ledger.kinds import Kind, LedgerAccount
from ledger.lots import consume, headroom, lapsed_by, owe, take
from ledger.outcomes import Code, RefusedError
from ledger.policies import Returns
from ledger.requests import Cancel, Return
from ledger.rules.context import Moment, Original


def asked_of(request: Return | Cancel, original: Original) -> Points:
    """The points a return asks back, at least none.

    Refused where returns together would exceed the original, and where one for all that is left
    finds nothing left. (One for a part of the spend may come to no whole point: it is counted.)
    """
    left = original.amount - original.returned
    if request.part is not None and request.whole is not None:
        if original.whole is not None and original.whole != request.whole:
            raise RefusedError(
                Code.WHOLE_DIFFERS, "differs from an earlier return of the same purchase", "whole"
            )
        part = original.part + request.part
        if part > request.whole:
            raise RefusedError(
                Code.RETURN_EXCEEDS_ORIGINAL,
                "with the earlier returns, more would come back than was spent",
                "part",
            )
        target = original.amount * part // request.whole
        return Points(min(left, max(0, target - original.returned)))
    if request.amount is None and left == 0:
        raise RefusedError(
            Code.NOTHING_LEFT,
            "names a transaction of which everything was taken back already",
            "reverses",
        )
    asked = left if request.amount is None else request.amount
    if asked > left:
        raise RefusedError(
            Code.RETURN_EXCEEDS_ORIGINAL,
            "with the earlier ones, more points would come back than there were",
            "amount",
        )
    return Points(asked)


def check_original(original: Original, moment: Moment, *kinds: Kind) -> None:
    """Refuse what takes back another kind, another definition's points, or the future's."""
    if original.kind not in kinds:
        expected = " or ".join(kind.word for kind in kinds)
        raise RefusedError(
            Code.ORIGINAL_WRONG_KIND,
            f"names a transaction of kind {original.kind.word}, not {expected}",
            "reverses",
        )
    if original.definition != moment.definition.id:
        raise RefusedError(
            Code.ORIGINAL_OF_ANOTHER_DEFINITION,
            "names a transaction of another point definition",
            "reverses",
        )
    if moment.effective_at < original.effective_at:
        raise RefusedError(
            Code.EFFECTIVE_BEFORE_ORIGINAL,
            "is earlier than the transaction it takes back",
            "effectiveAt",
        )


def take_back(draft: Draft, request: Return, original: Original, moment: Moment) -> Points:
    """Take the points of a purchase back as far as the policy allows; answers what was asked."""
    check_original(original, moment, Kind.EARN)
    asked = asked_of(request, original)
    account, at = draft.account, moment.effective_at
    policy = moment.definition.policy_at(at)
    own_lots = [account.lots[number] for number in original.lots]
    # What lapses later than the return had not gone yet: taking it gives back its expiry.
    gone = sum(lapsed_by(lot, at) for lot in own_lots)
    gone += original.lapsed_elsewhere
    wanted = max(0, min(asked, original.amount - gone - original.reversed))
    own: list[Allocation] = []
    for lot in own_lots:
        is_pending = at < lot.valid_from
        if policy.returns is Returns.ONLY_PENDING and not is_pending:
            continue
        if lot.valid_to is None or at < lot.valid_to:
            amount = min(wanted, headroom(lot, at))
            if amount > 0:
                own.append(Allocation(lot.lot, Points(amount)))
                wanted -= amount
    others: tuple[Allocation, ...] = ()
    if wanted and policy.returns is not Returns.ONLY_PENDING:
        found = consume(account, wanted, at, skip=frozenset(original.lots))
        others = found.takes
        wanted = found.short
    take(draft, (*own, *others), at, LedgerAccount.ISSUED)
    if wanted and policy.returns is Returns.UNLIMITED:
        room = moment.definition.debt_room(at, account.debt)
        owed = wanted if room is None else min(wanted, room)
        if owed:
            owe(draft, owed, at, LedgerAccount.ISSUED)
    return asked
