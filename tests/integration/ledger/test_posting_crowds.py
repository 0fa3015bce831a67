"""Crowds: many at once over few accounts; a point is spent once and nobody waits in a circle."""

import asyncio
import random
from collections import Counter
from datetime import datetime
from uuid import uuid4

from ledger.identity import ContactId
from ledger.postgres import Database, connect
from ledger.reading_as_of import accounts_as_of
from ledger.requests import Request
from tests.bookkeeping.desk import Desk, member, opened, ways

ONE = member(1001)


async def deadlocks(database: Database) -> int:
    """How many the server has broken up in this database; all its sessions but ours ended."""
    connection = await connect(database.dsn_owner)
    found: int = await connection.fetchval(
        "select deadlocks from pg_stat_database where datname = current_database()"
    )
    await connection.close()
    return found


async def test_of_a_thousand_who_spend_one_point_at_once_one_succeeds(database: Database) -> None:
    async with opened(database, today=None, connections=10) as desk:
        await desk.book(desk.till.earn(ONE, 1))
        burns = [desk.till.redeem(ONE, 1) for _ in range(1000)]
        outcomes = await asyncio.gather(*(desk.books.post([burn]) for burn in burns))
        assert Counter(ways([one for (one,) in outcomes])) == {
            "Booked": 1,
            "insufficient_points": 999,
        }
        assert await desk.balance(ONE) == "nothing"
        assert await desk.findings() == []


async def test_whatever_a_crowd_spends_of_a_balance_is_never_more_than_it(
    database: Database,
) -> None:
    async with opened(database, today=None, connections=10) as desk:
        lots = [desk.till.earn(ONE, f"{points} until 1 March 2999") for points in (7, 11, 13)]
        await desk.book(*lots)
        burns = [[desk.till.redeem(ONE, 2) for _ in range(3)] for _ in range(20)]
        outcomes = await asyncio.gather(*(desk.books.post(batch) for batch in burns))
        booked = Counter(ways([one for batch in outcomes for one in batch]))
        assert booked == {"Booked": 15, "insufficient_points": 45}  # 31 = 15 x 2 + 1
        assert await desk.balance(ONE) == "1 available"
        assert await desk.findings() == []


async def test_fifty_who_are_first_on_the_same_new_account_open_it_once(
    database: Database,
) -> None:
    async with opened(database, today=None, connections=10) as desk:
        for number in range(3):
            contact = member(2000 + number)
            earns = [desk.till.earn(contact, 1) for _ in range(50)]
            outcomes = await asyncio.gather(*(desk.books.post([earn]) for earn in earns))
            assert ways([one for (one,) in outcomes]) == ["Booked"] * 50
            assert await desk.balance(contact) == "50 available"
        assert await desk.count("contact") == await desk.count("holder") == 3
        assert await desk.findings() == []


async def test_of_a_thousand_who_spend_the_first_point_of_an_account_with_no_row_yet_one_succeeds(
    database: Database,
) -> None:
    async with opened(database, today=None, connections=10) as desk:
        burns = [desk.till.redeem(ONE, 1) for _ in range(999)]
        crowd = [*burns[:5], desk.till.earn(ONE, 1), *burns[5:]]
        outcomes = await asyncio.gather(*(desk.books.post([one]) for one in crowd))
        assert Counter(ways([one for (one,) in outcomes])) == {
            "Booked": 2,
            "insufficient_points": 998,
        }
        assert await desk.balance(ONE) == "nothing"
        assert await desk.findings() == []


async def test_a_thousand_who_spend_from_an_account_with_no_row_leave_no_trace(
    database: Database,
) -> None:
    async with opened(database, today=None, connections=10) as desk:
        burns = [desk.till.redeem(ONE, 1) for _ in range(1000)]
        outcomes = await asyncio.gather(*(desk.books.post([burn]) for burn in burns))
        assert Counter(ways([one for (one,) in outcomes])) == {"insufficient_points": 1000}
        assert await desk.count("contact") == await desk.count("holder") == 0


async def test_who_comes_second_to_a_new_contact_waits_for_the_first_and_finds_it(
    database: Database,
) -> None:
    async with opened(database, today=None) as desk:
        async with desk.pool.acquire() as connection, connection.transaction():
            await desk.books.post_within(connection, [desk.till.earn(ONE, 10, key="order 7")])
            waiting = asyncio.create_task(
                desk.post(desk.till.redeem(ONE, 4), desk.till.earn(ONE, 10, key="order 7"))
            )
            others = asyncio.create_task(desk.post(desk.till.earn(member(1002), 1)))
            assert ways(await others) == ["Booked"]  # nobody else waits
            await asyncio.sleep(0.1)
            assert not waiting.done()
        assert ways(await waiting) == ["Booked", "Replayed"]
        assert await desk.balance(ONE) == "6 available"
        assert await desk.findings() == []


async def test_what_is_known_of_a_contact_being_opened_is_told_once_it_is_certain(
    database: Database,
) -> None:
    async with opened(database, today=None) as desk:
        async with desk.pool.acquire() as connection, connection.transaction():
            await desk.books.post_within(connection, [desk.till.earn(ONE, 10)])
            known = await connection.fetchval("select clock_timestamp()")
            asking = asyncio.create_task(available_as_known(desk, known))
            await asyncio.sleep(0.1)
            assert not asking.done()
        assert await asking == await available_as_known(desk, known) == [10]


async def available_as_known(desk: Desk, known: datetime) -> list[int]:
    """What a member has, as of what the books knew at an instant."""
    async with desk.pool.acquire() as connection:
        found = await accounts_as_of(connection, desk.tenant, ONE, recorded_at=known)
    return [account.balance.available for account in found]


def some(desk: Desk, draw: random.Random, contacts: list[ContactId]) -> Request:
    """A request of any kind about one of the contacts; now and then about a new one."""
    if draw.random() < 0.05:
        contacts.append(ContactId(uuid4()))
    contact = draw.choice(contacts)
    kind = draw.randrange(6)
    if kind < 3:
        return desk.till.earn(contact, draw.randint(1, 50))
    if kind == 3:
        return desk.till.redeem(contact, draw.randint(1, 40), allow_debt=draw.random() < 0.2)
    if kind == 4:
        return desk.till.adjust(contact, draw.choice([-1, 1]) * draw.randint(1, 20))
    return desk.till.give_back(contact, of=f"till {draw.randint(1, 500)}")


async def test_random_batches_over_few_contacts_never_deadlock(database: Database) -> None:
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # noqa: T201 — pytest shows it when the test fails
    draw = random.Random(seed)
    async with opened(database, today=None, connections=8) as desk:
        contacts = [ContactId(uuid4()) for _ in range(12)]
        booked: Counter[str] = Counter()

        async def post_many() -> None:
            for _ in range(10):
                batch = [some(desk, draw, contacts) for _ in range(draw.randint(1, 60))]
                booked.update(ways(await desk.books.post(batch, atomic=draw.random() < 0.1)))
                if draw.random() < 0.2:
                    await desk.books.sweep()

        await asyncio.gather(*(post_many() for _ in range(8)))
        assert booked["Booked"] > 500
        assert await desk.findings() == []
        trial = await desk.trial()
        assert trial.is_balanced
    assert await deadlocks(database) == 0
