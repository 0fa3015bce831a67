"""A storm: vendors that repeat themselves, services that are killed, a MoEngage full of faults.

All chance comes from one seed. What must hold afterwards is looked for in what MoEngage received,
not in what the relay believes: every event arrived, one that arrived twice is listed as possibly
duplicated, and each customer's events arrived in the order in which they were sent.
"""

import asyncio
import base64
import json
import os
import random
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import asyncpg
import httpx
import msgspec

from ledger.postgres import Database, connect
from sandbox.launch import Launched
from tests.relaying.stage import QUICK, WORKSPACE

SECRET = "test-secret-1234"
PROOF = "Basic " + base64.b64encode(f"vendor:{SECRET}".encode()).decode()
BEGINNING = datetime(2026, 1, 1, tzinfo=UTC)

SILENCE_SECONDS_MAX = 120.0

ALL_AT_ONCE = 0.2
"""How often nobody is left who could go on at once."""

FAULTS: tuple[dict[str, Any], ...] = (
    {"kind": "slow-before", "probability": 0.03, "milliseconds": 50, "millisecondsMax": 1500},
    {"kind": "slow-after", "probability": 0.03, "milliseconds": 50, "millisecondsMax": 3500},
    {"kind": "throttle", "probability": 0.01, "retryAfterSeconds": 1},
    {"kind": "error-before", "probability": 0.02, "status": 500},
    {"kind": "error-after", "probability": 0.02, "status": 503},
    {"kind": "drop-before", "probability": 0.02},
    {"kind": "drop-after", "probability": 0.02},
    {"kind": "error-before", "probability": 0.002, "status": 401},
    {"kind": "error-before", "probability": 0.002, "status": 413},
    {"kind": "error-before", "probability": 0.002, "status": 400},
)
"""Every kind that the stand-in MoEngage knows. A bulk refused by chance has no culprit in it."""


@dataclass(frozen=True)
class Size:
    """How large a storm is.

    Attributes:
        events: How many vendors send, together.
        customers: Over how many customers they are spread.
        together: How many of them are in one message of Open Loyalty.
        services: How many replicas there are.
        kill_every: One of them, or all, is killed each time that about so many events more were
            sent; by events and not by seconds, so that a slow machine gets as far as a fast one.
    """

    events: int
    customers: int
    together: int = 40
    senders: int = 8
    services: int = 2
    kill_every: int = 4000
    tell_every: int = 10_000


@dataclass
class Outcome:
    """What became of it; what is wrong is in `wrong`, empty where all is well."""

    sent: int = 0
    repeats_sent: int = 0
    kills: int = 0
    seconds_sending: float = 0
    seconds_whole: float = 0
    arrived: int = 0
    arrived_twice: int = 0
    listed: int = 0
    wrong: list[str] = field(default_factory=list)


def configuration(ports: list[int], address: str) -> Iterator[str]:
    """The configuration of one replica for each port."""
    quick = {**QUICK, "answer_seconds": 3, "backoff_seconds": 0.3, "backoff_seconds_max": 5}
    destination = {"workspace": WORKSPACE, "address": address, **quick, "requests_at_once": 3}
    source = {"destination": "main", "authentication": {"kind": "basic", "username": "vendor"}}
    mapping = {"time": ["/data/at"]}
    sources = {
        "loyalty": {"vendor": "open_loyalty", "mapping": mapping, **source},
        "punchh": {"vendor": "punchh", **source},
        "passkit": {"vendor": "passkit", **source},
        "perx": {"vendor": "perx", **source},
    }
    for port in ports:
        yield "\n".join(
            [
                "[service]",
                f"port = {port}",
                "drain_seconds = 1",
                "[tenants.acme]",
                'time_zone = "UTC"',
                'definitions = [{ engage_id = 1, name = "Points" }]',
                f"[relay.destinations.main]\n{_toml(destination)}",
                *(f"[relay.sources.{name}]\n{_toml(one)}" for name, one in sources.items()),
            ]
        )


def _toml(values: dict[str, Any]) -> str:
    def written(value: Any) -> str:
        if isinstance(value, dict):
            return "{ " + ", ".join(f"{one} = {written(two)}" for one, two in value.items()) + " }"
        if isinstance(value, list):
            return "[" + ", ".join(written(one) for one in value) + "]"
        return json.dumps(value)

    return "\n".join(f"{name} = {written(value)}" for name, value in values.items())


