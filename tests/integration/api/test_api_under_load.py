"""Many callers at once: booked together, told to come again, and answered through a crash."""

import asyncio
import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest

from api.configuration.file import PostingSection
from api.poster import lanes_of
from ledger import invariants
from ledger.postgres import OWNER_ROLE, SERVICE_ROLE, Database, Profile, Server, connect, start
from migrations.upgrade import migrate
from tests.doors.house import House, configuration_of, open_house, problem


@asynccontextmanager
async def blocked(house: House, contact: str) -> AsyncIterator[None]:
    """A contact's holder, locked by somebody else until the block ends."""
    async with house.service.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "select from ledger.holder join ledger.contact on holder_id = holder.id"
            " where contact_id = $1 for update of holder",
            UUID(contact),
        )
        yield


async def waiting(house: House) -> int:
    """What the metrics say of postings that wait."""
    text = (await house.http.get("/metrics")).text
    (line,) = [one for one in text.splitlines() if one.startswith("pointmaster_postings_waiting ")]
    return int(float(line.split()[1]))


async def test_more_postings_than_the_books_can_take_are_told_to_come_again(
    database: Database,
) -> None:
    posting = PostingSection(lanes=1, queue_max=2)
    async with open_house(configuration_of(database, posting=posting)) as house:
        busy = str(house.contact)
        await house.booked("earn", amount=1)
        async with blocked(house, busy):
            under_way = asyncio.create_task(house.post("earn", amount=1))
            async with asyncio.timeout(10):
                while await waiting(house) != 0 or under_way.done() or not await locked(house):
                    await asyncio.sleep(0.01)
            queued = [asyncio.create_task(house.post("earn", amount=1)) for _ in range(2)]
            async with asyncio.timeout(10):
                while await waiting(house) != 2:
                    await asyncio.sleep(0.01)
            one = await house.post("earn", amount=1)
            batch = {"transactions": [house.asks("earn", amount=1)]}
            many = await house.http.post("/v1/transactions/batch", json=batch)
            # Reading is not posting: there are connections left for it.
            assert await house.available() == 1
        for response in (one, many):
            assert response.status_code == 503
            assert response.headers["retry-after"] == "1"
            assert problem(response)["code"] == "books_busy"
        answers = await asyncio.gather(under_way, *queued)
        assert [answer.status_code for answer in answers] == [201] * 3
        assert await house.available() == 4


async def locked(house: House) -> bool:
    """Whether a posting waits for somebody else's lock."""
    async with house.service.pool.acquire() as connection:
        return bool(
            await connection.fetchval(
                "select exists (select from pg_stat_activity"
                " where datname = current_database() and wait_event_type = 'Lock')"
            )
        )


async def test_gathering_can_be_switched_off(database: Database) -> None:
    posting = PostingSection(coalescing=False)
    async with open_house(configuration_of(database, posting=posting)) as house:
        responses = await asyncio.gather(*(house.post("earn", amount=1) for _ in range(20)))
        assert {response.status_code for response in responses} == {201}
        batch = {"transactions": [house.asks("redeem", amount=1) for _ in range(21)]}
        outcomes = (await house.http.post("/v1/transactions/batch", json=batch)).json()
        assert (outcomes["booked"], outcomes["refused"]) == (20, 1)


@pytest.mark.parametrize(
    ("lanes", "connections", "expected"), [(None, 16, 4), (None, 5, 2), (None, 4, 2), (8, 16, 8)]
)
def test_half_of_the_connections_are_left_to_read(
    lanes: int | None, connections: int, expected: int
) -> None:
    assert lanes_of(PostingSection(lanes=lanes), connections) == expected


CALLERS = 64
PURCHASES = 6
PATIENCE_SECONDS = 300


class Till:
    """A caller that does what it is told: after a 503 it asks again, a little later."""

    def __init__(self, house: House, http: httpx.AsyncClient) -> None:
        self.contact = str(uuid4())
        self.answers: list[int] = []
        self._house = house
        self._http = http

    async def shop(self) -> None:
        for _ in range(PURCHASES):
            asked = self._house.asks("earn", amount=1, contactId=self.contact)
            while True:
                response = await self._http.post("/v1/transactions", json=asked)
                self.answers.append(response.status_code)
                if response.status_code != 503:
                    break
                assert problem(response)["code"] in {"unavailable", "books_busy"}
                assert int(response.headers["retry-after"]) > 0
                await asyncio.sleep(0.2)


@pytest.mark.timeout(PATIENCE_SECONDS)
async def test_a_postgresql_killed_under_load_leaves_nothing_unanswered_and_nothing_doubled(
    postgres: Server, tmp_path: Path
) -> None:
    # A server of our own: the other tests go on using theirs.
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
        async with open_house(configuration_of(database)) as house:
            await house.available()
            limits = httpx.Limits(max_connections=CALLERS)
            headers = dict(house.http.headers)
            async with httpx.AsyncClient(
                base_url=house.address, headers=headers, timeout=PATIENCE_SECONDS, limits=limits
            ) as http:
                tills = [Till(house, http) for _ in range(CALLERS)]

                async def kill() -> None:
                    while sum(len(till.answers) for till in tills) < CALLERS:
                        await asyncio.sleep(0.01)
                    pid_file = server.folder.cluster / "postmaster.pid"
                    os.kill(int(pid_file.read_text().splitlines()[0]), signal.SIGKILL)

                await asyncio.gather(*(till.shop() for till in tills), kill())
            answers = [answer for till in tills for answer in till.answers]
            assert set(answers) <= {200, 201, 503}
            assert len(answers) - answers.count(503) == CALLERS * PURCHASES
            for till in tills:
                found = (await house.http.get(f"/v1/contacts/{till.contact}/balances")).json()
                assert found["balances"][0]["available"] == PURCHASES
            async with house.service.pool.acquire() as connection:
                assert await invariants.check(connection, house.service.catalogue) == []
    finally:
        await asyncio.to_thread(server.stop)
