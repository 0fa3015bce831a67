"""Many processes on few accounts, as hard as they can; then every invariant."""

import asyncio
import os
import sys
from collections import Counter
from pathlib import Path

import asyncpg
import msgspec
import pytest

from ledger import invariants
from ledger.postgres import Database
from tests.simulation.hammer import Report
from tests.simulation.stored import declare_shop

ROOT = Path(__file__).parents[2]
SOAK_MINUTES = int(os.environ.get("SOAK_MINUTES", "10"))


async def strike(database: Database, seed: int, seconds: int, processes: int) -> list[Report]:
    """Let processes loose and wait for them; fails with what one of them said."""
    started = [
        await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", "tests.simulation.hammer"),
            *(database.dsn_service, f"hammer {number}", str(seed), str(seconds)),
            cwd=ROOT,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        for number in range(processes)
    ]
    said = [await one.communicate() for one in started]
    for one, (_, errors) in zip(started, said, strict=True):
        assert one.returncode == 0, errors.decode()[-4000:]
    return [msgspec.json.decode(told, type=Report) for told, _ in said]


async def hold_together(database: Database, seed: int, seconds: int, processes: int) -> None:
    """Strike, then hold that nothing is lost or doubled, nobody deadlocked, and all is right."""
    connection = await asyncpg.connect(database.dsn_service)
    catalogue = await declare_shop(connection, [2, 2, 1])
    reports = await strike(database, seed, seconds, processes)
    answers = sum((Counter(report.answers) for report in reports), Counter[str]())
    assert await invariants.check(connection, catalogue) == []
    moved_by_merging = (
        "select count(*) from ledger.transaction where idempotency_key like '%merge%'"
    )
    kept = await connection.fetchval("select count(*) from ledger.idempotency")
    merged = await connection.fetchval(moved_by_merging)
    assert kept - merged == sum(report.keys for report in reports)
    print(f"{len(reports)} processes, {seconds} s: {dict(answers)}")  # noqa: T201 # figures for -s
    deadlocks = "select deadlocks from pg_stat_database where datname = current_database()"
    assert await connection.fetchval(deadlocks) == 0
    await connection.close()
    # However busy the machine is, enough has happened for all this to mean something.
    assert answers["Booked"] > 5 * seconds, answers
    assert answers["Replayed"] > seconds // 5, answers
    assert sum(report.readings for report in reports) > seconds // 5


async def test_processes_hammering_few_accounts_break_nothing(database: Database) -> None:
    await hold_together(database, seed=1, seconds=8, processes=4)


@pytest.mark.soak
@pytest.mark.timeout(60 * SOAK_MINUTES + 600)
async def test_ten_minutes_of_hammering_break_nothing(database: Database) -> None:
    await hold_together(database, seed=2, seconds=60 * SOAK_MINUTES, processes=6)
