"""The inbox: what arrives at about the same time is stored together.

The one hard idea: a lone message is stored at once; while that is under way others gather, and go
together in the next statement. So a burst costs a few commits instead of one each, which is what
keeps an answer within the second that Open Loyalty waits.

A failure of the database is told to those whose messages were in that statement, after each was
tried by itself; whoever hangs up never takes others along, and what was begun is finished.
"""

import asyncio
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger.connection import Connection, Pool
from sync.clock import Clock
from sync.relay.contention import PASSING
from sync.relay.register import Register
from sync.relay.storing import Placed, Stored, Taught, learn, store

TOGETHER_MAX: Final = 1000
"""Events in one statement; a single message may hold more."""

LANES: Final = 2
"""Statements under way at once: one is being committed while the next is put together."""

LESSON_DAYS: Final = 30
"""How long is remembered whom a purchase belongs to."""

RETRIES_MAX: Final = 3


@dataclass(slots=True)
class _Waiting:
    events: Sequence[Placed]
    outcome: "asyncio.Future[Stored]"


class Inbox:
    """Stores what sources bring; one for each process."""

    def __init__(self, pool: Pool, register: Register, clock: Clock) -> None:
        self._pool = pool
        self._clock = clock
        self._groups = register.groups()
        self._waiting: deque[_Waiting] = deque()
        self._lanes: set[asyncio.Task[None]] = set()

    async def store(self, events: Sequence[Placed]) -> Stored:
        """Store the events of one message; answers once they are safe.

        Raises:
            OSError, asyncpg.PostgresError, asyncpg.InterfaceError: the database is away; nothing
                is known to be stored.
        """
        if not events:
            return Stored({})
        outcome: asyncio.Future[Stored] = asyncio.get_running_loop().create_future()
        self._waiting.append(_Waiting(events, outcome))
        if len(self._lanes) < LANES:
            lane = asyncio.create_task(self._work())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await asyncio.shield(outcome)

    async def store_within(self, connection: Connection, events: Sequence[Placed]) -> Stored:
        """Store events in the caller's own transaction."""
        return await self._store(connection, events, self._clock.here())

    async def close(self) -> None:
        """Wait until everything that came is stored, or has failed."""
        while self._lanes:
            await asyncio.wait(self._lanes)

    async def _work(self) -> None:
        while self._waiting:
            together = self._next()
            try:
                found = await self._once([event for one in together for event in one.events])
            except PASSING:
                await self._each(together)
            except Exception as problem:  # noqa: BLE001 - told to those who wait
                if len(together) > 1:
                    await self._each(together)
                else:
                    _tell(together[0], problem)
            else:
                for one in together:
                    _tell(one, _part(found, one.events))

    def _next(self) -> list[_Waiting]:
        together = [self._waiting.popleft()]
        count = len(together[0].events)
        while self._waiting and count + len(self._waiting[0].events) <= TOGETHER_MAX:
            one = self._waiting.popleft()
            together.append(one)
            count += len(one.events)
        return together

    async def _each(self, together: Sequence[_Waiting]) -> None:
        """Try each by itself, so that one that can't be stored harms no other."""
        for one in together:
            for attempt in range(1, RETRIES_MAX + 1):
                try:
                    found = await self._once(one.events)
                except Exception as problem:  # noqa: BLE001 - told to whoever waits
                    if not isinstance(problem, PASSING) or attempt == RETRIES_MAX:
                        _tell(one, problem)
                        break
                else:
                    _tell(one, found)
                    break

    async def _once(self, events: Sequence[Placed]) -> Stored:
        async with self._pool.acquire() as connection:
            now = self._clock.here()
            if not any(one.event.lessons for one in events):
                return await store(connection, events, now)
            async with connection.transaction():
                return await self._store(connection, events, now)

    async def _store(
        self, connection: Connection, events: Sequence[Placed], now: datetime
    ) -> Stored:
        found = await store(connection, events, now)
        lessons = [
            Taught(
                one.source.group,
                lesson,
                min(one.event.occurred_at or now, now),
                None if lesson.lasts else now + timedelta(days=LESSON_DAYS),
            )
            for one in events
            if one.event.id in found.states
            for lesson in one.event.lessons
        ]
        if lessons:
            await learn(connection, lessons, self._groups, now)
        return found


def _part(found: Stored, events: Sequence[Placed]) -> Stored:
    return Stored(
        {one.event.id: found.states[one.event.id] for one in events if one.event.id in found.states}
    )


def _tell(waiting: _Waiting, found: Stored | BaseException) -> None:
    """Answer whoever waits; nobody may be there any more."""
    if waiting.outcome.done():
        return
    if isinstance(found, BaseException):
        waiting.outcome.set_exception(found)
        # Looked at, so that it isn't reported as forgotten where the caller has hung up.
        waiting.outcome.exception()
    else:
        waiting.outcome.set_result(found)
