"""A stand-in as a process: listen, say so in one line, restart on demand, stop cleanly.

What a web server does not offer and a stand-in needs is to behave badly on the socket: to drop one
connection without a word, or to vanish for a while with its port closed and come back with what it
remembers. So connections hand their "abort" to the application in the ASGI scope, and a restart is
a new server in the same process, with the state kept.
"""

import asyncio
import contextlib
import os
import signal
import socket
import sys
import time
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Any, Final

import uvicorn
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

ABORT_KEY: Final = "sandbox.abort"
"""Where the scope of a request holds the function that cuts its connection."""

BACKLOG: Final = 2048


class _AbortableConnection(HttpToolsProtocol):
    """A connection that lets the application cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        scope: dict[str, Any] = self.scope  # type: ignore[assignment]  # a scope may carry keys of the server's own
        scope[ABORT_KEY] = self.transport.abort


class _Server(uvicorn.Server):
    """A server that leaves signals to its process and can vanish at once."""

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    def vanish(self) -> None:
        """Close the port and cut every connection, answered or not."""
        for listener in self.servers:
            listener.close()
        for connection in list(self.server_state.connections):
            connection.transport.abort()
        self.should_exit = True
        self.force_exit = True


class Process:
    """Runs one ASGI application on one port until it is told to stop."""

    def __init__(self, name: str, host: str, port: int, *, with_parent: bool = False) -> None:
        self.name = name
        self.host = host
        self.port = port
        self._with_parent = with_parent
        """Whether to stop when standard input closes, as it does when the parent is gone."""
        self._server: _Server | None = None
        self._stopping = asyncio.Event()
        self._refuse_until: float | None = None

    @property
    def address(self) -> str:
        """Where the application answers, known once the process listens."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}"

    def restart(self, refuse_seconds: float) -> None:
        """Cut all connections, keep the port closed for that long, then listen again."""
        self._refuse_until = time.monotonic() + refuse_seconds
        if self._server is not None:
            self._server.vanish()

    def stop(self) -> None:
        """Finish the requests that are being answered, then stop."""
        self._stopping.set()
        if self._server is not None:
            self._server.should_exit = True

    async def run(self, application: Any) -> None:
        """Serve until stopped; prints one line with the address when the port is open.

        Raises:
            OSError: the port cannot be had.
        """
        loop = asyncio.get_running_loop()
        for number in (signal.SIGINT, signal.SIGTERM):
            loop.add_signal_handler(number, self.stop)
        if self._with_parent:
            loop.add_reader(sys.stdin.fileno(), self._read_parent)
        listener = self._listen()
        sys.stdout.write(f"{self.name} stand-in ready at {self.address}\n")
        sys.stdout.flush()
        while True:
            self._server = _Server(self._configuration(application))
            await self._server.serve(sockets=[listener])
            if self._stopping.is_set() or self._refuse_until is None:
                return
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(
                    self._stopping.wait(), max(0.0, self._refuse_until - time.monotonic())
                )
            self._refuse_until = None
            if self._stopping.is_set():
                return
            listener = self._listen()

    def _read_parent(self) -> None:
        if not os.read(sys.stdin.fileno(), 4096):
            asyncio.get_running_loop().remove_reader(sys.stdin.fileno())
            self.stop()

    def _listen(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.host else socket.AF_INET
        listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.bind((self.host, self.port))
            listener.listen(BACKLOG)  # who reads the line may connect before the server accepts
        except OSError:
            listener.close()
            raise
        listener.setblocking(False)
        self.port = listener.getsockname()[1]
        return listener

    def _configuration(self, application: Any) -> uvicorn.Config:
        return uvicorn.Config(
            application,
            http=_AbortableConnection,
            ws="none",
            lifespan="off",
            log_config=None,
            log_level="error",
            access_log=False,
            backlog=BACKLOG,
            timeout_keep_alive=75,
            timeout_graceful_shutdown=5,
        )


@contextlib.asynccontextmanager
async def background(process: Process, *jobs: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """Run jobs beside a process and cancel them when it is over.

    A job that dies stops the process with its error: a stand-in that silently no longer applies
    what it accepts would mislead whoever tests against it.
    """
    tasks = [asyncio.create_task(job) for job in jobs]
    for task in tasks:
        task.add_done_callback(lambda _: process.stop())
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    for outcome in outcomes:
        if isinstance(outcome, Exception):
            raise outcome
