"""Reading for many callers at once: questions that wait together are answered by one statement.

The one hard idea is that of group commit, for reads: nobody waits for others to come. A lone
question is read at once; while it is, those that arrive gather, and the next statement answers all
of them. So under load the cost of a round trip is shared, and every answer is of an instant after
its question was asked.

Borrowing a connection and giving it back costs as much as a small answer does, so a reader that has
nothing left to do keeps its own for a moment.

A caller who hangs up takes nobody's answer away, and a question that can't be answered is asked
again by itself, so that it fails alone.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Final, Generic, TypeVar

import asyncpg

from ledger.connection import Connection, Pool

Question = TypeVar("Question")
Answer = TypeVar("Answer")

AT_ONCE: Final = 2
"""Statements under way at the same time, each on a connection of its own while there is work."""

TOGETHER_MAX: Final = 64
"""Questions of one statement."""

IDLE_SECONDS_MAX: Final = 0.01
"""How long a reader keeps its connection while nobody asks."""


class _Reader:
    """One that answers, or waits for questions with its connection at hand.

    Attributes:
        counts: Whether whoever comes may rely on it.
        woken: Where it waits: done with whether there is something to read.
    """

    __slots__ = ("counts", "woken")

    def __init__(self) -> None:
        self.counts = True
        self.woken: asyncio.Future[bool] | None = None


class Gathering(Generic[Question, Answer]):
    """One kind of question.

    `read` is handed questions, each once, and answers every one of them. How many may wait is
    bounded by whoever admits callers.
    """

    def __init__(
        self,
        pool: Pool,
        read: Callable[[Connection, Sequence[Question]], Awaitable[Mapping[Question, Answer]]],
        *,
        at_once: int = AT_ONCE,
    ) -> None:
        self._pool = pool
        self._read = read
        self._at_once = at_once
        self._waiting: deque[tuple[Question, asyncio.Future[Answer]]] = deque()
        self._readers = 0
        self._idle: list[_Reader] = []
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """The answer, as of an instant after the call; raises what `read` raised."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._idle:
            self._wake(self._idle.pop(), is_needed=True)
        elif self._readers < self._at_once:
            self._readers += 1
            task = asyncio.create_task(self._answer_all(_Reader()))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _answer_all(self, reader: _Reader) -> None:
        batch: list[tuple[Question, asyncio.Future[Answer]]] = []
        try:
            async with self._pool.acquire() as connection:
                while (batch := self._next()) or await self._is_needed_again(reader):
                    if batch:
                        await self._answer(connection, batch)
        except BaseException as problem:
            # No connection, or this very task is ended: whoever waits must hear of it.
            if reader.counts:
                self._count_no_more(reader)
                waiting = () if self._readers else tuple(self._waiting)
                for _, answer in (*batch, *waiting):
                    if not answer.done():
                        answer.set_exception(_told(problem))
            if not isinstance(problem, Exception):
                raise

    async def _is_needed_again(self, reader: _Reader) -> bool:
        """Wait a moment for whoever comes; false if nobody does.

        A reader counts no more from the very moment at which it is not woken: whoever comes while
        its connection is given back must get a new one.
        """
        loop = asyncio.get_running_loop()
        reader.woken = loop.create_future()
        self._idle.append(reader)
        patience = loop.call_later(IDLE_SECONDS_MAX, self._let_go, reader)
        try:
            return await reader.woken
        finally:
            patience.cancel()
            if reader in self._idle:
                self._idle.remove(reader)

    def _let_go(self, reader: _Reader) -> None:
        if reader in self._idle:
            self._idle.remove(reader)
            self._count_no_more(reader)
            self._wake(reader, is_needed=False)

    def _wake(self, reader: _Reader, *, is_needed: bool) -> None:
        if reader.woken is not None and not reader.woken.done():
            reader.woken.set_result(is_needed)

    def _count_no_more(self, reader: _Reader) -> None:
        reader.counts = False
        self._readers -= 1

    def _next(self) -> list[tuple[Question, asyncio.Future[Answer]]]:
        batch: list[tuple[Question, asyncio.Future[Answer]]] = []
        while self._waiting and len(batch) < TOGETHER_MAX:
            one = self._waiting.popleft()
            if not one[1].done():
                batch.append(one)
        return batch

    async def _answer(
        self,
        connection: Connection,
        batch: Sequence[tuple[Question, "asyncio.Future[Answer]"]],
    ) -> None:
        try:
            found = await self._read(connection, list({question for question, _ in batch}))
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
            raise
        except Exception as problem:  # noqa: BLE001  # whatever it is, it is told to who asked
            if len(batch) > 1:
                for one in batch:
                    await self._answer(connection, [one])
            elif not batch[0][1].done():
                batch[0][1].set_exception(problem)
            return
        for question, answer in batch:
            if not answer.done():
                answer.set_result(found[question])


def _told(problem: BaseException) -> Exception:
    if isinstance(problem, Exception):
        return problem
    return ConnectionError("reading was ended")
