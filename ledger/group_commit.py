"""Group commit: single requests of many callers, gathered into batches without waiting for any.

The one hard idea: a lane posts whatever is queued the moment it is free. A lone request goes at
once; under load the batch grows by itself to what arrives while the one before is committed.
Requests are laid on lanes, one connection each. Those of one contact follow each other in one lane,
so they keep their order, and two batches under way at the same time hardly ever want the same
holder. Lanes are filled one after the other: every commit has a price, and few callers pay it least
when they share one.

A request is never lost and never harms another: a batch that fails is tried again by halves down to
the one that is to blame, a lost connection is replaced and the batch sent again (its keys make that
safe), and a caller who hangs up cancels nobody else.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from math import ceil
from time import monotonic
from typing import Final, Self

import asyncpg

from ledger.book import Contact
from ledger.connection import Connection
from ledger.loading import contacts_in, locked_contacts
from ledger.outcomes import Outcome
from ledger.posting import BATCH_MAX, Books
from ledger.requests import Move, Request

LANES: Final = 4
QUEUE_MAX: Final = 10_000
"""Requests that may wait in all lanes together."""

WAIT_SECONDS_MAX: Final = 10.0
"""How long a request may wait for its turn before it is turned away."""

RECONNECT_ATTEMPTS_MAX: Final = 5

LOCK_SECONDS_MAX: Final = 5.0
"""How long a batch waits for a holder that somebody else has locked, before going on without."""

CROWD: Final = 64
"""Requests that wait in one lane before another is taken into use."""

HELD_UP_SECONDS: Final = 0.05
"""How long a commit may take before the next requests are laid on another lane."""

_LOOK_SECONDS: Final = 0.5

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


class BusyError(Exception):
    """The books have more work than they can take: ask again later; nothing was booked."""

    def __init__(self, retry_after_seconds: int) -> None:
        super().__init__("the books have more work than they can take now; nothing was booked")
        self.retry_after_seconds = retry_after_seconds


class ClosedError(Exception):
    """The service is going down and takes no new requests; nothing was booked."""


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: Request
    answer: "asyncio.Future[Outcome]"
    since: float


class _Lane:
    """A queue of requests, and the task and connection that post them."""

    def __init__(self, books: Books, wait_seconds_max: float, lock_seconds_max: float) -> None:
        self.waiting: deque[_Waiting] = deque()
        self._books = books
        self._wait_seconds_max = wait_seconds_max
        self._lock_seconds_max = lock_seconds_max
        self._work = asyncio.Event()
        self._connection: asyncpg.pool.PoolConnectionProxy[asyncpg.Record] | None = None
        self._busy_since: float | None = None
        self._is_closing = False
        self.task = asyncio.create_task(self._run())

    @property
    def is_free(self) -> bool:
        """Whether a request that is queued now can expect to be in the next commit, and soon."""
        if len(self.waiting) >= CROWD:
            return False
        return self._busy_since is None or monotonic() - self._busy_since < HELD_UP_SECONDS

    def add(self, request: Request) -> "asyncio.Future[Outcome]":
        answer: asyncio.Future[Outcome] = asyncio.get_running_loop().create_future()
        self.waiting.append(_Waiting(request, answer, monotonic()))
        self._work.set()
        return answer

    async def close(self) -> None:
        """Post what is queued, then end."""
        self._is_closing = True
        self._work.set()
        await self.task

    async def _run(self) -> None:
        try:
            while True:
                batch = self._next_batch()
                if batch:
                    self._busy_since = monotonic()
                    await self._answer(batch)
                    self._busy_since = None
                elif self._is_closing:
                    return
                else:
                    self._work.clear()
                    await self._work.wait()
        finally:
            await self._drop_connection()

    def _next_batch(self) -> list[_Waiting]:
        self.turn_away()
        batch: list[_Waiting] = []
        while self.waiting and len(batch) < BATCH_MAX:
            one = self.waiting.popleft()
            if not one.answer.done():
                batch.append(one)
        return batch

    def turn_away(self) -> None:
        """Answer those that have waited too long for their turn."""
        oldest = monotonic() - self._wait_seconds_max
        while self.waiting and self.waiting[0].since < oldest:
            one = self.waiting.popleft()
            if not one.answer.done():
                one.answer.set_exception(BusyError(ceil(self._wait_seconds_max)))

    async def _answer(self, batch: list[_Waiting]) -> None:
        """Post a batch; whatever happens, everyone in it is answered and the lane goes on."""
        try:
            await self._post(batch)
        except Exception as problem:
            logger.exception("a lane could not post requests=%d", len(batch))
            for one in batch:
                if not one.answer.done():
                    one.answer.set_exception(problem)

    async def _go_on_without_locked(self, batch: list[_Waiting]) -> None:
        """Post those of a batch whose holders can be locked; turn the others away."""
        contacts = {contact for one in batch for contact in contacts_in(one.request)}
        locked = await locked_contacts(await self._connected(), contacts)
        rest = [one for one in batch if locked.isdisjoint(contacts_in(one.request))]
        for one in batch:
            stays = len(rest) < len(batch) and locked.isdisjoint(contacts_in(one.request))
            if not stays and not one.answer.done():
                one.answer.set_exception(BusyError(ceil(self._lock_seconds_max)))
        if rest and len(rest) < len(batch):
            await self._post(rest)

    async def _post(self, batch: list[_Waiting]) -> None:
        try:
            outcomes = await self._try([one.request for one in batch])
        except asyncpg.LockNotAvailableError:
            await self._go_on_without_locked(batch)
            return
        except Exception as problem:  # noqa: BLE001 - whatever it is, it is told to who asked for it
            if len(batch) == 1 or isinstance(problem, NOBODYS_FAULT):
                if isinstance(problem, NOBODYS_FAULT):
                    await self._drop_connection()
                for one in batch:
                    if not one.answer.done():
                        one.answer.set_exception(problem)
                return
            logger.warning("posting failed, tried again by halves requests=%d", len(batch))
            middle = len(batch) // 2
            await self._post(batch[:middle])
            await self._post(batch[middle:])
            return
        for one, outcome in zip(batch, outcomes, strict=True):
            if not one.answer.done():
                one.answer.set_result(outcome)

    async def _try(self, requests: list[Request]) -> list[Outcome]:
        """Post a batch, on another connection where this one is lost."""
        for attempt in range(1, RECONNECT_ATTEMPTS_MAX + 1):
            try:
                return await self._books.post_within(await self._connected(), requests)
            except LOST_CONNECTION:
                await self._drop_connection()
                if attempt == RECONNECT_ATTEMPTS_MAX:
                    raise
                await asyncio.sleep(0.1 * attempt)
        raise AssertionError("unreachable")

    async def _connected(self) -> Connection:
        if self._connection is None:
            connection = self._connection = await self._books.pool.acquire()
            milliseconds = int(self._lock_seconds_max * 1000)
            try:
                await connection.execute(f"set lock_timeout = '{milliseconds}ms'")
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


class GroupCommit:
    """Posts requests of many callers together. An asynchronous context manager."""

    def __init__(
        self,
        books: Books,
        *,
        lanes: int = LANES,
        queue_max: int = QUEUE_MAX,
        wait_seconds_max: float = WAIT_SECONDS_MAX,
        lock_seconds_max: float = LOCK_SECONDS_MAX,
    ) -> None:
        self._books = books
        self._lane_count = lanes
        self._queue_max = queue_max
        self._wait_seconds_max = wait_seconds_max
        self._lock_seconds_max = lock_seconds_max
        self._lanes: list[_Lane] = []
        self._alone = asyncio.Semaphore(lanes)
        self._under_way: dict[Contact, tuple[_Lane, int]] = {}
        self._looking: asyncio.Task[None] | None = None
        self._is_open = False

    async def __aenter__(self) -> Self:
        self._lanes = [
            _Lane(self._books, self._wait_seconds_max, self._lock_seconds_max)
            for _ in range(self._lane_count)
        ]
        self._looking = asyncio.create_task(self._look())
        self._is_open = True
        return self

    async def __aexit__(self, *_: object) -> None:
        """Take nothing new, post everything that is queued."""
        self._is_open = False
        await asyncio.gather(*(lane.close() for lane in self._lanes))
        if self._looking is not None:
            self._looking.cancel()

    async def _look(self) -> None:
        """Turn away who waits too long, also while their lane is held up."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            for lane in self._lanes:
                lane.turn_away()

    @property
    def waiting(self) -> int:
        """How many requests are queued."""
        return sum(len(lane.waiting) for lane in self._lanes)

    async def post(self, request: Request) -> Outcome:
        """Decide and book one request. Raises `BusyError` or `ClosedError`: nothing was booked."""
        self._check_room(1)
        return await self._add(request)

    async def post_batch(self, requests: Sequence[Request], *, atomic: bool) -> list[Outcome]:
        """Several requests, outcomes in order.

        An atomic batch is a transaction of its own, and so is one that moves points: what it asks
        of who received them must be decided after the move, which another lane would not wait for.
        Raises `BusyError` or `ClosedError`; some of the requests may be booked then.
        """
        if atomic or any(isinstance(request, Move) for request in requests):
            self._check_room(0)
            return await self._post_alone(requests, atomic=atomic)
        self._check_room(len(requests))
        answers = [self._add(request) for request in requests]
        try:
            return list(await asyncio.gather(*answers))
        except BaseException:
            for answer in answers:
                answer.cancel()
            raise

    async def _post_alone(self, requests: Sequence[Request], *, atomic: bool) -> list[Outcome]:
        """Post a batch that must not be mixed with others, beside at most as many as lanes.

        So they leave connections to others, also where they wait for somebody's lock.
        """
        async with self._alone, self._books.pool.acquire() as connection:
            # The pool takes it back from the connection.
            await connection.execute(f"set lock_timeout = '{int(self._lock_seconds_max * 1000)}ms'")
            try:
                return await self._books.post_within(connection, requests, atomic=atomic)
            except asyncpg.LockNotAvailableError:
                raise BusyError(ceil(self._lock_seconds_max)) from None

    def _add(self, request: Request) -> "asyncio.Future[Outcome]":
        """Queue a request: where its contact's last one still is or, else, in the first lane free.

        Few callers thus share one lane and its commits; more lanes are taken into use as they come.
        """
        contact = (request.tenant, request.contact)
        lane, under_way = self._under_way.get(contact) or (self._first_free(), 0)
        self._under_way[contact] = (lane, under_way + 1)
        answer = lane.add(request)
        answer.add_done_callback(partial(self._leave, contact))
        return answer

    def _leave(self, contact: Contact, _answer: "asyncio.Future[Outcome]") -> None:
        lane, under_way = self._under_way.pop(contact)
        if under_way > 1:
            self._under_way[contact] = (lane, under_way - 1)

    def _first_free(self) -> _Lane:
        """The first lane that is neither crowded nor held up or, if all are, the least crowded."""
        for lane in self._lanes:
            if lane.is_free:
                return lane
        return min(self._lanes, key=lambda lane: len(lane.waiting))

    def _check_room(self, wanted: int) -> None:
        if not self._is_open:
            raise ClosedError("the service is going down; nothing was booked")
        if self.waiting + wanted > self._queue_max:
            raise BusyError(1)
