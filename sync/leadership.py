"""Which of several replicas keeps the schedule.

The one hard idea: the leader is whoever holds an advisory lock of PostgreSQL, on a connection of
its own that does nothing else but say every other second that it is alive. A killed leader's
connection closes at once; one that froze or was cut off is closed by the server after six silent
seconds; either way the lock is free, and another replica has it within a second more.

For a moment there may be two leaders, the old one not yet knowing. That does no harm, because each
unit of work is claimed in the database as well. The connection must not go through a pooler.
"""

import asyncio
import contextlib
import logging
from collections.abc import Awaitable, Callable
from typing import Final

import asyncpg

from sync.units import lock_key

LOOK_SECONDS: Final = 1.0
"""How often a replica that doesn't lead tries to."""

BEAT_SECONDS: Final = 2.0
ANSWER_SECONDS_MAX: Final = 4.0
SILENCE_SECONDS_MAX: Final = 6
"""After which the server drops a leader it hears nothing from."""

SESSION = f"""
    set idle_session_timeout = '{SILENCE_SECONDS_MAX}s';
    set tcp_keepalives_idle = 2; set tcp_keepalives_interval = 2; set tcp_keepalives_count = 2;
    set tcp_user_timeout = 6000;
"""

Connect = Callable[[], Awaitable["asyncpg.Connection[asyncpg.Record]"]]

logger = logging.getLogger(__name__)


class Leadership:
    """One replica's part in choosing who leads."""

    def __init__(
        self,
        connect: Connect,
        name: str,
        *,
        on_gain: Callable[[], Awaitable[None]],
        on_loss: Callable[[], Awaitable[None]],
    ) -> None:
        self._connect = connect
        self._name = name
        self._on_gain = on_gain
        self._on_loss = on_loss
        self._task: asyncio.Task[None] | None = None
        self._trouble = ""
        self.leads = False

    def start(self) -> None:
        """Take part from now on."""
        if self._task is None:
            self._task = asyncio.create_task(self._take_part(), name=f"leadership of {self._name}")

    async def stop(self) -> None:
        """Take part no more, and let another lead."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def _take_part(self) -> None:
        while True:
            try:
                await self._lead_once()
            except Exception as error:  # noqa: BLE001 - whatever it was, somebody must lead again
                # A database that stays away is said once.
                before, self._trouble = self._trouble, type(error).__name__
                if self._trouble != before:
                    logger.warning("leadership name=%s lost=%s", self._name, self._trouble)
            await asyncio.sleep(LOOK_SECONDS)

    async def _lead_once(self) -> None:
        """Wait for the lock and lead until it is lost."""
        connection = await self._connect()
        try:
            await connection.execute(SESSION)
            while not await self._ask(connection, "select pg_try_advisory_lock($1)"):  # noqa: ASYNC110 - the lock is in another process
                await asyncio.sleep(LOOK_SECONDS)
            self.leads, self._trouble = True, ""
            logger.info("leadership name=%s gained=1", self._name)
            await self._on_gain()
            while True:
                await asyncio.sleep(BEAT_SECONDS)
                await self._ask(connection, "select $1::bigint is not null")
        finally:
            connection.terminate()
            if self.leads:
                self.leads = False
                await self._on_loss()

    async def _ask(self, connection: "asyncpg.Connection[asyncpg.Record]", query: str) -> bool:
        async with asyncio.timeout(ANSWER_SECONDS_MAX):
            return bool(await connection.fetchval(query, lock_key(self._name)))
