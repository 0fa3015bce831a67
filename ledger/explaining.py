"""Where did the points go: the life of every lot, and what every transaction took.

The one hard idea: allocations say it all. Reading a holder's chain once gives, for each lot, where
its points came from and each thing that happened to them, and for each transaction the lots it
touched and the transactions that issued those. Nothing is estimated; the same facts are what the
balance is made of, so an explanation always adds up to the balance it explains: the lots by their
buckets, the movements by what each did to the points.

Several chains are told as one where contacts were merged: they are one person's.
"""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ledger.amounts import Points
from ledger.asof import AccountAsOf, Due, LotAsOf, as_of
from ledger.facts import Balance, LotIssue, Transaction, Transfer, net_of
from ledger.identity import DefinitionId, HolderId
from ledger.kinds import Kind, LedgerAccount
from ledger.lots import consumption_order


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to points of a lot: they went from one side to another.

    Attributes:
        transaction, recorded_at: What did it, and when the books learned of it; `None` where it
            has fallen due and is not booked yet.
        amount: Above zero, in minor units.
    """

    transaction: UUID | None
    kind: Kind
    effective_at: datetime
    recorded_at: datetime | None
    debit: LedgerAccount
    credit: LedgerAccount
    amount: Points


@dataclass(frozen=True, slots=True)
class LotLife:
    """A lot from its issue to where its points stand.

    Attributes:
        issued_by: The transaction that issued it.
        now: As it stood at the instant that is explained.
    """

    holder: HolderId
    issue: LotIssue
    issued_by: Transaction
    now: LotAsOf
    steps: tuple[Step, ...]

    @property
    def standing(self) -> int:
        """How many of its points are still there: pending, available or held."""
        return self.now.pending + self.now.available + self.now.held

    @property
    def order(self) -> tuple[tuple[datetime, datetime, int], UUID]:
        """Its place among a person's lots in the order in which they are consumed."""
        return consumption_order(self.now.lot), self.holder


@dataclass(frozen=True, slots=True)
class Source:
    """How much of a lot's points a transaction moved, from which side to which.

    Attributes:
        lot, issued_by: The lot, and the transaction that issued it.
    """

    lot: int
    issued_by: UUID
    amount: Points
    debit: LedgerAccount
    credit: LedgerAccount


@dataclass(frozen=True, slots=True)
class Movement:
    """A transaction as an explanation tells it: what of it had taken effect by then.

    Attributes:
        transaction: `None` where it has fallen due and is not booked yet.
        net: What it did to the holder's points.
        sources: Of which lots, and so of which earns, the points were.
        owed: Points it booked as debt; repaid: debt it paid off.
    """

    holder: HolderId
    transaction: Transaction | None
    kind: Kind
    effective_at: datetime
    net: Points
    sources: tuple[Source, ...]
    owed: Points
    repaid: Points


@dataclass(frozen=True, slots=True)
class Explanation:
    """A balance, the lots it is made of and the transactions that made it.

    Attributes:
        lots: What still holds points first, in the order in which it will be consumed.
        movements: In the order in which the books learned of them, what is due last.
    """

    balance: Balance
    lots: tuple[LotLife, ...]
    movements: tuple[Movement, ...]


@dataclass(slots=True)
class _Telling:
    """What is gathered of one lot while its holder's chain is read."""

    issue: LotIssue
    issued_by: Transaction
    steps: list[Step] = field(default_factory=list)


def explain(
    chains: Iterable[Sequence[Transaction]],
    definition: DefinitionId,
    effective_at: datetime,
    recorded_at: datetime | None = None,
) -> Explanation | None:
    """Explain one kind of a person's points as of any instant; `None` where there was no account.

    Args:
        chains: Of the holders that are this person.
        definition: Which points.
        effective_at: The instant to be explained.
        recorded_at: As far as the books knew then; `None` for as far as they know now.
    """
    balances: list[Balance] = []
    lives: list[LotLife] = []
    movements: list[Movement] = []
    for chain in chains:
        known = [one for one in chain if recorded_at is None or one.recorded_at <= recorded_at]
        found = [one for one in as_of(known, effective_at, None) if one.definition == definition]
        for account in found:
            balances.append(account.balance)
            told = [one for one in known if one.definition == definition]
            _explain_account(account, told, effective_at, lives, movements)
    if not balances:
        return None
    lives.sort(key=lambda life: (not life.standing, life.order))
    movements.sort(key=_order_of_record)
    return Explanation(sum_of(balances), tuple(lives), tuple(movements))


