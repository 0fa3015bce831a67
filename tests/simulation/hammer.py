"""The jack hammer: many processes on few accounts, as hard as they can, at the database's time.

`python -m tests.simulation.hammer DSN NAME SEED SECONDS` posts random batches over several
accounts, single requests through group commit, moves in both directions, retries, sweeps, merges
and closed periods, lets points and holds fall due within seconds, and reads meanwhile.

The one hard idea: no model can say what must come of it, so it holds what must be so whatever came
first: what was answered once is answered the same again, a reading as of a past instant never
changes, no bucket is below zero, nobody deadlocks; and at the end every invariant.
"""

import asyncio
import itertools
import random
import sys
from collections import Counter
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg
import msgspec

from ledger.amounts import Points
from ledger.asof import AccountAsOf
from ledger.connection import Connection
from ledger.contacts import NotMergedError, merge_contacts
from ledger.group_commit import GroupCommit
from ledger.identity import ContactId, DefinitionId
from ledger.lanes import BusyError
from ledger.outcomes import Booked, Code, Outcome, Refused, Replayed
from ledger.periods import PeriodError
from ledger.posting import Books
from ledger.reading_as_of import accounts_as_of
from ledger.requests import (
    Activate,
    Adjust,
    Cancel,
    Capture,
    Earn,
    Extend,
    Hold,
    Move,
    Redeem,
    Release,
    Request,
    Return,
    Reverses,
)
from ledger.tenants import load_catalogue
from tests.simulation.stored import SHOP

CONTACTS: Final = 6
NEW_CONTACT_SHARE: Final = 0.01
TASKS: Final = 3
REQUESTS_MAX: Final = 30
SECOND: Final = timedelta(seconds=1)


class Report(msgspec.Struct):
    """What one process did: how often what was answered, and under how many keys it booked."""

    answers: dict[str, int]
    keys: int
    readings: int


class BrokenPromiseError(AssertionError):
    """The books answered what they must never answer."""


def contact(number: int) -> ContactId:
    return ContactId(UUID(int=1001 + number))


