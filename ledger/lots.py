"""Which lots a debit takes, and what a lot could bear at an earlier instant.

The one hard idea: an allocation is never decided again. A debit that comes late may therefore take
from a lot only what no later, already booked, movement needs: the least that stood in the lot from
the debit's instant on. Points that lapsed meanwhile count as there, since they would not have
lapsed had the debit been known in time; the part taken is given back from `expired` at the very
instant it lapsed.
"""

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import groupby
from operator import itemgetter
from typing import NamedTuple

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.facts import Allocation, total
from ledger.kinds import LedgerAccount
from ledger.state import AccountState, LotState

_NEVER = datetime.max.replace(tzinfo=UTC)


class Consumption(NamedTuple):
    """What lots can give: which, how much of each, and what is short of the amount asked."""

    takes: tuple[Allocation, ...]
    short: Points

    @property
    def taken(self) -> int:
        """The sum of what the lots give."""
        return sum(amount for _, amount in self.takes)


def consumption_order(lot: LotState) -> tuple[datetime, datetime, int]:
    """Soonest to expire first, then the earliest issued; what never expires comes last."""
    return (lot.valid_to or _NEVER, lot.effective_at, lot.lot)


def is_valid(lot: LotState, at: datetime) -> bool:
    """Whether the lot's points can be spent at this instant."""
    return lot.valid_from <= at and (lot.valid_to is None or at < lot.valid_to)


def headroom(lot: LotState, at: datetime) -> int:
    """The most that can be taken from a lot at an instant without undoing what is booked later.

    Where the lot's movements are not loaded, nothing of it lies after `at` and all that remains
    can be taken.
    """
    if lot.movements is None:
        return lot.remaining
    standing = sum(change for when, change in lot.movements if when <= at)
    least = standing
    # What left and what came in at one instant are one step: nothing stood between them.
    later = sorted(moved for moved in lot.movements if moved[0] > at)
    for _, moved in groupby(later, key=itemgetter(0)):
        standing += sum(change for _, change in moved)
        least = min(least, standing)
    return max(0, least)


def lapsed_by(lot: LotState, at: datetime) -> int:
    """What of a lot had expired by an instant, as far as is known now.

    After its end nothing stands in a lot: whatever then would, had nothing lapsed, has.
    """
    if lot.valid_to is None or at < lot.valid_to:
        return 0
    if lot.movements is None:
        return lot.lapsed
    return sum(change for when, change in lot.movements if when <= at)


def consume(
    account: AccountState,
    amount: int,
    at: datetime,
    *,
    skip: frozenset[int] = frozenset(),
) -> Consumption:
    """Choose the lots for a debit of `amount` at an instant; decides, but books nothing."""
    takes: list[Allocation] = []
    short = amount
    candidates = (lot for lot in account.lots.values() if is_valid(lot, at) and lot.lot not in skip)
    for lot in sorted(candidates, key=consumption_order):
        if short == 0:
            break
        take = min(short, headroom(lot, at))
        if take > 0:
            takes.append(Allocation(lot.lot, Points(take)))
            short -= take
    return Consumption(tuple(takes), Points(short))


def spendable(account: AccountState, at: datetime) -> int:
    """What a debit at an instant could take."""
    return sum(headroom(lot, at) for lot in account.lots.values() if is_valid(lot, at))


def take(
    draft: Draft,
    takes: Iterable[Allocation],
    at: datetime,
    credit: LedgerAccount,
) -> None:
    """Book a debit from lots at an instant, and what follows from its coming late.

    Points that were pending at `at` leave pending, and an activation booked since is taken back in
    that part; points that have lapsed since come back from `expired` in that part.
    """
    available: list[Allocation] = []
    pending: list[Allocation] = []
    activated: dict[datetime, list[Allocation]] = {}
    lapsed: dict[datetime, list[Allocation]] = {}
    for taken in takes:
        lot = draft.account.lots[taken.lot]
        if lot.valid_from <= at:
            available.append(taken)
        else:
            pending.append(taken)
            if lot.active:
                activated.setdefault(lot.valid_from, []).append(taken)
        beyond = taken.amount - lot.remaining
        if beyond > 0 and lot.valid_to is not None:
            lapsed.setdefault(lot.valid_to, []).append(Allocation(lot.lot, Points(beyond)))
    _transfer(draft, LedgerAccount.PENDING, credit, pending, at)
    _transfer(draft, LedgerAccount.AVAILABLE, credit, available, at)
    for instant, parts in sorted(activated.items()):
        _transfer(draft, LedgerAccount.AVAILABLE, LedgerAccount.PENDING, parts, instant)
    for instant, parts in sorted(lapsed.items()):
        _transfer(draft, LedgerAccount.EXPIRED, LedgerAccount.AVAILABLE, parts, instant)


def take_or_owe(draft: Draft, amount: int, at: datetime, credit: LedgerAccount) -> None:
    """Book a debit that is never refused: from lots as far as they go, the rest as debt."""
    found = consume(draft.account, amount, at)
    take(draft, found.takes, at, credit)
    if found.short:
        owe(draft, found.short, at, credit)


def owe(draft: Draft, amount: int, at: datetime, credit: LedgerAccount) -> None:
    """Book what lots could not give as debt; points that came in later repay it as they came.

    That happens only to a debit that comes late: at its instant nothing was there, but something
    came in since. Had the debit been known in time, that would have repaid it, so even points that
    have lapsed by now do.
    """
    account = draft.account
    draft.transfer(LedgerAccount.DEBT, credit, amount, at)
    active = [lot for lot in account.lots.values() if lot.active]
    for lot in sorted(active, key=consumption_order):
        for instant in _instants(lot, account.debt_since or at):
            if account.debt == 0:
                return
            amount = min(headroom(lot, instant), account.debt) if is_valid(lot, instant) else 0
            if amount > 0:
                parts = (Allocation(lot.lot, Points(amount)),)
                take(draft, parts, instant, LedgerAccount.DEBT)


def _instants(lot: LotState, since: datetime) -> list[datetime]:
    """The instants from `since` on at which more of a lot may have come in."""
    first = max(since, lot.valid_from)
    return [first, *sorted({when for when, _ in lot.movements or () if when > first})]


def _transfer(
    draft: Draft,
    debit: LedgerAccount,
    credit: LedgerAccount,
    parts: list[Allocation],
    at: datetime,
) -> None:
    if parts:
        draft.transfer(debit, credit, total(parts), at, tuple(parts))
