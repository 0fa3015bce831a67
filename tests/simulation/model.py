"""The rules of `docs/books.md` a second time, as plainly as they can be said, to test the books by.

It was written from that page, without looking at the rules in `ledger`, and shares with them only
the words: requests, kinds, codes and policies.

The one hard idea: a request that may not be booked is answered with every code that the rules give
for it; which of several objections comes first is not a rule. What accounts are made of is in
`tests.simulation.account`, what is about an earlier transaction in `tests.simulation.originals`.
"""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from ledger.amounts import Points
from ledger.facts import Balance
from ledger.identity import ContactId, DefinitionId
from ledger.kinds import Kind, LedgerAccount
from ledger.outcomes import Code
from ledger.policies import Definition
from ledger.requests import (
    Adjust,
    Close,
    Earn,
    Hold,
    Move,
    Open,
    Redeem,
    Request,
    Reverses,
    refers_to,
)
from tests.simulation.account import (
    AVAILABLE,
    DEBT,
    HELD,
    NEVER,
    Account,
    Movement,
    Origin,
    Place,
    StandingLot,
    Told,
)
from tests.simulation.originals import About, about_original
from tests.simulation.validity import MOMENT, end_of

SKEW: Final = timedelta(minutes=5)
EVER: Final = datetime.min.replace(tzinfo=UTC)

ISSUED, REDEEMED = LedgerAccount.ISSUED, LedgerAccount.REDEEMED
OPENING = LedgerAccount.OPENING
ADJUSTED, MOVED, CLOSED = LedgerAccount.ADJUSTED, LedgerAccount.MOVED, LedgerAccount.CLOSED


class Known(NamedTuple):
    """What an idempotency key was used for."""

    fingerprint: bytes
    told: Told


class Merged(NamedTuple):
    """Who a contact was found to be, and since when."""

    into: ContactId
    since: datetime


