"""Crashes in the middle of a batch: what was answered is there, and a retry doubles nothing."""

import asyncio
import contextlib
import os
import signal
import sys
from collections import Counter
from pathlib import Path

import asyncpg

from ledger.identity import ContactId
from ledger.outcomes import Refused
from ledger.postgres import OWNER_ROLE, SERVICE_ROLE, Database, Profile, Server, connect, start
from migrations.upgrade import migrate
from tests.bookkeeping import poster
from tests.bookkeeping.desk import Desk, member, opened

ROOT = Path(__file__).parents[3]
CONTACTS = [member(number) for number in range(poster.MEMBERS)]


def left(count: int) -> Counter[ContactId]:
    """What each member has when the first `count` requests are booked once each."""
    found: Counter[ContactId] = Counter()
    for number in range(count):
        found[member(number // 3 % poster.MEMBERS)] += -15 if number % 3 == 2 else 10
    return found


async def check(desk: Desk, count: int) -> None:
    """Everything is booked once and the books are right."""
    assert await desk.count("idempotency") == count
    held = {contact: (await desk.held(contact)).available for contact in CONTACTS}
    assert held == left(count)
    assert await desk.findings() == []


async def test_a_till_killed_mid_batch_and_started_again_loses_and_doubles_nothing(
    database: Database,
) -> None:
    count = 30 * poster.BATCH
    async with opened(database, today=None) as desk:
        acknowledged = -1
        for lines_before_the_kill in (3, 7, 18, None):
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", "tests.bookkeeping.poster", database.dsn_service, str(count),
                cwd=ROOT, stdout=asyncio.subprocess.PIPE,
            )  # fmt: skip
            assert process.stdout is not None
            lines = 0
            while line := await process.stdout.readline():
                acknowledged = max(acknowledged, int(line))
                lines += 1
                if lines == lines_before_the_kill:
                    process.kill()
            code = await process.wait()
            assert code == (0 if lines_before_the_kill is None else -signal.SIGKILL)
            # whatever it was told is booked; what it was not told is booked whole or not at all
            booked = await desk.count("idempotency")
            assert booked > acknowledged
            assert booked % poster.BATCH == 0
            assert await desk.findings() == []
        await check(desk, count)


async def post_through_everything(desk: Desk, first: int, count: int) -> int:
    """Post requests until each batch is booked; answers how often a connection broke."""
    broken = 0
    for begin in range(first, count, poster.BATCH * 4):
        batch = [poster.request(desk.till, begin + number) for number in range(poster.BATCH)]
        while True:
            try:
                outcomes = await desk.books.post(batch)
            except Exception:  # noqa: BLE001 — a cut connection breaks asyncpg in many ways
                broken += 1
                await asyncio.sleep(0.05)
            else:
                assert not any(isinstance(one, Refused) for one in outcomes), outcomes
                break
    return broken


async def test_connections_cut_by_the_server_lose_and_double_nothing(
    database: Database, superuser: asyncpg.Connection
) -> None:
    count = 48 * poster.BATCH
    async with opened(database, today=None, connections=4) as desk:

        async def cut() -> None:
            for _ in range(12):
                await asyncio.sleep(0.06)
                await superuser.execute(
                    "select pg_terminate_backend(pid) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                    " order by random() limit 1"
                )

        *broken, _ = await asyncio.gather(
            *(post_through_everything(desk, lane * poster.BATCH, count) for lane in range(4)),
            cut(),
        )
        assert sum(one or 0 for one in broken) > 0
        await asyncio.sleep(0.1)  # for the pool to notice the last cut
        await check(desk, count)


async def test_a_server_whose_process_is_killed_mid_batch_loses_and_doubles_nothing(
    postgres: Server, tmp_path: Path
) -> None:
    # A server of our own: the other tests go on using theirs.
    count = 32 * poster.BATCH
    server = await asyncio.to_thread(
        start, tmp_path / "postgres", major=postgres.major, profile=Profile.TESTS
    )
    try:
        await migrate(server.dsn(OWNER_ROLE))
        # What was answered must outlive the server's processes, though not the machine.
        administration = await connect(server.dsn_superuser)
        await administration.execute(f"alter role {SERVICE_ROLE} set synchronous_commit = on")
        await administration.close()
        database = Database(
            dsn_owner=server.dsn(OWNER_ROLE),
            dsn_service=server.dsn(SERVICE_ROLE),
            service_role=SERVICE_ROLE,
            major=server.major,
            embedded=True,
            single_role=False,
        )
        async with opened(database, today=None, connections=4) as desk:

            async def kill() -> None:
                for _ in range(2):
                    await asyncio.sleep(0.2)
                    with contextlib.suppress(Exception):
                        async with desk.pool.acquire() as connection:
                            os.kill(connection.get_server_pid(), signal.SIGKILL)

            *broken, _ = await asyncio.gather(
                *(post_through_everything(desk, lane * poster.BATCH, count) for lane in range(4)),
                kill(),
            )
            assert sum(one or 0 for one in broken) > 0
            await check(desk, count)
    finally:
        await asyncio.to_thread(server.stop)
