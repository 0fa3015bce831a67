"""Doing many things at once, but only so many.

The one hard idea: when one fails, the others are let finish before the failure is told. A call that
was cut off half way would leave behind a question that only time can answer. Only being cancelled
cuts them off.
"""

import asyncio
from collections.abc import Coroutine
from types import TracebackType
from typing import Any, Self


class Lanes:
    """At most so many pieces of work at a time; all have ended when its block has."""

    def __init__(self, at_once: int) -> None:
        self._at_once = at_once
        self._tasks: set[asyncio.Task[None]] = set()
        self._failure: BaseException | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        if isinstance(error, asyncio.CancelledError):
            await self._cut_off()
        while self._tasks:
            await self._some()
        if error is None and self._failure is not None:
            raise self._failure

    async def start(self, work: Coroutine[Any, Any, None]) -> None:
        """Begin a piece of work as soon as there is room.

        Raises:
            Exception: one that failed earlier; `work` is then not begun.
        """
        while len(self._tasks) >= self._at_once:
            try:
                await self._some()
            except BaseException:
                work.close()
                raise
        if self._failure is not None:
            work.close()
            raise self._failure
        self._tasks.add(asyncio.create_task(work))

    async def _some(self) -> None:
        """Wait until at least one piece has ended."""
        try:
            done, self._tasks = await asyncio.wait(self._tasks, return_when=asyncio.FIRST_COMPLETED)
        except asyncio.CancelledError:
            await self._cut_off()
            raise
        for task in done:
            if not task.cancelled() and self._failure is None:
                self._failure = task.exception()

    async def _cut_off(self) -> None:
        tasks, self._tasks = self._tasks, set()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