@dataclass
class Model:
    """All accounts of a tenant, and every key ever used."""

    definitions: dict[DefinitionId, Definition]
    accounts: dict[Place, Account] = field(default_factory=dict)
    keys: dict[str, Known] = field(default_factory=dict)
    ids: dict[UUID, Told] = field(default_factory=dict)
    closed_until: datetime = EVER
    merged: dict[ContactId, Merged] = field(default_factory=dict)

    def whose(self, contact: ContactId, at: datetime = NEVER) -> ContactId:
        """Who a contact is by now, or was known to be at an instant."""
        while contact in self.merged and self.merged[contact].since <= at:
            contact = self.merged[contact].into
        return contact

    def read(self, place: Place, effective: datetime, recorded: datetime) -> Balance:
        """What a person had, by what was known at an instant: all whom it was found to be."""
        held = [one.read(effective, recorded) for one in self._of_person(place, recorded)]
        nothing = Balance(*[Points(0)] * 4)
        return Balance(*(Points(sum(bucket)) for bucket in zip(nothing, *held, strict=True)))

    def lots(self, place: Place, effective: datetime, recorded: datetime) -> list[StandingLot]:
        """What remained in a person's lots, likewise."""
        accounts = self._of_person(place, recorded)
        lots = (one.standing_lots(recorded, effective) for one in accounts)
        return sorted(lot for found in lots for lot in found)

    def _of_person(self, place: Place, recorded: datetime) -> list[Account]:
        person = self.whose(place[0], recorded)
        return [
            account
            for (contact, kind), account in self.accounts.items()
            if kind == place[1] and self.whose(contact, recorded) == person
        ]

    def account(self, place: Place) -> Account:
        """An account; an empty one that is kept nowhere, where nothing was booked yet."""
        place = (self.whose(place[0]), place[1])
        return self.accounts.get(place) or Account(self.definitions[place[1]])

    def post(self, request: Request, now: datetime) -> Told | set[Code]:
        """Book a request, or answer with all that speaks against it."""
        known = self.keys.get(request.idempotency_key)
        if known is not None:
            return known.told if known.fingerprint == request.fingerprint else {Code.KEY_REUSED}
        place = (self.whose(request.contact), request.definition)
        account = self.account(place)
        account.pass_time(now, now)
        no: set[Code] = set()
        at = self._when(request, now, no)
        if account.closed:
            no.add(Code.ACCOUNT_CLOSED)
        told = Told(kind_of(request), place, getattr(request, "amount", None) or 0, at, now)
        if request.effective_at is not None and request.effective_at < at == self.closed_until:
            told.occurred = request.effective_at
        self._decide(request, account, told, no)
        if no:
            return no
        self._enter(place, account, told)
        self.keys[request.idempotency_key] = Known(request.fingerprint, told)
        return told

    def post_all(
        self, requests: Sequence[Request], now: datetime, *, atomic: bool = False
    ) -> list[Told | set[Code]]:
        """Post in order; if it is all or nothing, with one refused none is booked."""
        before = deepcopy((self.accounts, self.keys, self.ids)) if atomic else None
        known = set(self.keys)
        outcomes = [self.post(request, now) for request in requests]
        if before is None or not any(isinstance(outcome, set) for outcome in outcomes):
            return outcomes
        self.accounts, self.keys, self.ids = before
        return [
            outcome
            if isinstance(outcome, set) or request.idempotency_key in known
            else {Code.BATCH_NOT_BOOKED}
            for request, outcome in zip(requests, outcomes, strict=True)
        ]

    def merge(
        self, moves: Sequence[Move], contact: ContactId, into: ContactId, now: datetime
    ) -> list[Told | set[Code]]:
        """Make two contacts one, all or nothing, by moves of everything that are given."""
        giving, taking = self.whose(contact), self.whose(into)
        outcomes = self.post_all(moves, now, atomic=True)
        if not any(isinstance(outcome, set) for outcome in outcomes):
            self.merged[giving] = Merged(taking, now)
        return outcomes

    def find(self, named: Reverses, place: Place) -> About | None:
        """The transaction that a request is about, if it is the same person's."""
        if named.transaction_id is not None:
            found = self.ids.get(named.transaction_id)
        else:
            known = self.keys.get(named.idempotency_key or "")
            found = known.told if known else None
        if found is None or self.whose(found.place[0]) != place[0]:
            return None
        own = (place[0], found.place[1])
        former = [
            (account, self._became(account, one, found))
            for one, account in self.accounts.items()
            if one[0] in self._path(found.place[0]) and one[1] == found.place[1]
        ]
        lots = found.lots
        if found.place != own:
            lots = self._became(self.account(own), own, found)
        return About(found, lots, former)

    def _path(self, contact: ContactId) -> list[ContactId]:
        """Who a contact was, one merge after the other, before being who it is by now."""
        path = []
        while contact in self.merged:
            path.append(contact)
            contact = self.merged[contact].into
        return path

    def _became(self, account: Account, place: Place, about: Told) -> list[int]:
        """Which lots of an account are, or were moved from, those that a transaction issued."""
        issued = {Origin(about.place, lot) for lot in about.lots}
        every = range(len(account.lots))
        return [lot for lot in every if issued.intersection(self._line(place, lot))]

    def _line(self, place: Place, lot: int) -> Iterator[Origin]:
        """A lot, the one it was moved from, and so on."""
        origin: Origin | None = Origin(place, lot)
        while origin is not None:
            yield origin
            origin = self.accounts[origin.place].lots[origin.lot].origin

    def _when(self, request: Request, now: datetime, no: set[Code]) -> datetime:
        """When a request takes effect: as asked, but not ahead of now nor in a closed period."""
        if is_whole(request):
            if (self.whose(request.contact), request.definition) not in self.accounts:
                no.add(Code.NO_ACCOUNT)
            return now
        at = request.effective_at or now
        if at > now + SKEW:
            no.add(Code.EFFECTIVE_IN_FUTURE)
        if at < self.closed_until and request.strict:
            no.add(Code.PERIOD_CLOSED)
        return max(min(at, now), self.closed_until)

    def _enter(self, place: Place, account: Account, told: Told) -> None:
        self.accounts[place] = account
        account.told.append(told)
        account.pass_time(told.recorded, told.recorded)
        told.after = account.balance()

    def _decide(self, request: Request, account: Account, told: Told, no: set[Code]) -> None:
        """Look for objections; without any, move the points."""
        named = refers_to(request)
        if named is not None:
            about_original(request, account, told, self.find(named, told.place), no)
        elif isinstance(request, Earn | Open):
            bring_in(request, account, told, no)
        elif isinstance(request, Redeem | Hold):
            spend(request, account, told, no)
        elif isinstance(request, Adjust):
            adjust(request, account, told, no)
        elif isinstance(request, Close):
            told.amount = account.sum(AVAILABLE) + account.sum(LedgerAccount.PENDING)
            empty(account, told, CLOSED, no)
        elif isinstance(request, Move):
            self._move(request, account, told, no)

    def _move(self, request: Move, account: Account, told: Told, no: set[Code]) -> None:
        there = (self.whose(request.to_contact), request.to_definition)
        if there == told.place:
            no.add(Code.MOVE_TO_ITSELF)
            return
        target = self.account(there)
        target.pass_time(told.recorded, told.recorded)
        if account.definition.scale != target.definition.scale:
            no.add(Code.SCALES_DIFFER)
        if target.closed:
            no.add(Code.ACCOUNT_CLOSED)
        if request.amount is None:
            told.amount = account.balance().net
            empty(account, told, MOVED, no)
        else:
            take_valid(account, told, MOVED, no, owing=False)
        if no:
            return
        other = Told(Kind.RECEIVE, there, told.amount, told.effective, told.recorded)
        for lot, part in told.taken:
            if lot is None:
                target.borrow(other, part, MOVED)
            else:
                came = account.lots[lot]
                begins = max(told.effective, came.valid_from)
                origin = Origin(told.place, lot)
                target.issue(other, part, begins, came.valid_to, MOVED, origin)
        self._enter(there, target, other)


