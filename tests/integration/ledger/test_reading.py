"""Reading: booked plus due, the same before and after any job ran, at an instant of one's own."""

import itertools
from datetime import timedelta

import pytest

from ledger import reading
from ledger.amounts import BUCKET_MAX
from ledger.connection import Connection
from ledger.facts import Balance
from ledger.identity import DefinitionId, TenantId
from ledger.kinds import Kind
from ledger.postgres import Database
from ledger.posting import Books
from ledger.sweeping import DUE_ACCOUNTS
from ledger.tenants import declare
from ledger.trial_balance import trial_balance
from tests.bookkeeping.asking import Till
from tests.bookkeeping.desk import Desk, member, opened, shop
from tests.bookkeeping.words import holding, said, when

ONE, TWO, THREE = member(1001), member(1002), member(1003)


async def balance_at(desk: Desk, instant: str) -> tuple[str, str]:
    """What member 1001 holds, and when that changes by itself."""
    async with desk.pool.acquire() as connection:
        (found,) = await reading.balances(connection, desk.tenant, ONE, at=when(instant))
    next_due = found.next_due_at
    return holding(found.balance), "never" if next_due is None else said(next_due)


async def log_at(desk: Desk, instant: str, definition: DefinitionId | None = None) -> list[str]:
    """Member 1001's points log: `1 January: +100 earn`."""
    async with desk.pool.acquire() as connection:
        rows = await reading.points_log(
            connection, desk.catalogue, desk.tenant, ONE, definition=definition, at=when(instant)
        )
    return [f"{said(row.transaction_date)}: {row.amount:+} {row.kind.word}" for row in rows]


async def test_a_balance_counts_what_is_due_at_its_very_moment(desk: Desk) -> None:
    await desk.book(
        desk.till.earn(ONE, "100 from 10 January until 20 January"),
        desk.till.earn(ONE, 5),
        desk.till.redeem(ONE, 15, allow_debt=True),
    )
    stages = {
        "1 January": ("100 pending, 10 debt", "10 January"),
        "9 January 23:59:59.999999": ("100 pending, 10 debt", "10 January"),
        "10 January": ("90 available", "20 January"),
        "19 January 23:59:59.999999": ("90 available", "20 January"),
        "20 January": ("nothing", "never"),
        "1 June": ("nothing", "never"),
    }
    for instant, expected in stages.items():
        assert await balance_at(desk, instant) == expected
    assert await desk.count("transaction") == 3  # a reading books nothing
    for instant in ("10 January", "20 January", "1 June"):
        desk.today(instant)
        await desk.sweep()
        assert await balance_at(desk, instant) == stages[instant]
    assert await desk.findings() == []


async def test_a_sweep_books_only_what_is_due_and_once(desk: Desk) -> None:
    await desk.book(
        *[desk.till.earn(member(2000 + number), "10 until 10 January") for number in range(25)],
        desk.till.earn(ONE, "10 until 11 January"),
        desk.till.earn(TWO, "10"),
    )
    assert await desk.books.sweep() == 0
    desk.today("10 January")
    assert await desk.books.sweep(limit=10) == 10
    assert await desk.books.sweep(limit=10) == 10
    assert await desk.books.sweep(limit=10) == 5
    assert await desk.books.sweep() == 0
    assert await desk.count("transaction") == 27 + 25
    assert await desk.findings() == []


async def test_a_sweep_leaves_to_the_next_what_falls_due_meanwhile(desk: Desk) -> None:
    """Or, in a busy program, it might never end."""
    till = desk.till
    await desk.book(
        *[till.earn(member(2000 + day), f"10 until {day} January") for day in (2, 3, 4)]
    )
    passed = itertools.count()
    books = Books(
        desk.pool, desk.catalogue, clock=lambda: when("2 January") + timedelta(days=next(passed))
    )
    assert await books.sweep() == 1


async def test_what_is_due_is_found_by_the_index_by_whichever_clock(desk: Desk) -> None:
    for clock in ("null", "'2026-01-02Z'"):
        looking = DUE_ACCOUNTS.replace("$1", "10").replace("$2", clock).replace("$3", "null")
        async with desk.pool.acquire() as connection, connection.transaction():
            await connection.execute("set local enable_seqscan = off; set local enable_sort = off")
            plan = await connection.fetch(f"explain (costs off) {looking}")
        assert any(row[0].strip().startswith("Index Cond: (next_due_at <= ") for row in plan), plan


