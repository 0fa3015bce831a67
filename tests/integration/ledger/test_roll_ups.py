"""Rolling up makes reports quicker and changes no answer, whenever it is done.

A run is repeated by its seed: `SEED=… pytest tests/integration/ledger/test_roll_ups.py`.
"""

import asyncio
import os
import random
from datetime import UTC, datetime, timedelta

import pytest

from ledger.connection import Connection
from ledger.kinds import LedgerAccount
from ledger.roll_ups import RolledUp, roll_up, roll_up_when_worth_it
from ledger.trial_balance import TrialBalance, trial_balance
from tests.bookkeeping.desk import Desk, member
from tests.bookkeeping.words import when

ONE, TWO = member(1001), member(1002)

HOUR, DAY = timedelta(hours=1), timedelta(days=1)

SUM = """
    select account, sum(amount)::bigint as amount from (
        select debit as account, -amount as amount from ledger.transfer
        where effective_at <= $1 and recorded_at <= $2
        union all
        select credit, amount from ledger.transfer where effective_at <= $1 and recorded_at <= $2
    ) as side
    group by account
"""


async def rolled(desk: Desk) -> RolledUp:
    async with desk.pool.acquire() as connection:
        return await roll_up(connection, at=desk.at)


async def trial_at(
    desk: Desk, effective_at: datetime, recorded_at: datetime | None = None
) -> TrialBalance:
    async with desk.pool.acquire() as connection:
        return await trial_balance(
            connection,
            desk.catalogue,
            desk.tenant,
            effective_at=effective_at,
            recorded_at=recorded_at,
            at=desk.at,
        )


async def difference(desk: Desk, effective_at: datetime) -> int:
    return (await trial_at(desk, effective_at)).definitions[0].difference


def instants(draw: random.Random, posted: list[datetime]) -> list[datetime]:
    """Some at random, some of the posted ones, some where hours and days begin, and the ends."""
    begun, last = posted[0], posted[-1]
    drawn = [begun + (last - begun) * draw.random() for _ in range(3)] + draw.sample(posted, 3)
    hours = [one.replace(minute=0, second=0, microsecond=0) for one in drawn]
    midnights = [one.replace(hour=0) for one in hours]
    return [*drawn, *hours, *midnights, begun - DAY, last]


async def test_a_trial_balance_is_the_sum_of_all_transfers_whenever_days_are_rolled_up(
    desk: Desk,
) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}")  # noqa: T201 — pytest shows it when the test fails
    draw = random.Random(seed)
    assert desk.clock is not None
    posted = []
    looked_at = 0
    for number in range(40):
        desk.clock.instant += timedelta(minutes=draw.randint(0, 20) * 15)
        posted.append(desk.clock.instant)
        on = desk.clock.instant - draw.choice([timedelta(), timedelta(hours=draw.randint(0, 99))])
        await desk.post(
            desk.till.earn(ONE, draw.randint(1, 100), on=on),
            desk.till.adjust(draw.choice([ONE, TWO]), draw.randint(-50, 50) or 1, on=on),
            desk.till.redeem(TWO, draw.randint(1, 30), allow_debt=True),
        )
        if draw.random() < 0.2:
            await rolled(desk)
        if number % 13 == 12:
            async with desk.pool.acquire() as connection:
                for effective_at in instants(draw, posted):
                    for known in (None, *draw.sample(instants(draw, posted), 5)):
                        rows = await connection.fetch(
                            SUM, effective_at, known or datetime.max.replace(tzinfo=UTC)
                        )
                        sums = {row["account"]: row["amount"] for row in rows}
                        trial = await trial_at(desk, effective_at, known)
                        found = {
                            line.account: line.credit - line.debit
                            for line in trial.definitions[0].lines
                        }
                        expected = {account: sums.get(account, 0) for account in LedgerAccount}
                        assert found == expected, (number, effective_at, known)
                        looked_at += 1
    assert looked_at > 100
    assert await desk.findings() == []


