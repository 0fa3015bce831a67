"""Reading together: everyone is answered, with one statement for many, and nobody harms another."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import pytest

from ledger import gathering
from ledger.connection import Connection, Pool
from ledger.gathering import Gathering
from ledger.postgres import Database

SQUARES = "select one, one * one as square from unnest($1::int[]) as one"


def pairs(rows: Sequence[asyncpg.Record]) -> dict[int, int]:
    return {row[0]: row[1] for row in rows}


@pytest.fixture
async def pool(database: Database) -> AsyncIterator[Pool]:
    async with asyncpg.create_pool(database.dsn_service, min_size=1, max_size=2) as pool:
        yield pool


async def test_everyone_is_answered_whenever_they_come(pool: Pool) -> None:
    statements = 0

    async def read(connection: Connection, questions: Sequence[int]) -> Mapping[int, int]:
        nonlocal statements
        statements += 1
        return pairs(await connection.fetch(SQUARES, questions))

    squares = Gathering(pool, read)

    async def caller(first: int) -> None:
        for number in range(first, first + 40):
            assert await squares.ask(number) == number * number
            # Also just while a reader gives its connection back, for lack of work.
            await asyncio.sleep(0.0005 if number % 7 == 0 else 0)

    async with asyncio.timeout(30):
        await asyncio.gather(*(caller(first) for first in range(24)))
    assert statements < 24 * 40 / 4


@pytest.mark.parametrize("at_once", [1, 2])
async def test_whoever_comes_while_a_reader_leaves_is_answered(
    pool: Pool, monkeypatch: pytest.MonkeyPatch, at_once: int
) -> None:
    monkeypatch.setattr(gathering, "IDLE_SECONDS_MAX", 0.002)

    async def read(connection: Connection, questions: Sequence[int]) -> Mapping[int, int]:
        return pairs(await connection.fetch(SQUARES, questions))

    squares = Gathering(pool, read, at_once=at_once)
    async with asyncio.timeout(30):
        for number in range(150):
            assert await squares.ask(number) == number * number
            # Around the very moment at which the reader has waited for long enough.
            await asyncio.sleep(0.0017 + number % 15 * 0.00004)


async def test_a_reader_that_waits_has_the_connection_and_one_that_left_does_not(
    pool: Pool, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def read(connection: Connection, questions: Sequence[int]) -> Mapping[int, int]:
        pid = await connection.fetchval("select pg_backend_pid()")
        return dict.fromkeys(questions, pid)

    monkeypatch.setattr(gathering, "IDLE_SECONDS_MAX", 30)
    backends = Gathering(pool, read)
    before = asyncio.all_tasks()
    first = await backends.ask(1)
    async with pool.acquire() as other:
        assert await other.fetchval("select pg_backend_pid()") != first
        assert await backends.ask(2) == first
        assert pool.get_idle_size() == 0
    (reader,) = asyncio.all_tasks() - before
    reader.cancel()
    with pytest.raises(asyncio.CancelledError):
        await reader
    async with pool.acquire(), pool.acquire():
        assert pool.get_idle_size() == 0
    # Nobody waits for one that was ended.
    monkeypatch.setattr(gathering, "IDLE_SECONDS_MAX", 0)
    assert await backends.ask(3) > 0


async def test_a_question_that_cannot_be_answered_fails_alone(pool: Pool) -> None:
    async def read(connection: Connection, questions: Sequence[int]) -> Mapping[int, int]:
        rows = await connection.fetch(
            "select one, 100 / one from unnest($1::int[]) as one", questions
        )
        return pairs(rows)

    quotients = Gathering(pool, read)
    answers = await asyncio.gather(
        *(quotients.ask(number) for number in (5, 0, 20, 50)), return_exceptions=True
    )
    kinds = Counter(type(one).__name__ for one in answers)
    assert kinds == {"int": 3, "DivisionByZeroError": 1}
    assert [one for one in answers if isinstance(one, int)] == [20, 5, 2]


async def test_who_hangs_up_takes_nobodys_answer_away(pool: Pool) -> None:
    async def read(connection: Connection, questions: Sequence[int]) -> Mapping[int, int]:
        await connection.execute("select pg_sleep(0.05)")
        return pairs(await connection.fetch(SQUARES, questions))

    squares = Gathering(pool, read, at_once=1)
    first, gone, stays = (asyncio.create_task(squares.ask(number)) for number in (1, 2, 2))
    await asyncio.sleep(0.01)
    gone.cancel()
    assert await first == 1
    assert await stays == 4
    with pytest.raises(asyncio.CancelledError):
        await gone


async def test_without_a_connection_everybody_hears_of_it_and_the_next_is_answered(
    pool: Pool,
) -> None:
    async def read(connection: Connection, questions: Sequence[int]) -> Mapping[int, int]:
        if 13 in questions:
            await connection.execute("select pg_terminate_backend(pg_backend_pid())")
        return pairs(await connection.fetch(SQUARES, questions))

    squares = Gathering(pool, read, at_once=1)
    answers = await asyncio.gather(
        *(squares.ask(number) for number in (13, 14)), return_exceptions=True
    )
    assert all(isinstance(one, Exception) for one in answers)
    assert await squares.ask(3) == 9
