"""Replicas killed, sessions cut, Engage misbehaving: nothing is lost, and nothing old stands."""

import asyncio
import random
import subprocess
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from decimal import Decimal

import pytest

from ledger.postgres import Database, connect
from sync.engage.settings import Mode
from tests.following.program import Sandbox, member, open_program
from tests.following.pusher import fast_clock

SEED = 20261121


@pytest.mark.any_postgres
@pytest.mark.parametrize(("mode", "kills"), [(Mode.BALANCE_ONLY, 3), (Mode.ALL_TRANSACTIONS, 3)])
async def test_replicas_killed_again_and_again_leave_engage_with_the_newest_totals(
    database: Database, engage: Sandbox, engage_address: str, mode: Mode, kills: int
) -> None:
    chance = random.Random(SEED)
    base = datetime.now(UTC)
    contacts = [member(number) for number in range(40)]
    expected = dict.fromkeys(contacts, Decimal())
    engage.know(*contacts)
    engage.set(
        definitions=[{"id": 1}, {"id": 2}],
        balances={"jobSeconds": 0.05, "answerForm": "rotate"},
        rate={"requestsPerSecondMax": None},
    )
    engage.fault(
        {"kind": "drop-after", "probability": 0.1, "method": "POST"},
        {"kind": "drop-before", "probability": 0.1, "method": "POST"},
        {"kind": "error-after", "probability": 0.1, "method": "POST"},
        {"kind": "error-before", "probability": 0.1},
        {"kind": "slow-before", "probability": 0.5, "milliseconds": 20, "millisecondsMax": 200},
        {"kind": "slow-after", "probability": 0.5, "milliseconds": 20, "millisecondsMax": 200},
    )
    async with AsyncExitStack() as stack:
        program = await open_program(
            database, engage_address, stack, lambda: fast_clock(base), mode
        )

        async def shop() -> None:
            for _ in range(kills * 4):
                earned = [(chance.choice(contacts), chance.randrange(1, 50)) for _ in range(10)]
                for contact, amount in earned:
                    expected[contact] += amount
                await program.earn_all(earned)
                await asyncio.sleep(0.1)

        selling = asyncio.create_task(shop())
        for _ in range(kills):
            replica = await asyncio.to_thread(
                start, database.dsn_service, engage_address, base, mode
            )
            await asyncio.sleep(chance.uniform(0.05, 0.5))
            await cut_sessions(database, program.session)
            await asyncio.sleep(chance.uniform(0.05, 0.5))
            replica.kill()
            replica.wait()
            assert replica.stdout is not None
            replica.stdout.close()
        await selling
        engage.behave()
        follower = await program.follower(poll_seconds=(1.0,), answer_seconds=2.0)
        async with asyncio.timeout(60):
            while not (await follower.sync(wait_seconds=5, at_once=True)).is_complete:
                pass
    # Engage's time is not ours: what was told of our present is its future, and pending.
    engage.post("/clock", {"set": fast_clock(base).isoformat()})
    assert engage.balances() == {contact: total for contact, total in expected.items() if total}
    assert engage.findings()["counts"] == {}


async def cut_sessions(database: Database, ours: str) -> None:
    """End every session of the database but ours, as when PostgreSQL is killed and comes back."""
    cutter = await connect(database.dsn_service)
    await cutter.execute(
        "select pg_terminate_backend(pid) from pg_stat_activity where usename = current_user "
        "and datname = current_database() and application_name <> $1 and pid <> pg_backend_pid()",
        ours,
    )
    await cutter.close()


def start(dsn: str, address: str, base: datetime, mode: Mode) -> "subprocess.Popen[str]":
    """A replica that is at work."""
    replica = subprocess.Popen(
        [sys.executable, "-m", "tests.following.pusher", dsn, address, base.isoformat(), mode],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert replica.stdout is not None
    assert replica.stdout.readline() == "ready\n"
    return replica
