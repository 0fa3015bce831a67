"""A relay on a database of its own, with a stand-in MoEngage as its outside world."""

import asyncio
import base64
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any

import asyncpg
import httpx
import msgspec

from api.configuration import Configuration
from api.relay import open_relay, relay_connections
from api.service import open_pool
from ledger.connection import Pool
from ledger.identity import TenantId
from ledger.postgres import Database, connect
from ledger.tenants import Catalogue, declare
from sync.relay.authentication import Message
from sync.relay.events import EventRecord, Wanted
from sync.relay.intake import EventState
from sync.relay.options import RelayOptions
from sync.relay.relay import Receipt, Relay
from sync.relay.settings import RelaySecrets, RelaySettings, problems, settings_of
from sync.secret import Secret
from tests.doors.house import configuration_of

WORKSPACE = "sandbox-workspace"
BASIC = "Basic " + base64.b64encode(b"vendor:test-secret").decode()
TENANTS = {"acme": (1, 2, 3), "other": (1,)}

QUICK = {
    # What takes minutes in life takes moments here.
    "backoff_seconds": 0.05,
    "backoff_seconds_max": 0.5,
    "breaker_seconds": 0.2,
    "pause_seconds": 0.3,
    "limit_seconds": 0.3,
    "poll_seconds": 0.02,
    "answer_seconds": 5,
    "customer_events_per_minute": 1_000_000,
    "events_per_minute": 10_000_000,
    "customers_per_minute": 10_000_000,
}


def basic(vendor: str, **more: Any) -> dict[str, Any]:
    """A source over HTTP with user and password."""
    return {
        "vendor": vendor,
        "destination": "main",
        "tenant": "acme",
        "authentication": {"kind": "basic", "username": "vendor"},
        **more,
    }


def relay_settings(
    address: str,
    sources: dict[str, Any],
    destinations: dict[str, Any] | None = None,
    retention: dict[str, Any] | None = None,
    secret: str = "test-secret",
    **options: Any,
) -> RelaySettings:
    """A relay to one stand-in, checked as the configuration is."""
    main = {"tenant": "acme", "workspace": WORKSPACE, "address": address, **QUICK, **options}
    found = msgspec.convert(
        {
            "destinations": {"main": main, **(destinations or {})},
            "sources": sources,
            "retention": retention or {},
        },
        RelayOptions,
    )
    secrets = RelaySecrets(
        dict.fromkeys(found.sources, (Secret(secret),)),
        dict.fromkeys(found.destinations, Secret("sandbox-data-key")),
    )
    assert list(problems(found, secrets, TENANTS)) == []
    return settings_of(found, secrets, TENANTS)


@dataclass
class Stage:
    """A relay that was put together but, unless asked for, doesn't deliver by itself."""

    relay: Relay
    pool: Pool
    catalogue: Catalogue
    control: httpx.AsyncClient

    @property
    def tenant(self) -> TenantId:
        return self.catalogue.tenants["acme"].id

    async def tell(self, source: str, document: Any, **headers: str) -> Receipt:
        """A vendor's message, with the right proof."""
        body = document if isinstance(document, bytes) else msgspec.json.encode(document)
        return await self.relay.receive(source, Message(body, {"authorization": BASIC, **headers}))

    async def deliver(self) -> int:
        """Send what can be sent now."""
        return sum([await courier.deliver() for courier in self.relay.couriers.values()])

    async def entries(self, workspace: str = WORKSPACE) -> list[dict[str, Any]]:
        """Everything that arrived, in order."""
        response = await self.control.get(
            f"/_sandbox/workspaces/{workspace}/entries", params={"bodies": True, "count": 1_000_000}
        )
        return [msgspec.json.decode(line) for line in response.content.splitlines()]

    async def arrived(self, workspace: str = WORKSPACE) -> list[tuple[str, str]]:
        """Customers and names of the events that arrived, in order."""
        return [
            (one["customerId"], one["name"])
            for one in await self.entries(workspace)
            if one["kind"] == "event"
        ]

    async def findings(self) -> dict[str, int]:
        found: dict[str, int] = (await self.control.get("/_sandbox")).json()["findings"]
        return found

    async def faults(self, *rules: dict[str, Any], seed: int = 1) -> None:
        response = await self.control.post(
            "/_sandbox/faults", json={"seed": seed, "rules": list(rules)}
        )
        assert response.is_success, response.text

    async def events(self, **wanted: Any) -> list[EventRecord]:
        """The tenant's events, the earliest first."""
        sources = self.relay.register.sources_of(self.tenant)
        found = await self.relay.events(Wanted(sources, **wanted), limit=1000)
        return sorted(found, key=lambda one: (one.received_at, one.id))

    async def states(self) -> dict[EventState, int]:
        counts: dict[EventState, int] = {}
        for event in await self.events():
            counts[event.state] = counts.get(event.state, 0) + 1
        return counts


async def until(what: Callable[[], Any], seconds: float = 20) -> Any:
    """Wait until something answers with what is true."""
    deadline = time.monotonic() + seconds
    while True:
        found = await what()
        if found:
            return found
        assert time.monotonic() < deadline, "it never came to be"
        await asyncio.sleep(0.02)


def configuration_with(database: Database, settings: RelaySettings) -> Configuration:
    return replace(configuration_of(database), relay=settings)


@asynccontextmanager
async def open_stage(
    database: Database, settings: RelaySettings, *, delivers: bool = False
) -> AsyncIterator[Stage]:
    """A relay on a database."""
    configuration = configuration_with(database, settings)
    async with AsyncExitStack() as stack:
        pool = await stack.enter_async_context(open_pool(database.dsn_service, 8))
        wires = await stack.enter_async_context(
            open_pool(database.dsn_service, relay_connections(configuration))
        )
        async with pool.acquire() as connection:
            declarations = [tenant.declaration for tenant in configuration.tenants]
            catalogue = await declare(connection, declarations)

        async def connect_leader() -> "asyncpg.Connection[asyncpg.Record]":
            return await connect(database.dsn_service)

        relay = await stack.enter_async_context(
            open_relay(configuration, catalogue, pool, wires, connect_leader, delivers=delivers)
        )
        address = settings.destinations["main"].address
        control = await stack.enter_async_context(
            httpx.AsyncClient(base_url=address, timeout=30, trust_env=False, verify=False)
        )
        yield Stage(relay, pool, catalogue, control)
