"""Servers to ask: the service as it is installed, and bare ones beside it, each a process.

The one hard idea: the service is started by its own command with a configuration file, so what is
measured is what an installation runs, checks and counters included.
"""

import asyncio
import os
import sys
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Final

from api.access.scopes import Scope
from api.access.stored import create_key
from benchmarks.ground import DEFINITION, TENANT, open_books
from benchmarks.processor import seconds_of
from ledger.postgres import Database

ROOT: Final = Path(__file__).resolve().parent.parent

START_SECONDS_MAX: Final = 60.0

LOG_SECRET: Final = "secret-of-the-points-log"

CONFIGURATION: Final = f"""
[service]
port = 0

[posting]
coalescing = {{coalescing}}

[tenants.{TENANT}]
time_zone = "UTC"

[[tenants.{TENANT}.definitions]]
engage_id = {DEFINITION}
name = "Points"
validity = {{{{ months = 36, round_up = "year" }}}}
"""

ENGAGE: Final = f"""
[tenants.{TENANT}.engage]
base_url = "https://acme.staging.voyado.com"

[tenants.{TENANT}.engage.points_log]
authentication = "header"
header = "X-Api-Key"
rows_max = 20
"""


class DidNotStartError(RuntimeError):
    """A server ended, or was silent, before it listened."""


@dataclass(frozen=True, slots=True)
class Serving:
    """A server that listens.

    Attributes:
        key: What opens its doors; empty for a bare one.
    """

    address: str
    pid: int
    key: str = ""

    @property
    def authorization(self) -> dict[str, str]:
        """The header that shows the key."""
        return {"Authorization": f"Bearer {self.key}"}

    def processor_seconds(self) -> float:
        """Processor time the server's process has used."""
        return seconds_of(self.pid)


@asynccontextmanager
async def service(
    database: Database,
    *,
    coalescing: bool = True,
    engage: bool = False,
    options: Sequence[str] = (),
    more: str = "",
    secrets: Mapping[str, str] | None = None,
) -> AsyncIterator[Serving]:
    """The service over a database, without schedules; with an Engage to answer, if asked for.

    Args:
        database: Its books.
        coalescing: Whether postings of many callers are booked together.
        engage: Whether an Engage may ask it.
        options: Of the command line.
        more: What else its configuration states.
        secrets: What else its environment holds.
    """
    async with open_books(database, connections=1) as books:
        tenant = books.catalogue.tenants[TENANT].id
        async with books.pool.acquire() as connection:
            key, _ = await create_key(
                connection, tenant, "of a benchmark", frozenset({Scope.ADMIN})
            )
    text = CONFIGURATION.format(coalescing=str(coalescing).lower())
    text += (ENGAGE if engage else "") + more
    with TemporaryDirectory() as folder:
        path = Path(folder) / "pointmaster.toml"
        path.write_text(text)
        environment = {
            "DATABASE_URL": database.dsn_service,
            "DATABASE_OWNER_URL": database.dsn_owner,
            **(secrets or {}),
        }
        if engage:
            environment["POINTMASTER_ACME_ENGAGE_API_KEY"] = "unused"
            environment["POINTMASTER_ACME_ENGAGE_POINTS_LOG_SECRET"] = LOG_SECRET
        command = ["-m", "api", "--config", str(path), "serve", "--role", "api"]
        command += ["--with-parent", "--log-level", "warning", *options]
        async with _started(command, environment) as (address, pid):
            yield Serving(address, pid, key.text)


@asynccontextmanager
async def bare(kind: str, *, dsn: str = "", answer: bytes = b"") -> AsyncIterator[Serving]:
    """A server that does nothing but what `benchmarks.bare` says of this kind."""
    environment = {"BARE_DSN": dsn, "BARE_ANSWER": answer.decode()}
    async with _started(["-m", "benchmarks.bare", kind], environment) as (address, pid):
        yield Serving(address, pid)


@asynccontextmanager
async def _started(
    command: Sequence[str], environment: dict[str, str]
) -> AsyncIterator[tuple[str, int]]:
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *command,
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1", **environment},
    )
    try:
        yield await _address(process), process.pid
    finally:
        if process.stdin is not None:
            process.stdin.close()  # both kinds end with their parent
        await process.wait()


async def _address(process: asyncio.subprocess.Process) -> str:
    if process.stdout is None:
        raise DidNotStartError("its output can't be read")
    async with asyncio.timeout(START_SECONDS_MAX):
        async for line in process.stdout:
            words = line.decode().split()
            if words[:2] == ["Listening", "on"]:
                return words[2]
    raise DidNotStartError("it ended before it listened")
