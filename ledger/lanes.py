"""A lane: a queue of requests, and the task and connection that post them.

The one hard idea: whatever happens, everyone who queued is answered and the lane goes on. A batch
that fails is tried again by halves down to the one that is to blame, a lost connection is replaced
and the batch sent again (its keys make that safe), a holder that somebody else has locked is gone
on without. Which requests come to which lane is `ledger.group_commit`'s business.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Callable, Collection, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic_ns
from typing import Final

import asyncpg

from ledger.book import Contact
from ledger.connection import Connection
from ledger.loading import contacts_in, locked_contacts
from ledger.outcomes import Outcome
from ledger.posting import BATCH_MAX, Books
from ledger.requests import Request

RECONNECT_ATTEMPTS_MAX: Final = 5

CROWD: Final = 64
"""Requests that wait in one lane before another is taken into use."""

HELD_UP_MILLISECONDS: Final = 50
"""How long a commit may take before the next requests are laid on another lane."""

LOST_CONNECTION: Final = (
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    asyncpg.CannotConnectNowError,
    asyncpg.AdminShutdownError,
    asyncpg.CrashShutdownError,
    asyncpg.InternalClientError,  # how a server's farewell that crosses a query shows
    ConnectionError,
)

NOBODYS_FAULT: Final = (
    *LOST_CONNECTION,
    OSError,  # a statement that timed out, too: sent again, it would only hold the lane longer
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
)
"""What says that the database is in trouble, whatever it is asked: halves would fare no better."""

logger = logging.getLogger(__name__)


def milliseconds() -> int:
    """The process's own clock, which never goes back."""
    return monotonic_ns() // 1_000_000


