"""A stand-in Engage for all tests of a worker, and a program of its own for each test."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack

import httpx
import pytest

from ledger.postgres import Database
from sandbox.launch import Launched, launched
from sync.engage.settings import Mode
from tests.following.program import Now, Program, Sandbox, open_program


@pytest.fixture(scope="session")
def engage_process() -> Iterator[Launched]:
    """One stand-in Engage for all tests of a worker, whose job runs on demand only."""
    arguments = ("--set", "balances.jobSeconds=null", "--set", "journal.requestsMax=20000")
    with launched("engage", *arguments) as stand_in:
        yield stand_in


@pytest.fixture
def engage_address(engage_process: Launched) -> str:
    """Where the stand-in is reached."""
    return engage_process.address


@pytest.fixture
def engage(engage_process: Launched) -> Iterator[Sandbox]:
    """The stand-in, empty, with nothing out of the ordinary."""
    with httpx.Client(base_url=engage_process.address, timeout=60) as http:
        sandbox = Sandbox(http)
        defaults = sandbox.get("/settings")
        sandbox.post("/reset")
        yield sandbox
        sandbox.behave()
        sandbox.post("/clock", {"real": True})
        http.put("/_sandbox/settings", json=defaults).raise_for_status()


@pytest.fixture
async def program(
    database: Database, engage_process: Launched, engage: Sandbox
) -> AsyncIterator[Program]:
    """A program at the present time."""
    engage.set(definitions=[{"id": 1}, {"id": 2}])
    async with AsyncExitStack() as stack:
        yield await open_program(database, engage_process.address, stack, None)


@pytest.fixture
async def timed_program(
    database: Database, engage_process: Launched, engage: Sandbox
) -> AsyncIterator[Program]:
    """A program whose time is `program.now`, and moves only when it is told to."""
    engage.set(definitions=[{"id": 1}, {"id": 2}])
    async with AsyncExitStack() as stack:
        yield await open_program(database, engage_process.address, stack, Now())


@pytest.fixture
async def rows_program(
    database: Database, engage_process: Launched, engage: Sandbox
) -> AsyncIterator[Program]:
    """The same in all-transaction mode."""
    engage.set(definitions=[{"id": 1}, {"id": 2}])
    async with AsyncExitStack() as stack:
        yield await open_program(
            database, engage_process.address, stack, Now(), Mode.ALL_TRANSACTIONS
        )
