"""What falls due: activation, expiry and the time-out of holds, each at its very moment.

The one hard idea: `book_due` is the only source of due transfers. A posting books an account's due
transfers before anything else, the sweep books the rest, and a read books them into a copy it
throws away; so a balance is the same whether or not a job ran. Working up to an earlier instant
yields the very beginning of what working up to a later one yields.
"""

from collections.abc import Iterable
from datetime import datetime
from itertools import groupby
from typing import NamedTuple

from ledger.amounts import Points
from ledger.draft import Draft, OpenDraft
from ledger.facts import Allocation, Balance, total
from ledger.kinds import Kind, LedgerAccount
from ledger.lots import consumption_order
from ledger.state import AccountState, LotState


class _Boundary(NamedTuple):
    """An instant at which something falls due; at one instant: time-out, activation, expiry.

    Attributes:
        order: Among lots, that of consumption: what lapses soonest repays debt first.
    """

    at: datetime
    rank: int
    order: tuple[datetime, datetime, int] | None
    number: int


_TIMEOUT, _ACTIVATION, _EXPIRY = range(3)


def book_due(account: AccountState, until: datetime, open_draft: OpenDraft) -> None:
    """Book everything that falls due up to and including `until`, in the order of time.

    The account's lots with points remaining and its open holds must be loaded, or at least those
    that can be due (`AccountState.complete` says which).
    """
    if account.next_due_at is None or account.next_due_at > until:
        return
    boundaries = sorted(_boundaries(account, until))
    for (at, rank), together in groupby(boundaries, key=lambda one: (one.at, one.rank)):
        numbers = [boundary.number for boundary in together]
        if rank == _TIMEOUT:
            for number in numbers:
                hold = account.holds[number]
                draft = open_draft(Kind.TIMEOUT, at, number)
                draft.end_hold(hold)
                release(draft, hold.parts, at)
            continue
        parts = tuple(
            Allocation(number, account.lots[number].remaining)
            for number in numbers
            if account.lots[number].remaining
        )
        if parts and rank == _ACTIVATION:
            draft = open_draft(Kind.ACTIVATION, at, None)
            draft.transfer(LedgerAccount.PENDING, LedgerAccount.AVAILABLE, total(parts), at, parts)
            follow(draft, parts, at)
        elif parts:
            draft = open_draft(Kind.EXPIRY, at, None)
            draft.transfer(LedgerAccount.AVAILABLE, LedgerAccount.EXPIRED, total(parts), at, parts)


def next_due(account: AccountState) -> datetime | None:
    """The first boundary ahead of what is loaded; `None` where nothing will fall due."""
    soonest: datetime | None = None
    for lot in account.lots.values():
        if lot.remaining:
            at = lot.valid_to if lot.active else lot.valid_from
            if at is not None and (soonest is None or at < soonest):
                soonest = at
    for hold in account.holds.values():
        at = hold.expires_at
        if at is not None and hold.ended_by is None and (soonest is None or at < soonest):
            soonest = at
    return soonest


def with_due(account: AccountState, now: datetime) -> tuple[Balance, datetime | None]:
    """What an account holds with its due transfers, and when the next one comes.

    The account at hand is changed, as if they were booked; nothing is stored.
    """
    if account.next_due_at is None or account.next_due_at > now:
        return account.balance, account.next_due_at
    due_drafts(account, now)
    return account.balance, next_due(account)


def due_drafts(account: AccountState, now: datetime) -> list[tuple[Kind, datetime, Draft]]:
    """The due transactions of an account at hand, in order, as they would be booked."""
    drafts: dict[tuple[Kind, datetime, int | None], Draft] = {}

    def open_draft(kind: Kind, at: datetime, hold: int | None) -> Draft:
        return drafts.setdefault((kind, at, hold), Draft(account, 0, 0))

    book_due(account, now, open_draft)
    return [(kind, at, draft) for (kind, at, _), draft in drafts.items()]


def release(draft: Draft, parts: tuple[Allocation, ...], at: datetime) -> None:
    """Give held points back to their lots; those whose validity has passed lapse at once."""
    draft.transfer(LedgerAccount.HELD, LedgerAccount.AVAILABLE, total(parts), at, parts)
    follow(draft, parts, at)


def settle(draft: Draft, lot: LotState, amount: Points, at: datetime) -> None:
    """Follow points of one lot that just entered available (see `follow`)."""
    if draft.account.debt == 0 and (lot.valid_to is None or at < lot.valid_to):
        return
    follow(draft, (Allocation(lot.lot, amount),), at)


def follow(draft: Draft, parts: Iterable[Allocation], at: datetime) -> None:
    """Follow points that entered available together: they have lapsed, or repay debt.

    They do so in order of consumption. Debt that arose later is repaid then, by points that are
    still valid then.
    """
    account = draft.account
    owed, repaid_at = account.debt, max(at, account.debt_since or at)
    lapsing: list[Allocation] = []
    repaying: list[Allocation] = []
    for part in sorted(parts, key=lambda part: consumption_order(account.lots[part.lot])):
        valid_to = account.lots[part.lot].valid_to
        if valid_to is not None and valid_to <= at:
            lapsing.append(part)
        elif owed and (valid_to is None or repaid_at < valid_to):
            amount = min(owed, part.amount)
            repaying.append(Allocation(part.lot, Points(amount)))
            owed -= amount
    if lapsing:
        draft.transfer(
            LedgerAccount.AVAILABLE, LedgerAccount.EXPIRED, total(lapsing), at, tuple(lapsing)
        )
    if repaying:
        draft.transfer(
            LedgerAccount.AVAILABLE, LedgerAccount.DEBT, total(repaying), repaid_at, tuple(repaying)
        )


def _boundaries(account: AccountState, until: datetime) -> list[_Boundary]:
    found = [
        _Boundary(hold.expires_at, _TIMEOUT, None, hold.number)
        for hold in account.holds.values()
        if hold.ended_by is None and hold.expires_at is not None and hold.expires_at <= until
    ]
    for lot in account.lots.values():
        if not lot.active and lot.valid_from <= until:
            order = consumption_order(lot)
            found.append(_Boundary(lot.valid_from, _ACTIVATION, order, lot.lot))
        if lot.valid_to is not None and lot.valid_to <= until:
            found.append(_Boundary(lot.valid_to, _EXPIRY, None, lot.lot))
    return found
