"""The model's rules for what is about an earlier transaction: taking back, holds, new terms."""

from collections.abc import Callable
from typing import Any, Final, NamedTuple

import msgspec

from ledger.kinds import Kind, LedgerAccount
from ledger.outcomes import Code
from ledger.policies import Returns
from ledger.requests import Activate, Cancel, Capture, Extend, Release, Request, Return
from tests.simulation.account import (
    AVAILABLE,
    DEBT,
    EXPIRED,
    HELD,
    NEVER,
    PENDING,
    Account,
    Movement,
    Origin,
    Term,
    Told,
)
from tests.simulation.validity import end_of

ISSUED, REDEEMED = LedgerAccount.ISSUED, LedgerAccount.REDEEMED

FITTING: Final = {
    Kind.RETURN: {Kind.EARN},
    Kind.CANCEL: {Kind.REDEEM, Kind.CAPTURE},
    Kind.CAPTURE: {Kind.HOLD},
    Kind.RELEASE: {Kind.HOLD},
}
"""What kinds a request may be about; the others may be about whatever issued lots."""


class About(NamedTuple):
    """The transaction that a request is about, and what has become of it.

    Attributes:
        lots: Its own lots; where it was booked for somebody who was merged, what they became.
        former: The accounts it was in before each merge, with what its lots became there.
    """

    told: Told
    lots: list[int]
    former: list[tuple[Account, list[int]]]

    def accounts(self, account: Account) -> list[Account]:
        """Every account in which something about it may have been told."""
        return [account, *(former for former, _ in self.former)]

    def later(self, account: Account, kind: Kind) -> list[Told]:
        """What was already told about it, of one kind."""
        every = [one for known in self.accounts(account) for one in known.told]
        return [one for one in every if one.about is self.told and one.kind is kind]

    def booked_in(self, account: Account) -> Account:
        """The account it was booked for."""
        return next(one for one in self.accounts(account) if self.told in one.told)


def about_original(
    request: Request, account: Account, told: Told, about: About | None, no: set[Code]
) -> None:
    """Look for objections; without any, move the points."""
    if about is None:
        no.add(Code.ORIGINAL_UNKNOWN)
        return
    told.about = about.told
    fitting = FITTING.get(told.kind)
    if about.told.kind not in fitting if fitting else not about.lots:
        no.add(Code.ORIGINAL_WRONG_KIND)
    if about.told.place[1] != request.definition:
        no.add(Code.ORIGINAL_OF_ANOTHER_DEFINITION)
    if told.effective < about.told.effective:
        no.add(Code.EFFECTIVE_BEFORE_ORIGINAL)
    if not no & {Code.ORIGINAL_WRONG_KIND, Code.ORIGINAL_OF_ANOTHER_DEFINITION}:
        RULES[type(request)](request, account, told, about, no)


def take_back(request: Return, account: Account, told: Told, about: About, no: set[Code]) -> None:
    """A purchase returned."""
    ask(request, account, told, about, no)
    if no:
        return
    at, now = told.effective, told.recorded
    policy = account.definition.policy_at(at)
    before = sum(
        one.amount
        for known in about.accounts(account)
        for one in known.movements
        if one.cause in about.later(account, Kind.RETURN)
    )
    lapsed = sum(account.sum(EXPIRED, at, lot=lot) for lot in about.lots)
    # What lapsed before a merge can't be given back any more, so it counts whenever it lapsed.
    lapsed += sum(former.sum(EXPIRED, lot=lot) for former, lots in about.former for lot in lots)
    left = max(0, min(told.amount, about.told.amount - lapsed - before))
    for lot in about.lots:
        if policy.returns is Returns.ONLY_PENDING and account.lots[lot].valid_from <= at:
            continue
        part = account.part_of(lot, left, at)
        if part:
            account.take(lot, part, at, ISSUED, now, cause=told)
            left -= part
    if policy.returns is Returns.ONLY_PENDING:
        return
    for lot, part in account.valid_parts(left, at):
        account.take(lot, part, at, ISSUED, now, cause=told)
        left -= part
    if policy.returns is Returns.UNLIMITED:
        debt, _ = account.owed()
        room = left if policy.debt_limit is None else max(0, policy.debt_limit - debt)
        account.borrow(told, min(left, room), ISSUED)


