"""The doorkeeper: whose key a request carries, asked on every request and rarely of the database.

The one hard idea: an answer of the database is believed for a few seconds. A key that is revoked
or made takes effect everywhere within `BELIEVED_SECONDS`, and a flood of requests costs one query a
key and period. When keys were used is gathered and written now and then, not on every request.
"""

import asyncio
import contextlib
import logging
import time
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final

from api.access.keys import KeyText
from api.access.scopes import Scope
from api.access.stored import KeyRecord, find_key, mark_used
from ledger.connection import Pool
from ledger.identity import TenantId

logger = logging.getLogger(__name__)

BELIEVED_SECONDS: Final = 3.0
"""How long a revoked key may still work, and a new one that was tried too early may not."""

REMEMBERED_MAX: Final = 10_000
"""How many keys are remembered; guessed ids must not fill the memory."""

MARK_USED_SECONDS: Final = 30.0
"""How often uses are written down."""


@dataclass(frozen=True, slots=True)
class Bearer:
    """Who a request comes from."""

    key_id: str
    tenant: TenantId
    scopes: frozenset[Scope]


@dataclass(frozen=True, slots=True)
class _Remembered:
    record: KeyRecord | None
    until: float


class Doorkeeper:
    """Admits keys; one for each process."""

    def __init__(self, pool: Pool, *, clock: Callable[[], datetime] | None = None) -> None:
        self._pool = pool
        self._clock = clock or (lambda: datetime.now(UTC))
        self._remembered: dict[str, _Remembered] = {}
        self._used: dict[str, datetime] = {}

    async def admit(self, key: KeyText | None) -> Bearer | None:
        """The bearer of a key; `None` for one that opens nothing, whatever the reason."""
        if key is None:
            return None
        record = await self._look_up(key.id)
        now = self._clock()
        if record is None or not key.matches(record.secret_hash) or not record.works_at(now):
            return None
        self._used[key.id] = now
        return Bearer(key.id, record.tenant, record.scopes)

    @contextlib.asynccontextmanager
    async def taking_notes(self) -> AsyncIterator[None]:
        """Write down which keys were used, now and then and at the end, while the block lasts."""
        writing = asyncio.create_task(self._write_now_and_then())
        try:
            yield
        finally:
            writing.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await writing
            await self.write_used()

    async def write_used(self) -> None:
        """Write down now which keys were used."""
        used, self._used = self._used, {}
        try:
            async with self._pool.acquire() as connection:
                await mark_used(connection, used)
        except Exception as problem:  # noqa: BLE001  # whatever it is, the next time is tried again
            # When a key was last used is a courtesy; nothing may fail for it.
            logger.warning("Could not note when keys were last used: %s", type(problem).__name__)
            self._used = used | self._used

    async def _look_up(self, key_id: str) -> KeyRecord | None:
        now = time.monotonic()
        remembered = self._remembered.get(key_id)
        if remembered is not None and now < remembered.until:
            return remembered.record
        async with self._pool.acquire() as connection:
            record = await find_key(connection, key_id)
        if len(self._remembered) >= REMEMBERED_MAX:
            self._remembered.clear()
        self._remembered[key_id] = _Remembered(record, now + BELIEVED_SECONDS)
        return record

    async def _write_now_and_then(self) -> None:
        while True:
            await asyncio.sleep(MARK_USED_SECONDS)
            await self.write_used()
