"""A balance of the past is the same, whether it is summed up or folded from the whole chain.

A run is repeated by its seed: `SEED=… pytest tests/integration/ledger/test_balances_as_of.py`.
"""

import asyncio
import os
import random
from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta

import pytest

from ledger import balances_as_of as summing
from ledger import reading_as_of
from ledger.balances_as_of import balances_as_of, balances_at_once
from ledger.connection import Connection
from ledger.facts import Balance
from ledger.identity import ContactId, DefinitionId, HolderId
from ledger.policies import Policy, Span, Validity
from ledger.postgres import Database
from ledger.reading_as_of import (
    FutureRecordError,
    HeldUpError,
    accounts_as_of,
    holders_known,
    told_of,
    told_of_holder,
)
from tests.bookkeeping.desk import Desk, member, opened, shop
from tests.bookkeeping.words import when
from tests.integration.ledger.test_random_history import CONTACTS, Life

NOTHING = Balance(*(0, 0, 0, 0))  # type: ignore[arg-type]  # plain numbers read better here


async def folded(
    connection: Connection,
    desk: Desk,
    contact: ContactId,
    effective_at: datetime,
    recorded_at: datetime | None,
) -> dict[DefinitionId, Balance]:
    accounts = await accounts_as_of(
        connection, desk.tenant, contact, effective_at=effective_at, recorded_at=recorded_at
    )
    return {one.definition: one.balance for one in accounts if one.balance != NOTHING}


@pytest.mark.parametrize("days", [3, 300])
async def test_sums_and_folds_agree_at_every_instant_of_a_random_history(
    database: Database, monkeypatch: pytest.MonkeyPatch, days: int
) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")  # noqa: T201 — pytest shows it when the test fails
    policy = Policy(validity=Validity(span=Span.DAYS, length=days))
    async with opened(database, shop(policy=policy)) as desk:
        assert desk.clock is not None
        begun = desk.clock.instant
        life = Life(seed, desk, desk.clock)
        for _ in range(20):
            await desk.post(*life.batch())
            if life.draw.random() < 0.2:
                await desk.sweep()
        span = desk.clock.instant - begun
        folds = 0

        async def counted(*arguments: object, **more: object) -> object:
            nonlocal folds
            folds += 1
            return await accounts_as_of(*arguments, **more)  # type: ignore[arg-type]  # passed on

        monkeypatch.setattr(summing, "accounts_as_of", counted)
        asked = 0
        async with desk.pool.acquire() as connection:
            long_before, long_after = begun - timedelta(days=30), begun + timedelta(days=999)
            drawn = [begun + span * life.draw.random() for _ in range(12)]
            for known, happened in (
                (begun, long_before),
                (begun + span, long_after),
                *((one, one + timedelta(hours=life.draw.randint(-100, 100))) for one in drawn),
            ):
                for contact in CONTACTS:
                    for recorded_at in (known, None):
                        asked += 1
                        found = await balances_as_of(
                            connection,
                            desk.tenant,
                            contact,
                            effective_at=happened,
                            recorded_at=recorded_at,
                        )
                        had = {kind: one for kind, one in found.items() if one != NOTHING}
                        expected = await folded(connection, desk, contact, happened, recorded_at)
                        assert had == expected, (contact, happened, recorded_at)
        assert 0 < folds < asked


async def test_what_will_be_known_is_not_told(desk: Desk) -> None:
    contact = member(1001)
    await desk.post(desk.till.earn(contact, 10))
    async with desk.pool.acquire() as connection:
        now: datetime = await connection.fetchval("select clock_timestamp()")
        with pytest.raises(FutureRecordError):
            await balances_as_of(
                connection, desk.tenant, contact, recorded_at=now + timedelta(days=400)
            )


@pytest.mark.parametrize("read", [balances_as_of, told_of])
async def test_an_instant_that_passes_while_a_lock_is_waited_for_is_not_told_of(
    database: Database, monkeypatch: pytest.MonkeyPatch, read: Callable[..., Awaitable[object]]
) -> None:
    contact, soon = member(1001), timedelta(milliseconds=50)
    async with opened(database, today=None) as desk, desk.pool.acquire() as connection:
        await desk.book(desk.till.earn(contact, 10))

        async def overtaken(*arguments: object) -> object:
            rows = await holders_known(*arguments)  # type: ignore[arg-type]  # passed on
            await asyncio.sleep(soon.total_seconds())
            return rows

        for module in (summing, reading_as_of):
            monkeypatch.setattr(module, "holders_known", overtaken)
        async with desk.pool.acquire() as other, other.transaction():
            # A lock that readings share: nobody posts meanwhile, but the quick way is shut.
            holder = await desk.holder_of(contact)
            await other.execute("select from ledger.holder where id = $1 for share", holder)
            now: datetime = await connection.fetchval("select clock_timestamp()")
            with pytest.raises(FutureRecordError):
                await read(connection, desk.tenant, contact, recorded_at=now + soon)


