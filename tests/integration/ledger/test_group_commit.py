"""Group commit: many callers booked together, none of them harmed by another or forgotten."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import asyncpg
import msgspec
import pytest

from ledger.amounts import Points
from ledger.connection import Connection, Pool
from ledger.group_commit import PART_MAX, ClosedError, GroupCommit
from ledger.identity import ContactId
from ledger.lanes import CROWD, BusyError
from ledger.outcomes import Booked, Code, Outcome, Refused, Replayed
from ledger.postgres import Database
from ledger.posting import Books
from ledger.requests import Move, Request
from tests.bookkeeping.desk import Desk, member, opened


class Counting(Books):
    """Books that note how many requests each batch had."""

    batches: list[int]

    async def post_within(
        self, connection: Connection, requests: object, *, atomic: bool = False
    ) -> list[Outcome]:
        self.batches.append(len(requests))  # type: ignore[arg-type] # a sequence, whatever else
        return await super().post_within(connection, requests, atomic=atomic)  # type: ignore[arg-type] # the same


@pytest.fixture
async def desk(database: Database) -> AsyncIterator[Desk]:
    async with opened(database, today=None, connections=12) as found:
        found.books = Counting(found.pool, found.catalogue)
        found.books.batches = []
        yield found


def batches_of(desk: Desk) -> list[int]:
    assert isinstance(desk.books, Counting)
    return desk.books.batches


@asynccontextmanager
async def blocked(desk: Desk, number: int) -> AsyncIterator[None]:
    """A new member's holder, locked by somebody else until the block ends."""
    await desk.book(desk.till.earn(member(number), 1))
    batches_of(desk).clear()
    async with desk.pool.acquire() as connection, connection.transaction():
        await connection.execute(
            "select from ledger.holder join ledger.contact on holder_id = holder.id"
            " where contact_id = $1 for update of holder",
            member(number),
        )
        yield


async def until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(10):
        while not condition():
            await asyncio.sleep(0.005)


async def test_a_lone_request_goes_at_once_and_by_itself(desk: Desk) -> None:
    async with GroupCommit(desk.books) as poster:
        assert isinstance(await poster.post(desk.till.earn(member(1), 10)), Booked)
        assert batches_of(desk) == [1]
        assert poster.waiting == 0


async def test_sixty_four_callers_are_booked_in_far_fewer_batches(desk: Desk) -> None:
    async def caller(number: int, poster: GroupCommit) -> None:
        for _ in range(10):
            outcome = await poster.post(desk.till.earn(member(number), 1))
            assert isinstance(outcome, Booked)

    async with GroupCommit(desk.books) as poster:
        await asyncio.gather(*(caller(number, poster) for number in range(64)))
    assert sum(batches_of(desk)) == 640
    assert len(batches_of(desk)) < 320
    held = [(await desk.held(member(number))).available for number in range(64)]
    assert held == [10] * 64
    assert await desk.findings() == []


async def test_a_contacts_requests_are_decided_in_the_order_they_came(desk: Desk) -> None:
    async with GroupCommit(desk.books) as poster:
        asked: list[Request] = []
        for _ in range(30):
            asked += [desk.till.earn(member(1), 5), desk.till.redeem(member(1), 5)]
        outcomes = await asyncio.gather(*(poster.post(request) for request in asked))
    assert all(isinstance(outcome, Booked) for outcome in outcomes)


async def test_one_that_the_database_refuses_fails_no_other(desk: Desk) -> None:
    # No rule of the books knows that PostgreSQL's text can't hold this character.
    poison = desk.till.earn(member(1), 7, description="a\x00b")
    async with GroupCommit(desk.books, lanes=1) as poster:
        async with blocked(desk, 1):
            first = asyncio.create_task(poster.post(desk.till.earn(member(1), 1)))
            await until(lambda: batches_of(desk) == [1])
            good = [desk.till.earn(member(number), 10) for number in range(2, 40)]
            asked = [*good[:17], poison, *good[17:]]
            answers = [asyncio.create_task(poster.post(request)) for request in asked]
            await until(lambda: poster.waiting == len(asked))
        assert isinstance(await first, Booked)
        outcomes = await asyncio.gather(*answers, return_exceptions=True)
        again = await poster.post(msgspec.structs.replace(poison, description="ab"))
    failed = [one for one in outcomes if isinstance(one, BaseException)]
    assert [type(one) for one in failed] == [asyncpg.CharacterNotInRepertoireError]
    assert outcomes.index(failed[0]) == 17
    assert sum(isinstance(one, Booked) for one in outcomes) == len(good)
    assert isinstance(again, Booked)
    assert len(asked) in batches_of(desk)


