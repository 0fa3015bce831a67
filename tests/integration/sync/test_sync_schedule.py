"""The schedule: on one of several replicas, never twice at a time, moving on when that one dies."""

import asyncio
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from ledger.postgres import Database, connect
from sync.engage import ScheduleOptions
from sync.leadership import Connect, Leadership
from sync.schedule import Job, Schedule
from sync.service import Synchronisation
from sync.timing import Timing, every
from tests.following.program import Program, Sandbox, member

OFTEN = every(0.2)


def connecting(database: Database) -> Connect:
    return lambda: connect(database.dsn_service)


async def until(condition: Callable[[], bool], seconds: float = 10) -> float:
    """How long it took for a condition to hold."""
    started = time.monotonic()
    while not condition():
        assert time.monotonic() - started < seconds, "it did not come to pass"
        await asyncio.sleep(0.02)
    return time.monotonic() - started


@pytest.fixture
async def schedules(database: Database) -> AsyncIterator[Callable[..., Schedule]]:
    """Makes schedules of one job each, stopped at the end."""
    async with AsyncExitStack() as stack:

        def make(
            do: Callable[[], object], timing: Timing = OFTEN, begun: datetime | None = None
        ) -> Schedule:
            async def done() -> None:
                result = do()
                if asyncio.iscoroutine(result):
                    await result

            async def last() -> datetime | None:
                return begun

            job = Job("job", timing, "UTC", done, last)
            schedule = Schedule([job], connecting(database))
            stack.push_async_callback(schedule.stop)
            schedule.start()
            return schedule

        yield make


async def test_one_of_three_replicas_does_the_work(
    schedules: Callable[..., Schedule],
) -> None:
    done: list[int] = []
    replicas = [schedules(lambda number=number: done.append(number)) for number in range(3)]
    await until(lambda: len(done) >= 5)
    assert sum(replica.leads for replica in replicas) == 1
    assert len(set(done)) == 1


async def test_when_the_leader_stops_another_takes_over(
    schedules: Callable[..., Schedule],
) -> None:
    done: list[int] = []
    replicas = [schedules(lambda number=number: done.append(number)) for number in range(2)]
    await until(lambda: len(done) >= 2)
    leader = next(replica for replica in replicas if replica.leads)
    (other,) = [replica for replica in replicas if replica is not leader]
    await leader.stop()
    assert await until(lambda: other.leads) < 10
    done.clear()
    await until(lambda: len(done) >= 2)
    assert not leader.leads
    assert leader.next_runs() == {}
    assert set(other.next_runs()) == {"job"}
    assert all(at > datetime.now(UTC).replace(year=2020) for at in other.next_runs().values())


async def test_a_leader_whose_connection_is_cut_stops_and_another_leads(
    database: Database, schedules: Callable[..., Schedule]
) -> None:
    replicas = [schedules(lambda: None) for _ in range(2)]
    await until(lambda: any(replica.leads for replica in replicas))
    leader = next(replica for replica in replicas if replica.leads)
    (other,) = [replica for replica in replicas if replica is not leader]
    cutter = await connect(database.dsn_service)
    await cutter.execute(
        "select pg_terminate_backend(pid) from pg_locks where locktype = 'advisory' and granted "
        "and database = (select oid from pg_database where datname = current_database())"
    )
    await cutter.close()
    assert await until(lambda: other.leads or not leader.leads) < 10
    await until(lambda: leader.leads != other.leads)


async def test_a_job_longer_than_its_interval_does_not_overlap_itself(
    schedules: Callable[..., Schedule],
) -> None:
    running, most, finished = 0, 0, 0

    async def long_job() -> None:
        nonlocal running, most, finished
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.7)
        running -= 1
        finished += 1

    schedules(long_job)
    await until(lambda: finished >= 2)
    assert most == 1


async def test_a_job_that_fails_comes_again(schedules: Callable[..., Schedule]) -> None:
    attempts = 0

    def fail() -> None:
        nonlocal attempts
        attempts += 1
        raise ValueError("not today")

    schedules(fail)
    await until(lambda: attempts >= 3)


