"""A clerk: a process of its own that posts what it is handed, and may die at any statement.

`python -m tests.simulation.clerk DSN` reads work and writes what came of it, as pickles.

The one hard idea: the work is done in a fork that counts the statements it sends, one step before
and one after each, and kills itself (SIGKILL: no goodbye, no rollback) at the step it was told.
Whoever handed out the work then hands it out again; keys make that harmless, or the simulation
finds out that they don't.
"""

import asyncio
import os
import pickle
import signal
import sys
import traceback
from collections.abc import Callable
from typing import Any, Final

import asyncpg

from ledger.connection import Pool
from ledger.posting import Books
from ledger.tenants import load_catalogue
from tests.simulation.staff import Died, Done, Work

PATIENCE_SECONDS: Final = 60.0
"""How long a clerk tries again after it lost its connection."""

PAUSE_SECONDS: Final = 0.02

LOST: Final = (OSError, asyncpg.InterfaceError, asyncpg.InternalClientError)
LOST_STATES: Final = ("08", "57P")
"""How asyncpg says that the server is gone: by these errors, or by these states of SQL."""


class MortalConnection(asyncpg.Connection):
    """A connection that kills its process at a given step."""

    dies_at: int | None = None
    steps = 0

    @classmethod
    def step(cls) -> None:
        cls.steps += 1
        if cls.steps == cls.dies_at:
            os.kill(os.getpid(), signal.SIGKILL)

    async def execute(self, *args: Any, **options: Any) -> Any:
        return await self._mortally(super().execute, *args, **options)

    async def fetch(self, *args: Any, **options: Any) -> Any:
        return await self._mortally(super().fetch, *args, **options)

    async def fetchrow(self, *args: Any, **options: Any) -> Any:
        return await self._mortally(super().fetchrow, *args, **options)

    async def fetchval(self, *args: Any, **options: Any) -> Any:
        return await self._mortally(super().fetchval, *args, **options)

    async def executemany(self, *args: Any, **options: Any) -> Any:
        return await self._mortally(super().executemany, *args, **options)

    async def copy_records_to_table(self, *args: Any, **options: Any) -> Any:
        return await self._mortally(super().copy_records_to_table, *args, **options)

    async def _mortally(self, send: Callable[..., Any], *args: Any, **options: Any) -> Any:
        self.step()
        answer = await send(*args, **options)
        self.step()
        return answer


def serve(dsn: str) -> None:
    """Do whatever work comes, until no more does."""
    while True:
        try:
            work: Work = pickle.load(sys.stdin.buffer)
        except EOFError:
            return
        pickle.dump(in_a_fork(dsn, work), sys.stdout.buffer)
        sys.stdout.buffer.flush()


def in_a_fork(dsn: str, work: Work) -> Done | Died | str:
    """What came of work, done by a child that may die of it."""
    reading, writing = os.pipe()
    child = os.fork()
    if child == 0:
        with os.fdopen(writing, "wb") as pipe:
            pickle.dump(answer(dsn, work), pipe)
        os._exit(0)
    os.close(writing)
    with os.fdopen(reading, "rb") as pipe:
        said = pipe.read()
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        return Died(os.WTERMSIG(status))
    found: Done | str = pickle.loads(said)
    return found


def answer(dsn: str, work: Work) -> Done | str:
    """What came of work; what went wrong, in words."""
    try:
        return asyncio.run(post(dsn, work))
    except Exception:  # noqa: BLE001 # whatever it is, the simulation has to hear of it
        return traceback.format_exc()


async def post(dsn: str, work: Work) -> Done:
    """Post batches in order, each again and again until the connection holds."""
    MortalConnection.dies_at = work.dies_at
    MortalConnection.steps = 0
    done = Done([], 0)
    deadline = asyncio.get_running_loop().time() + PATIENCE_SECONDS
    while len(done.outcomes) < len(work.batches):
        try:
            async with asyncpg.create_pool(
                dsn, min_size=0, max_size=1, connection_class=MortalConnection
            ) as pool:
                await post_rest(pool, work, done)
        except Exception as problem:
            if not is_lost(problem) or asyncio.get_running_loop().time() > deadline:
                raise
            done = done._replace(lost=done.lost + 1)
            await asyncio.sleep(PAUSE_SECONDS)
    return done


async def post_rest(pool: Pool, work: Work, done: Done) -> None:
    """Post what is not posted yet."""
    async with pool.acquire() as connection:
        catalogue = await load_catalogue(connection)
    books = Books(pool, catalogue, clock=lambda: work.now)
    for batch in work.batches[len(done.outcomes) :]:
        if batch.sweep:
            await books.sweep(limit=3)
        done.outcomes.append(await books.post(batch.requests, atomic=batch.atomic))


def is_lost(problem: Exception) -> bool:
    """Whether the server is gone, and nothing else is wrong."""
    if isinstance(problem, asyncpg.PostgresError):
        return str(problem.sqlstate).startswith(LOST_STATES)
    return isinstance(problem, LOST)


if __name__ == "__main__":
    serve(sys.argv[1])