async def test_a_refusal_in_company_is_its_own_callers_only(desk: Desk) -> None:
    async with GroupCommit(desk.books, lanes=1) as poster:
        answers = await asyncio.gather(
            poster.post(desk.till.earn(member(1), 10)),
            poster.post(desk.till.redeem(member(1), 11)),
            poster.post(desk.till.redeem(member(1), 10)),
        )
    assert isinstance(answers[1], Refused)
    assert [type(one) for one in answers] == [Booked, Refused, Booked]


async def test_whoever_hangs_up_cancels_nobody_else(desk: Desk) -> None:
    async with GroupCommit(desk.books, lanes=1) as poster:
        async with blocked(desk, 1):
            under_way = asyncio.create_task(poster.post(desk.till.earn(member(1), 5)))
            await until(lambda: batches_of(desk) == [1])
            queued = [
                asyncio.create_task(poster.post(desk.till.earn(member(number), 10)))
                for number in range(2, 22)
            ]
            await until(lambda: poster.waiting == 20)
            under_way.cancel()  # on its way into the books: it is booked all the same
            for task in queued[::2]:
                task.cancel()  # still waiting: nobody wants it any more
        stayed = await asyncio.gather(*queued[1::2])
        await asyncio.gather(under_way, *queued[::2], return_exceptions=True)
    assert all(isinstance(one, Booked) for one in stayed)
    assert (await desk.held(member(1))).available == 6
    assert [(await desk.held(member(n))).available for n in range(2, 22)] == [0, 10] * 10
    assert batches_of(desk) == [1, 10]


async def test_more_than_the_queue_holds_are_told_to_come_again(desk: Desk) -> None:
    async with GroupCommit(desk.books, lanes=1, queue_max=5) as poster:
        async with blocked(desk, 1):
            answers = [asyncio.create_task(poster.post(desk.till.earn(member(1), 1)))]
            await until(lambda: batches_of(desk) == [1])
            answers += [
                asyncio.create_task(poster.post(desk.till.earn(member(2), 1))) for _ in range(5)
            ]
            await until(lambda: poster.waiting == 5)
            with pytest.raises(BusyError) as busy:
                await poster.post(desk.till.earn(member(3), 1))
            assert busy.value.retry_after_seconds == 1
            with pytest.raises(BusyError):
                await poster.post_batch([desk.till.earn(member(4), 1)], atomic=False)
        assert all(isinstance(one, Booked) for one in await asyncio.gather(*answers))
        assert isinstance(await poster.post(desk.till.earn(member(3), 1)), Booked)
    assert (await desk.held(member(4))).available == 0


async def test_what_waited_too_long_is_turned_away_unbooked(desk: Desk) -> None:
    async with GroupCommit(desk.books, lanes=1, wait_milliseconds_max=200) as poster:
        async with blocked(desk, 1):
            under_way = asyncio.create_task(poster.post(desk.till.earn(member(1), 1)))
            await until(lambda: batches_of(desk) == [1])
            late = asyncio.create_task(poster.post(desk.till.earn(member(2), 1)))
            await asyncio.sleep(0.3)
        assert isinstance(await under_way, Booked)
        with pytest.raises(BusyError):
            await late
    assert (await desk.held(member(2))).available == 0


async def test_the_end_books_everything_that_was_taken(desk: Desk) -> None:
    async with GroupCommit(desk.books, lanes=1) as poster:
        async with blocked(desk, 1):
            answers = [asyncio.create_task(poster.post(desk.till.earn(member(1), 1)))]
            await until(lambda: batches_of(desk) == [1])
            answers += [
                asyncio.create_task(poster.post(desk.till.earn(member(number % 50), 1)))
                for number in range(1500)
            ]
            await until(lambda: poster.waiting == 1500)
            ending = asyncio.create_task(poster.__aexit__())
            await asyncio.sleep(0)
            with pytest.raises(ClosedError):
                await poster.post(desk.till.earn(member(1), 1))
        await ending
        assert all(isinstance(one, Booked) for one in await asyncio.gather(*answers))
    assert batches_of(desk) == [1, 1000, 500]
    assert sum([(await desk.held(member(number))).available for number in range(50)]) == 1502


async def test_a_batch_over_several_lanes_is_answered_in_its_order(desk: Desk) -> None:
    key = "told twice"
    many = 2 * PART_MAX + 20
    asked: list[Request] = [desk.till.earn(member(number), number + 1) for number in range(many)]
    asked += [desk.till.redeem(member(7), 9), desk.till.earn(member(8), 1, key=key)]
    asked += [desk.till.earn(member(8), 1, key=key)]
    async with GroupCommit(desk.books) as poster:
        outcomes = await poster.post_batch(asked, atomic=False)
    booked = [one.transaction.amount for one in outcomes[:many] if isinstance(one, Booked)]
    assert booked == list(range(1, many + 1))
    assert isinstance(outcomes[many], Refused)
    assert [type(one) for one in outcomes[many + 1 :]] == [Booked, Replayed]
    assert len(batches_of(desk)) > 1


