"""What falls due: activation, expiry and the time-out of holds, each at its very moment.

The one hard idea: `book_due` is the only source of due transfers. A posting books an account's due
transfers before anything else, the sweep books the rest, and a read books them into a copy it
throws away; so a balance is the same whether or not a job ran. Working up to an earlier instant
yields the very beginning of what working up to a later one yields.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import NamedTuple

from ledger.amounts import Points
from ledger.draft import Draft, OpenDraft
from ledger.facts import Allocation, Balance
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
    for boundary in sorted(_boundaries(account, until)):
        if boundary.rank == _TIMEOUT:
            hold = account.holds[boundary.number]
            draft = open_draft(Kind.TIMEOUT, boundary.at, hold.number)
            draft.end_hold(hold)
            release(draft, hold.parts, boundary.at)
        elif boundary.rank == _ACTIVATION:
            _activate(account.lots[boundary.number], boundary.at, open_draft)
        else:
            _expire(account.lots[boundary.number], boundary.at, open_draft)


def next_due(account: AccountState) -> datetime | None:
    """The first boundary ahead of what is loaded; `None` where nothing will fall due."""
    instants = [
        lot.valid_to if lot.active else lot.valid_from
        for lot in account.lots.values()
        if lot.remaining
    ]
    instants += [hold.expires_at for hold in account.holds.values() if hold.ended_by is None]
    return min((instant for instant in instants if instant is not None), default=None)


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
    amount = sum(part.amount for part in parts)
    draft.transfer(LedgerAccount.HELD, LedgerAccount.AVAILABLE, amount, at, parts)
    follow(draft, parts, at)


def follow(draft: Draft, parts: Iterable[Allocation], at: datetime) -> None:
    """Follow points of several lots that entered available together, in order of consumption."""
    lots = draft.account.lots
    for part in sorted(parts, key=lambda part: consumption_order(lots[part.lot])):
        settle(draft, lots[part.lot], part.amount, at)


def settle(draft: Draft, lot: LotState, amount: Points, at: datetime) -> None:
    """Follow points of a lot that just entered available: they repay debt, or have lapsed."""
    if lot.valid_to is not None and lot.valid_to <= at:
        draft.transfer(
            LedgerAccount.AVAILABLE,
            LedgerAccount.EXPIRED,
            amount,
            at,
            (Allocation(lot.lot, amount),),
        )
        return
    account = draft.account
    owed = min(account.debt, amount)
    if owed == 0 or account.debt_since is None:
        return
    # Debt that arose later is repaid then, if the points were still valid.
    repaid_at = max(at, account.debt_since)
    if lot.valid_to is None or repaid_at < lot.valid_to:
        parts = (Allocation(lot.lot, Points(owed)),)
        draft.transfer(LedgerAccount.AVAILABLE, LedgerAccount.DEBT, owed, repaid_at, parts)


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


def _activate(lot: LotState, at: datetime, open_draft: OpenDraft) -> None:
    if lot.remaining:
        draft = open_draft(Kind.ACTIVATION, at, None)
        parts = (Allocation(lot.lot, lot.remaining),)
        draft.transfer(LedgerAccount.PENDING, LedgerAccount.AVAILABLE, lot.remaining, at, parts)
        settle(draft, lot, lot.remaining, at)


def _expire(lot: LotState, at: datetime, open_draft: OpenDraft) -> None:
    if lot.remaining:
        draft = open_draft(Kind.EXPIRY, at, None)
        parts = (Allocation(lot.lot, lot.remaining),)
        draft.transfer(LedgerAccount.AVAILABLE, LedgerAccount.EXPIRED, lot.remaining, at, parts)