def ask(
    request: Return | Cancel, account: Account, told: Told, about: About, no: set[Code]
) -> None:
    """How much is asked back."""
    earlier = about.later(account, told.kind)
    whole_amount = about.told.amount
    asked = sum(one.amount for one in earlier)
    told.part, told.whole = request.part, request.whole
    if request.part is not None and request.whole is not None:
        parts = sum(one.part or 0 for one in earlier) + request.part
        if {one.whole for one in earlier} - {None, request.whole}:
            no.add(Code.WHOLE_DIFFERS)
        if parts > request.whole:
            no.add(Code.RETURN_EXCEEDS_ORIGINAL)
        told.amount = max(0, whole_amount * parts // request.whole - asked)
    elif request.amount is None:
        told.amount = whole_amount - asked
        if told.amount == 0:
            no.add(Code.NOTHING_LEFT)
    if asked + told.amount > whole_amount:
        no.add(Code.RETURN_EXCEEDS_ORIGINAL)


def cancel(request: Cancel, account: Account, told: Told, about: About, no: set[Code]) -> None:
    """Undo what was taken last, debt before points."""
    ask(request, account, told, about, no)
    if no:
        return
    back = sum(one.amount for one in about.later(account, Kind.CANCEL))
    left, anew = told.amount, 0
    for lot, amount in reversed(about.told.taken):
        part = min(left, max(0, amount - back))
        back = max(0, back - amount)
        left -= part
        if part and lot is None:
            anew = part - forgive(account, told, part)
        elif part and lot is not None:
            bring_back(account, told, about, lot, part)
    if anew:
        valid_to = end_of(account.definition, told.effective, told.effective)
        account.issue(told, anew, told.effective, valid_to, REDEEMED)


def forgive(account: Account, told: Told, amount: int) -> int:
    """Take debt back as far as it is still owed; answers how much."""
    debt, since = account.owed()
    owed = min(amount, debt)
    if owed:
        then = max(told.effective, since)
        account.move(Movement(REDEEMED, DEBT, owed, then, told.recorded, cause=told))
    return owed


def bring_back(account: Account, told: Told, about: About, lot: int, amount: int) -> None:
    """Give points back to their lot, or as a new one where that stayed with a merged account."""
    there = about.booked_in(account)
    at = told.effective
    if there is account:
        movement = Movement(REDEEMED, AVAILABLE, amount, at, told.recorded, lot, cause=told)
        account.move(movement)
    else:
        valid_to = there.lots[lot].valid_to
        account.issue(told, amount, at, valid_to, REDEEMED, Origin(about.told.place, lot))


def end_hold(
    request: Capture | Release, account: Account, told: Told, about: About, no: set[Code]
) -> None:
    """Spend what is held, or some of it; let go of the rest."""
    hold = about.told
    if any(one.ended(hold) for one in about.accounts(account)):
        no.add(Code.HOLD_ENDED)
    told.amount = told.amount or hold.amount
    if told.amount > hold.amount:
        no.add(Code.CAPTURE_EXCEEDS_HOLD)
    if no:
        return
    at, now = told.effective, told.recorded
    left = told.amount if isinstance(request, Capture) else 0
    for lot in account.in_order():
        part = min(left, account.sum(HELD, lot=lot, hold=hold))
        if part:
            account.move(Movement(HELD, REDEEMED, part, at, now, lot, hold, told))
            told.taken.append((lot, part))
            left -= part
    account.let_go(hold, at, now)


def activate(_: Activate, account: Account, told: Told, about: About, no: set[Code]) -> None:
    """Pending points, available early."""
    pending = [lot for lot in about.lots if account.sum(PENDING, lot=lot) > 0]
    if not pending:
        no.add(Code.NOTHING_PENDING)
    if no:
        return
    at, now = told.effective, told.recorded
    for lot in pending:
        amount = account.sum(PENDING, lot=lot)
        told.amount += amount
        account.lots[lot].terms.append(Term(now, at, account.lots[lot].valid_to))
        account.move(Movement(PENDING, AVAILABLE, amount, at, now, lot, cause=told))


def extend(request: Extend, account: Account, told: Told, about: About, no: set[Code]) -> None:
    """A new term for those lots that can have it."""
    found: dict[int, Term] = {}
    objections: set[Code] = set()
    for lot in about.lots:
        term, against = new_term(request, account, lot, told)
        objections |= against
        if not against:
            found[lot] = term
    if not found:
        no |= objections
    if no:
        return
    for lot, term in found.items():
        account.lots[lot].terms.append(term)
        told.amount += account.remaining(lot)


def new_term(request: Extend, account: Account, lot: int, told: Told) -> tuple[Term, set[Code]]:
    """What a lot's term would be, and what speaks against it."""
    now = account.lots[lot].terms[-1]
    against: set[Code] = set()
    valid_from, valid_to = now.valid_from, now.valid_to
    if valid_to <= told.recorded:
        against.add(Code.LOT_LAPSED)
    if request.valid_from is not msgspec.UNSET:
        valid_from = request.valid_from
        if account.sum(PENDING, lot=lot) <= 0 or valid_from <= told.recorded:
            against.add(Code.NOTHING_PENDING)
    if request.valid_to is not msgspec.UNSET:
        valid_to = request.valid_to or NEVER
        if valid_to < now.valid_to or now.valid_to == NEVER:
            against.add(Code.NOT_EXTENDED)
    if (valid_from, valid_to) == (now.valid_from, now.valid_to):
        against.add(Code.NOT_EXTENDED)
    if valid_to <= valid_from:
        against.add(Code.VALIDITY_EMPTY)
    return Term(told.recorded, valid_from, valid_to), against


RULES: Final[dict[type[Request], Callable[[Any, Account, Told, About, set[Code]], None]]] = {
    Return: take_back,
    Cancel: cancel,
    Capture: end_hold,
    Release: end_hold,
    Activate: activate,
    Extend: extend,
}
