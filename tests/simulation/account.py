"""One point account of the model: lots, dated movements, and nothing else.

The one hard idea: nothing is kept but movements, each with the instant it took effect and the
instant it was recorded. What a bucket or a lot holds, at any instant and as known at any, is a sum
over them. Time passes by adding the movements that fall due, debt is repaid by looking for
the instant at which points were there to repay it, and where a late fact leaves a lot below zero
because it lapsed or was activated meanwhile, that is taken back in that part. Slow, and on purpose
not how `ledger` does it: no state is carried along, nothing is loaded, nothing is looked ahead.
"""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import NamedTuple

from ledger.amounts import Points
from ledger.facts import Balance
from ledger.identity import ContactId, DefinitionId
from ledger.kinds import Kind, LedgerAccount
from ledger.policies import Definition

AVAILABLE, PENDING = LedgerAccount.AVAILABLE, LedgerAccount.PENDING
HELD, DEBT = LedgerAccount.HELD, LedgerAccount.DEBT
EXPIRED = LedgerAccount.EXPIRED

NEVER = datetime.max.replace(tzinfo=UTC)

Place = tuple[ContactId, DefinitionId]


class Movement(NamedTuple):
    """An amount from its debit side to its credit side; of which lot and hold, and why, if any."""

    debit: LedgerAccount
    credit: LedgerAccount
    amount: int
    effective: datetime
    recorded: datetime
    lot: int | None = None
    hold: "Told | None" = None
    cause: "Told | None" = None


class Term(NamedTuple):
    """From when on a lot is valid and until when, as known since `recorded`."""

    recorded: datetime
    valid_from: datetime
    valid_to: datetime


class StandingLot(NamedTuple):
    """What remains of a lot, whether it is pending, when it was issued, and its term."""

    remaining: int
    pending: bool
    effective: datetime
    valid_from: datetime
    valid_to: datetime

    def __repr__(self) -> str:
        until = "for ever" if self.valid_to == NEVER else f"until {self.valid_to:%d %B %H:%M}"
        stands = "pending" if self.pending else "available"
        return (
            f"{self.remaining} {stands} of {self.effective:%d %B %H:%M:%S}, "
            f"valid from {self.valid_from:%d %B %H:%M} {until}"
        )


@dataclass(eq=False)
class Lot:
    """Points issued together, with every term they ever had, and the lot they were moved from."""

    effective: datetime
    terms: list[Term]
    origin: "Origin | None" = None

    @property
    def valid_from(self) -> datetime:
        return self.terms[-1].valid_from

    @property
    def valid_to(self) -> datetime:
        return self.terms[-1].valid_to

    def valid_at(self, at: datetime) -> bool:
        return self.valid_from <= at < self.valid_to


class Origin(NamedTuple):
    """A lot of some account."""

    place: Place
    lot: int


@dataclass(eq=False)
class Told:
    """A transaction: what was asked, and what of it later ones need to know.

    Attributes:
        lots: Those it issued.
        taken: From which lots it took how much, in that order; `None` is what became debt.
    """

    kind: Kind
    place: Place
    amount: int
    effective: datetime
    recorded: datetime
    about: "Told | None" = None
    expires: datetime = NEVER
    part: int | None = None
    whole: int | None = None
    lots: list[int] = field(default_factory=list)
    taken: list[tuple[int | None, int]] = field(default_factory=list)
    occurred: datetime | None = None
    after: Balance | None = None


