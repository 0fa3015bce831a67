"""Several processes share one server, and any of them may be killed at any moment."""

import asyncio
import contextlib
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Self

import asyncpg
import pytest

from ledger.postgres import Profile, Server, connect, open_database, postmaster, start
from ledger.postgres.folder import prepared
from ledger.postgres.locks import is_free

WAIT_SECONDS_MAX = 60.0

USER = """
import sys
from pathlib import Path
from ledger.postgres import Profile, start

server = start(Path(sys.argv[1]), major=int(sys.argv[2]), profile=Profile.TESTS)
print("ready", flush=True)
sys.stdin.readline()
server.stop()
print("left", flush=True)
"""


class OtherProcess:
    """Another process that uses the server of a data folder."""

    def __init__(self, folder: Path, major: int) -> None:
        self.process = subprocess.Popen(
            [sys.executable, "-c", USER, str(folder), str(major)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_problem: object) -> None:
        self.kill()
        for stream in (self.process.stdin, self.process.stdout):
            if stream is not None:
                stream.close()

    def ready(self) -> None:
        assert self._said() == "ready\n"

    def leave(self) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write("\n")
        self.process.stdin.flush()
        assert self._said() == "left\n"
        assert self.process.wait(WAIT_SECONDS_MAX) == 0

    def kill(self) -> None:
        self.process.kill()
        self.process.wait(WAIT_SECONDS_MAX)

    def _said(self) -> str:
        assert self.process.stdout is not None
        return self.process.stdout.readline()


@pytest.fixture
def server(data_folder: Path, major: int) -> Iterator[Server]:
    share = start(data_folder, major=major, profile=Profile.TESTS)
    yield share
    share.stop()


def eventually(holds: Callable[[], bool]) -> None:
    deadline = time.monotonic() + WAIT_SECONDS_MAX
    while not holds():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.02)


def nothing_runs(folder: Path) -> bool:
    return is_free(folder / "alive.lock")


def postmaster_of(folder: Path) -> int:
    found = postmaster.running(prepared(folder))
    assert found is not None
    return found.pid


async def answers(dsn: str) -> bool:
    try:
        connection = await connect(dsn)
    except (OSError, asyncpg.PostgresError):
        return False
    try:
        return bool(await connection.fetchval("SELECT true"))
    except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
        return False
    finally:
        with contextlib.suppress(OSError, asyncpg.PostgresError):
            await connection.close()


async def eventually_answers(dsn: str) -> None:
    async with asyncio.timeout(WAIT_SECONDS_MAX):
        while not await answers(dsn):
            await asyncio.sleep(0.02)


def test_the_second_user_joins_and_the_last_one_stops(data_folder: Path, major: int) -> None:
    first = start(data_folder, major=major, profile=Profile.TESTS)
    second = start(data_folder, major=major, profile=Profile.TESTS)
    running = postmaster_of(data_folder)
    first.stop()  # it started the server, and leaves before the other
    assert postmaster_of(data_folder) == running
    assert asyncio.run(answers(second.dsn_service))
    second.stop()
    assert nothing_runs(data_folder)


def test_processes_that_start_together_share_one_server(new_folder: Path, major: int) -> None:
    with OtherProcess(new_folder, major) as one, OtherProcess(new_folder, major) as other:
        one.ready()
        other.ready()
        running = postmaster_of(new_folder)
        one.leave()
        assert postmaster_of(new_folder) == running
        other.leave()
    assert nothing_runs(new_folder)


def test_a_killed_user_leaves_the_server_to_the_others(
    server: Server, data_folder: Path, major: int
) -> None:
    with OtherProcess(data_folder, major) as other:
        other.ready()
        other.kill()
    assert asyncio.run(answers(server.dsn_service))
    server.stop()
    assert nothing_runs(data_folder)


def test_what_a_killed_user_left_behind_is_ended_by_the_next(data_folder: Path, major: int) -> None:
    with OtherProcess(data_folder, major) as other:
        other.ready()
        other.kill()
    left_behind = postmaster_of(data_folder)
    with OtherProcess(data_folder, major) as following:
        following.ready()
        assert postmaster_of(data_folder) != left_behind
        following.leave()
    assert nothing_runs(data_folder)


@pytest.mark.parametrize("after_seconds", [0.4, 0.6, 0.8, 1.0, 1.2])
def test_a_start_killed_at_any_moment_does_no_harm(
    new_folder: Path, major: int, after_seconds: float
) -> None:
    """The moments fall into initdb, making the roles, and starting the server."""
    with OtherProcess(new_folder, major) as killed:
        time.sleep(after_seconds)
        killed.kill()
    share = start(new_folder, major=major, profile=Profile.TESTS)
    assert asyncio.run(answers(share.dsn_service))
    share.stop()
    assert nothing_runs(new_folder)
    assert not list(new_folder.glob("cluster.unfinished-*"))


