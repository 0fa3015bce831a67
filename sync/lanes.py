"""Doing many things at once, but only so many.

The one hard idea: when one fails, the others are let finish before the failure is told. A call that
was cut off half way would leave behind a question that only time can answer. Only being cancelled
cuts them off.
"""

import asyncio
from collections.abc import Coroutine
from typing import Any


class Lanes:
    """At most so many pieces of work at a time."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a piece of work as soon as there is room.

        Raises:
            Exception: one that failed earlier; `work` is then not begun.
        """
        while len(self._tasks) >= self._at_once:
            await self._some()
        if self._failure is not None:
            work.close()
            raise self._failure
        self._tasks.add(asyncio.create_task(work))

    async def finish(self) -> None:
        """Wait for all that was begun.

        Raises:
            Exception: the first that failed, after all have ended.
        """
        while self._tasks:
            await self._some()
        if self._failure is not None:
            raise self._failure

    async def _some(self) -> None:
        """Wait until at least one piece has ended."""
        try:
            done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            for task in self._tasks:
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            raise
        for task in done:
            if not task.cancelled() and self._failure is None:
                self._failure = task.exception()
