"""Small storms over both modes; `python -m tests.following.storm` lets large ones loose."""

import asyncio
from pathlib import Path

import pytest

from sync.engage.settings import Mode
from tests.conftest import MAJOR
from tests.following.histories import CONTACTS, at_one_time
from tests.following.program import Program, Sandbox
from tests.following.storm import (
    FAULTS,
    LATE_FAULTS,
    QUICK,
    Storm,
    every_step,
    storm_of_its_own,
)
from tests.simulation.run import own_server

SEED = 20_261_121
STRUCK_TWICE = 83
"""A seed whose lightning strikes in the last two of four rounds."""

pytestmark = pytest.mark.any_postgres


@pytest.fixture(params=list(Mode))
def program(request: pytest.FixtureRequest) -> Program:
    """In either mode, at a time of its own."""
    names = {Mode.BALANCE_ONLY: "timed_program", Mode.ALL_TRANSACTIONS: "rows_program"}
    found: Program = request.getfixturevalue(names[request.param])
    return found


async def test_books_and_engage_agree_after_a_storm(program: Program, engage: Sandbox) -> None:
    outcome = await Storm(program, engage, SEED).run(10)
    assert outcome.wrong == [], outcome.summary()
    assert outcome.deaths > 0
    assert outcome.faults.total() > 0


async def test_a_replica_may_die_at_any_step(program: Program, engage: Sandbox) -> None:
    died = await die_at(program, engage, stride=13)
    assert len(died) > 2


@pytest.mark.soak
@pytest.mark.timeout(1200)
async def test_a_replica_may_die_at_every_single_step(program: Program, engage: Sandbox) -> None:
    died = await die_at(program, engage, stride=1)
    assert any("POST" in step for step in died)
    assert any("COMMIT" in step for step in died)
    assert len(died) > 30


async def die_at(program: Program, engage: Sandbox, *, stride: int) -> list[str]:
    at_one_time(program, engage)
    engage.know(*CONTACTS)
    settings = (await program.follower(**QUICK)).context.settings
    died = await every_step(program, engage, settings, first=2, stride=stride)
    assert engage.findings()["counts"] == {}
    return died


@pytest.mark.soak
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("fault", sorted(FAULTS | LATE_FAULTS))
async def test_each_fault_alone(program: Program, engage: Sandbox, fault: str) -> None:
    if fault in LATE_FAULTS and program.mode is Mode.ALL_TRANSACTIONS:
        pytest.skip("of totals only")
    outcome = await Storm(program, engage, SEED).run(25, [fault])
    assert outcome.wrong == [], outcome.summary()


@pytest.mark.usefixtures("engage")
def test_books_and_engage_agree_after_the_database_was_killed(
    tmp_path: Path, engage_address: str
) -> None:
    with own_server(tmp_path / "postgres", MAJOR) as server:
        for mode in Mode:
            storm = storm_of_its_own(server, tmp_path, engage_address, STRUCK_TWICE, mode, 4)
            outcome = asyncio.run(storm)
            assert outcome.wrong == [], outcome.summary()
            assert outcome.kills == 2
