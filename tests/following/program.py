"""A small loyalty program, its books, and an Engage that follows it: a real process of its own."""

import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any
from uuid import UUID

import asyncpg
import httpx
import msgspec

from ledger.amounts import Points
from ledger.connection import Pool
from ledger.contacts import merge_contacts
from ledger.identity import ContactId
from ledger.outbox import Outbox
from ledger.outcomes import Booked
from ledger.policies import Definition
from ledger.postgres import Database
from ledger.posting import Books
from ledger.requests import Adjust, Earn
from ledger.tenants import Catalogue, DefinitionDeclaration, TenantDeclaration, declare
from sync.clock import Clock
from sync.engage import EngageOptions, EngageSecrets, EngageSettings, Follower, consumer_of
from sync.engage.settings import Mode
from sync.secret import Secret

TENANT = "sandbox"
ENCRYPTION_KEY = "DaqfT7Ys6tGqM3zbesEKpmacTJEqBCp2"
SIGNING_SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"


def member(number: int) -> ContactId:
    """The contact of member 1001, 1002, …"""
    return ContactId(UUID(int=0xA0000000_0000_4000_8000_000000000000 + number))


class Now:
    """A clock that stands still until it is moved."""

    def __init__(self) -> None:
        self.instant = datetime.now(UTC)

    def __call__(self) -> datetime:
        return self.instant

    def passes(self, **duration: float) -> None:
        self.instant += timedelta(**duration)


@dataclass
class Sandbox:
    """The control address of the stand-in Engage."""

    http: httpx.Client

    def post(self, path: str, body: Any = None) -> Any:
        response = self.http.post(f"/_sandbox{path}", json=body or {})
        response.raise_for_status()
        return response.json()

    def get(self, path: str) -> Any:
        response = self.http.get(f"/_sandbox{path}")
        response.raise_for_status()
        return response.json()

    def set(self, **settings: Any) -> None:
        self.http.put("/_sandbox/settings", json=settings).raise_for_status()

    def know(self, *contacts: UUID) -> None:
        self.post("/contacts", {"contacts": [{"id": str(contact)} for contact in contacts]})

    def fault(self, *rules: dict[str, Any]) -> None:
        self.post("/faults", {"rules": list(rules)})

    def behave(self) -> None:
        self.http.delete("/_sandbox/faults").raise_for_status()

    def run_job(self, *, even_late: bool = False) -> None:
        self.post("/run-job", {"evenLate": even_late})

    def balances(self, definition: int = 1) -> dict[UUID, Decimal]:
        raw = self.http.get("/_sandbox/balances", params={"definition": definition}).content
        rows = msgspec.json.decode(raw, type=list[dict[str, Any]], strict=False)
        return {UUID(row["contactId"]): Decimal(str(row["balance"])) for row in rows}

    def requests(self, path: str, method: str = "POST") -> list[dict[str, Any]]:
        """Requests to a path, oldest first."""
        found = self.get(f"/requests?count=10000&bodies=true&path={path}")["requests"]
        return [one for one in reversed(found) if one["method"] == method]

    def findings(self) -> Any:
        return self.get("/findings")


