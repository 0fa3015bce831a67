"""Asking over HTTP: requests made beforehand, sent by many callers at once, as cheaply as can be.

The one hard idea: with two cores, a load generator that parses and builds what it need not would be
what is measured. So each caller is one connection that writes bytes prepared before the clock
starts, looks for the length of the answer, counts its bytes, and sends the next; ours and the
control are asked by the same code. It speaks only what our own servers answer: HTTP/1.1, kept
alive, `Content-Length`.
"""

import asyncio
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Final, cast
from urllib.parse import urlsplit

HEAD_END: Final = b"\r\n\r\n"
LENGTH: Final = b"content-length:"

ASK_SECONDS_MAX: Final = 600.0
"""How long one round may take: a server that no longer answers ends it."""


class UnexpectedAnswerError(RuntimeError):
    """An answer that was not a success: the figure would mean nothing."""


@dataclass(frozen=True, slots=True)
class Asked:
    """What asking came to.

    Attributes:
        waits: From sending a request to its whole answer, in seconds.
        body: Of the last answer.
    """

    seconds: float
    waits: tuple[float, ...]
    body: bytes

    @property
    def rate(self) -> float:
        """Requests a second."""
        return len(self.waits) / self.seconds


class _Caller(asyncio.Protocol):
    """One connection, with at most one request under way."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._received = b""
        self._wanted = 0
        self._answer: asyncio.Future[bytes] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's is none by its type

    def data_received(self, data: bytes) -> None:
        self._received = self._received + data if self._received else data
        if not self._wanted:
            end = self._received.find(HEAD_END)
            if end < 0:
                return
            self._wanted = end + len(HEAD_END) + _length(self._received[:end])
        if len(self._received) >= self._wanted and self._answer is not None:
            answer, self._received, self._wanted = self._received, b"", 0
            self._answer.set_result(answer)

    def connection_lost(self, _exc: Exception | None) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(ConnectionResetError("the server hung up"))

    async def ask(self, request: bytes) -> bytes:
        self._answer = asyncio.get_running_loop().create_future()
        if self._transport is None:
            raise ConnectionError("not connected")
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()


def _length(head: bytes) -> int:
    lowered = head.lower()
    at = lowered.find(LENGTH)
    if at < 0:
        raise UnexpectedAnswerError(f"no Content-Length: {head!r}")
    return int(lowered[at + len(LENGTH) :].split(b"\r\n", 1)[0])


def request_bytes(
    method: str, path: str, *, headers: dict[str, str] | None = None, body: bytes = b""
) -> bytes:
    """A request as it is sent."""
    lines = [f"{method} {path} HTTP/1.1", "Host: 127.0.0.1"]
    lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
    if body:
        lines += ["Content-Type: application/json", f"Content-Length: {len(body)}"]
    return "\r\n".join(lines).encode() + HEAD_END + body


async def ask(address: str, requests: Sequence[bytes], callers: int) -> Asked:
    """Send all requests, each caller its next as soon as it has the answer to the last.

    Raises `UnexpectedAnswerError` for an answer that is no 2xx.
    """
    parts = urlsplit(address)
    loop = asyncio.get_running_loop()
    connected = [
        (await loop.create_connection(_Caller, parts.hostname or "", parts.port or 80))[1]
        for _ in range(callers)
    ]
    waits: list[float] = []
    last = b""
    pending: Iterator[bytes] = iter(requests)

    async def call(caller: _Caller) -> None:
        nonlocal last
        for request in pending:
            began = perf_counter()
            answer = await caller.ask(request)
            waits.append(perf_counter() - began)
            if answer[9:10] != b"2":
                raise UnexpectedAnswerError(answer[:1000].decode(errors="replace"))
            last = answer

    try:
        started = perf_counter()
        async with asyncio.timeout(ASK_SECONDS_MAX):
            await asyncio.gather(*(call(caller) for caller in connected))
        seconds = perf_counter() - started
    finally:
        for caller in connected:
            caller.close()
    return Asked(seconds, tuple(waits), last.partition(HEAD_END)[2])
