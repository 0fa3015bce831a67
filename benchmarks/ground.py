"""Where benchmarks run: a PostgreSQL of their own, set up as in production, and databases on it.

The one hard idea: durability stays on and the settings are the service's own, so that a figure is
what an installation would see. The server's folder is kept between runs, and with it the databases
that take minutes to fill; everything else is dropped when its question is answered.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from uuid import uuid4

import asyncpg

from ledger.connection import Connection, Pool
from ledger.outbox import Outbox
from ledger.policies import Policy, RoundUp, Span, Validity
from ledger.postgres import OWNER_ROLE, SERVICE_ROLE, Database, Server, connect
from ledger.posting import Books
from ledger.tenants import DefinitionDeclaration, TenantDeclaration, declare
from migrations.upgrade import migrate

TENANT: Final = "acme"
DEFINITION: Final = 1
"""Engage's id of the points that benchmarks post."""

DECLARATION: Final = TenantDeclaration(
    name=TENANT,
    time_zone="UTC",
    definitions=(
        DefinitionDeclaration(
            engage_id=DEFINITION,
            name="Points",
            policy=Policy(validity=Validity(span=Span.MONTHS, length=36, round_up=RoundUp.YEAR)),
        ),
    ),
)
"""Points that live for years, as most do: lots, and their boundaries, are part of every posting."""

SHOWN_SETTINGS: Final = (
    "fsync",
    "synchronous_commit",
    "full_page_writes",
    "wal_level",
    "shared_buffers",
    "max_wal_size",
    "checkpoint_timeout",
)

CONNECTIONS: Final = 8


@dataclass(slots=True)
class Ground:
    """What a question is given.

    Attributes:
        server: The benchmarks' own PostgreSQL.
        quick: Whether a rough answer in seconds is wanted.
        factor: What full sizes are multiplied by.
        rounds: How often ours and the control take turns.
    """

    server: Server
    quick: bool
    factor: float = 1.0
    rounds: int = 5
    _template: str | None = field(default=None)

    def size(self, full: int, quick: int) -> int:
        """How many of something: `full` times the factor or, in a hurry, `quick`."""
        return quick if self.quick else max(1, round(full * self.factor))

    def say(self, text: str) -> None:
        """Tell whoever waits what goes on."""
        sys.stderr.write(f"  … {text}\n")
        sys.stderr.flush()

    @asynccontextmanager
    async def database(self, template: Database | None = None) -> AsyncIterator[Database]:
        """A database for one question: migrated and empty, or a copy of another."""
        name = f"bench_{uuid4().hex}"
        source = self._name_of(template) if template else await self._migrated()
        await self._create(name, source)
        try:
            yield self._database(name)
        finally:
            await self._administer(f"drop database if exists {name} with (force)")

    async def kept(self, name: str, fill: Callable[[Database], Awaitable[None]]) -> Database:
        """A database that is filled once and kept for later runs. Nobody changes it: copy it."""
        administration = await connect(self.server.dsn_superuser)
        try:
            # One fills, who wants the same one meanwhile waits; other databases are not held up.
            await administration.execute("select pg_advisory_lock(hashtextextended($1, 0))", name)
            exists = "select count(*) from pg_database where datname = $1"
            if not await administration.fetchval(exists, name):
                self.say(f"filling {name}, once")
                making = f"{name}_making"
                await administration.execute(f"drop database if exists {making} with (force)")
                await self._create(making, await self._migrated())
                await fill(self._database(making))
                await administration.execute(f"alter database {making} rename to {name}")
            # It may have been filled before the tables were last changed.
            await migrate(self.server.dsn(OWNER_ROLE, name))
        finally:
            await administration.close()
        return self._database(name)

    async def settings(self) -> dict[str, str]:
        """The server's version, and what of its settings bears on speed and durability."""
        connection = await connect(self.server.dsn_superuser)
        try:
            found = {"PostgreSQL": str(await connection.fetchval("show server_version"))}
            for setting in SHOWN_SETTINGS:
                found[setting] = str(await connection.fetchval(f"show {setting}"))
        finally:
            await connection.close()
        return found

    async def checkpoint(self) -> None:
        """Write everything out, so that whoever is measured next pays for its own pages only."""
        await self._administer("checkpoint")

    async def drop_leftovers(self) -> None:
        """Drop what runs that were killed left behind, unless somebody is connected to it."""
        connection = await connect(self.server.dsn_superuser)
        try:
            rows = await connection.fetch(
                "select datname from pg_database where (datname like 'bench\\_%' "
                "or datname like '%\\_making') and not exists ("
                "select from pg_stat_activity where pg_stat_activity.datname = pg_database.datname)"
            )
            for row in rows:
                await connection.execute(f"drop database if exists {row['datname']}")
        except asyncpg.ObjectInUseError:
            return
        finally:
            await connection.close()

    async def close(self) -> None:
        """Drop what was made for this run."""
        if self._template is not None:
            await self._administer(f"drop database if exists {self._template}")

    async def _migrated(self) -> str:
        if self._template is None:
            name = f"bench_{uuid4().hex}"
            await self._create(name, "template1")
            await migrate(self.server.dsn(OWNER_ROLE, name))
            self._template = name
        return self._template

    async def _create(self, name: str, template: str) -> None:
        await self._administer(
            f"create database {name} owner {OWNER_ROLE} template {template} strategy file_copy",
            f"revoke all on database {name} from public",
            f"grant connect, temporary on database {name} to {SERVICE_ROLE}",
        )

    async def _administer(self, *statements: str) -> None:
        connection = await connect(self.server.dsn_superuser)
        try:
            for statement in statements:
                await connection.execute(statement)
        finally:
            await connection.close()

    def _name_of(self, database: Database) -> str:
        return database.dsn_owner.split("@/")[1].split("?")[0]

    def _database(self, name: str) -> Database:
        return Database(
            dsn_owner=self.server.dsn(OWNER_ROLE, name),
            dsn_service=self.server.dsn(SERVICE_ROLE, name),
            service_role=SERVICE_ROLE,
            major=self.server.major,
            embedded=True,
            single_role=False,
        )