def sum_of(balances: Iterable[Balance]) -> Balance:
    """What several accounts hold together."""
    columns = zip(*balances, strict=True)
    return Balance(*(Points(sum(column)) for column in columns))


def _explain_account(
    account: AccountAsOf,
    told: Sequence[Transaction],
    effective_at: datetime,
    lives: list[LotLife],
    movements: list[Movement],
) -> None:
    """Tell the lives of an account's lots and what its transactions did, what is due included."""
    holder = told[0].holder
    tellings: dict[int, _Telling] = {}
    for one in told:
        by_then = [t for t in one.transfers if t.effective_at <= effective_at]
        for issue in one.lots:
            tellings[issue.lot] = _Telling(issue, one)
        for step, lot in _steps(by_then, one.kind, one):
            tellings[lot].steps.append(step)
        if by_then or (not one.transfers and one.effective_at <= effective_at):
            movements.append(_movement(holder, one, one.kind, one.effective_at, by_then, tellings))
    for due in account.due:
        for step, lot in _steps(due.transfers, due.kind, None):
            tellings[lot].steps.append(step)
        movements.append(_due_movement(holder, due, tellings))
    for lot_now in account.lots:
        telling = tellings[lot_now.lot.lot]
        steps = tuple(sorted(telling.steps, key=lambda step: step.effective_at))
        lives.append(LotLife(holder, telling.issue, telling.issued_by, lot_now, steps))


def _steps(
    transfers: Iterable[Transfer], kind: Kind, told: Transaction | None
) -> Iterator[tuple[Step, int]]:
    for transfer in transfers:
        for lot, amount in transfer.allocations:
            step = Step(
                None if told is None else told.id,
                kind,
                transfer.effective_at,
                None if told is None else told.recorded_at,
                transfer.debit,
                transfer.credit,
                amount,
            )
            yield step, lot


def _due_movement(holder: HolderId, due: Due, tellings: dict[int, _Telling]) -> Movement:
    return _movement(holder, None, due.kind, due.effective_at, due.transfers, tellings)


def _movement(
    holder: HolderId,
    told: Transaction | None,
    kind: Kind,
    effective_at: datetime,
    transfers: Sequence[Transfer],
    tellings: dict[int, _Telling],
) -> Movement:
    amounts: dict[tuple[int, LedgerAccount, LedgerAccount], int] = {}
    for transfer in transfers:
        for lot, amount in transfer.allocations:
            way = (lot, transfer.debit, transfer.credit)
            amounts[way] = amounts.get(way, 0) + amount
    sources = tuple(
        Source(lot, tellings[lot].issued_by.id, Points(amount), debit, credit)
        for (lot, debit, credit), amount in amounts.items()
    )
    owed = sum(t.amount for t in transfers if t.debit is LedgerAccount.DEBT)
    repaid = sum(t.amount for t in transfers if t.credit is LedgerAccount.DEBT)
    return Movement(
        holder,
        told,
        kind,
        effective_at,
        net_of(transfers),
        sources,
        Points(owed),
        Points(repaid),
    )


def _order_of_record(movement: Movement) -> tuple[bool, datetime, bool, UUID, int]:
    told = movement.transaction
    if told is None:
        return True, movement.effective_at, False, movement.holder, 0
    # Both halves of a move are recorded at one instant: what is received was given before.
    received = told.linked is not None and told.kind is not Kind.MOVE
    return False, told.recorded_at, received, told.holder, told.number
