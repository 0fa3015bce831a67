"""Reading together: everyone is answered, with one statement for many, and nobody harms another."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator, Mapping, Sequence

import asyncpg
import pytest

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

    gathering = Gathering(pool, read)

    async def caller(first: int) -> None:
        for number in range(first, first + 40):
            assert await gathering.ask(number) == number * number
            # Also just while a reader gives its connection back, for lack of work.
            await asyncio.sleep(0.0005 if number % 7 == 0 else 0)

    async with asyncio.timeout(30):
        await asyncio.gather(*(caller(first) for first in range(24)))
    assert statements < 24 * 40 / 4


async def test_a_question_that_cannot_be_answered_fails_alone(pool: Pool) -> None:
    async def read(connection: Connection, questions: Sequence[int]) -> Mapping[int, int]:
        rows = await connection.fetch(
            "select one, 100 / one from unnest($1::int[]) as one", questions
        )
        return pairs(rows)

    gathering = Gathering(pool, read)
    answers = await asyncio.gather(
        *(gathering.ask(number) for number in (5, 0, 20, 50)), return_exceptions=True
    )
    kinds = Counter(type(one).__name__ for one in answers)
    assert kinds == {"int": 3, "DivisionByZeroError": 1}
    assert [one for one in answers if isinstance(one, int)] == [20, 5, 2]


async def test_who_hangs_up_takes_nobodys_answer_away(pool: Pool) -> None:
    async def read(connection: Connection, questions: Sequence[int]) -> Mapping[int, int]:
        await connection.execute("select pg_sleep(0.05)")
        return pairs(await connection.fetch(SQUARES, questions))

    gathering = Gathering(pool, read, at_once=1)
    first, gone, stays = (asyncio.create_task(gathering.ask(number)) for number in (1, 2, 2))
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

    gathering = Gathering(pool, read, at_once=1)
    answers = await asyncio.gather(
        *(gathering.ask(number) for number in (13, 14)), return_exceptions=True
    )
    assert all(isinstance(one, Exception) for one in answers)
    assert await gathering.ask(3) == 9