class Hammer:
    """One process's hand."""

    def __init__(self, name: str, seed: int, books: Books) -> None:
        self.draw = random.Random(f"{name} {seed}")
        self.name = name
        self.books = books
        self.tenant = books.catalogue.tenants[SHOP].id
        self.kinds = [one.id for one in books.catalogue.definitions_of(self.tenant)]
        self.numbers = itertools.count()
        self.booked: dict[str, tuple[UUID, int]] = {}
        self.asked: list[Request] = []
        self.answers: Counter[str] = Counter()
        self.readings = 0

    async def strike(self, group: GroupCommit, until: float) -> None:
        """Strike again and again until the time is over."""
        loop = asyncio.get_running_loop()
        ways: list[tuple[int, Callable[[], Any]]] = [
            (30, self.post_batch),
            (50, lambda: self.post_one(group)),
            (6, self.read_twice),
            (3, lambda: self.books.sweep(self.draw.randint(1, 5))),
            (1, self.close_period),
            (1, self.merge),
        ]
        weights = [weight for weight, _ in ways]
        while loop.time() < until:
            [(_, way)] = self.draw.choices(ways, weights)
            await way()

    # Posting.

    async def post_batch(self) -> None:
        """A batch over several accounts, sometimes all or nothing."""
        requests = [self.request() for _ in range(self.draw.randint(1, REQUESTS_MAX))]
        outcomes = await self.books.post(requests, atomic=self.draw.random() < 0.2)
        for request, outcome in zip(requests, outcomes, strict=True):
            self.note(request, outcome)

    async def post_one(self, group: GroupCommit) -> None:
        """A single request among those of others."""
        request = self.request()
        try:
            self.note(request, await group.post(request))
        except BusyError:
            self.answers["busy"] += 1

    def note(self, request: Request, outcome: Outcome) -> None:
        """Hold that one key stands for one transaction, whenever it is asked."""
        key = request.idempotency_key
        self.answers[outcome.code if isinstance(outcome, Refused) else type(outcome).__name__] += 1
        if isinstance(outcome, Refused):
            if key in self.booked and outcome.code is not Code.BATCH_NOT_BOOKED:
                raise BrokenPromiseError(f"booked before and refused now: {request} {outcome}")
            return
        place = (
            (outcome.transaction.holder, outcome.transaction.number)
            if isinstance(outcome, Booked)
            else (outcome.holder, outcome.number)
        )
        if isinstance(outcome, Replayed) != (key in self.booked) and not self.is_shared(key):
            raise BrokenPromiseError(f"{outcome} of {request}, known: {self.booked.get(key)}")
        if self.booked.setdefault(key, place) != place:
            raise BrokenPromiseError(f"{place} and {self.booked[key]} of {request}")

    def is_shared(self, key: str) -> bool:
        """Whether another task may have asked the same meanwhile."""
        return sum(one.idempotency_key == key for one in self.asked) > 1

    def request(self) -> Request:
        """A new request, or one that was asked before."""
        if self.asked and self.draw.random() < 0.08:
            request = self.draw.choice(self.asked)
        else:
            request = self.new_request()
        self.asked.append(request)
        del self.asked[:-400]
        return request

    def new_request(self) -> Request:
        draw, now = self.draw, datetime.now(UTC)
        key = f"{self.name} {next(self.numbers)}"
        late = draw.random()
        common: dict[str, Any] = {
            "tenant": self.tenant,
            "contact": self.somebody(),
            "definition": draw.choice(self.kinds[:2]),
            "idempotency_key": key,
            "fingerprint": key.encode(),
            "source": "pos",
            "effective_at": None if late < 0.7 else now - draw.choice([1, 3, 60]) * SECOND,
        }
        amount = Points(draw.randint(1, 30))
        kind = draw.choice(list(MAKERS))
        return MAKERS[kind](self, common, amount, self.about(kind, common), now)

    def about(self, kind: str, common: dict[str, Any]) -> Reverses:
        """An earlier request for a new one to be about, mostly of the same account."""
        fitting = [one for one in self.asked if isinstance(one, FITTING.get(kind, Request))]
        if not fitting:
            return Reverses(None, "never asked")
        chosen = self.draw.choice(fitting[-40:])
        if kind in FITTING and self.draw.random() < 0.95:
            common |= {"contact": chosen.contact, "definition": chosen.definition}
        return Reverses(None, chosen.idempotency_key)

    def somebody(self) -> ContactId:
        """One of the few, or seldom somebody new."""
        if self.draw.random() < NEW_CONTACT_SHARE:
            return contact(CONTACTS + self.draw.randrange(40))
        return contact(self.draw.randrange(CONTACTS))

    # Reading, and what else goes on.

    async def read_twice(self) -> None:
        """Hold that what was known at an instant stays so, and that no bucket is below zero."""
        who = contact(self.draw.randrange(CONTACTS))  # nobody who may be merged meanwhile
        async with self.books.pool.acquire() as connection:
            now = await connection.fetchval("select clock_timestamp()")
            at = now + self.draw.choice([-3, -1, 0, 0, 2]) * SECOND
            first = await self.read(connection, who, at, now)
            await asyncio.sleep(self.draw.random() / 5)
            second = await self.read(connection, who, at, now)
        self.readings += 1
        if first != second:
            raise BrokenPromiseError(f"{who} at {at} as known at {now}: {first}, then {second}")

    async def read(
        self, connection: Connection, who: ContactId, at: datetime, known: datetime
    ) -> list[tuple[DefinitionId, object]]:
        found: list[AccountAsOf] = await accounts_as_of(
            connection, self.tenant, who, effective_at=at, recorded_at=known
        )
        for account in found:
            if min(account.balance) < 0:
                raise BrokenPromiseError(f"{who}: {account}")
        return [(account.definition, account.balance) for account in found]

    async def close_period(self) -> None:
        """Close the books up to a little while ago, if nobody has closed further."""
        try:
            await self.books.close_period(self.tenant, datetime.now(UTC) - 4 * SECOND)
        except PeriodError:
            self.answers["period closed already"] += 1

    async def merge(self) -> None:
        """Make two newcomers one."""
        one, other = (contact(CONTACTS + number) for number in self.draw.sample(range(40), 2))
        key = f"{self.name} merge {next(self.numbers)}"
        try:
            await merge_contacts(
                self.books, self.tenant, one, other, idempotency_key=key, fingerprint=b"merge"
            )
        except NotMergedError:
            self.answers["not merged"] += 1


