"""Idempotency, for ever and under any crowd: a key books once, or is a conflict."""

import asyncio

import msgspec

from ledger import reading
from ledger.outcomes import Booked, Refused, Replayed
from ledger.postgres import Database
from tests.bookkeeping.desk import Desk, member, opened, refusal, shop, ways

ONE = member(1001)
TWO = member(1002)


async def test_the_same_request_books_once_and_points_to_what_it_booked(desk: Desk) -> None:
    request = desk.till.earn(ONE, 100, key="order 7")
    (booked,) = await desk.post(request)
    desk.today("5 March")
    (again,) = await desk.post(request)
    assert isinstance(booked, Booked)
    assert isinstance(again, Replayed)
    async with desk.pool.acquire() as connection:
        found = await reading.transactions_at(connection, [(again.holder, again.number)])
        by_key = await reading.transaction_by_key(connection, desk.tenant, "order 7")
    assert found == {(again.holder, again.number): booked.transaction}
    assert by_key == booked.transaction
    assert await desk.balance(ONE) == "100 available"


async def test_the_same_key_with_other_content_is_a_conflict(desk: Desk) -> None:
    request = desk.till.earn(ONE, 100, key="order 7")
    await desk.book(request)
    other = msgspec.structs.replace(request, fingerprint=b"other content")
    (outcome,) = await desk.post(other)
    assert refusal(outcome) == "idempotency_key_reused"
    assert await desk.balance(ONE) == "100 available"


async def test_a_key_books_for_one_contact_only(desk: Desk) -> None:
    await desk.book(desk.till.earn(ONE, 100, key="order 7"))
    request = msgspec.structs.replace(
        desk.till.earn(TWO, 100, key="order 7"), fingerprint=b"another contact"
    )
    (outcome,) = await desk.post(request)
    assert refusal(outcome) == "idempotency_key_reused"
    assert await desk.balance(TWO) == "nothing"


async def test_ten_copies_in_one_batch_book_once(desk: Desk) -> None:
    request = desk.till.earn(ONE, 100, key="order 7")
    outcomes = await desk.post(*[request] * 10)
    assert ways(outcomes) == ["Booked"] + ["Replayed"] * 9
    assert {(one.holder, one.number) for one in outcomes if isinstance(one, Replayed)} == {
        (await desk.holder_of(ONE), 1)
    }
    assert await desk.balance(ONE) == "100 available"


async def test_two_contents_under_one_key_in_one_batch_book_the_first(desk: Desk) -> None:
    one = desk.till.earn(ONE, 100, key="order 7")
    other = msgspec.structs.replace(one, amount=200, fingerprint=b"other content")
    assert ways(await desk.post(one, other, one)) == [
        "Booked",
        "idempotency_key_reused",
        "Replayed",
    ]


async def test_fifty_in_parallel_book_once(database: Database) -> None:
    async with opened(database, today=None, connections=10) as desk:
        request = desk.till.earn(ONE, 100, key="order 7")
        outcomes = await asyncio.gather(*(desk.books.post([request]) for _ in range(50)))
        assert sorted(ways([one for (one,) in outcomes])) == ["Booked"] + ["Replayed"] * 49
        assert await desk.balance(ONE) == "100 available"
        assert await desk.count("transaction") == 1
        assert await desk.findings() == []


async def test_a_rejected_key_may_be_used_again(desk: Desk) -> None:
    await desk.book(desk.till.earn(ONE, 10))
    refused = await desk.post(desk.till.redeem(ONE, 50, key="order 7"))
    assert ways(refused) == ["insufficient_points"]
    await desk.book(desk.till.earn(ONE, 40))
    assert ways(await desk.post(desk.till.redeem(ONE, 50, key="order 7"))) == ["Booked"]


async def test_a_rejected_key_may_be_used_again_by_another_contact_with_other_content(
    desk: Desk,
) -> None:
    await desk.post(desk.till.redeem(ONE, 50, key="order 7"))
    (outcome,) = await desk.post(desk.till.earn(TWO, 5, key="order 7"))
    assert isinstance(outcome, Booked)


async def test_one_key_for_many_contacts_at_once_books_for_one(database: Database) -> None:
    # their holders are locked apart, so only the key itself can stop the second
    async with opened(database, today=None, connections=10) as desk:
        crowd = [member(1001 + number) for number in range(10)]
        await desk.book(*[desk.till.earn(one, 1) for one in crowd])
        for turn in range(5):
            requests = [
                msgspec.structs.replace(
                    desk.till.earn(one, 100, key=f"order {turn}"), fingerprint=one.bytes
                )
                for one in crowd
            ]
            outcomes = await asyncio.gather(*(desk.books.post([one]) for one in requests))
            told = ways([one for (one,) in outcomes])
            assert sorted(told) == ["Booked"] + ["idempotency_key_reused"] * 9
        assert sum([(await desk.held(one)).available for one in crowd]) == 10 + 5 * 100
        assert await desk.findings() == []


async def test_crossing_keys_in_crossing_batches_never_deadlock(database: Database) -> None:
    # every batch brings the same keys, in its own order, for its own contacts
    async with opened(database, today=None, connections=8) as desk:
        keys = [f"order {number}" for number in range(40)]
        batches = []
        for number in range(8):
            own = keys[number * 5 :] + keys[: number * 5]
            batches.append(
                [
                    msgspec.structs.replace(
                        desk.till.earn(member(2000 + number), 1, key=key),
                        fingerprint=bytes([number]),
                    )
                    for key in own
                ]
            )
        outcomes = await asyncio.gather(*(desk.books.post(batch) for batch in batches))
        booked = [one for batch in outcomes for one in batch if isinstance(one, Booked)]
        assert sorted(one.transaction.texts.idempotency_key or "" for one in booked) == sorted(keys)
        assert await desk.findings() == []


async def test_a_key_is_a_tenant_s_own(database: Database) -> None:
    async with (
        opened(database, shop("north")) as north,
        opened(database, shop("south")) as south,
    ):
        for desk in (north, south):
            assert ways(await desk.post(desk.till.earn(ONE, 100, key="order 7"))) == ["Booked"]
        async with north.pool.acquire() as connection:
            found = [
                await reading.transaction_by_key(connection, desk.tenant, "order 7")
                for desk in (north, south)
            ]
        assert found[0] is not None
        assert found[1] is not None
        assert found[0].holder != found[1].holder


async def test_a_return_finds_its_purchase_by_key_in_the_same_batch_and_in_later_ones(
    desk: Desk,
) -> None:
    earned, returned = await desk.book(
        desk.till.earn(ONE, 100, key="purchase"), desk.till.give_back(ONE, 40, of="purchase")
    )
    await desk.book(desk.till.give_back(ONE, 10, of=earned.id))
    assert returned.reverses == earned.id
    (too_much,) = await desk.post(desk.till.give_back(ONE, 51, of="purchase"))
    assert refusal(too_much) == "return_exceeds_original"
    await desk.book(desk.till.give_back(ONE, of="purchase"))
    assert await desk.balance(ONE) == "nothing"


async def test_nobody_returns_another_s_purchase(desk: Desk) -> None:
    (earned,) = await desk.book(desk.till.earn(ONE, 100, key="purchase"))
    await desk.book(desk.till.earn(TWO, 100))
    for of in ("purchase", earned.id):
        (outcome,) = await desk.post(desk.till.give_back(TWO, 10, of=of))
        assert isinstance(outcome, Refused)
        assert outcome.code == "original_unknown"