@asynccontextmanager
async def open_pool(database: Database, connections: int = CONNECTIONS) -> AsyncIterator[Pool]:
    """A pool of connections as the service has them."""
    pool = await asyncpg.create_pool(
        database.dsn_service,
        min_size=connections,
        max_size=connections,
        server_settings={"application_name": "benchmark", "timezone": "UTC", "jit": "off"},
    )
    async with pool:
        yield pool


@asynccontextmanager
async def open_books(
    database: Database, *, connections: int = CONNECTIONS, outbox: Outbox | None = None
) -> AsyncIterator[Books]:
    """The books in a database, with the one tenant that benchmarks post for."""
    async with open_pool(database, connections) as pool:
        async with pool.acquire() as connection:
            catalogue = await declare(connection, [DECLARATION])
        yield Books(pool, catalogue, outbox=outbox)


@asynccontextmanager
async def owner(database: Database) -> AsyncIterator[Connection]:
    """A connection that may do anything to the tables, for filling and for controls."""
    connection = await connect(database.dsn_owner)
    try:
        yield connection
    finally:
        await connection.close()


def machine() -> str:
    """What this runs on."""
    model = "unknown processor"
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        lines = cpuinfo.read_text().splitlines()
        names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
        model = names[0] if names else model
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return f"{os.cpu_count()} x {model}, {pages * page / 2**30:.0f} GiB"


def load_average() -> float:
    """How many processes wanted a processor over the last minute, ours and everybody else's."""
    return os.getloadavg()[0]


async def settle() -> None:
    """Let what was started come to rest."""
    await asyncio.sleep(0.1)