async def test_a_batch_of_which_one_fails_says_so_and_harms_no_other_callers(desk: Desk) -> None:
    poison = desk.till.earn(member(1), 7, description="a\x00b")
    async with GroupCommit(desk.books, lanes=1) as poster:
        found = await asyncio.gather(
            poster.post_batch([desk.till.earn(member(2), 10), poison], atomic=False),
            poster.post_batch([desk.till.earn(member(3), 10)], atomic=False),
            poster.post(desk.till.earn(member(4), 10)),
            return_exceptions=True,
        )
    assert isinstance(found[0], asyncpg.CharacterNotInRepertoireError)
    assert isinstance(found[2], Booked)
    held = [(await desk.held(member(number))).available for number in (1, 2, 3, 4)]
    assert held == [0, 10, 10, 10]


async def test_few_share_a_lane_a_crowd_takes_more_and_each_contact_keeps_its_order(
    desk: Desk,
) -> None:
    async with GroupCommit(desk.books, lanes=4) as poster:
        few = [desk.till.earn(member(number), 1) for number in range(30)]
        await asyncio.gather(*(poster.post(one) for one in few))
        assert max(batches_of(desk)) >= 29
        begun = len(batches_of(desk))
        crowd = [desk.till.earn(member(number % 97), 1) for number in range(600)]
        outcomes = await asyncio.gather(*(poster.post(one) for one in crowd))
        assert max(batches_of(desk)[begun:]) < 600 - 3 * CROWD
    numbers: dict[ContactId, list[int]] = {}
    for asked, outcome in zip(crowd, outcomes, strict=True):
        assert isinstance(outcome, Booked)
        numbers.setdefault(asked.contact, []).append(outcome.transaction.number)
    assert all(found == sorted(found) for found in numbers.values())


async def test_points_moved_can_be_spent_further_down_in_the_same_batch(desk: Desk) -> None:
    gift = Move(
        **desk.till.common(member(1), "gift", None),
        to_contact=member(2),
        to_definition=desk.definition,
        amount=Points(30),
    )
    asked: list[Request] = [desk.till.earn(member(1), 30), gift, desk.till.redeem(member(2), 30)]
    async with GroupCommit(desk.books) as poster:
        outcomes = await poster.post_batch(asked, atomic=False)
    assert [type(one) for one in outcomes] == [Booked, Booked, Booked]


async def test_an_atomic_batch_is_booked_whole_or_not_at_all(desk: Desk) -> None:
    async with GroupCommit(desk.books) as poster:
        outcomes = await poster.post_batch(
            [desk.till.earn(member(1), 10), desk.till.redeem(member(2), 1)], atomic=True
        )
    assert isinstance(outcomes[0], Refused)
    assert outcomes[0].code is Code.BATCH_NOT_BOOKED
    assert await desk.balance(member(1)) == "nothing"


async def test_a_lost_connection_is_replaced_and_nothing_booked_twice(
    desk: Desk, superuser: asyncpg.Connection
) -> None:
    cut = 0
    async with GroupCommit(desk.books) as poster:

        async def caller(number: int) -> list[Outcome]:
            return [await poster.post(desk.till.earn(member(number), 1)) for _ in range(60)]

        async def scissors() -> None:
            nonlocal cut
            for _ in range(4):
                await asyncio.sleep(0.1)
                cut += await superuser.fetchval(
                    "select count(pg_terminate_backend(pid)) from pg_stat_activity"
                    " where datname = current_database() and pid <> pg_backend_pid()"
                )

        outcomes, _ = await asyncio.gather(
            asyncio.gather(*(caller(number) for number in range(16))), scissors()
        )
    assert cut > 0
    assert all(isinstance(one, Booked | Replayed) for each in outcomes for one in each)
    await desk.pool.expire_connections()
    assert [(await desk.held(member(number))).available for number in range(16)] == [60] * 16
    assert await desk.findings() == []