async def test_rows_of_one_hour_become_one_and_a_day_that_is_over_has_rows_of_its_own(
    desk: Desk,
) -> None:
    desk.today("1 January 09:10")
    await desk.book(desk.till.earn(ONE, 10))
    await desk.book(desk.till.earn(TWO, 20))
    await desk.book(desk.till.earn(TWO, 5, on="31 December 2025 23:30"))
    desk.today("1 January 09:50")
    assert await rolled(desk) == RolledUp(0, None)
    assert await desk.count("rollup") == 6  # the hour is not over
    desk.today("1 January 10:00")
    assert await rolled(desk) == RolledUp(0, None)
    assert await desk.count("rollup") == 4
    desk.today("2 January 00:59")
    assert await rolled(desk) == RolledUp(0, None)  # the day is hardly over
    desk.today("2 January 01:00")
    assert await rolled(desk) == RolledUp(1, when("2 January"))
    assert await desk.count("rollup_day") == 4
    assert await rolled(desk) == RolledUp(0, when("2 January"))
    assert await desk.count("rollup_day") == 4
    assert await desk.count("rollup") == 4
    assert await desk.findings() == []


async def test_two_that_roll_up_at_once_do_it_once(desk: Desk) -> None:
    for day in range(1, 9):
        desk.today(f"{day} January")
        await desk.book(desk.till.earn(ONE, 10))
        await desk.book(desk.till.earn(TWO, 10))
    desk.today("20 January")
    found = await asyncio.gather(*(rolled(desk) for _ in range(4)))
    assert sum(one.days for one in found) == 8
    async with desk.pool.acquire() as connection:
        # Rows that were written over lie behind those that were written first.
        places = await connection.fetch("select ctid from ledger.recount order by ctid")
        assert [row["ctid"] for row in places] == [(0, place) for place in range(1, 5)]
    assert await desk.count("rollup") == await desk.count("rollup_day") == 16
    assert await desk.findings() == []


async def test_it_is_done_again_once_an_hour_has_passed(desk: Desk) -> None:
    counted = []
    for instant in ("5 January 09:00", "5 January 09:59", "5 January 10:00"):
        desk.today(instant)
        async with desk.pool.acquire() as connection:
            await roll_up_when_worth_it(connection, at=desk.at)
            counted.append(await connection.fetchval("select max(counted_at) from ledger.recount"))
    assert counted == [when("5 January 09:00"), when("5 January 09:00"), when("5 January 10:00")]


async def test_a_balance_that_was_tampered_with_is_a_difference_at_every_instant(
    desk: Desk, superuser: Connection
) -> None:
    tamper = "update ledger.account set available = available + 1"
    desk.today("1 January")
    await desk.book(desk.till.earn(ONE, 10))
    desk.today("10 January")
    await superuser.execute(tamper)
    # never counted: every account is added up
    assert await difference(desk, when("5 January")) == 1
    await rolled(desk)
    await superuser.execute(tamper)
    # as of an earlier instant, what was counted within the last day counts
    desk.today("10 January 23:00")
    assert await difference(desk, when("5 January")) == 1
    assert await difference(desk, when("10 January 23:00")) == 2
    desk.today("11 January 01:00")
    assert await difference(desk, when("5 January")) == 2
    await rolled(desk)
    assert await difference(desk, when("5 January")) == 2


JANUARY = "recorded on 2026-01-01, effective on"

TAMPERINGS = {
    "update ledger.rollup_day set amount = amount + 1 where account = 1": "rule 1: definition 1, "
    f"available, {JANUARY} 2026-01-01 roll-ups by day make 11, those by hour 10",
    "delete from ledger.rollup_day where account = 1": "rule 1: definition 1, "
    f"available, {JANUARY} 2026-01-01 roll-ups by day make 0, those by hour 10",
    "insert into ledger.rollup_day values ('2026-01-01', '2025-12-31', 1, 12, 7)": "rule 1: "
    f"definition 1, redeemed, {JANUARY} 2025-12-31 roll-ups by day make 7, those by hour 0",
    "update ledger.recount set stored = stored + 1 where account = 1": "rule 1: definition 1, "
    "available accounts held 11 when they were counted at 2026-01-10 00:00:00+00:00, roll-ups made "
    "10; they agree now, and the next count will say so",
}


@pytest.mark.parametrize("tampering", TAMPERINGS)
async def test_what_was_rolled_up_wrongly_is_found_and_named(
    desk: Desk, superuser: Connection, tampering: str
) -> None:
    desk.today("1 January")
    await desk.book(desk.till.earn(ONE, 10))
    desk.today("10 January")
    await rolled(desk)
    assert await desk.findings() == []
    await superuser.execute(tampering)
    assert TAMPERINGS[tampering] in await desk.findings()
