"""`BalanceAccountToAmountJob`: applies the balances requests that wait.

It runs by itself in the interval that is set, or only when asked. One run at a time; between two
requests it lets others have their turn, so that a million rows do not make the stand-in deaf.
"""

import asyncio
from typing import Final

import msgspec

from sandbox.engage.state import Engage

IDLE_SECONDS: Final = 0.2
"""How often it looks whether it may run by itself again, while it may not."""


class Run(msgspec.Struct, frozen=True, rename="camel"):
    """What one run did."""

    requests: int
    rows: int
    waiting_requests: int
    """Left in the queue: late ones, or those that arrived meanwhile."""


class BalanceJob:
    """The job of one stand-in."""

    def __init__(self, engage: Engage) -> None:
        self._engage = engage
        self._running = asyncio.Lock()

    async def run(self, *, even_late: bool = False) -> Run:
        """Apply what is due now; with `even_late`, also what was made to be late."""
        engage = self._engage
        async with self._running:
            queue = engage.queue
            horizon = None if even_late else engage.present()
            due = queue.take_due(horizon, engage.settings.balances.order)
            applied, rows_before = 0, queue.rows_applied
            for request in due:
                request.state, request.changed_at = "processing", engage.clock.now()
                await asyncio.sleep(engage.settings.balances.processing_seconds)
                if queue is not engage.queue:
                    break
                engage.apply(request)
                applied += 1
            return Run(applied, queue.rows_applied - rows_before, queue.unapplied)

    async def run_for_ever(self) -> None:
        """Run in the interval of the settings."""
        while True:
            seconds = self._engage.settings.balances.job_seconds
            await asyncio.sleep(IDLE_SECONDS if seconds is None else seconds)
            if seconds is not None and self._engage.settings.balances.job_seconds is not None:
                await self.run()