async def test_a_database_in_trouble_is_said_to_all_at_once(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = 0

    async def full(*_: object, **__: object) -> list[Outcome]:
        nonlocal tried
        tried += 1
        raise asyncpg.DiskFullError("no space left on device")

    async with GroupCommit(desk.books, lanes=1) as poster:
        monkeypatch.setattr(desk.books, "post_within", full)
        answers = await asyncio.gather(
            *(poster.post(desk.till.earn(member(number), 1)) for number in range(200)),
            return_exceptions=True,
        )
        monkeypatch.undo()
        assert isinstance(await poster.post(desk.till.earn(member(1), 1)), Booked)
    assert {type(one) for one in answers} == {asyncpg.DiskFullError}
    assert tried < 5


async def test_who_is_locked_is_turned_away_and_the_rest_of_the_lane_goes_on(desk: Desk) -> None:
    async with (
        blocked(desk, 1),
        GroupCommit(desk.books, lanes=1, lock_milliseconds_max=200) as poster,
    ):
        asked = [poster.post(desk.till.earn(member(number), 10)) for number in range(1, 8)]
        answers = await asyncio.gather(*asked, return_exceptions=True)
    assert isinstance(answers[0], BusyError)
    assert all(isinstance(answer, Booked) for answer in answers[1:])


async def test_what_may_be_booked_is_not_called_unbooked_for_a_lock_met_later(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    post_within, tried = desk.books.post_within, 0

    async def booked_but_lost(connection: Connection, requests: list[Request]) -> list[Outcome]:
        nonlocal tried
        tried += 1
        if tried == 1:
            await post_within(connection, requests)
            raise asyncpg.ConnectionDoesNotExistError("gone before it could say so")
        raise asyncpg.LockNotAvailableError("somebody else has the holder")

    async with GroupCommit(desk.books, lanes=1) as poster:
        monkeypatch.setattr(desk.books, "post_within", booked_but_lost)
        with pytest.raises(asyncpg.ConnectionDoesNotExistError):
            await poster.post(desk.till.earn(member(1), 10))
    assert (await desk.held(member(1))).available == 10


async def test_batches_of_their_own_that_wait_for_one_lock_leave_connections_to_others(
    desk: Desk,
) -> None:
    async with (
        blocked(desk, 1),
        GroupCommit(desk.books, lanes=1, lock_milliseconds_max=300) as poster,
    ):
        wants = [[desk.till.earn(member(1), 10), desk.till.earn(member(2), 10)] for _ in range(8)]
        waiting = asyncio.gather(
            *(poster.post_batch(one, atomic=True) for one in wants), return_exceptions=True
        )
        await asyncio.sleep(0.05)
        assert isinstance(
            await asyncio.wait_for(poster.post(desk.till.earn(member(3), 1)), 3), Booked
        )
        async with asyncio.timeout(3), desk.pool.acquire() as connection:
            assert await connection.fetchval("show lock_timeout") == "0"
        assert {type(one) for one in await waiting} == {BusyError}
    assert await desk.balance(member(2)) == "nothing"


async def test_who_waits_behind_a_lane_held_up_is_turned_away_in_time(desk: Desk) -> None:
    async with (
        blocked(desk, 1),
        GroupCommit(desk.books, lanes=1, wait_milliseconds_max=200) as poster,
    ):
        first = asyncio.create_task(poster.post(desk.till.earn(member(1), 10)))
        await until(lambda: bool(batches_of(desk)))
        with pytest.raises(BusyError):
            await asyncio.wait_for(poster.post(desk.till.earn(member(2), 10)), 3)
        with pytest.raises(BusyError):
            await first


class Jammed:
    """A pool that takes nothing back."""

    def __init__(self, pool: Pool) -> None:
        self.acquire = pool.acquire

    async def release(self, _: object) -> None:
        raise asyncpg.InternalClientError("a farewell that crossed a query")


async def test_a_lane_outlives_a_connection_that_can_not_even_be_given_back(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def broken(*_: object, **__: object) -> None:
        raise asyncpg.InternalClientError("a farewell that crossed a query")

    async with GroupCommit(desk.books, lanes=1) as poster:
        assert isinstance(await poster.post(desk.till.earn(member(1), 10)), Booked)
        with monkeypatch.context() as patch:
            patch.setattr(desk.books, "post_within", broken)
            patch.setattr(desk.books, "pool", Jammed(desk.pool))
            with pytest.raises(asyncpg.InternalClientError):
                await poster.post(desk.till.earn(member(2), 10))
        assert isinstance(await poster.post(desk.till.earn(member(2), 10)), Booked)


async def test_a_connection_that_breaks_before_its_first_batch_is_not_missing_from_the_pool(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    execute, broken = asyncpg.Connection.execute, 0

    async def breaks_once(self: asyncpg.Connection, query: str, *more: object) -> str:
        nonlocal broken
        if broken == 0 and query.startswith("set lock_timeout"):
            broken += 1
            # Which asyncpg reports without taking the connection back into its pool.
            raise asyncpg.InternalClientError("a farewell that crossed a query")
        return await execute(self, query, *more)

    monkeypatch.setattr(asyncpg.Connection, "execute", breaks_once)
    async with GroupCommit(desk.books, lanes=1) as poster:
        assert isinstance(await poster.post(desk.till.earn(member(1), 10)), Booked)
    assert broken == 1
    async with asyncio.timeout(10), AsyncExitStack() as lent:
        for _ in range(desk.pool.get_max_size()):
            await lent.enter_async_context(desk.pool.acquire())