async def test_a_paused_job_is_not_started(schedules: Callable[..., Schedule]) -> None:
    done: list[int] = []
    schedule = schedules(lambda: done.append(1), Timing(every_seconds=0.2, paused=True))
    await until(lambda: schedule.leads)
    await asyncio.sleep(0.6)
    assert done == []
    assert schedule.next_runs() == {}


@pytest.mark.parametrize(
    "timing", [every(86_400, jitter_seconds=60), Timing(cron="* * * * *", jitter_seconds=5)]
)
async def test_what_was_missed_while_nobody_led_is_done_at_once(
    schedules: Callable[..., Schedule], timing: Timing
) -> None:
    done = asyncio.Event()
    schedules(done.set, timing, begun=datetime.now(UTC) - timedelta(days=2))
    async with asyncio.timeout(5):
        await done.wait()


async def test_a_long_interval_goes_on_over_restarts(schedules: Callable[..., Schedule]) -> None:
    begun = datetime.now(UTC) - timedelta(hours=20)
    schedule = schedules(lambda: None, every(86_400), begun=begun)
    await until(lambda: bool(schedule.next_runs()))
    assert schedule.next_runs()["job"] == begun + timedelta(days=1)


async def test_stopping_lets_what_runs_finish(schedules: Callable[..., Schedule]) -> None:
    begun, ended = asyncio.Event(), False

    async def job() -> None:
        nonlocal ended
        begun.set()
        await asyncio.sleep(0.5)
        ended = True

    schedule = schedules(job)
    await begun.wait()
    await schedule.stop()
    assert ended


LEADER = """
import asyncio, sys
from ledger.postgres import connect
from sync.leadership import Leadership

async def said(word):
    print(word, flush=True)

async def main():
    leadership = Leadership(
        lambda: connect(sys.argv[1]), "a test",
        on_gain=lambda: said("gained"), on_loss=lambda: said("lost"),
    )
    leadership.start()
    await asyncio.sleep(60)

asyncio.run(main())
"""


def start_leader(dsn: str) -> "subprocess.Popen[str]":
    return subprocess.Popen([sys.executable, "-c", LEADER, dsn], stdout=subprocess.PIPE, text=True)


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGSTOP], ids=["killed", "frozen"])
async def test_a_leader_that_is_gone_is_replaced_within_ten_seconds(
    database: Database, end: signal.Signals
) -> None:
    leader = await asyncio.to_thread(start_leader, database.dsn_service)

    async def nothing() -> None:
        return

    other = Leadership(connecting(database), "a test", on_gain=nothing, on_loss=nothing)
    try:
        assert leader.stdout is not None
        assert await asyncio.to_thread(leader.stdout.readline) == "gained\n"
        other.start()
        await asyncio.sleep(1.5)
        assert not other.leads
        os.kill(leader.pid, end)
        assert await until(lambda: other.leads, seconds=15) < 10
    finally:
        leader.kill()
        leader.wait()
        if leader.stdout is not None:
            leader.stdout.close()
        await other.stop()


async def test_by_itself_a_purchase_reaches_engage(program: Program, engage: Sandbox) -> None:
    """Two replicas, nobody asks, and each total is sent once."""
    engage.set(balances={"jobSeconds": 0.1})
    contacts = [member(number) for number in range(10)]
    engage.know(*contacts)
    async with AsyncExitStack() as stack:
        for _ in range(2):
            follower = await program.follower(schedule=ScheduleOptions(push=OFTEN, poll=OFTEN))
            wires = Synchronisation(
                program.books, [follower], connect=connecting(program.database), sweep=OFTEN
            )
            stack.push_async_callback(wires.close)
            wires.schedule.start()
        await program.earn_all([(contact, 5) for contact in contacts])
        expected = {contact: Decimal(5) for contact in contacts}
        for _ in range(100):
            await asyncio.sleep(0.1)
            if engage.balances() == expected and set(await program.states()) == {"done"}:
                break
        assert engage.balances() == expected
    sent = await program.count("select sum(row_count) from engage.batch")
    assert sent == 10
    quiet = await program.count("select count(*) from engage.run where is_quiet")
    assert quiet <= 6, "only the latest run of a kind that found nothing to do is kept"