class Replica:
    """A service that is killed and started again."""

    def __init__(
        self, number: int, port: int, folder: Path, content: str, database: Database
    ) -> None:
        self.address = f"http://127.0.0.1:{port}"
        self._path = folder / f"pointmaster-{number}.toml"
        self._path.write_text(content)
        self._log = folder / f"replica-{number}.log"
        self._environment = {
            **os.environ,
            "DATABASE_URL": database.dsn_service,
            "DATABASE_OWNER_URL": database.dsn_owner,
            "POINTMASTER_RELAY_DESTINATION_MAIN_KEY": "sandbox-data-key",
            **{
                f"POINTMASTER_RELAY_SOURCE_{name}_SECRET": SECRET
                for name in ("LOYALTY", "PUNCHH", "PASSKIT", "PERX")
            },
        }
        self._process: asyncio.subprocess.Process | None = None

    async def start(self) -> None:
        with self._log.open("ab") as log:
            self._process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "api", "-c", str(self._path), "serve",
                "--log-level", "error", stdout=log, stderr=log, env=self._environment,
            )  # fmt: skip

    async def kill(self) -> None:
        """`kill -9`."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGKILL)
            await self._process.wait()

    async def revive(self) -> None:
        """Start it if it is dead."""
        if self._process is None or self._process.returncode is not None:
            await self.start()

    async def stop(self) -> str:
        """Stop in order; answers what it complained of."""
        if self._process is not None and self._process.returncode is None:
            self._process.send_signal(signal.SIGTERM)
            await self._process.wait()
        return self.said()

    def said(self) -> str:
        """All that it wrote."""
        return self._log.read_text()


class Storm:
    """One storm."""

    def __init__(
        self,
        size: Size,
        seed: int,
        database: Database,
        moengage: Launched,
        folder: Path,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._size = size
        self._seed = seed
        self._database = database
        self._moengage = moengage
        self._folder = folder
        self._tell = tell
        self._outcome = Outcome()

    async def run(self) -> Outcome:
        started = time.monotonic()
        async with AsyncExitStack() as stack:
            control = await stack.enter_async_context(_client(self._moengage.address))
            self._control = control
            await self._misbehave(FAULTS)
            replicas = await stack.enter_async_context(self._replicas())
            killing = asyncio.create_task(self._kill(replicas))
            async with asyncio.TaskGroup() as group:
                for sender in range(self._size.senders):
                    group.create_task(self._send(sender, replicas))
            self._outcome.seconds_sending = time.monotonic() - started
            killing.cancel()
            await asyncio.wait([killing])
            # Once more, while nothing but what waits is left to do.
            await replicas[0].kill()
            self._outcome.kills += 1
            for replica in replicas:
                await replica.revive()
            self._tell(f"all {self._outcome.sent} are sent; waiting for the rest to arrive")
            await self._misbehave(())
            await self._calm()
            self._outcome.seconds_whole = time.monotonic() - started
            for replica in replicas:
                self._complaints(await replica.stop())
            await self._judge()
        return self._outcome

    async def _misbehave(self, rules: tuple[dict[str, Any], ...]) -> None:
        response = await self._control.post(
            "/_sandbox/faults", json={"seed": self._seed, "rules": list(rules)}
        )
        response.raise_for_status()

    @asynccontextmanager
    async def _replicas(self) -> AsyncIterator[list[Replica]]:
        ports = [_free_port() for _ in range(self._size.services)]
        contents = configuration(ports, self._moengage.address)
        replicas = [
            Replica(number, port, self._folder, content, self._database)
            for number, (port, content) in enumerate(zip(ports, contents, strict=True))
        ]
        for replica in replicas:
            await replica.start()
        try:
            yield replicas
        finally:
            for replica in replicas:
                await replica.kill()

    async def _kill(self, replicas: list[Replica]) -> None:
        chance = random.Random(f"{self._seed} kill")
        next_at = 0.0
        while True:
            next_at += self._size.kill_every * chance.uniform(0.5, 1.5)
            while self._outcome.sent < next_at:
                await asyncio.sleep(0.02)
            struck = replicas if chance.random() < ALL_AT_ONCE else [chance.choice(replicas)]
            for replica in struck:
                await replica.kill()
                self._outcome.kills += 1
            for replica in struck:
                await replica.start()

    async def _send(self, sender: int, replicas: list[Replica]) -> None:
        """A vendor: sends each customer's events one after the other, each until it hears 200."""
        chance = random.Random(f"{self._seed} sender {sender}")
        size = self._size
        customers = [number for number in range(size.customers) if number % size.senders == sender]
        numbers = dict.fromkeys(customers, 0)
        share = size.events // size.senders + (sender < size.events % size.senders)
        async with _client("") as client:
            while share > 0:
                source, body, count = self._message(chance, customers, numbers, share)
                repeats = 1 + (chance.random() < 0.05)
                for _ in range(repeats):
                    await self._until_heard(client, chance, replicas, source, body)
                share -= count
                self._outcome.sent += count
                self._outcome.repeats_sent += count * (repeats - 1)
                if self._outcome.sent % self._size.tell_every < count:
                    self._tell(f"{self._outcome.sent} sent, {self._outcome.kills} kills")

    def _message(
        self, chance: random.Random, customers: list[int], numbers: dict[int, int], share: int
    ) -> tuple[str, bytes, int]:
        """A message of some vendor with the next event of one customer, or of many."""
        kind = chance.random()
        many = min(self._size.together, len(customers), share) if kind < 0.5 else 1
        chosen = chance.sample(customers, many)
        events = []
        for customer in chosen:
            numbers[customer] += 1
            at = BEGINNING + timedelta(seconds=numbers[customer])
            events.append(
                (f"customer-{customer}", f"{customer}/{numbers[customer]}", at.isoformat())
            )
        (customer_id, key, at_text) = events[0]
        document: dict[str, Any]
        if kind < 0.5:
            source = "loyalty"
            data = [
                {"customerId": one, "couponCode": two, "at": three, "points": 10.5}
                for one, two, three in events
            ]
            document = {"type": "account.expiring_points_notification", "data": data}
        elif kind < 0.7:
            source = "punchh"
            stamp = int(datetime.fromisoformat(at_text).timestamp()) * (
                1000 if chance.random() < 0.5 else 1
            )
            document = {
                "content_id": key, "timestamp": stamp, "event_name": " checkins",
                "event_type": "loyalty", "business_id": 7,
                "payload": {"points_earned": 20, "receipt_amount": 20.0, "user": {
                    "user_id": 9007199254740993, "external_source_id": customer_id,
                    "account_balance": {"points_balance": 120, "total_debits": "0.0"}}},
            }  # fmt: skip
        elif kind < 0.85:
            source = "passkit"
            document = {
                "event": 4,
                "pass": {
                    "id": key,
                    "externalId": customer_id,
                    "metadata": {"lastUpdatedAt": at_text},
                },
            }
        else:
            source = "perx"
            document = {"event_id": key, "event_type": "reward", "customer_id": customer_id,
                        "occurred_at": at_text}  # fmt: skip
        return source, msgspec.json.encode(document), many

    async def _until_heard(
        self,
        client: httpx.AsyncClient,
        chance: random.Random,
        replicas: list[Replica],
        source: str,
        body: bytes,
    ) -> None:
        headers = {"authorization": PROOF, "content-type": "application/json"}
        deadline = time.monotonic() + SILENCE_SECONDS_MAX
        while time.monotonic() < deadline:
            address = chance.choice(replicas).address
            try:
                response = await client.post(
                    f"{address}/relay/{source}", content=body, headers=headers
                )
                if response.status_code == 200:
                    return
            except httpx.HTTPError:
                pass
            await asyncio.sleep(0.05)
        logs = "\n".join(replica.said()[-2000:] for replica in replicas)
        raise TimeoutError(f"no replica answered for {SILENCE_SECONDS_MAX:g} seconds: {logs}")

    async def _calm(self) -> None:
        """Wait until nothing waits any more."""
        connection = await connect(self._database.dsn_service)
        try:
            while left := await connection.fetchval("select count(*) from relay.queue"):
                self._tell(f"{left} customers wait")
                await asyncio.sleep(1 if left < 1000 else 5)
        finally:
            await connection.close()

    def _complaints(self, log: str) -> None:
        # That a destination is paused is rightly complained of: its key was refused.
        if "Traceback" in log:
            self._outcome.wrong.append(f"a replica complained: {log[-1500:]}")

    async def _judge(self) -> None:
        connection = await connect(self._database.dsn_service)
        try:
            await self._judge_events(connection)
        finally:
            await connection.close()

    async def _judge_events(self, connection: "asyncpg.Connection[asyncpg.Record]") -> None:
        outcome = self._outcome
        rows = await connection.fetch("select state, count(*) from relay.event group by state")
        states = {row["state"]: row["count"] for row in rows}
        if states != {"delivered": outcome.sent}:
            outcome.wrong.append(f"{outcome.sent} were sent, and the relay has {states}")
        listed = {
            str(row["id"])
            for row in await connection.fetch("select id from relay.event where maybe_repeated")
        }
        outcome.listed = len(listed)
        known: dict[str, int] = {}
        times: dict[str, str] = {}
        async for entry in self._entries():
            if entry["kind"] != "event":
                continue
            identifier, customer = entry["relayEventId"], entry["customerId"]
            known[identifier] = known.get(identifier, 0) + 1
            if known[identifier] == 1:
                if entry["eventTime"] <= times.get(customer, ""):
                    outcome.wrong.append(f"{customer} was told of {entry['eventTime']} too late")
                times[customer] = entry["eventTime"]
        outcome.arrived = len(known)
        twice = {identifier for identifier, count in known.items() if count > 1}
        outcome.arrived_twice = len(twice)
        if twice - listed:
            outcome.wrong.append(f"{len(twice - listed)} arrived twice and are not listed")
        stored = {str(row["id"]) for row in await connection.fetch("select id from relay.event")}
        if stored != known.keys():
            outcome.wrong.append(f"{len(stored - known.keys())} never arrived")
        findings = (await self._control.get("/_sandbox")).json()["findings"]
        if set(findings) - {"user-over-fair-use"}:
            outcome.wrong.append(f"MoEngage found {findings}")

    async def _entries(self) -> AsyncIterator[dict[str, Any]]:
        path = f"/_sandbox/workspaces/{WORKSPACE}/entries"
        async with self._control.stream("GET", path, params={"count": 10_000_000}) as response:
            async for line in response.aiter_lines():
                if line:
                    yield msgspec.json.decode(line)


def _client(address: str) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=address, timeout=60, trust_env=False, verify=False)


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