Maker = Callable[[Hammer, dict[str, Any], Points, Reverses, datetime], Request]


def earn(
    hammer: Hammer, common: dict[str, Any], amount: Points, _: Reverses, now: datetime
) -> Earn:
    """Points that begin and end within seconds, or never end."""
    at = common["effective_at"] or now
    begins = at + hammer.draw.choice([1, 2]) * SECOND if hammer.draw.random() < 0.3 else None
    ends = (begins or at) + hammer.draw.choice([1, 4]) * SECOND
    return Earn(
        **common,
        amount=amount,
        valid_from=begins and begins + SECOND,
        valid_to=ends + 2 * SECOND if hammer.draw.random() < 0.5 else None,
    )


def move(hammer: Hammer, common: dict[str, Any], amount: Points, _: Reverses, __: datetime) -> Move:
    """Points to somebody else, to another kind, or all of them."""
    everything = hammer.draw.random() < 0.05
    return Move(
        **common,
        to_contact=hammer.somebody(),
        to_definition=hammer.draw.choice(hammer.kinds[:2]),
        amount=None if everything else amount,
    )


MAKERS: Final[dict[str, Maker]] = {
    "earn": earn,
    "earn again": earn,
    "earn more": earn,
    "move": move,
    "redeem": lambda hammer, common, amount, _, __: Redeem(
        **common, amount=amount, allow_debt=hammer.draw.random() < 0.3
    ),
    "adjust": lambda hammer, common, amount, _, __: Adjust(
        **common, amount=Points(amount * hammer.draw.choice([-1, 1]))
    ),
    "hold": lambda hammer, common, amount, _, now: Hold(
        **common, amount=amount, hold_expires_at=hammer.draw.choice([None, now + 2 * SECOND])
    ),
    "capture": lambda _, common, __, about, ___: Capture(**common, hold=about),
    "release": lambda _, common, __, about, ___: Release(**common, hold=about),
    "return": lambda _, common, amount, about, __: Return(
        **common, reverses=about, amount=Points(amount // 3 + 1)
    ),
    "cancel": lambda _, common, __, about, ___: Cancel(**common, reverses=about),
    "activate": lambda _, common, __, about, ___: Activate(**common, lots_of=about),
    "extend": lambda _, common, __, about, now: Extend(
        **common, lots_of=about, valid_to=now + 9 * SECOND
    ),
}


FITTING: Final[dict[str, type[Request] | tuple[type[Request], ...]]] = {
    "capture": Hold,
    "release": Hold,
    "return": Earn,
    "cancel": (Redeem, Capture),
    "activate": Earn,
    "extend": Earn,
}
"""What a request is about, by its kind."""


async def hammer(dsn: str, name: str, seed: int, seconds: float) -> Report:
    """Strike for so long; answers what came of it."""
    async with asyncpg.create_pool(dsn, min_size=0, max_size=12) as pool:
        async with pool.acquire() as connection:
            catalogue = await load_catalogue(connection)
        books = Books(pool, catalogue)
        until = asyncio.get_running_loop().time() + seconds
        one = Hammer(name, seed, books)
        async with GroupCommit(books) as group, asyncio.TaskGroup() as tasks:
            for _ in range(TASKS):
                tasks.create_task(one.strike(group, until))
    return Report(dict(one.answers), len(one.booked), one.readings)


if __name__ == "__main__":
    _, its_dsn, its_name, its_seed, its_seconds = sys.argv
    found = asyncio.run(hammer(its_dsn, its_name, int(its_seed), float(its_seconds)))
    sys.stdout.write(msgspec.json.encode(found).decode())