@dataclass
class Program:
    """A tenant with its books."""

    database: Database
    pool: Pool
    books: Books
    catalogue: Catalogue
    address: str
    stack: AsyncExitStack
    clock: Clock
    session: str
    mode: Mode = Mode.BALANCE_ONLY
    now: Now | None = None
    keys: Iterator[int] = field(default_factory=lambda: iter(range(1, 10**9)))

    def definition(self, engage_id: int = 1) -> Definition:
        found = self.catalogue.definition(self.catalogue.tenants[TENANT].id, engage_id)
        assert found is not None
        return found

    async def earn(
        self,
        contact: ContactId,
        amount: int,
        *,
        definition: int = 1,
        valid_from: datetime | None = None,
        valid_to: datetime | None = None,
    ) -> None:
        key = f"earn {next(self.keys)}"
        (outcome,) = await self.books.post(
            [
                Earn(
                    tenant=self.catalogue.tenants[TENANT].id,
                    contact=contact,
                    definition=self.definition(definition).id,
                    idempotency_key=key,
                    fingerprint=key.encode().ljust(16, b"\0")[:16],
                    source="pos",
                    amount=Points(amount),
                    valid_from=valid_from,
                    valid_to=valid_to,
                )
            ]
        )
        assert isinstance(outcome, Booked)

    async def earn_all(self, earned: list[tuple[ContactId, int]]) -> None:
        """Points for many, a thousand a batch."""
        for start in range(0, len(earned), 1000):
            requests = []
            for contact, amount in earned[start : start + 1000]:
                key = f"earn {next(self.keys)}"
                requests.append(
                    Earn(
                        tenant=self.catalogue.tenants[TENANT].id,
                        contact=contact,
                        definition=self.definition().id,
                        idempotency_key=key,
                        fingerprint=key.encode().ljust(16, b"\0")[:16],
                        source="pos",
                        amount=Points(amount),
                    )
                )
            outcomes = await self.books.post(requests)
            assert all(isinstance(outcome, Booked) for outcome in outcomes)

    async def adjust(self, contact: ContactId, amount: int) -> None:
        key = f"adjust {next(self.keys)}"
        (outcome,) = await self.books.post(
            [
                Adjust(
                    tenant=self.catalogue.tenants[TENANT].id,
                    contact=contact,
                    definition=self.definition().id,
                    idempotency_key=key,
                    fingerprint=key.encode().ljust(16, b"\0")[:16],
                    source="back office",
                    amount=Points(amount),
                )
            ]
        )
        assert isinstance(outcome, Booked)

    async def merge(self, contact: ContactId, into: ContactId) -> None:
        await merge_contacts(
            self.books,
            self.catalogue.tenants[TENANT].id,
            contact,
            into,
            idempotency_key=f"merge {next(self.keys)}",
            fingerprint=contact.bytes,
        )

    async def follower(self, **options: Any) -> Follower:
        """The tenant's Engage, with settings that suit a test that doesn't wait."""
        given: dict[str, Any] = {
            "base_url": self.address,
            "mode": self.mode,
            "poll_seconds": (0.05, 0.1),
            "answer_seconds": 5.0,
            "settle_seconds": 60.0,
            "rate_per_second": 49.9,
        }
        secrets = options.pop("secrets", {})
        settings = EngageSettings(
            options=EngageOptions(**(given | options)),
            secrets=EngageSecrets(
                **(
                    {
                        "api_key": Secret("sandbox-key"),
                        "encryption_keys": (Secret(ENCRYPTION_KEY),),
                        "signing_secrets": (Secret(SIGNING_SECRET),),
                    }
                    | secrets
                )
            ),
        )
        tenant = self.catalogue.tenants[TENANT]
        follower = Follower(tenant, settings, self.books, self.clock)
        return await self.stack.enter_async_context(follower)

    async def count(self, query: str, *arguments: object) -> int:
        return int(await self.pool.fetchval(query, *arguments) or 0)

    async def marks(self) -> int:
        return await self.count("select count(*) from ledger.outbox")

    async def states(self) -> list[str]:
        """The states of all batches, oldest first."""
        rows = await self.pool.fetch("select state from engage.batch order by id")
        return [row["state"] for row in rows]


def outbox_to(catalogue: Catalogue, mode: Mode) -> Outbox:
    """Who hears of what is posted: Engage, in this mode."""
    told = consumer_of(EngageOptions(base_url="http://127.0.0.1", mode=mode))
    return Outbox(dict.fromkeys(catalogue.definitions, (told,)))


async def open_program(
    database: Database,
    address: str,
    stack: AsyncExitStack,
    now: Callable[[], datetime] | None,
    mode: Mode = Mode.BALANCE_ONLY,
) -> Program:
    """The tenant's books in this database, closed with the stack."""
    session = f"program {os.getpid()}"
    pool = await asyncpg.create_pool(
        database.dsn_service,
        min_size=1,
        max_size=12,
        server_settings={"application_name": session, "timezone": "UTC"},
    )
    stack.push_async_callback(pool.close)
    declared = TenantDeclaration(
        name=TENANT,
        definitions=(
            DefinitionDeclaration(engage_id=1, name="Points"),
            DefinitionDeclaration(engage_id=2, name="Stars", scale=2),
        ),
    )
    async with pool.acquire() as connection:
        catalogue = await declare(connection, [declared])
    books = Books(pool, catalogue, outbox=outbox_to(catalogue, mode), clock=now)
    stopped = now if isinstance(now, Now) else None
    return Program(
        database, pool, books, catalogue, address, stack, Clock(now), session, mode, stopped
    )