class BusyError(Exception):
    """The books have more work than they can take: ask again later; nothing was booked."""

    def __init__(self, retry_after_milliseconds: int) -> None:
        super().__init__("the books have more work than they can take now; nothing was booked")
        self.retry_after_seconds = -(-retry_after_milliseconds // 1000)


@dataclass(frozen=True, slots=True)
class Part:
    """Requests that are queued, posted and answered together; their outcomes in the order asked.

    Attributes:
        contacts: Whose lane this decides, as long as the part is here.
        since: When it was queued, in `milliseconds`.
    """

    requests: Sequence[Request]
    contacts: Collection[Contact]
    answer: "asyncio.Future[list[Outcome]]"
    since: int

    def refuse(self, problem: Exception) -> None:
        """Tell whoever still listens that it came to nothing."""
        if not self.answer.done():
            self.answer.set_exception(problem)

    def tell(self, found: Sequence[Outcome | Exception]) -> None:
        """Tell whoever still listens what came of each request, or the first thing that failed."""
        if self.answer.done():
            return
        outcomes: list[Outcome] = []
        for one in found:
            if isinstance(one, Exception):
                self.answer.set_exception(one)
                return
            outcomes.append(one)
        self.answer.set_result(outcomes)


class Lane:
    """Posts what is queued the moment it is free. For as long as it is wanted: until `close`.

    Args:
        books: Where to.
        wait_milliseconds_max: How long a part may wait for its turn before it is turned away.
        lock_milliseconds_max: How long a batch waits for a holder that somebody else has locked.
        leave: Told of each part that is here no longer, whatever became of it.
    """

    def __init__(
        self,
        books: Books,
        wait_milliseconds_max: int,
        lock_milliseconds_max: int,
        leave: Callable[[Part], None],
    ) -> None:
        self.requests_waiting = 0
        self._parts: deque[Part] = deque()
        self._books = books
        self._wait_milliseconds_max = wait_milliseconds_max
        self._lock_milliseconds_max = lock_milliseconds_max
        self._leave = leave
        self._work = asyncio.Event()
        self._connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None
        self._busy_since: int | None = None
        self._is_closing = False
        self.task = asyncio.create_task(self._run())

    @property
    def is_free(self) -> bool:
        """Whether a request that is queued now can expect to be in the next commit, and soon."""
        if self.requests_waiting >= CROWD:
            return False
        return self._busy_since is None or milliseconds() - self._busy_since < HELD_UP_MILLISECONDS

    def add(self, part: Part) -> None:
        """Queue a part; of at most `BATCH_MAX` requests."""
        self._parts.append(part)
        self.requests_waiting += len(part.requests)
        self._work.set()

    async def close(self) -> None:
        """Post what is queued, then end."""
        self._is_closing = True
        self._work.set()
        await self.task

    def turn_away(self) -> None:
        """Answer those that have waited too long for their turn."""
        oldest = milliseconds() - self._wait_milliseconds_max
        while self._parts and self._parts[0].since < oldest:
            part = self._take()
            part.refuse(BusyError(self._wait_milliseconds_max))
            self._leave(part)

    def _take(self) -> Part:
        part = self._parts.popleft()
        self.requests_waiting -= len(part.requests)
        return part

    async def _run(self) -> None:
        try:
            while True:
                batch = self._next_batch()
                if batch:
                    self._busy_since = milliseconds()
                    await self._answer(batch)
                    self._busy_since = None
                elif self._is_closing:
                    return
                else:
                    self._work.clear()
                    await self._work.wait()
        finally:
            await self._drop_connection()

    def _next_batch(self) -> list[Part]:
        """As many parts as fit one batch; those that nobody waits for any more are left out."""
        self.turn_away()
        batch: list[Part] = []
        room = BATCH_MAX
        while self._parts and len(self._parts[0].requests) <= room:
            part = self._take()
            if part.answer.done():
                self._leave(part)
            else:
                batch.append(part)
                room -= len(part.requests)
        return batch

    async def _answer(self, batch: list[Part]) -> None:
        """Post a batch and tell each part its own."""
        try:
            found = await self._post([one for part in batch for one in part.requests])
        except Exception as problem:
            logger.exception("a lane could not post parts=%d", len(batch))
            for part in batch:
                part.refuse(problem)
        else:
            start = 0
            for part in batch:
                end = start + len(part.requests)
                part.tell(found[start:end])
                start = end
        for part in batch:
            self._leave(part)

    async def _post(self, requests: list[Request]) -> Sequence[Outcome | Exception]:
        """What came of each request: its outcome, or what it failed of."""
        try:
            return await self._try(requests)
        except asyncpg.LockNotAvailableError:
            return await self._go_on_without_locked(requests)
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is told to who asked for it
            if isinstance(problem, NOBODYS_FAULT):
                await self._drop_connection()
                return [problem] * len(requests)
            if len(requests) == 1:
                return [problem]
        logger.warning("posting failed, tried again by halves requests=%d", len(requests))
        middle = len(requests) // 2
        first = await self._post(requests[:middle])
        return [*first, *await self._post(requests[middle:])]

    async def _go_on_without_locked(self, requests: list[Request]) -> Sequence[Outcome | Exception]:
        """Post those whose holders can be locked; turn the others away."""
        contacts = {contact for one in requests for contact in contacts_in(one)}
        locked = await locked_contacts(await self._connected(), contacts)
        stay = [locked.isdisjoint(contacts_in(one)) for one in requests]
        busy = BusyError(self._lock_milliseconds_max)
        if all(stay):
            # Nobody is locked any more, yet somebody was for too long: they come again.
            return [busy] * len(requests)
        rest = [one for one, stays in zip(requests, stay, strict=True) if stays]
        found = iter(await self._post(rest) if rest else ())
        return [next(found) if stays else busy for stays in stay]

    async def _try(self, requests: list[Request]) -> list[Outcome]:
        """Post a batch, on another connection where this one is lost."""
        lost: Exception | None = None
        for attempt in range(1, RECONNECT_ATTEMPTS_MAX + 1):
            try:
                return await self._books.post_within(await self._connected(), requests)
            except asyncpg.LockNotAvailableError:
                if lost is None:
                    raise
                # It may have been booked as the connection was lost: nobody is told it was not.
                raise lost from None
            except LOST_CONNECTION as problem:
                lost = problem
                await self._drop_connection()
                if attempt == RECONNECT_ATTEMPTS_MAX:
                    raise
                await asyncio.sleep(0.1 * attempt)
        raise AssertionError("unreachable")

    async def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._connection = await self._books.pool.acquire()
            try:
                await connection.execute(f"set lock_timeout = '{self._lock_milliseconds_max}ms'")
            except BaseException:
                # Lent and lost at once: kept, it would be missing from the pool for ever.
                await self._drop_connection()
                raise
        return self._connection

    async def _drop_connection(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # It may be broken in ways asyncpg itself stumbles over; nothing of it is needed.
            with suppress(Exception):
                connection.terminate()
            with suppress(Exception):
                await self._books.pool.release(connection)
