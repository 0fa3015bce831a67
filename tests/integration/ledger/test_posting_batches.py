"""Batches: each request stands alone unless the caller says otherwise; all is kept or nothing."""

from datetime import timedelta

import asyncpg
import msgspec
import pytest

from ledger.identity import DefinitionId
from ledger.outbox import Consumer, Outbox
from ledger.outcomes import Booked
from ledger.policies import Policy, Span, Validity
from ledger.postgres import Database
from ledger.posting import BATCH_MAX, BatchTooLargeError, UnknownDefinitionError
from tests.bookkeeping.asking import Till
from tests.bookkeeping.desk import Desk, member, opened, refusal, shop, ways
from tests.bookkeeping.words import MOMENT, moved, when

ONE, TWO, THREE = member(1001), member(1002), member(1003)
BOOKS = ("transaction", "transfer", "allocation", "lot", "account", "idempotency", "rollup")


async def test_one_rejected_request_never_harms_its_neighbours(desk: Desk) -> None:
    outcomes = await desk.post(
        desk.till.earn(ONE, 100),
        desk.till.redeem(ONE, 101),
        desk.till.earn(TWO, "10 until 1 December 2025"),
        desk.till.redeem(ONE, 30),
        desk.till.redeem(THREE, 1),
        desk.till.earn(TWO, 50),
    )
    assert ways(outcomes) == [
        "Booked",
        "insufficient_points",
        "validity_empty",
        "Booked",
        refusal(outcomes[4]),
        "Booked",
    ]
    assert await desk.balance(ONE) == "70 available"
    assert await desk.balance(TWO) == "50 available"
    assert await desk.findings() == []


async def test_a_request_sees_what_the_batch_booked_before_it(desk: Desk) -> None:
    told = await desk.book(
        desk.till.earn(ONE, "100 until 1 March", key="purchase"),
        desk.till.redeem(ONE, 30),
        desk.till.give_back(ONE, 50, of="purchase"),
        desk.till.redeem(ONE, 20),
    )
    assert [one.after.available for one in told] == [100, 70, 20, 0]
    assert [one.number for one in told] == [1, 2, 3, 4]


async def test_an_atomic_batch_is_booked_whole(desk: Desk) -> None:
    outcomes = await desk.post(
        desk.till.earn(ONE, 100), desk.till.redeem(ONE, 100), desk.till.earn(TWO, 1), atomic=True
    )
    assert ways(outcomes) == ["Booked"] * 3


async def test_or_not_at_all(desk: Desk) -> None:
    await desk.book(desk.till.earn(THREE, 5, key="before"))
    tables = (*BOOKS, "contact", "holder")
    before = {table: await desk.count(table) for table in tables}
    first = desk.till.earn(ONE, 100, key="order 7")
    outcomes = await desk.post(
        first,
        desk.till.earn(THREE, 5, key="before"),
        desk.till.redeem(TWO, 1, allow_debt=True),
        desk.till.redeem(ONE, 101),
        atomic=True,
    )
    assert ways(outcomes) == [
        "batch_not_booked",
        "Replayed",
        "batch_not_booked",
        "insufficient_points",
    ]
    assert {table: await desk.count(table) for table in tables} == before
    assert ways(await desk.post(first)) == ["Booked"]


async def test_a_copy_within_an_atomic_batch_that_was_not_booked_replays_nothing(
    desk: Desk,
) -> None:
    request = desk.till.earn(ONE, 100, key="order 7")
    outcomes = await desk.post(request, request, desk.till.redeem(ONE, 101), atomic=True)
    assert ways(outcomes) == ["batch_not_booked", "batch_not_booked", "insufficient_points"]
    assert await desk.balance(ONE) == "nothing"