async def test_who_can_not_be_told_of_at_once_is_left_to_those_who_wait(desk: Desk) -> None:
    free, held_up, unknown = member(1001), member(1002), member(1003)
    for _ in range(2):
        await desk.book(desk.till.earn(free, 10), desk.till.earn(held_up, 5))
    async with desk.pool.acquire() as connection, desk.pool.acquire() as other:
        async with other.transaction():
            holder = await desk.holder_of(held_up)
            await other.execute("select from ledger.holder where id = $1 for update", holder)
            found = [
                await balances_at_once(connection, desk.tenant, contact, recorded_at=desk.at)
                for contact in (free, held_up, unknown)
            ]
        assert found == [
            await balances_as_of(connection, desk.tenant, free, recorded_at=desk.at),
            None,
            None,
        ]
        ahead = desk.clock.instant + timedelta(days=999) if desk.clock else None
        told = await balances_at_once(connection, desk.tenant, free, recorded_at=ahead)
        assert told is None


@pytest.mark.parametrize("is_new", [True, False])
async def test_what_is_being_recorded_by_an_instant_is_waited_for(
    database: Database, *, is_new: bool
) -> None:
    contact = member(1001)
    async with opened(database, today=None) as desk, desk.pool.acquire() as posting:
        if not is_new:
            await desk.book(desk.till.earn(contact, 10))
        begun = posting.transaction()
        await begun.start()
        await desk.books.post_within(posting, [desk.till.earn(contact, 5)])
        async with desk.pool.acquire() as connection:
            now: datetime = await connection.fetchval("select clock_timestamp()")
            reading = asyncio.create_task(
                balances_as_of(connection, desk.tenant, contact, recorded_at=now)
            )
            done, _ = await asyncio.wait([reading], timeout=0.2)
            assert not done, "what was recorded before is not known yet"
            await begun.commit()
            found = await reading
            assert [one.available for one in found.values()] == [5 if is_new else 15]
            again = await balances_as_of(connection, desk.tenant, contact, recorded_at=now)
            assert again == found


async def test_a_reading_of_the_past_locks_nothing(desk: Desk) -> None:
    contact = member(1001)
    known = when("2 January")
    async with desk.pool.acquire() as connection:
        for number in (1, 2):  # the posting that opens a contact has no row of it to lock
            await desk.book(desk.till.earn(contact, 10))
            row = "select xmin, xmax from ledger.holder where id = $1"
            holder = await desk.holder_of(contact)
            before = await connection.fetchrow(row, holder)
            told = await balances_at_once(connection, desk.tenant, contact, recorded_at=known)
            assert told is not None
            assert [one.available for one in told.values()] == [10 * number]
            await balances_as_of(connection, desk.tenant, contact, recorded_at=known)
            assert await connection.fetchrow(row, holder) == before


async def test_a_reading_waits_no_longer_than_it_may_for_somebody_s_lock(
    desk: Desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    contact = member(1001)
    await desk.book(desk.till.earn(contact, 10))
    holder = HolderId(await desk.holder_of(contact))
    readings: tuple[Callable[[Connection], Awaitable[object]], ...] = (
        lambda connection: balances_as_of(connection, desk.tenant, contact),
        lambda connection: told_of(connection, desk.tenant, contact),
        lambda connection: told_of_holder(connection, holder),
    )
    async with desk.pool.acquire() as connection:
        before = await connection.fetchval("show lock_timeout")
        async with desk.pool.acquire() as other, other.transaction():
            await other.execute("select from ledger.holder where id = $1 for update", holder)
            monkeypatch.setattr(reading_as_of, "PATIENCE", "50ms")
            for read in readings:
                with pytest.raises(HeldUpError, match="ask again"):
                    await read(connection)
            monkeypatch.undo()
        for read in readings:
            await read(connection)
        # What holds for one reading is left to no other user of the connection.
        assert await connection.fetchval("show lock_timeout") == before
