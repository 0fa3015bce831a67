"""Doing again what lost against others: PostgreSQL ends one of those who wait for each other.

The one hard idea: who forgets a person takes rows in another order than who receives events of that
person, and neither order serves both. Whoever is ended has changed nothing and may begin anew.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

import asyncpg

Result = TypeVar("Result")

PASSING: Final = (asyncpg.DeadlockDetectedError, asyncpg.SerializationError)

ATTEMPTS_MAX: Final = 5
PAUSE_SECONDS: Final = 0.05


async def again(do: Callable[[], Awaitable[Result]]) -> Result:
    """What `do` answers, which is a transaction of its own, at most `ATTEMPTS_MAX` times.

    Raises:
        asyncpg.DeadlockDetectedError, asyncpg.SerializationError: it lost every time.
    """
    for attempt in range(1, ATTEMPTS_MAX):
        try:
            return await do()
        except PASSING:
            await asyncio.sleep(PAUSE_SECONDS * attempt)
    return await do()