@pytest.mark.parametrize("atomic", [True, False])
async def test_a_refused_batch_leaves_no_trace_of_new_contacts(desk: Desk, *, atomic: bool) -> None:
    outcomes = await desk.post(
        desk.till.redeem(ONE, 1),
        desk.till.give_back(TWO, 1, of="nothing"),
        desk.till.earn(THREE, "10 until 1 December 2025"),
        atomic=atomic,
    )
    assert "Booked" not in ways(outcomes)
    tables = (*BOOKS, "contact", "holder")
    assert {table: await desk.count(table) for table in tables} == dict.fromkeys(tables, 0)


async def test_at_most_a_thousand_requests_make_a_batch(desk: Desk) -> None:
    requests = [desk.till.earn(member(n % 7), 1) for n in range(BATCH_MAX)]
    assert ways(await desk.post(*requests)) == ["Booked"] * BATCH_MAX
    with pytest.raises(BatchTooLargeError, match="at most 1000 requests"):
        await desk.post(*requests, desk.till.earn(ONE, 1))
    assert await desk.findings() == []


async def test_an_empty_batch_answers_nothing(desk: Desk) -> None:
    assert await desk.post() == []


async def test_a_thousand_requests_of_one_member_are_recorded_one_after_the_other(
    desk: Desk,
) -> None:
    await desk.book(*[desk.till.earn(ONE, 1) for _ in range(500)])
    await desk.book(*[desk.till.redeem(ONE, 1) for _ in range(500)])
    told = await desk.history(ONE)
    recorded = [one.recorded_at for one in told]
    assert recorded == [when("1 January") + n * MOMENT for n in range(1000)]
    assert {one.effective_at for one in told} == {when("1 January")}
    assert [one.number for one in told] == list(range(1, 1001))
    assert await desk.balance(ONE) == "nothing"
    assert await desk.findings() == []


async def test_recorded_times_strictly_increase_even_when_the_clock_is_set_back(
    desk: Desk,
) -> None:
    for day in ("5 March", "4 March", "6 March", "1 January"):
        desk.today(day)
        await desk.book(desk.till.earn(ONE, 1), desk.till.earn(TWO, 1))
    for contact in (ONE, TWO):
        recorded = [one.recorded_at for one in await desk.history(contact)]
        assert recorded == sorted(set(recorded))
    assert await desk.findings() == []


async def test_without_a_clock_of_its_own_the_books_go_by_the_database_s(
    database: Database,
) -> None:
    async with opened(database, today=None) as desk:
        async with desk.pool.acquire() as connection:
            before = await connection.fetchval("select clock_timestamp()")
            (told,) = await desk.book(desk.till.earn(ONE, 1))
            after = await connection.fetchval("select clock_timestamp()")
        assert before < told.recorded_at < after
        assert told.effective_at == told.recorded_at


async def test_a_caller_s_clock_may_run_ahead_a_little(desk: Desk) -> None:
    now = when("1 January")
    ahead, too_far = await desk.post(
        desk.till.earn(ONE, 1, on=now + timedelta(minutes=5)),
        desk.till.earn(ONE, 1, on=now + timedelta(minutes=5) + MOMENT),
    )
    assert isinstance(ahead, Booked)
    assert ahead.transaction.effective_at == now
    assert refusal(too_far) == "effective_at_in_future"


async def test_two_definitions_of_one_member_are_two_accounts(database: Database) -> None:
    async with opened(database, shop(scales=3)) as desk:
        other = DefinitionId(desk.definition + 2)
        till = Till(desk.tenant, other, "other till")
        await desk.book(desk.till.earn(ONE, 100), till.earn(ONE, 1250))
        assert ways(await desk.post(desk.till.redeem(ONE, 101))) == ["insufficient_points"]
        assert await desk.balance(ONE) == "100 available"
        assert await desk.balance(ONE, other) == "1250 available"
        assert [one.number for one in await desk.history(ONE)] == [1, 2]
        wrong = await desk.post(till.give_back(ONE, 1, of="till 1"))
        assert ways(wrong) == ["original_of_another_definition"]
        assert await desk.findings() == []


