"""The courier of one destination: claims, waits for its turn, sends, and settles, again and again.

The one hard idea: it has everything to itself, its connections to MoEngage, its pauses and its
troubles, so that a dead destination costs the others nothing. Any number of replicas have one for
each destination; the database keeps them apart.

When it is stopped it finishes what is under way. When it is killed, its requests are found late by
whichever courier looks next.
"""

import asyncio
import contextlib
import logging
import os
from collections import Counter
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from ledger.connection import Pool
from ledger.identity import uuid7
from sync.clock import Clock
from sync.relay.bulks import late_bulk
from sync.relay.claiming import Claim, Claimer, Nothing
from sync.relay.client import MoEngageClient
from sync.relay.exchange import Exchange, Verdict
from sync.relay.register import DestinationRecord, Register
from sync.relay.settling import Settled, settle, settle_late

TROUBLE_SECONDS: Final = 2.0
"""How long nothing is tried after the database failed."""

SLEEP_SECONDS_MAX: Final = 5.0
"""How long at most without looking, so that a `resume` is noticed."""

LATE_MAX: Final = 20
SETTLE_ATTEMPTS: Final = 5

AWAY: Final = (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError)

logger = logging.getLogger(__name__)


class Courier:
    """Takes what waits for one destination there."""

    def __init__(
        self,
        pool: Pool,
        register: Register,
        destination: DestinationRecord,
        clock: Clock,
        note: Callable[[Settled], None],
    ) -> None:
        """Make a courier.

        Args:
            pool: Connections; one is used for a moment at a time.
            register: All sources.
            destination: Where it takes things.
            clock: The wires'.
            note: Is told what became of events.
        """
        self._pool = pool
        self._register = register
        self._destination = destination
        self._clock = clock
        self._note = note
        self._claimer = Claimer(register, destination)
        self._client = MoEngageClient(destination.settings)
        self._rounds: set[asyncio.Task[None]] = set()
        self._task: asyncio.Task[None] | None = None
        self._woken = asyncio.Event()
        self._stopping = False

    def start(self) -> None:
        """Work from now on."""
        if self._task is None:
            name = f"courier of {self._destination.settings.name}"
            self._task = asyncio.create_task(self._work(), name=name)

    def wake(self) -> None:
        """Say that there is something to send."""
        self._woken.set()

    async def stop(self) -> None:
        """Claim nothing more, finish what is under way, and let go of the connections."""
        self._stopping = True
        self._woken.set()
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task
            self._task = None
        while self._rounds:
            await asyncio.wait(self._rounds)
        await self._client.close()

    async def check(self) -> Exchange:
        """Ask MoEngage whether the workspace and its key belong together."""
        return await self._client.check()

    async def deliver(self) -> int:
        """Claim and send until there is nothing more to send now; answers how many requests."""
        requests = 0
        while True:
            found = await self._claim()
            if isinstance(found, Nothing):
                return requests
            requests += 1
            await self._round(found)

    async def _work(self) -> None:
        options = self._destination.settings.options
        while not self._stopping:
            self._woken.clear()
            try:
                await self.settle_late()
                found = await self._claim()
            except AWAY as problem:
                logger.warning(
                    "relay destination=%s database=%s",
                    self._destination.settings.name,
                    type(problem).__name__,
                )
                await self._sleep(TROUBLE_SECONDS)
                continue
            except Exception:
                # One event that nothing here foresaw must not silence a destination for ever.
                logger.exception("relay destination=%s failed", self._destination.settings.name)
                await self._sleep(TROUBLE_SECONDS)
                continue
            if isinstance(found, Nothing):
                await self._sleep(self._pause(found.until))
                continue
            task = asyncio.create_task(self._round(found))
            self._rounds.add(task)
            task.add_done_callback(self._ended)
            while len(self._rounds) >= options.requests_at_once and not self._stopping:
                await asyncio.wait(self._rounds, return_when=asyncio.FIRST_COMPLETED)

    def _ended(self, task: "asyncio.Task[None]") -> None:
        self._rounds.discard(task)
        self._woken.set()
        if not task.cancelled() and task.exception() is not None:
            logger.error(
                "relay destination=%s", self._destination.settings.name, exc_info=task.exception()
            )

    def _pause(self, until: datetime | None) -> float:
        """How long to sleep until an instant, or until it is worth looking again."""
        poll = self._destination.settings.options.poll_seconds
        if until is None:
            return poll
        seconds = (until - self._clock.here()).total_seconds()
        return min(max(seconds, poll), SLEEP_SECONDS_MAX)

    async def _sleep(self, seconds: float) -> None:
        """Sleep, unless something comes."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._woken.wait()

    async def _claim(self) -> Claim | Nothing:
        async with self._pool.acquire() as connection:
            now = await self._clock.read(connection)
            try:
                async with connection.transaction():
                    bulk = uuid7(now, os.urandom(10))
                    prepared = await self._claimer.claim(connection, bulk, now)
            except BaseException:
                self._claimer.forget()
                raise
        self._claimer.remember(prepared.memory)
        if prepared.set_aside:
            self._note(Settled(quarantined=dict(Counter(prepared.set_aside))))
        return prepared.found

    async def _round(self, claim: Claim) -> None:
        """Send one request and settle it, whatever becomes of it."""
        await asyncio.sleep(claim.wait.total_seconds())
        if self._clock.here() + timedelta(seconds=1) >= claim.lease_until:
            # This process slept; whoever takes it for dead sends it.
            return
        try:
            exchange = await self._client.send(claim.elements)
        except Exception as problem:
            logger.exception("relay destination=%s sending", self._destination.settings.name)
            exchange = Exchange(Verdict.UNCLEAR, trouble=type(problem).__name__)
        if exchange.verdict is Verdict.DENIED:
            # Somebody has to mend that; nothing else that can happen here needs a person at once.
            logger.error(
                "relay destination=%s paused=%s", self._destination.settings.name, exchange.trouble
            )
        for attempt in range(1, SETTLE_ATTEMPTS + 1):
            try:
                settled = await self._settle(claim, exchange)
            except AWAY as problem:
                logger.warning("relay settling=%s failed=%s", claim.bulk, type(problem).__name__)
                await asyncio.sleep(TROUBLE_SECONDS * attempt)
            else:
                if settled is not None:
                    self._note(settled)
                return

    async def _settle(self, claim: Claim, exchange: Exchange) -> Settled | None:
        async with self._pool.acquire() as connection, connection.transaction():
            now = await self._clock.read(connection)
            return await settle(connection, self._register, self._destination, claim, exchange, now)

    async def settle_late(self) -> None:
        """Settle requests whose sender has died."""
        async with self._pool.acquire() as connection:
            now = await self._clock.read(connection)
            for _ in range(LATE_MAX):
                # One in each transaction: customers are locked in order within one only.
                async with connection.transaction():
                    bulk = await late_bulk(connection, self._destination.id, now)
                    if bulk is None:
                        return
                    settled = await settle_late(
                        connection, self._register, self._destination, bulk, now
                    )
                if settled is not None:
                    self._note(settled)
