"""Keeping below the rate that Engage allows for one API key, over all replicas together.

The one hard idea: calls are spaced, not counted. One row a key says from when on the next call may
be made; whoever wants to call moves it forward by a block of calls and has those moments to itself.
So a block costs one statement, any number of replicas share the rate, and a moment that nobody uses
is simply lost. A 429 moves the row for everyone.
"""

import asyncio
import hashlib
import time
from typing import Final
from uuid import UUID

from ledger.connection import Pool
from sync.secret import Secret

BLOCK_MAX: Final = 10
"""The most calls reserved at once: at 45 a second, 0.22 seconds' worth."""

LATE_SECONDS_MAX: Final = 0.05
"""How late a reserved moment may still be used: at 45 a second, for two calls at a time."""

BUSY_SECONDS: Final = 0.5
"""After a moment that was used, how long another call counts as one of many."""

RESERVE = """
    -- Move the key's next free moment by a block of calls; answers how long until the first.
    insert into engage.rate as rate (key_hash, free_at)
    values ($1, clock_timestamp() + $2 * make_interval(secs => $3))
    on conflict (key_hash) do update set
        free_at = greatest(rate.free_at, clock_timestamp()) + $2 * make_interval(secs => $3)
    returning extract(epoch from free_at - $2 * make_interval(secs => $3) - clock_timestamp())
"""

PAUSE = """
    -- No call with the key before that.
    insert into engage.rate as rate (key_hash, free_at)
    values ($1, clock_timestamp() + make_interval(secs => $2))
    on conflict (key_hash) do update set
        free_at = greatest(rate.free_at, clock_timestamp() + make_interval(secs => $2))
"""


class Rate:
    """The turns of one API key."""

    def __init__(self, pool: Pool, api_key: Secret, per_second: float) -> None:
        self._pool = pool
        # Kept as a hash: whoever reads the table learns nothing of the key.
        digest = hashlib.sha256(b"engage rate\x00" + api_key.reveal().encode()).digest()
        self._key = UUID(bytes=digest[:16])
        self._spacing = 1 / per_second
        self._turns: list[float] = []
        self._block = 1
        self._until = 0.0
        self._reserving = asyncio.Lock()
        self._waiting = 0

    async def turn(self) -> None:
        """Wait until one call may be made."""
        self._waiting += 1
        try:
            async with self._reserving:
                # Moments long gone are lost, or those who come late would come all at once.
                gone = time.monotonic() - LATE_SECONDS_MAX
                self._turns = [at for at in self._turns if at > gone]
                if not self._turns:
                    await self._reserve(self._next_block())
                at = self._turns.pop(0)
        finally:
            self._waiting -= 1
        await asyncio.sleep(max(0.0, at - time.monotonic()))

    async def pause(self, seconds: float) -> None:
        """Keep every replica from calling for a while."""
        self._turns.clear()
        await self._pool.execute(PAUSE, self._key, float(seconds))

    def _next_block(self) -> int:
        """As many as wait and, while one call follows another, twice as many as the last time."""
        is_busy = time.monotonic() < self._until + BUSY_SECONDS
        self._block = self._block * 2 if is_busy else 1
        self._block = min(max(self._block, self._waiting), BLOCK_MAX)
        return self._block

    async def _reserve(self, count: int) -> None:
        wait = await self._pool.fetchval(RESERVE, self._key, count, self._spacing)
        first = time.monotonic() + max(0.0, float(wait or 0))
        self._turns = [first + place * self._spacing for place in range(count)]
        self._until = self._turns[-1]