async def test_two_tenants_may_have_a_contact_of_the_same_id(database: Database) -> None:
    async with (
        opened(database, shop("north")) as north,
        opened(database, shop("south", policy=Policy(validity=Validity(span=Span.DAYS, length=1))))
        as south,
    ):  # fmt: skip
        await north.book(north.till.earn(ONE, 100))
        await south.book(south.till.earn_by_policy(ONE, 7))
        assert await north.balance(ONE) == "100 available"
        assert await south.balance(ONE) == "7 available"
        assert await north.holder_of(ONE) != await south.holder_of(ONE)
        # one batch may hold requests of several tenants
        mixed = [north.till.redeem(ONE, 1), south.till.redeem(ONE, 7)]
        outcomes = await Desk.post(south, mixed[1])
        assert ways(outcomes) == ["Booked"]
        south.today("3 January")
        assert await north.balance(ONE) == "100 available"
        assert await south.balance(ONE) == "nothing"


async def test_no_tenant_posts_to_a_definition_of_another(database: Database) -> None:
    async with opened(database, shop("north")) as north, opened(database, shop("south")) as south:
        books = south.books  # which knows of both
        stray = msgspec.structs.replace(south.till.earn(ONE, 1), definition=north.definition)
        unknown = msgspec.structs.replace(stray, definition=DefinitionId(999))
        for request in (stray, unknown):
            with pytest.raises(UnknownDefinitionError, match="has no definition"):
                await books.post([request])
        assert await south.balance(ONE) == await north.balance(ONE) == "nothing"


async def test_what_the_books_read_back_is_what_they_answered(desk: Desk) -> None:
    request = msgspec.structs.replace(
        desk.till.earn(ONE, "100 from 1 February until 1 March", key="purchase"),
        description="Two coffees, åäö ☕",
        reference="receipt 7",
        actor="till 3",
    )
    told = await desk.book(
        request,
        desk.till.earn(ONE, 5, on="20 December 2025"),
        desk.till.redeem(ONE, 3, on="22 December 2025"),
        desk.till.give_back(ONE, of="purchase", part=1, whole=3),
        desk.till.adjust(ONE, -10),
    )
    assert await desk.history(ONE) == told
    desk.today("15 March")
    await desk.sweep()
    history = await desk.history(ONE)
    assert history[:5] == told
    assert [moved(one.transfers) for one in history[5:]] == [
        # 67 are left of the purchase; they begin, repay the 8 that are owed, and lapse
        ["1 February: 67 pending to available", "1 February: 8 available to debt"],
        ["1 March: 59 available to expired"],
    ]


async def test_a_posting_books_what_is_due_on_the_accounts_it_touches(desk: Desk) -> None:
    for contact in (ONE, TWO):
        await desk.book(desk.till.earn(contact, "100 from 5 January until 10 January"))
    desk.today("7 January")
    await desk.book(desk.till.redeem(ONE, 30))
    kinds = [[one.kind.word for one in await desk.history(contact)] for contact in (ONE, TWO)]
    assert kinds == [["earn", "activation", "redeem"], ["earn"]]
    assert await desk.findings() == []


async def test_a_refused_request_still_books_what_is_due(desk: Desk) -> None:
    await desk.book(desk.till.earn(ONE, "100 until 5 January"))
    desk.today("7 January")
    assert ways(await desk.post(desk.till.redeem(ONE, 1))) == ["insufficient_points"]
    assert [one.kind.word for one in await desk.history(ONE)] == ["earn", "expiry"]


async def test_late_debits_find_lapsed_lots_and_later_movements_in_the_books(desk: Desk) -> None:
    await desk.book(desk.till.earn(ONE, "100 until 1 February"), desk.till.earn(ONE, 50))
    desk.today("15 January")
    await desk.book(desk.till.redeem(ONE, 20))
    desk.today("5 February")
    await desk.sweep()
    # on the 10th: of lot 1 at most 80 (20 were spent on the 15th; the rest lapsed, and counts)
    (late,) = await desk.book(desk.till.redeem(ONE, 90, on="10 January"))
    assert moved(late.transfers) == [
        "10 January: 90 available to redeemed",
        "1 February: 80 expired to available",
    ]
    assert late.transfers[0].allocations == ((1, 80), (2, 10))
    assert await desk.balance(ONE) == "40 available"
    assert await desk.findings() == []


