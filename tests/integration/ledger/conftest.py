"""Stored books for each test: one shop, one member more whenever one is needed."""

from collections.abc import AsyncIterator

import pytest

from ledger.connection import Connection
from ledger.postgres import Database, Server, connect
from ledger.postgres.settings import SUPERUSER_ROLE
from tests.bookkeeping.desk import Desk, opened


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    """Books whose clock stands at 1 January until a test moves it."""
    async with opened(database) as found:
        yield found


@pytest.fixture
async def superuser(postgres: Server, database: Database) -> AsyncIterator[Connection]:
    """A connection to the test's database that no guard of the books stops."""
    name = database.dsn_owner.partition("@/")[2].partition("?")[0]
    connection = await connect(postgres.dsn(SUPERUSER_ROLE, name))
    await connection.execute("set session_replication_role = replica")  # triggers do not fire
    yield connection
    await connection.close()
