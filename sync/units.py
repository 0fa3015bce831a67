"""Units of work that must not run twice at a time, whoever starts them.

The one hard idea: a unit is a name, and who works on it holds an advisory lock of PostgreSQL by
that name, on a connection kept for the purpose. If the worker dies, so does its connection, and the
unit is free. The lock keeps runs apart for economy; that nothing is sent twice is held by rows.
"""

import asyncio
import contextlib
import hashlib
import time
from collections.abc import AsyncIterator
from typing import Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

from ledger.connection import Pool

LOOK_AGAIN_SECONDS: Final = 0.1

LOST: Final = (
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,  # how a server's farewell that crosses a query shows
    asyncpg.PostgresError,
    OSError,
)

Lent: TypeAlias = "PoolConnectionProxy[asyncpg.Record]"


class BusyError(Exception):
    """Somebody else is working on it."""


def lock_key(name: str) -> int:
    """The number of the advisory lock for a name: 63 bits of its hash."""
    return int.from_bytes(hashlib.sha256(f"pointmaster:{name}".encode()).digest()[:8]) >> 1


@contextlib.asynccontextmanager
async def unit(pool: Pool, name: str, *, wait_seconds: float = 0) -> AsyncIterator[None]:
    """Have a unit of work to oneself for as long as the block lasts.

    Args:
        pool: One of its connections is kept meanwhile; not through a pooler that shares sessions.
        name: The unit.
        wait_seconds: How long to wait for whoever has it.

    Raises:
        BusyError: somebody else still has it.
    """
    key = lock_key(name)
    connection = await _locked(pool, key, time.monotonic() + wait_seconds)
    if connection is None:
        raise BusyError(f"{name} is under way elsewhere")
    try:
        yield
    finally:
        try:
            # A lost connection has given the lock back already; the pool gives back all others.
            with contextlib.suppress(*LOST):
                await connection.fetchval("select pg_advisory_unlock($1)", key)
        finally:
            await pool.release(connection)


async def _locked(
    pool: Pool, key: int, deadline: float
) -> "PoolConnectionProxy[asyncpg.Record] | None":
    """A connection that holds the lock; none is kept while somebody else has it."""
    while True:
        connection = await pool.acquire()
        try:
            held = await connection.fetchval("select pg_try_advisory_lock($1)", key)
        except BaseException:
            await pool.release(connection)
            raise
        if held:
            return connection
        await pool.release(connection)
        if time.monotonic() >= deadline:
            return None
        await asyncio.sleep(LOOK_AGAIN_SECONDS)