async def test_a_killed_postmaster_comes_back_with_everything_committed(
    data_folder: Path, major: int
) -> None:
    async with open_database(folder=data_folder, major=major) as database:
        connection = await connect(database.dsn_owner)
        await connection.execute("CREATE SCHEMA s CREATE TABLE purchases (points bigint)")
        await connection.execute("INSERT INTO s.purchases SELECT generate_series(1, 1000)")
        os.kill(postmaster_of(data_folder), signal.SIGKILL)
        with contextlib.suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
            await connection.close()

        await eventually_answers(database.dsn_owner)
        connection = await connect(database.dsn_owner)
        assert await connection.fetchval("SELECT sum(points) FROM s.purchases") == 500_500
        await connection.close()
    assert nothing_runs(data_folder)


async def test_a_busy_backend_of_a_killed_postmaster_is_ended(
    server: Server, data_folder: Path
) -> None:
    """It would not notice by itself: it only looks between its statements."""
    busy = await connect(server.dsn_superuser)
    working = asyncio.ensure_future(
        busy.fetchval("SELECT count(*) FROM generate_series(1, 1000000000000)")
    )
    await asyncio.sleep(0.3)
    os.kill(postmaster_of(data_folder), signal.SIGKILL)
    with pytest.raises((OSError, asyncpg.PostgresError, asyncpg.InterfaceError)):
        await working
    await eventually_answers(server.dsn_service)
    busy.terminate()


async def test_a_killed_backend_does_not_end_the_server(server: Server, data_folder: Path) -> None:
    running = postmaster_of(data_folder)
    victim = await connect(server.dsn_service)
    os.kill(victim.get_server_pid(), signal.SIGKILL)
    await eventually_answers(server.dsn_service)
    assert postmaster_of(data_folder) == running
    victim.terminate()


def test_every_user_may_be_the_one_that_brings_it_back(
    server: Server, data_folder: Path, major: int
) -> None:
    with OtherProcess(data_folder, major) as other:
        other.ready()
        for _ in range(3):
            os.kill(postmaster_of(data_folder), signal.SIGKILL)
            asyncio.run(eventually_answers(server.dsn_service))
        other.leave()
    assert asyncio.run(answers(server.dsn_service))
    server.stop()
    assert nothing_runs(data_folder)


def test_postmaster_and_user_killed_together(data_folder: Path, major: int) -> None:
    with OtherProcess(data_folder, major) as other:
        other.ready()
        os.kill(other.process.pid, signal.SIGSTOP)  # so that it can't bring the server back
        os.kill(postmaster_of(data_folder), signal.SIGKILL)
        other.kill()
    share = start(data_folder, major=major, profile=Profile.TESTS)
    assert asyncio.run(answers(share.dsn_service))
    share.stop()
    assert nothing_runs(data_folder)


def test_the_number_of_a_dead_postmaster_may_belong_to_another_program(
    data_folder: Path, major: int
) -> None:
    start(data_folder, major=major, profile=Profile.TESTS).stop()
    stale = f"{os.getpid()}\n{data_folder}/cluster\n1700000000\n5432\n/tmp\n\n0 0\nready   \n"
    (data_folder / "cluster" / "postmaster.pid").write_text(stale)
    share = start(data_folder, major=major, profile=Profile.TESTS)
    assert asyncio.run(answers(share.dsn_service))
    share.stop()
    assert nothing_runs(data_folder)


async def test_a_cancelled_start_leaves_nothing_behind(new_folder: Path, major: int) -> None:
    async def use() -> None:
        async with open_database(folder=new_folder, major=major, profile=Profile.TESTS):
            await asyncio.sleep(WAIT_SECONDS_MAX)

    for seconds in (0.0, 0.3, 0.7, 2.0):
        task = asyncio.ensure_future(use())
        await asyncio.sleep(seconds)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert nothing_runs(new_folder)


def test_a_server_whose_files_were_deleted_is_ended_by_the_next_start(
    data_folder: Path, major: int
) -> None:
    with OtherProcess(data_folder, major) as other:
        other.ready()
        running = postmaster_of(data_folder)
        other.kill()
    shutil.rmtree(data_folder / "cluster")
    begun = time.monotonic()
    share = start(data_folder, major=major, profile=Profile.TESTS)
    assert time.monotonic() - begun < WAIT_SECONDS_MAX / 2, "it was waited for, not ended"
    assert not Path(f"/proc/{running}/exe").exists()
    assert asyncio.run(answers(share.dsn_service))
    share.stop()
    assert nothing_runs(data_folder)


async def test_a_server_whose_folder_was_deleted_is_still_stopped(
    data_folder: Path, major: int
) -> None:
    share = start(data_folder, major=major, profile=Profile.TESTS)
    running = postmaster_of(data_folder)
    data_folder.rename(data_folder.with_name("moved"))
    share.stop()
    eventually(lambda: not Path(f"/proc/{running}").exists())
