"""The whole house for a test: the service over a database of its own, behind real HTTP."""

import asyncio
import socket
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from uuid import UUID, uuid4

import httpx

from api.access.scopes import Scope
from api.access.stored import create_key
from api.configuration import Configuration, DatabaseSettings, TenantSettings
from api.configuration.file import PostingSection, ServiceSection
from api.listening import server_of
from api.service import Role, Service, open_service
from ledger.policies import Policy, Returns
from ledger.postgres import Database
from ledger.tenants import DefinitionDeclaration, TenantDeclaration
from sync.engage import EngageSettings
from sync.secret import Secret

PATIENCE = 90.0
"""Seconds to wait for an answer that takes moments, but on a machine that is busy."""

ACME = TenantDeclaration(
    name="acme",
    time_zone="Europe/Stockholm",
    definitions=(
        DefinitionDeclaration(engage_id=1, name="Points"),
        DefinitionDeclaration(engage_id=2, name="Credits", scale=2),
        DefinitionDeclaration(
            engage_id=3, name="Strict", policy=Policy(returns=Returns.WITHIN_BALANCE)
        ),
    ),
)

OTHER = TenantDeclaration(
    name="other", definitions=(DefinitionDeclaration(engage_id=1, name="Points"),)
)


def configuration_of(
    database: Database,
    engage: EngageSettings | None = None,
    *,
    open_documentation: bool = True,
    posting: PostingSection | None = None,
    trusted_proxies: tuple[str, ...] = (),
) -> Configuration:
    """Two tenants on a test's database; the first with an Engage, if one is given."""
    return Configuration(
        path=Path("pointmaster.toml"),
        service=ServiceSection(
            port=0,
            open_documentation=open_documentation,
            trusted_proxies=trusted_proxies,
            drain_seconds=5,
        ),
        database=DatabaseSettings(
            url=Secret(database.dsn_service),
            owner_url=Secret(database.dsn_owner),
            folder=Path("var"),
            postgres=database.major,
            connections=8,
        ),
        tenants=(TenantSettings(ACME, engage), TenantSettings(OTHER, None)),
        posting=posting or PostingSection(),
    )


@dataclass
class House:
    """A service that listens.

    Attributes:
        http: With a key of the tenant `acme` that may do everything.
        anyone: Without a key.
    """

    service: Service
    address: str
    http: httpx.AsyncClient
    anyone: httpx.AsyncClient
    stack: AsyncExitStack
    contact: UUID = field(default_factory=uuid4)

    async def key(self, *scopes: Scope, tenant: str = "acme") -> str:
        """A new key."""
        record = self.service.catalogue.tenants[tenant]
        async with self.service.pool.acquire() as connection:
            key, _ = await create_key(connection, record.id, "of a test", frozenset(scopes))
        return key.text

    async def client(self, key: str | None) -> httpx.AsyncClient:
        """A caller with this key."""
        headers = {} if key is None else {"Authorization": f"Bearer {key}"}
        client = httpx.AsyncClient(base_url=self.address, headers=headers, timeout=PATIENCE)
        return await self.stack.enter_async_context(client)

    def asks(self, kind: str, **more: Any) -> dict[str, Any]:
        """A request of this kind for the house's contact, with a key of its own."""
        return {
            "kind": kind,
            "idempotencyKey": uuid4().hex,
            "contactId": str(self.contact),
            "definitionId": 1,
            "source": "pos",
            "description": "Purchase",
            **{name: value for name, value in more.items() if value is not None},
        }

    async def post(self, kind: str, **more: Any) -> httpx.Response:
        """Post one transaction."""
        return await self.http.post("/v1/transactions", json=self.asks(kind, **more))

    async def booked(self, kind: str, **more: Any) -> dict[str, Any]:
        """Post one transaction that must be booked; the answer's document."""
        response = await self.post(kind, **more)
        assert response.status_code == 201, response.text
        document: dict[str, Any] = response.json()
        return document

    async def available(self, definition: int = 1) -> int | float:
        """What the house's contact can spend."""
        response = await self.http.get(
            f"/v1/contacts/{self.contact}/balances", params={"definitionId": definition}
        )
        found: int | float = response.json()["balances"][0]["available"]
        return found


@asynccontextmanager
async def listening(service: Service) -> AsyncIterator[str]:
    """Serve at an address that is free, until the block ends."""
    port = socket.create_server(("127.0.0.1", 0))
    server = server_of(service)
    serving = asyncio.create_task(server.serve(sockets=[port]))
    while not server.started:
        await asyncio.sleep(0.005)
    try:
        yield f"http://127.0.0.1:{port.getsockname()[1]}"
    finally:
        server.should_exit = True
        await serving


@asynccontextmanager
async def open_house(
    configuration: Configuration, *, role: Role = Role.API
) -> AsyncIterator[House]:
    """A service for a test, by default without schedules."""
    async with AsyncExitStack() as stack:
        service = await stack.enter_async_context(open_service(configuration, role=role))
        address = await stack.enter_async_context(listening(service))
        anyone = await stack.enter_async_context(
            httpx.AsyncClient(base_url=address, timeout=PATIENCE)
        )
        house = House(service, address, anyone, anyone, stack)
        house.http = await house.client(await house.key(Scope.ADMIN))
        yield house


def problem(response: httpx.Response) -> Mapping[str, Any]:
    """The problem of an answer that is one, checked for form."""
    assert response.headers["content-type"] == "application/problem+json", response.text
    document: dict[str, Any] = response.json()
    assert document["status"] == response.status_code
    assert document["type"] == f"/problems/{document['code']}"
    assert document["requestId"] == response.headers["x-request-id"]
    return document


def found_errors(document: Mapping[str, Any]) -> list[tuple[str, str]]:
    """The fields of a problem with their codes."""
    return [(error["field"], error["code"]) for error in document["errors"]]