class Account:
    """One holder's points of one definition."""

    def __init__(self, definition: Definition) -> None:
        self.definition = definition
        self.lots: list[Lot] = []
        self.told: list[Told] = []
        self.movements: list[Movement] = []
        self._of_lot: dict[int | None, list[Movement]] = defaultdict(list)

    def known(self, at: datetime) -> "Account":
        """The account as the books knew it at an instant."""
        then = Account(self.definition)
        for lot in self.lots:
            terms = [term for term in lot.terms if term.recorded <= at]
            if terms:
                then.lots.append(replace(lot, terms=terms))
        then.told = [one for one in self.told if one.recorded <= at]
        for one in self.movements:
            if one.recorded <= at:
                then.move(one)
        return then

    def move(self, movement: Movement) -> None:
        """Add a movement."""
        self.movements.append(movement)
        self._of_lot[movement.lot].append(movement)

    # What it holds.

    def sum(
        self,
        side: LedgerAccount,
        at: datetime = NEVER,
        *,
        lot: int | None = None,
        hold: Told | None = None,
    ) -> int:
        """Credits less debits of a side up to an instant; of one lot or hold, where given."""
        total = 0
        for one in self.movements if lot is None else self._of_lot[lot]:
            if one.effective <= at and (hold is None or one.hold is hold):
                if one.credit is side:
                    total += one.amount
                elif one.debit is side:
                    total -= one.amount
        return total

    def balance(self, at: datetime = NEVER) -> Balance:
        """The four buckets at an instant."""
        available, pending, held = (
            Points(self.sum(side, at)) for side in (AVAILABLE, PENDING, HELD)
        )
        return Balance(available, pending, held, Points(-self.sum(DEBT, at)))

    def remaining(self, lot: int) -> int:
        """What a lot still holds, pending or available."""
        return self.sum(AVAILABLE, lot=lot) + self.sum(PENDING, lot=lot)

    def instants(self, lot: int, since: datetime) -> list[datetime]:
        """An instant and those after it at which something happened to a lot."""
        later = {one.effective for one in self._of_lot[lot] if one.effective > since}
        return sorted({since} | later)

    def least(self, lot: int, since: datetime, *sides: LedgerAccount) -> int:
        """The least that stood in a lot from an instant on, had nothing of it lapsed."""
        stood = (
            sum(self.sum(side, at, lot=lot) for side in (*sides, EXPIRED))
            for at in self.instants(lot, since)
        )
        return max(0, min(stood))

    def in_order(self) -> list[int]:
        """Lots in the order in which they are consumed."""
        return sorted(
            range(len(self.lots)),
            key=lambda lot: (self.lots[lot].valid_to, self.lots[lot].effective, lot),
        )

    def owed(self) -> tuple[int, datetime]:
        """What is owed now, and the latest instant at which some of it arose."""
        debt, since = 0, NEVER
        for one in self.movements:
            if one.debit is DEBT:
                since = max(since, one.effective) if debt else one.effective
                debt += one.amount
            elif one.credit is DEBT:
                debt -= one.amount
        return debt, since

    def ended(self, hold: Told) -> bool:
        ends = {Kind.CAPTURE, Kind.RELEASE, Kind.TIMEOUT}
        return any(one.about is hold and one.kind in ends for one in self.told)

    @property
    def closed(self) -> bool:
        return any(one.kind is Kind.CLOSE for one in self.told)

    # What comes and goes.

    def valid_parts(self, amount: int, at: datetime) -> list[tuple[int, int]]:
        """Which lots valid at an instant give how much of an amount, as far as they reach."""
        found = []
        for lot in self.in_order():
            if self.lots[lot].valid_at(at):
                part = min(amount, self.least(lot, at, AVAILABLE))
                if part:
                    found.append((lot, part))
                    amount -= part
        return found

    def part_of(self, lot: int, amount: int, at: datetime) -> int:
        """How much of an amount one lot could give at an instant, pending or available."""
        if at >= self.lots[lot].valid_to:
            return 0
        return min(amount, self.least(lot, at, AVAILABLE, PENDING))

    def take(
        self,
        lot: int,
        amount: int,
        at: datetime,
        to: LedgerAccount,
        now: datetime,
        *,
        hold: Told | None = None,
        cause: Told | None = None,
    ) -> None:
        """Take from where a lot stood at an instant; undo what happened to that part since."""
        side = AVAILABLE if self.lots[lot].valid_from <= at else PENDING
        self.move(Movement(side, to, amount, at, now, lot, hold, cause))
        for bucket, went_to in ((PENDING, AVAILABLE), (AVAILABLE, EXPIRED)):
            for moment in self.instants(lot, at):
                short = -self.sum(bucket, moment, lot=lot)
                if short > 0:
                    self.move(Movement(went_to, bucket, short, moment, now, lot))

    def issue(
        self,
        told: Told,
        amount: int,
        valid_from: datetime,
        valid_to: datetime,
        source: LedgerAccount,
        origin: Origin | None = None,
    ) -> None:
        """A new lot."""
        number = len(self.lots)
        told.lots.append(number)
        self.lots.append(Lot(told.effective, [Term(told.recorded, valid_from, valid_to)], origin))
        side = AVAILABLE if valid_from <= told.effective else PENDING
        self.move(Movement(source, side, amount, told.effective, told.recorded, number, cause=told))

    def borrow(self, told: Told, amount: int, to: LedgerAccount) -> None:
        """Debt."""
        if amount:
            told.taken.append((None, amount))
            self.move(Movement(DEBT, to, amount, told.effective, told.recorded, cause=told))

    def repay(self, now: datetime) -> None:
        """Repay debt from points that stood at, or came in after, the instant it arose."""
        debt, since = self.owed()
        for lot in self.in_order() if debt else ():
            for moment in self.instants(lot, max(since, self.lots[lot].valid_from)):
                part = 0
                if debt and self.lots[lot].valid_at(moment):
                    part = min(debt, self.least(lot, moment, AVAILABLE))
                if part:
                    self.take(lot, part, moment, DEBT, now)
                    debt -= part

    # What time does.

    def next_due(self) -> Iterator[tuple[datetime, int, int, int]]:
        """What is due when: time-outs (0), activations (1), expiries (2), of which hold or lot."""
        for number, hold in enumerate(self.told):
            if hold.kind is Kind.HOLD and hold.expires < NEVER and not self.ended(hold):
                yield hold.expires, 0, number, number
        for order, number in enumerate(self.in_order()):
            lot = self.lots[number]
            if self.sum(PENDING, lot=number) > 0:
                yield lot.valid_from, 1, order, number
            elif lot.valid_to < NEVER and self.sum(AVAILABLE, lot=number) > 0:
                yield lot.valid_to, 2, order, number

    def pass_time(self, until: datetime, now: datetime) -> None:
        """Add what falls due up to and at an instant."""
        while True:
            self.repay(now)
            at, what, _, number = min(self.next_due(), default=(NEVER, 0, 0, 0))
            if at > until:
                return
            if what == 0:
                hold = self.told[number]
                self.told.append(Told(Kind.TIMEOUT, hold.place, 0, at, now, hold))
                self.let_go(hold, at, now)
            elif what == 1:
                pending = self.sum(PENDING, lot=number)
                self.move(Movement(PENDING, AVAILABLE, pending, at, now, number))
            else:
                self._lapse(number, at, now)

    def _lapse(self, lot: int, at: datetime, now: datetime) -> None:
        for moment in self.instants(lot, at):
            left = self.sum(AVAILABLE, moment, lot=lot)
            if left > 0:
                self.move(Movement(AVAILABLE, EXPIRED, left, moment, now, lot))

    def let_go(self, hold: Told, at: datetime, now: datetime) -> None:
        """Give what a hold still holds back to the lots it came from."""
        for lot in range(len(self.lots)):
            held = self.sum(HELD, lot=lot, hold=hold)
            if held:
                self.move(Movement(HELD, AVAILABLE, held, at, now, lot, hold))

    # What it answers.

    def read(self, effective: datetime, recorded: datetime) -> Balance:
        """The buckets at an instant as they were known at another, with all that was due."""
        known = self.known(recorded)
        known.pass_time(max(effective, recorded), recorded)
        return known.balance(effective)

    def standing_lots(
        self, recorded: datetime, effective: datetime | None = None
    ) -> list[StandingLot]:
        """What remained in lots at an instant (that of recording by default), sorted."""
        at = effective or recorded
        known = self.known(recorded)
        known.pass_time(max(at, recorded), recorded)
        found = []
        for number, lot in enumerate(known.lots):
            pending = known.sum(PENDING, at, lot=number)
            remaining = pending + known.sum(AVAILABLE, at, lot=number)
            if remaining:
                term = (lot.effective, lot.valid_from, lot.valid_to)
                found.append(StandingLot(remaining, pending > 0, *term))
        return sorted(found)