async def test_several_late_debits_of_one_batch_reach_back_each_to_its_own_day(
    desk: Desk,
) -> None:
    await desk.book(desk.till.earn(ONE, "100 until 1 February"))
    desk.today("15 January")
    await desk.book(desk.till.redeem(ONE, 20))
    desk.today("5 February")
    outcomes = await desk.post(
        desk.till.redeem(ONE, 30, on="12 January"),
        desk.till.redeem(ONE, 60, on="11 January"),  # 100 - 20 - 30 leaves 50
        desk.till.redeem(ONE, 50, on="10 January"),
        desk.till.redeem(ONE, 1, on="31 January"),
    )
    assert ways(outcomes) == ["Booked", "insufficient_points", "Booked", "insufficient_points"]
    assert await desk.balance(ONE) == "nothing"
    assert await desk.findings() == []


async def test_returns_add_up_over_batches(desk: Desk) -> None:
    await desk.book(desk.till.earn(ONE, 10, key="purchase"), desk.till.redeem(ONE, 10))
    asked = []
    for part in (40_000, 9_500, 60_000):  # of 10.95: 3, then 4, then 10
        (told,) = await desk.book(desk.till.give_back(ONE, of="purchase", part=part, whole=109_500))
        asked.append(told.amount)
    assert asked == [3, 1, 6]
    again = await desk.post(desk.till.give_back(ONE, of="purchase", part=1, whole=109_500))
    assert ways(again) == ["return_exceeds_original"]
    assert await desk.balance(ONE) == "10 debt"


async def test_a_posting_leaves_word_for_those_who_follow(database: Database) -> None:
    async with opened(database) as plain:
        followed = Outbox({plain.definition: (Consumer(1, True), Consumer(2, False))})
    async with opened(database, outbox=followed) as desk:
        await desk.post(
            desk.till.earn(ONE, 100, key="purchase"),
            desk.till.redeem(ONE, 30),
            desk.till.redeem(ONE, 1000),
            desk.till.earn(TWO, 1),
        )
        await desk.book(desk.till.give_back(ONE, of="purchase"))
        # A part that is worth no whole point moves nothing and says nothing.
        await desk.book(desk.till.give_back(ONE, of="purchase", part=1, whole=1000))
        async with desk.pool.acquire() as connection:
            rows = await connection.fetch(
                "select consumer, number, holder_id from ledger.outbox order by consumer, id"
            )
        one, two = await desk.holder_of(ONE), await desk.holder_of(TWO)
        assert [(row["consumer"], row["holder_id"], row["number"]) for row in rows] == [
            (1, one, 2),  # the account once a batch, up to its last transaction
            (1, two, 1),
            (1, one, 3),
            (2, one, 1),  # each transaction
            (2, one, 2),
            (2, two, 1),
            (2, one, 3),
        ]


async def test_what_a_caller_s_transaction_undoes_was_never_booked(desk: Desk) -> None:
    request = desk.till.earn(ONE, 100, key="order 7")
    async with desk.pool.acquire() as connection:
        transaction = connection.transaction()
        await transaction.start()
        assert ways(await desk.books.post_within(connection, [request])) == ["Booked"]
        await transaction.rollback()
    assert {table: await desk.count(table) for table in BOOKS} == dict.fromkeys(BOOKS, 0)
    assert ways(await desk.post(request)) == ["Booked"]


async def test_a_fact_the_database_refuses_takes_the_whole_batch_with_it(desk: Desk) -> None:
    broken = msgspec.structs.replace(desk.till.earn(TWO, 1), description="half \x00 a text")
    with pytest.raises(asyncpg.PostgresError):
        await desk.post(desk.till.earn(ONE, 100), broken)
    assert {table: await desk.count(table) for table in BOOKS} == dict.fromkeys(BOOKS, 0)
