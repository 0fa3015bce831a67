"""Reading for many callers at once: questions that wait together are answered by one statement.

The one hard idea is that of group commit, for reads: nobody waits for others to come. A lone
question is read at once; while it is, those that arrive gather, and the next statement answers all
of them. So under load the cost of a round trip is shared, and every answer is of an instant after
its question was asked.

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
        self._tasks: set[asyncio.Task[None]] = set()

    async def ask(self, question: Question) -> Answer:
        """The answer, as of an instant after the call; raises what `read` raised."""
        answer: asyncio.Future[Answer] = asyncio.get_running_loop().create_future()
        self._waiting.append((question, answer))
        if self._readers < self._at_once:
            self._readers += 1
            task = asyncio.create_task(self._answer_all())
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        return await answer

    async def _answer_all(self) -> None:
        batch: list[tuple[Question, asyncio.Future[Answer]]] = []
        is_reader = True
        try:
            async with self._pool.acquire() as connection:
                while batch := self._next():
                    await self._answer(connection, batch)
                # No reader any more from the very moment that nobody waits: whoever comes while the
                # connection is given back must get a new one.
                is_reader = False
                self._readers -= 1
        except BaseException as problem:
            # No connection, or this very task is ended: whoever waits must hear of it.
            if is_reader:
                self._readers -= 1
                waiting = () if self._readers else tuple(self._waiting)
                for _, answer in (*batch, *waiting):
                    if not answer.done():
                        answer.set_exception(_told(problem))
            if not isinstance(problem, Exception):
                raise

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
