"""Several processes on one port: started, kept alive, and stopped together.

The one hard idea: all of them accept from one listening socket, which belongs to the parent. So a
caller who is waiting while a worker dies is taken in by another, and there is never a moment in
which nobody listens. The parent opens the database, its own PostgreSQL above all, before the first
worker and closes it after the last; it answers nobody itself.

A worker is the service as it is alone, with its own connections and lanes; the schedule is kept by
whichever of them leads. It stops when the parent's end of its standard input is closed, so none
outlives a parent that was killed.
"""

import asyncio
import contextlib
import logging
import os
import signal
import socket
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Sequence
from typing import Final

from api.configuration import Configuration
from api.relay import relay_connections
from api.service import NotMigratedError, database_of
from api.siblings import FOLDER
from api.wires import wires_connections
from ledger.postgres import Database, connect
from migrations.upgrade import migrate, pending

READY: Final = b"ready\n"

SHORT_SECONDS: Final = 10.0
"""A worker that lived no longer than this is started again with a pause."""

NOT_STARTED: Final = 71
"""The status of a worker that could not even be started: an error of the system's."""

PAUSE_SECONDS_MIN: Final = 0.5
PAUSE_SECONDS_MAX: Final = 10.0

END_SECONDS_MAX: Final = 60.0
"""How long a worker may take to end, beyond what requests under way may take."""

LEADERS: Final = 2
"""Connections by which a process takes part in choosing who keeps the schedules."""

ROOM: Final = """
    -- Connections for those who are no superusers.
    select current_setting('max_connections')::int
        - current_setting('superuser_reserved_connections')::int
"""

logger = logging.getLogger(__name__)


class WorkerEndedError(Exception):
    """The first worker ended before it answered anybody; what it said tells why."""


def say_ready() -> None:
    """Of a worker: tell the parent that callers are answered."""
    sys.stdout.buffer.write(READY)
    sys.stdout.buffer.flush()


class Supervisor:
    """Keeps workers."""

    def __init__(
        self,
        configuration: Configuration,
        count: int,
        listening: socket.socket,
        command: Sequence[str],
    ) -> None:
        """Make a supervisor; nothing is started yet.

        Args:
            configuration: What the workers will read for themselves.
            count: How many workers.
            listening: Where they accept.
            command: The words after `pointmaster` that make one of them.
        """
        self._configuration = configuration
        self._count = count
        self._listening = listening
        self._command = tuple(command)
        self._environment: dict[str, str] = {}
        self._stopping = asyncio.Event()
        self._ready = asyncio.Event()
        self._failed: WorkerEndedError | None = None
        self._workers: dict[int, asyncio.subprocess.Process] = {}
        self._keeping: list[asyncio.Task[None]] = []

    @contextlib.asynccontextmanager
    async def supervising(self, *, upgrade: bool) -> AsyncIterator[Database]:
        """Have the database open and workers on it, for as long as the block lasts.

        Raises:
            NotMigratedError: revisions are missing and `upgrade` is not asked for.
            UnsuitableDatabaseError, EmbeddedServerError, MigrationError: as their modules say.
        """
        async with contextlib.AsyncExitStack() as stack:
            database = await stack.enter_async_context(database_of(self._configuration.database))
            if upgrade:
                await migrate(database.dsn_owner, service_role=database.service_role)
            missing = await pending(database.dsn_service)
            if missing:
                raise NotMigratedError(missing)
            folder = stack.enter_context(tempfile.TemporaryDirectory(prefix="pointmaster-"))
            self._environment = {**os.environ, FOLDER: folder}
            if database.embedded:
                # It is the parent's to start and to stop.
                self._environment["DATABASE_URL"] = database.dsn_service
            self._keeping = [
                asyncio.create_task(self._keep(number), name=f"worker {number}")
                for number in range(1, self._count + 1)
            ]
            try:
                yield database
            finally:
                if not self._stopping.is_set():
                    self.stop()
                await self._end()

    async def connections(self, database: Database) -> tuple[int, int]:
        """How many connections the workers may use together, and how many the server has."""
        configuration = self._configuration
        each = configuration.database.connections + LEADERS
        each += wires_connections(configuration) + relay_connections(configuration)
        connection = await connect(database.dsn_service)
        try:
            return each * self._count, int(await connection.fetchval(ROOM))
        finally:
            await connection.close()

    def stop(self) -> None:
        """Ask the workers to end; asked again, not to wait for requests under way."""
        self._stopping.set()
        # Or callers would wait for somebody who accepts.
        self._listening.close()
        for worker in self._workers.values():
            _signal(worker, signal.SIGTERM)

    async def until_ready(self) -> None:
        """Wait until some worker answers, or the end is asked for.

        Raises:
            WorkerEndedError: one ended before any answered.
        """
        await self._first(self._ready)
        if self._failed is not None:
            raise self._failed

    async def until_stopped(self) -> None:
        """Wait until the end is asked for."""
        await self._stopping.wait()

    async def _first(self, event: asyncio.Event) -> None:
        """Wait for an event or the end, whichever comes first."""
        waiting = [asyncio.create_task(one.wait()) for one in (event, self._stopping)]
        try:
            await asyncio.wait(waiting, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for one in waiting:
                one.cancel()

    async def _keep(self, number: int) -> None:
        """Have a worker of this number, one after the other, until the end."""
        if number > 1:
            # What keeps one from starting keeps all of them, and is said once.
            await self._first(self._ready)
        pause = 0.0
        while not self._stopping.is_set():
            began = time.monotonic()
            status = await self._run(number)
            if self._stopping.is_set():
                return
            if not self._ready.is_set():
                self._failed = WorkerEndedError("the service could not be started")
                self.stop()
                return
            lived = time.monotonic() - began
            pause = min(max(pause * 2, PAUSE_SECONDS_MIN), PAUSE_SECONDS_MAX)
            pause = pause if lived < SHORT_SECONDS else 0.0
            logger.error(
                "worker=%d ended status=%d; another follows in %.1f s", number, status, pause
            )
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(pause):
                    await self._stopping.wait()

    async def _run(self, number: int) -> int:
        """One worker, from its start to its end; answers how it ended."""
        descriptor = self._listening.fileno()
        try:
            worker = await asyncio.create_subprocess_exec(
                *(sys.executable, "-m", "api", *self._command),
                *("--as-worker", str(descriptor), str(number)),
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                pass_fds=(descriptor,),
                env=self._environment,
                # Ctrl-C at the terminal is for the parent, which then asks in good order.
                start_new_session=True,
            )
        except OSError as problem:
            # The machine has no room for a process just now; it may have some soon.
            logger.error("worker=%d could not be started: %s", number, problem)  # noqa: TRY400  # the sentence says all
            return NOT_STARTED
        self._workers[number] = worker
        try:
            if self._stopping.is_set():
                _signal(worker, signal.SIGTERM)
            if worker.stdout is not None and await worker.stdout.readline() == READY:
                self._ready.set()
                logger.info("worker=%d process=%d answers", number, worker.pid)
            return await worker.wait()
        finally:
            del self._workers[number]

    async def _end(self) -> None:
        """Wait for the workers to end, and kill those that don't."""
        seconds = self._configuration.service.drain_seconds + END_SECONDS_MAX
        _, late = await asyncio.wait(self._keeping, timeout=seconds)
        if late:
            for number, worker in self._workers.items():
                logger.error("worker=%d did not end in %.0f s: killed", number, seconds)
                _signal(worker, signal.SIGKILL)
            await asyncio.wait(late)
        await asyncio.gather(*self._keeping, return_exceptions=True)


def _signal(worker: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        worker.send_signal(number)
