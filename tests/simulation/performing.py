"""Performing a worked example on different stages: in the model, on paper, in stored books.

The one hard idea: a stage is asked the same few questions whatever it is made of, and its answers
are written in the words of the page: a failing example shows what it would have to say.
"""

import re
from collections.abc import Sequence
from copy import deepcopy
from datetime import datetime
from typing import Final, Protocol
from zoneinfo import ZoneInfo

from ledger.asof import AccountAsOf
from ledger.connection import Pool
from ledger.contacts import merge_contacts
from ledger.facts import Balance, Transaction
from ledger.identity import ContactId, DefinitionId
from ledger.kinds import LedgerAccount
from ledger.outcomes import Booked, Code, Refused
from ledger.policies import Definition, Policy
from ledger.posting import Books
from ledger.reading_as_of import accounts_as_of
from ledger.requests import Request
from ledger.tenants import Catalogue
from ledger.trial_balance import trial_balance
from tests.bookkeeping.paper import BEGINNING, TENANT
from tests.bookkeeping.words import said
from tests.simulation.account import NEVER, Place, StandingLot, Told
from tests.simulation.journal import PLACES, Claim, Example, Line, policy_of, request_of
from tests.simulation.model import Model, moves_of_everything
from tests.simulation.sheet import EMPTY, Sheet, standing
from tests.simulation.stored import SHOP
from tests.simulation.story import SECOND

CONTACTS: Final = sorted({contact for contact, _ in PLACES.values()})


class Stage(Protocol):
    """Where an example can be performed; `now` is the books' clock there."""

    now: datetime

    async def post(self, request: Request) -> set[Code]:
        """Post a request; nothing where it was booked, else what speaks against it."""

    async def close(self, boundary: datetime) -> None:
        """Close the books up to an instant."""

    async def merge(self, contact: ContactId, into: ContactId) -> None:
        """Make two contacts one."""

    async def sweep(self) -> None:
        """Book what has fallen due."""

    async def balance(self, place: Place, at: datetime | None, known: datetime | None) -> Balance:
        """The buckets at an instant, as known at an instant; now where none is given."""

    async def lots(self, place: Place) -> list[StandingLot]:
        """What remains in lots."""

    async def total(self, definition: DefinitionId, account: LedgerAccount) -> int:
        """What stands on a program account: credits less debits."""

    async def reversed(self) -> tuple[int, int]:
        """What the last transaction took back of what was issued, and what it asked."""


class ModelStage:
    """The model."""

    def __init__(self, kinds: Sequence[Definition], now: datetime) -> None:
        self.now = now
        self.model = Model({one.id: one for one in kinds})
        self.told: Told | None = None

    async def post(self, request: Request) -> set[Code]:
        answer = self.model.post(request, self.now)
        if isinstance(answer, set):
            return answer
        self.told = answer
        return set()

    async def close(self, boundary: datetime) -> None:
        self.model.closed_until = boundary

    async def merge(self, contact: ContactId, into: ContactId) -> None:
        self.model.merge(moves_of_everything(self.model, contact, into), contact, into, self.now)

    async def sweep(self) -> None:
        """Nothing is booked here that could not be seen before."""

    async def balance(self, place: Place, at: datetime | None, known: datetime | None) -> Balance:
        return self.model.read(place, at or self.now, known or self.now)

    async def lots(self, place: Place) -> list[StandingLot]:
        return self.model.account(place).standing_lots(self.now)

    async def total(self, definition: DefinitionId, account: LedgerAccount) -> int:
        found = 0
        for (_, kind), one in self.model.accounts.items():
            one.pass_time(self.now, self.now)
            found += one.sum(account) if kind == definition else 0
        return found

    async def reversed(self) -> tuple[int, int]:
        assert self.told is not None
        account = self.model.account(self.told.place)
        taken = sum(one.amount for one in account.movements if one.cause is self.told)
        return taken, self.told.amount


class PaperStage:
    """The real rules on paper."""

    def __init__(self, kinds: Sequence[Definition], now: datetime) -> None:
        self.now = now
        self.sheet = Sheet(CONTACTS, kinds, now)
        self.booked: Transaction | None = None

    async def post(self, request: Request) -> set[Code]:
        [outcome] = self.sheet.post([request], self.now)
        if isinstance(outcome, Booked):
            self.booked = outcome.transaction
        return {outcome.code} if isinstance(outcome, Refused) else set()

    async def close(self, boundary: datetime) -> None:
        self.sheet.close_period(boundary, self.now)

    async def merge(self, contact: ContactId, into: ContactId) -> None:
        raise TypeError(f"{contact} and {into} can't be merged on paper")

    async def sweep(self) -> None:
        self.sheet.sweep(self.now)

    async def balance(self, place: Place, at: datetime | None, known: datetime | None) -> Balance:
        settled = self.sheet.settled(self.now)
        return self.sheet.read(place, at or settled, known or settled)

    async def lots(self, place: Place) -> list[StandingLot]:
        settled = self.sheet.settled(self.now)
        return self.sheet.lots(place, settled, settled)

    async def total(self, definition: DefinitionId, account: LedgerAccount) -> int:
        swept = deepcopy(self.sheet)
        swept.sweep(self.now)
        return sum(swept.program(account, definition, contact) for contact in CONTACTS)

    async def reversed(self) -> tuple[int, int]:
        assert self.booked is not None
        return taken_back(self.booked)