async def test_the_log_tells_what_moved_newest_first_booked_or_not(desk: Desk) -> None:
    await desk.book(desk.till.earn(ONE, "100 until 20 January", key="purchase"))
    desk.today("5 January")
    await desk.book(
        desk.till.earn(ONE, "40 from 10 January until 25 January"),
        desk.till.redeem(ONE, 30),
        desk.till.give_back(ONE, 10, of="purchase"),
        desk.till.adjust(ONE, -5, on="3 January"),
    )
    expected = [
        "25 January: -40 expiry",
        "20 January: -55 expiry",
        "5 January: -10 return",
        "5 January: -30 redeem",
        "5 January: +40 earn",
        "3 January: -5 adjust",
        "1 January: +100 earn",
    ]
    assert await log_at(desk, "31 January") == expected
    assert await log_at(desk, "24 January") == expected[1:]
    assert await log_at(desk, "6 January") == expected[2:]
    desk.today("31 January")
    await desk.sweep()
    assert await log_at(desk, "31 January") == expected


async def test_the_log_is_the_same_before_and_after_a_sweep_where_things_happen_at_once(
    desk: Desk,
) -> None:
    # a redemption of the very instant at which other points lapse, and two lapses at one instant
    await desk.book(
        desk.till.earn(ONE, "100 until 10 January"),
        desk.till.earn(ONE, "50"),
        desk.till.earn(ONE, "20 from 5 January until 10 January"),
    )
    desk.today("10 January")
    await desk.book(desk.till.earn(ONE, "7 until 12 January"))
    desk.today("12 January")
    await desk.book(desk.till.earn(TWO, 1))
    before = await log_at(desk, "12 January")
    await desk.sweep()
    assert await log_at(desk, "12 January") == before


async def test_the_log_of_an_unswept_account_sorts_one_instant_as_a_swept_one(
    database: Database,
) -> None:
    async with opened(database, shop(scales=2)) as desk:
        other = Till(desk.tenant, DefinitionId(desk.definition + 1), "other till")
        await desk.book(
            desk.till.earn(ONE, "1 until 10 January"), other.earn(ONE, "2 until 10 January")
        )
        desk.today("9 January")
        await desk.book(desk.till.earn(ONE, "3 until 1 February"))
        desk.today("11 January")
        await desk.book(other.earn(ONE, 4, on="10 January"))  # books the other's expiry first
        before = await log_at(desk, "11 January")
        await desk.sweep()
        assert await log_at(desk, "11 January") == before


async def test_the_log_ends_where_it_is_told_to(desk: Desk) -> None:
    await desk.book(*[desk.till.earn(ONE, "1 until 10 January") for _ in range(5)])
    async with desk.pool.acquire() as connection:
        for at in ("5 January", "15 January"):
            rows = await reading.points_log(
                connection, desk.catalogue, desk.tenant, ONE, limit=3, at=when(at)
            )
            assert len(rows) == 3
    assert (await log_at(desk, "15 January"))[0] == "10 January: -5 expiry"


async def test_nobody_has_an_empty_log_and_no_balances(desk: Desk) -> None:
    async with desk.pool.acquire() as connection:
        assert await reading.points_log(connection, desk.catalogue, desk.tenant, ONE) == []
        assert await reading.balances(connection, desk.tenant, ONE) == []
        assert await reading.transactions_of(connection, desk.tenant, ONE) == []
        assert await reading.totals(connection, []) == {}


async def test_a_log_may_be_of_one_definition(database: Database) -> None:
    async with opened(database, shop(scales=3)) as desk:
        other = DefinitionId(desk.definition + 2)
        await desk.book(
            desk.till.earn(ONE, "100 until 10 January"),
            Till(desk.tenant, other, "other till").earn(ONE, "1250 until 12 January"),
        )
        assert await log_at(desk, "15 January", definition=other) == [
            "12 January: -1250 expiry",
            "1 January: +1250 earn",
        ]
        assert len(await log_at(desk, "15 January")) == 4
        async with desk.pool.acquire() as connection:
            (row, *_) = await reading.points_log(
                connection, desk.catalogue, desk.tenant, ONE, definition=other, at=when("2 January")
            )
        assert row.scale == 2


async def test_a_contact_s_transactions_come_in_pages(desk: Desk) -> None:
    for _ in range(3):
        await desk.book(*[desk.till.earn(ONE, 1) for _ in range(5)], desk.till.earn(TWO, 1))
    numbers: list[int] = []
    before = None
    async with desk.pool.acquire() as connection:
        while page := await reading.transactions_of(
            connection, desk.tenant, ONE, before=before, limit=4
        ):
            numbers += [one.number for one in page]
            before = page[-1].number
    assert numbers == list(range(15, 0, -1))


