"""A replica that can die at any step: before or after any statement, before or after any call.

The one hard idea: what a killed process leaves behind is what its sessions had committed and what
Engage had received. So dying is played by an exception that nobody catches and by ending the
sessions at once; that is as good as `kill -9`, a thousand times quicker, and strikes where it is
told to.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, ClassVar

import asyncpg
import httpx

from ledger.posting import Books
from sync.engage import EngageSettings, Follower
from tests.following.program import TENANT, Program, outbox_to


class KilledError(BaseException):
    """The process is no more."""


@dataclass
class Life:
    """How many steps a replica has made, and at which it dies; never, if it is not said.

    Attributes:
        last: The step at which it died, for whoever plays it again.
    """

    dies_at: int | None = None
    steps: int = 0
    is_over: bool = False
    last: str = ""

    def step(self, what: str) -> None:
        """Make a step, or die."""
        if not self.is_over:
            self.steps += 1
            self.is_over = self.steps == self.dies_at
            self.last = what
        if self.is_over:
            raise KilledError(self.last)


class MortalConnection(asyncpg.Connection):
    """A connection each of whose statements is a step before, and a step after."""

    life: ClassVar[Life]

    async def execute(self, query: str, *args: Any, **more: Any) -> Any:
        return await self._lived(query, super().execute(query, *args, **more))

    async def executemany(self, command: str, args: Any, **more: Any) -> Any:
        return await self._lived(command, super().executemany(command, args, **more))

    async def fetch(self, query: str, *args: Any, **more: Any) -> Any:
        return await self._lived(query, super().fetch(query, *args, **more))

    async def fetchrow(self, query: str, *args: Any, **more: Any) -> Any:
        return await self._lived(query, super().fetchrow(query, *args, **more))

    async def fetchval(self, query: str, *args: Any, **more: Any) -> Any:
        return await self._lived(query, super().fetchval(query, *args, **more))

    async def _lived(self, query: str, work: Any) -> Any:
        said = " ".join(query.split())[:60]
        try:
            self.life.step(f"before {said}")
        except KilledError:
            work.close()
            raise
        found = await work
        self.life.step(f"after {said}")
        return found


def _say_what_is_no_death(loop: asyncio.AbstractEventLoop, context: dict[str, Any]) -> None:
    """Of the tasks that died with their replica nobody need hear."""
    if not isinstance(context.get("exception"), KilledError):
        loop.default_exception_handler(context)


@asynccontextmanager
async def mortal(program: Program, settings: EngageSettings, life: Life) -> AsyncIterator[Follower]:
    """A replica with sessions of its own, which end with it."""
    asyncio.get_running_loop().set_exception_handler(_say_what_is_no_death)
    kind = type("MortalConnectionOfOne", (MortalConnection,), {"life": life})
    pool = await asyncpg.create_pool(
        program.database.dsn_service,
        min_size=1,
        max_size=8,
        connection_class=kind,
        server_settings={"timezone": "UTC"},
    )
    outbox = outbox_to(program.catalogue, program.mode)
    books = Books(pool, program.catalogue, outbox=outbox, clock=program.now)
    follower = Follower(program.catalogue.tenants[TENANT], settings, books, program.clock)

    async def asked(request: httpx.Request) -> None:
        life.step(f"before {request.method} {request.url.path}")

    async def answered(response: httpx.Response) -> None:
        life.step(f"after {response.request.method} {response.request.url.path}")

    http = follower.context.client._http  # noqa: SLF001 - where the process ends and the world begins
    http.event_hooks = {"request": [asked], "response": [answered]}
    try:
        yield follower
    finally:
        pool.terminate()
        await follower.close()
