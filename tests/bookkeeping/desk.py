"""The books over a counter: one tenant's stored books on a real PostgreSQL, at a time of our own.

`clock` stands still until a test says which day it is; without one the database's clock counts.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from ledger import invariants, reading
from ledger.amounts import Points
from ledger.connection import Pool
from ledger.facts import Balance, Transaction
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.outbox import Outbox
from ledger.outcomes import Booked, Outcome, Refused
from ledger.policies import Policy
from ledger.postgres import Database
from ledger.posting import Books
from ledger.requests import Request
from ledger.tenants import Catalogue, DefinitionDeclaration, TenantDeclaration, declare
from ledger.trial_balance import TrialBalance, trial_balance
from tests.bookkeeping.asking import Till
from tests.bookkeeping.words import holding, when


def member(number: int) -> ContactId:
    """The contact of member 1001, 1002, …"""
    return ContactId(UUID(int=0xB0000000_0000_4000_8000_000000000000 + number))


def shop(
    name: str = "shop", *, policy: Policy | None = None, zone: str = "UTC", scales: int = 1
) -> TenantDeclaration:
    """A tenant whose definitions 1, 2, … all have one policy, and the decimals 0, 1, …"""
    return TenantDeclaration(
        name=name,
        time_zone=zone,
        definitions=tuple(
            DefinitionDeclaration(
                engage_id=scale + 1, name="Points", scale=scale, policy=policy or Policy()
            )
            for scale in range(scales)
        ),
    )


class Clock:
    """The books' clock, standing still."""

    def __init__(self, text: str) -> None:
        self.instant = when(text)

    def __call__(self) -> datetime:
        return self.instant


@dataclass(slots=True)
class Desk:
    """Everything a test needs to post and to read."""

    database: Database
    pool: Pool
    catalogue: Catalogue
    books: Books
    tenant: TenantId
    definition: DefinitionId
    till: Till
    clock: Clock | None

    def today(self, text: str) -> None:
        """Let time pass; nothing is booked by that alone."""
        assert self.clock is not None
        self.clock.instant = when(text)

    @property
    def at(self) -> datetime | None:
        """The instant of reading: the clock's, or the database's."""
        return self.clock() if self.clock else None

    async def post(self, *requests: Request, atomic: bool = False) -> list[Outcome]:
        """Post one batch, whatever comes of it."""
        return await self.books.post(requests, atomic=atomic)

    async def book(self, *requests: Request) -> list[Transaction]:
        """Post one batch that must be booked whole."""
        outcomes = await self.post(*requests)
        assert not [one for one in outcomes if not isinstance(one, Booked)], outcomes
        return [one.transaction for one in outcomes if isinstance(one, Booked)]

    async def sweep(self) -> int:
        """Book everything that has fallen due; answers on how many accounts."""
        swept = 0
        while found := await self.books.sweep():
            swept += found
        return swept

    async def balance(self, contact: ContactId, definition: DefinitionId | None = None) -> str:
        """What a member holds by reading, due transfers counted: `40 available`."""
        return holding(await self.held(contact, definition))

    async def held(self, contact: ContactId, definition: DefinitionId | None = None) -> Balance:
        """The same as buckets; all zero for a member without points."""
        async with self.pool.acquire() as connection:
            found = await reading.balances(
                connection,
                self.tenant,
                contact,
                definition=definition or self.definition,
                at=self.at,
            )
        return found[0].balance if found else Balance(*[Points(0)] * 4)

    async def history(self, contact: ContactId) -> list[Transaction]:
        """A member's transactions, the first recorded first."""
        found: list[Transaction] = []
        async with self.pool.acquire() as connection:
            while page := await reading.transactions_of(
                connection,
                self.tenant,
                contact,
                before=found[-1].number if found else None,
                limit=reading.PAGE_MAX,
            ):
                found += page
        return found[::-1]

    async def trial(self) -> TrialBalance:
        """The tenant's trial balance now."""
        async with self.pool.acquire() as connection:
            return await trial_balance(connection, self.catalogue, self.tenant, at=self.at)

    async def findings(self) -> list[str]:
        """What does not hold; nothing in books that are right."""
        async with self.pool.acquire() as connection:
            found = await invariants.check(connection, self.catalogue)
        return [f"rule {one.rule}: {one.place} {one.message}" for one in found]

    async def holder_of(self, contact: ContactId) -> HolderId:
        """Who a member is in the books."""
        async with self.pool.acquire() as connection:
            found = await connection.fetchval(
                "select holder_id from ledger.contact where tenant_id = $1 and contact_id = $2",
                self.tenant,
                contact,
            )
        return HolderId(found)

    async def count(self, table: str) -> int:
        """How many rows a table of the books has."""
        async with self.pool.acquire() as connection:
            found: int = await connection.fetchval(f"select count(*) from ledger.{table}")
        return found


@asynccontextmanager
async def opened(
    database: Database,
    declaration: TenantDeclaration | None = None,
    *,
    today: str | None = "1 January",
    connections: int = 4,
    outbox: Outbox | None = None,
) -> AsyncIterator[Desk]:
    """Books with one tenant; `today` of `None` is the database's own time."""
    declaration = declaration or shop()
    clock = None if today is None else Clock(today)
    async with asyncpg.create_pool(database.dsn_service, min_size=1, max_size=connections) as pool:
        async with pool.acquire() as connection:
            catalogue = await declare(connection, [declaration])
        record = catalogue.tenant(declaration.name)
        assert record is not None
        kept = catalogue.definition(record.id, 1)
        assert kept is not None
        yield Desk(
            database=database,
            pool=pool,
            catalogue=catalogue,
            books=Books(pool, catalogue, outbox=outbox, clock=clock),
            tenant=record.id,
            definition=kept.id,
            till=Till(record.id, kept.id),
            clock=clock,
        )


def refusal(outcome: Outcome) -> str:
    """The code of a refusal."""
    assert isinstance(outcome, Refused), outcome
    return str(outcome.code)


def ways(outcomes: list[Outcome]) -> list[str]:
    """What came of requests, in a word each: `Booked`, `Replayed`, or the code of a refusal."""
    return [str(one.code) if isinstance(one, Refused) else type(one).__name__ for one in outcomes]