async def test_one_tenant_never_reads_another_s(database: Database) -> None:
    async with opened(database, shop("north")) as north:
        (told,) = await north.book(north.till.earn(ONE, 100, key="order 7"))
        async with north.pool.acquire() as connection:
            catalogue = await declare(connection, [shop("south")])
            south = catalogue.tenants["south"].id
            assert await reading.balances(connection, south, ONE) == []
            assert await reading.transaction_by_id(connection, south, told.id) is None
            assert await reading.transaction_by_key(connection, south, "order 7") is None
            assert await reading.transactions_of(connection, south, ONE) == []
            assert await reading.points_log(connection, catalogue, south, ONE) == []
            assert await reading.transaction_by_id(connection, north.tenant, told.id) == told
            assert await reading.transaction_by_id(connection, TenantId(99), told.id) is None


async def test_many_totals_are_read_at_once(desk: Desk) -> None:
    await desk.book(
        desk.till.earn(ONE, "100 until 10 January"),
        desk.till.earn(TWO, 7),
        desk.till.redeem(THREE, 3, allow_debt=True),
    )
    asked = [(await desk.holder_of(one), desk.definition) for one in (ONE, TWO, THREE)]
    async with desk.pool.acquire() as connection:
        found = await reading.totals(connection, asked, at=when("15 January"))
        contacts = await reading.contacts_of(connection, [holder for holder, _ in asked])
    assert [tuple(found[place]) for place in asked] == [(0, 0, 0, 0), (7, 0, 0, 0), (0, 0, 0, 3)]
    assert [contacts[holder] for holder, _ in asked] == [ONE, TWO, THREE]


async def test_the_trial_balance_agrees_whatever_has_been_booked(desk: Desk) -> None:
    async def lines() -> dict[str, int]:
        trial = await desk.trial()
        assert trial.is_balanced
        (one,) = trial.definitions
        return {line.account.word: line.credit - line.debit for line in one.lines}

    await desk.book(
        desk.till.earn(ONE, "100 until 10 January", key="purchase"),
        desk.till.earn(TWO, "50 from 5 January"),
        desk.till.redeem(ONE, 30),
        desk.till.redeem(THREE, 20, allow_debt=True),
        desk.till.adjust(TWO, 7),
        desk.till.give_back(ONE, 10, of="purchase"),
    )
    told = await lines()
    assert {name: amount for name, amount in told.items() if amount} == {
        "available": 60 + 7,
        "pending": 50,
        "debt": -20,
        "issued": -(100 + 50 - 10),
        "redeemed": 30 + 20,
        "adjusted": -7,
    }
    desk.today("10 January")
    due = await lines()
    assert due["expired"] == 60
    assert due["available"] == 57
    assert due["pending"] == 0
    await desk.sweep()
    assert await lines() == due


async def test_a_definition_s_trial_balance_leaves_out_others(database: Database) -> None:
    async with opened(database, shop(scales=2)) as desk:
        other = Till(desk.tenant, DefinitionId(desk.definition + 1), "other till")
        await desk.book(desk.till.earn(ONE, 100), other.earn(ONE, 25))
        trial = await desk.trial()
        assert [one.holders_side for one in trial.definitions] == [100, 25]
        assert [one.program_side for one in trial.definitions] == [100, 25]


async def test_a_program_may_owe_more_points_than_one_account_can_hold(
    desk: Desk, superuser: Connection
) -> None:
    # as if three members had been given the most that an account can hold
    three = 3 * BUCKET_MAX
    await superuser.execute(
        "insert into ledger.account (holder_id, definition_id, available, pending, held, debt)"
        " select gen_random_uuid(), $1, $2, 0, 0, 0 from generate_series(1, 3)",
        desk.definition,
        BUCKET_MAX,
    )
    await superuser.execute(
        "insert into ledger.rollup select $1, account, '2025-12-01', '2025-12-01', amount from"
        " unnest(array[1, 11], array[$2::bigint, -$2::bigint]) as side (account, amount),"
        " generate_series(1, 3)",
        desk.definition,
        BUCKET_MAX,
    )
    for effective_at in (None, when("31 December 2025")):
        async with desk.pool.acquire() as connection:
            trial = await trial_balance(
                connection, desk.catalogue, desk.tenant, at=desk.at, effective_at=effective_at
            )
        (one,) = trial.definitions
        assert (one.holders_side, one.program_side, one.difference) == (three, three, 0)
    assert three > 2**63


@pytest.mark.parametrize("at", ["1 January", "10 January", "20 January"])
async def test_what_a_transaction_left_is_what_was_read_then(desk: Desk, at: str) -> None:
    await desk.book(desk.till.earn(ONE, "100 from 5 January until 15 January"))
    desk.today(at)
    (told,) = await desk.book(desk.till.earn(ONE, 1))
    assert told.kind is Kind.EARN
    assert told.after == Balance(*await desk.held(ONE))
