"""Tenants and definitions: declared, kept, and versioned where they may change at all."""

import asyncio

import asyncpg
import pytest

from ledger.policies import Policy, Returns, RoundUp, Span, Start, Validity
from ledger.postgres import Database, connect
from ledger.tenants import DeclarationError, declare, load_catalogue
from tests.bookkeeping.desk import member, opened, shop
from tests.bookkeeping.words import MOMENT, when

DAY = Policy(validity=Validity(span=Span.DAYS, length=1))
YEAR = Policy(
    validity=Validity(
        span=Span.MONTHS, length=12, round_up=RoundUp.QUARTER, start=Start.ACTIVATION
    ),
    returns=Returns.WITHIN_BALANCE,
    debt_limit=500,
)


async def test_what_was_declared_is_loaded_again_the_same(database: Database) -> None:
    connection = await connect(database.dsn_service)
    declared = await declare(
        connection, [shop("north", policy=YEAR, zone="Europe/Stockholm", scales=5), shop("south")]
    )
    loaded = await load_catalogue(connection)
    await connection.close()
    assert loaded == declared
    north = loaded.tenants["north"]
    assert north.zone.key == "Europe/Stockholm"
    definitions = loaded.definitions_of(north.id)
    assert [one.scale for one in definitions] == [0, 1, 2, 3, 4]
    assert [one.policy_at(when("1 January")) for one in definitions] == [YEAR] * 5
    assert {one.zone.key for one in definitions} == {"Europe/Stockholm"}


async def test_declaring_the_same_again_changes_nothing(database: Database) -> None:
    connection = await connect(database.dsn_service)
    first = await declare(connection, [shop(policy=YEAR)])
    assert await declare(connection, [shop(policy=YEAR)]) == first
    assert await connection.fetchval("select count(*) from ledger.definition_policy") == 1
    await connection.close()


async def test_a_changed_policy_is_a_new_version_from_then_on(database: Database) -> None:
    connection = await connect(database.dsn_service)
    await declare(connection, [shop(policy=DAY)])
    catalogue = await declare(connection, [shop(policy=YEAR)], when("1 March"))
    (kept,) = catalogue.definitions.values()
    assert kept.policy_at(when("1 March") - MOMENT) == DAY
    assert kept.policy_at(when("1 March")) == YEAR
    back = await declare(connection, [shop(policy=DAY)], when("1 April"))
    (kept,) = back.definitions.values()
    assert [policy for _, policy in kept.policies] == [DAY, YEAR, DAY]
    await connection.close()


async def test_a_scale_never_changes(database: Database) -> None:
    connection = await connect(database.dsn_service)
    declared = shop()
    await declare(connection, [declared])
    (definition,) = declared.definitions
    finer = type(declared)(
        name=declared.name,
        definitions=(type(definition)(engage_id=1, name="Points", scale=2, policy=DAY),),
    )
    with pytest.raises(DeclarationError, match="has scale 0 in the books; it can't become 2"):
        await declare(connection, [finer])
    (kept,) = (await load_catalogue(connection)).definitions.values()
    assert (kept.scale, len(kept.policies)) == (0, 1)
    await connection.close()


async def test_a_tenant_no_longer_declared_stays(database: Database) -> None:
    connection = await connect(database.dsn_service)
    await declare(connection, [shop("north")])
    catalogue = await declare(connection, [shop("south")])
    await connection.close()
    assert set(catalogue.tenants) == {"north", "south"}


async def test_services_that_start_together_declare_once(database: Database) -> None:
    async def start(policy: Policy) -> None:
        connection = await connect(database.dsn_service)
        await declare(connection, [shop("north", policy=policy, scales=3), shop("south")])
        await connection.close()

    await asyncio.gather(*(start(DAY) for _ in range(6)))
    connection = await connect(database.dsn_service)
    assert await connection.fetchval("select count(*) from ledger.tenant") == 2
    assert await connection.fetchval("select count(*) from ledger.definition") == 4
    assert await connection.fetchval("select count(*) from ledger.definition_policy") == 4
    await connection.close()


async def test_a_policy_of_the_books_is_a_fact(database: Database) -> None:
    connection = await connect(database.dsn_service)
    await declare(connection, [shop()])
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await connection.execute("update ledger.definition_policy set policy = '{}'")
    await connection.close()


async def test_points_follow_the_policy_of_the_day_they_were_earned(database: Database) -> None:
    async with opened(database, shop(policy=DAY)) as desk:
        await desk.book(desk.till.earn_by_policy(member(1), 10))
        async with desk.pool.acquire() as connection:
            desk.books.catalogue = await declare(connection, [shop(policy=YEAR)], when("1 March"))
        desk.today("2 March")
        late, now = await desk.book(
            desk.till.earn_by_policy(member(1), 20, on="28 February 12:00"),
            desk.till.earn_by_policy(member(1), 30),
        )
        assert [late.lots[0].valid_to, now.lots[0].valid_to] == [
            when("1 March 12:00"),  # by the old policy, a day
            when("1 April 2027"),  # by the new one, a year, to the end of its quarter
        ]
        assert await desk.balance(member(1)) == "30 available"
