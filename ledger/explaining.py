"""Where did the points go: the life of every lot, and what every transaction took.

The one hard idea: allocations say it all. Reading a holder's chain once gives, for each lot, where
its points came from and each thing that happened to them, and for each transaction the lots it
touched and the transactions that issued those. Nothing is estimated; the same facts are what the
balance is made of, so an explanation always adds up to the balance it explains.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from ledger.amounts import Points
from ledger.asof import AccountAsOf, LotAsOf, as_of
from ledger.facts import LotIssue, Origin, Transaction, Transfer
from ledger.identity import DefinitionId
from ledger.kinds import Kind, LedgerAccount


@dataclass(frozen=True, slots=True)
class Step:
    """Something that happened to points of a lot: they went from one side to another.

    Attributes:
        transaction, kind: What did it; `None` where it has fallen due and is not booked yet.
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
    """A lot from its issue to where its points stand."""

    issue: LotIssue
    issued_by: UUID
    kind: Kind
    origin: Origin | None
    now: LotAsOf
    steps: tuple[Step, ...]


@dataclass(frozen=True, slots=True)
class Source:
    """How much a transaction took of, or gave back to, points that another one issued."""

    lot: int
    issued_by: UUID
    amount: Points


@dataclass(frozen=True, slots=True)
class Movement:
    """A transaction as an explanation tells it.

    Attributes:
        net: What it did to the holder's points.
        sources: Of which lots, and so of which earns, the points were.
        owed: Points it booked as debt; repaid: debt it paid off.
    """

    transaction: Transaction
    net: Points
    sources: tuple[Source, ...]
    owed: Points
    repaid: Points


@dataclass(frozen=True, slots=True)
class Explanation:
    """An account's balance, the lots it is made of and the transactions that made it."""

    account: AccountAsOf
    lots: tuple[LotLife, ...]
    movements: tuple[Movement, ...]


@dataclass(slots=True)
class _Telling:
    """What is gathered of one lot while its holder's chain is read."""

    issue: LotIssue
    issued_by: UUID
    kind: Kind
    steps: list[Step] = field(default_factory=list)


def explain(
    chain: Iterable[Transaction],
    definition: DefinitionId,
    effective_at: datetime,
    recorded_at: datetime | None = None,
) -> Explanation | None:
    """Explain one account of a holder as of any instant; `None` where there was none yet."""
    known = [told for told in chain if recorded_at is None or told.recorded_at <= recorded_at]
    accounts = {found.definition: found for found in as_of(known, effective_at, recorded_at)}
    account = accounts.get(definition)
    if account is None:
        return None
    tellings: dict[int, _Telling] = {}
    movements = []
    for told in (one for one in known if one.definition == definition):
        for issue in told.lots:
            tellings[issue.lot] = _Telling(issue, told.id, told.kind)
        for transfer in told.transfers:
            for lot, amount in transfer.allocations:
                tellings[lot].steps.append(_step(told, transfer, amount))
        movements.append(_movement(told, tellings))
    lives = tuple(_life(found, tellings[found.lot.lot], effective_at) for found in account.lots)
    return Explanation(account, lives, tuple(movements))


def _step(told: Transaction, transfer: Transfer, amount: Points) -> Step:
    return Step(
        told.id,
        told.kind,
        transfer.effective_at,
        told.recorded_at,
        transfer.debit,
        transfer.credit,
        amount,
    )


def _life(found: LotAsOf, telling: _Telling, effective_at: datetime) -> LotLife:
    steps = [step for step in telling.steps if step.effective_at <= effective_at]
    steps += _due_steps(found, steps)
    steps.sort(key=lambda step: step.effective_at)
    return LotLife(
        telling.issue, telling.issued_by, telling.kind, telling.issue.origin, found, tuple(steps)
    )


def _due_steps(found: LotAsOf, steps: Iterable[Step]) -> Iterator[Step]:
    """What has lapsed of a lot by then without having been booked yet."""
    lapsed = sum(
        step.amount * ((step.credit is _EXPIRED) - (step.debit is _EXPIRED)) for step in steps
    )
    if found.lapsed > lapsed and found.lot.valid_to is not None:
        yield Step(
            None,
            Kind.EXPIRY,
            found.lot.valid_to,
            None,
            LedgerAccount.AVAILABLE,
            _EXPIRED,
            Points(found.lapsed - lapsed),
        )


_EXPIRED = LedgerAccount.EXPIRED


def _movement(told: Transaction, tellings: dict[int, _Telling]) -> Movement:
    amounts: dict[int, int] = {}
    for transfer in told.transfers:
        crosses = transfer.debit.is_bucket != transfer.credit.is_bucket
        holds = LedgerAccount.HELD in (transfer.debit, transfer.credit)
        repays = transfer.credit is LedgerAccount.DEBT
        if crosses or holds or repays:
            for lot, amount in transfer.allocations:
                amounts[lot] = amounts.get(lot, 0) + amount
    owed = sum(t.amount for t in told.transfers if t.debit is LedgerAccount.DEBT)
    repaid = sum(t.amount for t in told.transfers if t.credit is LedgerAccount.DEBT)
    sources = tuple(
        Source(lot, tellings[lot].issued_by, Points(amount)) for lot, amount in amounts.items()
    )
    return Movement(told, told.net, sources, Points(owed), Points(repaid))