class StoredStage:
    """Stored books."""

    def __init__(self, pool: Pool, catalogue: Catalogue, now: datetime) -> None:
        self.now = now
        self.catalogue = catalogue
        self.tenant = catalogue.tenants[SHOP].id
        self.books = Books(pool, catalogue, clock=lambda: self.now)
        self.booked: Transaction | None = None

    async def post(self, request: Request) -> set[Code]:
        [outcome] = await self.books.post([request])
        if isinstance(outcome, Booked):
            self.booked = outcome.transaction
        return {outcome.code} if isinstance(outcome, Refused) else set()

    async def close(self, boundary: datetime) -> None:
        await self.books.close_period(self.tenant, boundary)

    async def merge(self, contact: ContactId, into: ContactId) -> None:
        await merge_contacts(
            self.books, self.tenant, contact, into, idempotency_key="merge", fingerprint=b"merge"
        )

    async def sweep(self) -> None:
        while await self.books.sweep():
            pass

    async def account(
        self, place: Place, at: datetime | None, known: datetime | None
    ) -> AccountAsOf | None:
        async with self.books.pool.acquire() as connection:
            found = await accounts_as_of(
                connection,
                self.tenant,
                place[0],
                effective_at=at or self.now + SECOND,
                recorded_at=known,
                definition=place[1],
                now=self.now + SECOND,
            )
        return found[0] if found else None

    async def balance(self, place: Place, at: datetime | None, known: datetime | None) -> Balance:
        account = await self.account(place, at, known)
        return EMPTY if account is None else account.balance

    async def lots(self, place: Place) -> list[StandingLot]:
        account = await self.account(place, None, None)
        return [] if account is None else standing(account)

    async def total(self, definition: DefinitionId, account: LedgerAccount) -> int:
        async with self.books.pool.acquire() as connection:
            trial = await trial_balance(connection, self.catalogue, self.tenant, at=self.now)
        [found] = [one for one in trial.definitions if one.definition == definition]
        return found.credit(account)

    async def reversed(self) -> tuple[int, int]:
        assert self.booked is not None
        return taken_back(self.booked)


def taken_back(told: Transaction) -> tuple[int, int]:
    """What a return took, and what it asked."""
    taken = sum(one.amount for one in told.transfers if one.credit is LedgerAccount.ISSUED)
    return taken, told.amount


def definition(number: int, policy: Policy, scale: int = 0, zone: str = "UTC") -> Definition:
    return Definition(
        id=DefinitionId(number),
        tenant=TENANT,
        engage_id=number,
        name="Points",
        scale=scale,
        zone=ZoneInfo(zone),
        policies=((BEGINNING, policy),),
    )


def kinds_of(example: Example) -> list[Definition]:
    """The page's three kinds of points: those with the example's policy, miles and cents."""
    zone = re.search(r"in (\w+/\w+)", example.words)
    name = zone[1] if zone else "UTC"
    return [
        definition(1, policy_of(example.words), zone=name),
        definition(2, Policy(), zone=name),
        definition(3, Policy(), scale=2, zone=name),
    ]


async def perform(stage: Stage, example: Example, *, swept: bool) -> None:
    """Perform an example line by line, and hold whatever it says."""
    for number, line in enumerate(example.lines, start=1):
        stage.now = line.recorded
        await let_happen(stage, line, number)
        if swept:
            await stage.sweep()
        for claim in line.claims:
            assert await as_it_is(stage, claim) == claim.what, line.text


async def let_happen(stage: Stage, line: Line, number: int) -> None:
    """Let a line happen, or hold that it is refused for the reason it states."""
    if line.closes_until is not None:
        await stage.close(line.closes_until)
    elif line.merges is not None:
        await stage.merge(*line.merges)
    else:
        request = request_of(line, number)
        objections = set() if request is None else await stage.post(request)
        assert objections >= ({line.code} if line.code else set()), line.text
        assert line.code or not objections, line.text


async def as_it_is(stage: Stage, claim: Claim) -> str:
    """A claim, as it would have to be written."""
    place = PLACES[claim.place]
    if claim.what.startswith("lots"):
        return f"lots {sentence(await stage.lots(place))}"
    if claim.what.startswith("reversed"):
        taken, asked = await stage.reversed()
        return f"reversed {taken} of {asked}"
    balance = await stage.balance(place, claim.at or claim.known, claim.known)
    sums = balance._asdict()
    words = re.findall(r"[a-z]+", claim.what)
    for word in words:
        if word not in sums:
            sums[word] = await stage.total(place[1], LedgerAccount[word.upper()])
    return ", ".join(f"{word} {sums[word]}" for word in words)


def sentence(lots: list[StandingLot]) -> str:
    """Lots as the page writes them, those that lapse first in front."""
    lots = sorted(lots, key=lambda one: (one.valid_to, one.effective, one.remaining))
    words = [
        f"{one.remaining}"
        + (f" from {said(one.valid_from)}" if one.pending else "")
        + ("" if one.valid_to == NEVER else f" until {said(one.valid_to)}")
        for one in lots
    ]
    return ", ".join(words) or "none"
