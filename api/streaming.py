"""Answers that are made while they are sent: long ones, from one snapshot of the books.

The one hard idea: whoever reads slowly must not hold a snapshot and a connection for ever. So what
makes the pieces is a task of its own that gives up, and gives everything back, when nobody has
taken a piece for a minute, whether the answer was ever begun or not.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Final

STALLED_SECONDS_MAX: Final = 60.0
"""How long a piece may wait to be taken."""

PIECES_READY: Final = 2

Give = Callable[[bytes], Awaitable[None]]
"""Hands a piece over; returns when there is room for it."""

Make = Callable[[Give], Awaitable[None]]
"""Makes all pieces."""


class BrokenOffError(Exception):
    """An answer that was begun could not be finished; the caller sees that its end is missing."""


class Pieces:
    """What one maker makes, to be begun before anything is sent.

    `ended` is told once nothing more is made, for whatever reason.
    """

    def __init__(self, make: Make, *, ended: Callable[["Pieces"], None]) -> None:
        self._ready: asyncio.Queue[bytes | Exception | None] = asyncio.Queue(PIECES_READY)
        self._task = asyncio.create_task(self._run(make))
        self._task.add_done_callback(lambda _: ended(self))
        self._first: bytes | None = None

    async def begin(self) -> None:
        """Wait for the first piece; raises whatever keeps it from being made."""
        found = await self._ready.get()
        if isinstance(found, Exception):
            raise found
        self._first = found

    async def every(self) -> AsyncIterator[bytes]:
        """All pieces; raises `BrokenOffError` where one can't be made."""
        piece = self._first
        try:
            while piece is not None:
                yield piece
                found = await self._ready.get()
                if isinstance(found, Exception):
                    raise BrokenOffError from found
                piece = found
        finally:
            self._task.cancel()

    async def _run(self, make: Make) -> None:
        try:
            await make(self._give)
            await self._hand_over(None)
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is told to who takes pieces
            while not self._ready.empty():
                self._ready.get_nowait()
            self._ready.put_nowait(problem)

    async def _give(self, piece: bytes) -> None:
        if piece:
            await self._hand_over(piece)

    async def _hand_over(self, piece: bytes | None) -> None:
        async with asyncio.timeout(STALLED_SECONDS_MAX):
            await self._ready.put(piece)