def moves_of_everything(model: Model, contact: ContactId, into: ContactId) -> list[Move]:
    """What a merge asks for: a move of everything of each open account."""
    giving, taking = model.whose(contact), model.whose(into)
    return [
        Move(
            tenant=model.definitions[definition].tenant,
            contact=giving,
            definition=definition,
            idempotency_key=f"merge {giving}/{definition}",
            fingerprint=b"merge",
            source="pointmaster",
            to_contact=taking,
            to_definition=definition,
        )
        for definition in model.definitions
        if (account := model.accounts.get((giving, definition))) and not account.closed
    ]


def kind_of(request: Request) -> Kind:
    """The kind of transaction that a request becomes."""
    return Kind[type(request).__name__.upper()]


def is_whole(request: Request) -> bool:
    """Whether a request empties an account."""
    return isinstance(request, Close) or (isinstance(request, Move) and request.amount is None)


def bring_in(request: Earn | Open, account: Account, told: Told, no: set[Code]) -> None:
    """A new lot, or the debt of a program's earlier books."""
    source = ISSUED if isinstance(request, Earn) else OPENING
    if request.amount < 0:
        take_valid(account, told, source, no, owing=True)
        return
    at = told.effective
    asked_from = request.valid_from or told.occurred or at
    valid_from = max(at, asked_from)
    if asked_from < (told.occurred or at):
        no.add(Code.VALID_FROM_BEFORE_EFFECTIVE)
    if request.valid_to is msgspec.UNSET:
        valid_to = end_of(account.definition, at, valid_from)
    else:
        valid_to = request.valid_to or NEVER
    if valid_to <= asked_from:
        no.add(Code.VALIDITY_EMPTY)
    if not no:
        account.issue(told, request.amount, valid_from, max(valid_to, valid_from + MOMENT), source)


def adjust(request: Adjust, account: Account, told: Told, no: set[Code]) -> None:
    """A new lot, or less of the others."""
    if no:
        return
    if request.amount > 0:
        valid_to = end_of(account.definition, told.effective, told.effective)
        account.issue(told, request.amount, told.effective, valid_to, ADJUSTED)
    else:
        take_valid(account, told, ADJUSTED, no, owing=True)


def spend(request: Redeem | Hold, account: Account, told: Told, no: set[Code]) -> None:
    """Points spent, or set aside."""
    if isinstance(request, Hold):
        told.expires = request.hold_expires_at or NEVER
        if told.expires <= told.recorded:
            no.add(Code.HOLD_OVER)
        take_valid(account, told, HELD, no, owing=False)
    else:
        take_valid(account, told, REDEEMED, no, owing=request.allow_debt)


def take_valid(
    account: Account, told: Told, to: LedgerAccount, no: set[Code], *, owing: bool
) -> None:
    """Take from lots valid then; owe the rest, or object."""
    amount = abs(told.amount)
    parts = account.valid_parts(amount, told.effective)
    short = amount - sum(part for _, part in parts)
    if short and not owing:
        no.add(Code.INSUFFICIENT_POINTS)
    if no:
        return
    hold = told if to is HELD else None
    for lot, part in parts:
        account.take(lot, part, told.effective, to, told.recorded, hold=hold, cause=told)
        told.taken.append((lot, part))
    account.borrow(told, short, to)


def empty(account: Account, told: Told, to: LedgerAccount, no: set[Code]) -> None:
    """Take all there is, pending too, and let go what is owed."""
    if account.sum(HELD):
        no.add(Code.POINTS_HELD)
    if no:
        return
    at = told.effective
    for lot in account.in_order():
        part = account.part_of(lot, account.remaining(lot), at)
        if part:
            account.take(lot, part, at, to, at, cause=told)
            told.taken.append((lot, part))
    owed, _ = account.owed()
    if owed:
        account.move(Movement(to, DEBT, owed, at, at, cause=told))
        told.taken.append((None, owed))
