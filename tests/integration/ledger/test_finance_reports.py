"""Roll-forward and ageing: what a controller closes a month on, checked against every chain.

A history is repeated by its seed: `SEED=… pytest tests/integration/ledger/test_finance_reports.py`.
"""

import os
import random
from bisect import bisect_right
from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from ledger.ageing import Ageing, Band, BandsError, ageing
from ledger.amounts import BUCKET_MAX
from ledger.asof import AccountAsOf, as_of
from ledger.connection import Connection
from ledger.identity import DefinitionId
from ledger.policies import Policy, Span, Validity
from ledger.postgres import Database
from ledger.roll_forward import (
    DefinitionRollForward,
    PeriodEmptyError,
    RollForward,
    roll_forward,
)
from tests.bookkeeping.desk import Desk, member, opened, shop
from tests.bookkeeping.histories import chains, live, moments
from tests.bookkeeping.words import holding, when

DAYS = (3, 10, 20)


async def rolled(
    desk: Desk, begins: str, until: str, recorded_at: str | None = None
) -> DefinitionRollForward:
    """The roll-forward of the shop's points."""
    known = None if recorded_at is None else when(recorded_at)
    found = await rolled_between(desk, when(begins), when(until), known)
    assert found.is_balanced
    return found.definitions[0]


async def rolled_between(
    desk: Desk, begins: datetime, until: datetime, recorded_at: datetime | None
) -> RollForward:
    async with desk.pool.acquire() as connection:
        return await roll_forward(
            connection,
            desk.catalogue,
            desk.tenant,
            begins,
            until,
            recorded_at=recorded_at,
            at=desk.at,
        )


async def aged_at(
    desk: Desk, effective_at: datetime | None = None, recorded_at: datetime | None = None
) -> Ageing:
    async with desk.pool.acquire() as connection:
        return await ageing(
            connection,
            desk.catalogue,
            desk.tenant,
            effective_at=effective_at,
            recorded_at=recorded_at,
            days=DAYS,
            at=desk.at,
        )


def moved(found: DefinitionRollForward) -> dict[str, tuple[int, int]]:
    """What went to and came from the holders, program account by program account."""
    return {
        one.account.word: (one.to_holders, one.from_holders)
        for one in found.movements
        if one.to_holders or one.from_holders
    }


def banded(bands: tuple[Band, ...]) -> list[str]:
    """Bands that are not empty: `3 to 10: 40 available`."""
    return [
        f"{one.days_from} to {one.days_to}: {one.available} available, {one.pending} pending"
        for one in bands
        if one.available or one.pending
    ]


async def test_a_month_rolls_forward_from_its_opening_to_its_closing(desk: Desk) -> None:
    first, second = member(1001), member(1002)
    await desk.book(
        desk.till.earn(first, "100 until 1 February", key="order 1"),
        desk.till.earn(second, "50 until 15 January"),
    )
    desk.today("10 January")
    await desk.book(
        desk.till.redeem(first, 30),
        desk.till.give_back(first, 20, of="order 1"),
        desk.till.redeem(second, 60, allow_debt=True),
    )
    desk.today("20 January")
    await desk.book(desk.till.earn(second, 4), desk.till.adjust(first, 5))
    desk.today("10 February")

    january = await rolled(desk, "1 January", "1 February")
    assert holding(january.opening) == "nothing"
    assert moved(january) == {"issued": (154, 20), "redeemed": (0, 90), "adjusted": (5, 0)}
    assert holding(january.closing) == "55 available, 6 debt"
    assert (january.debt_incurred, january.debt_settled) == (10, 4)

    # What lapses at midnight lapses in the new month.
    february = await rolled(desk, "1 February", "1 March")
    assert february.opening == january.closing
    assert moved(february) == {"expired": (0, 50)}
    assert holding(february.closing) == "5 available, 6 debt"


async def test_a_month_that_was_reported_stays_as_it_was_known(desk: Desk) -> None:
    await desk.book(desk.till.earn(member(1001), 100))
    desk.today("2 February")
    reported = await rolled(desk, "1 January", "1 February", "1 February")
    await desk.book(desk.till.redeem(member(1001), 10, on="31 January"))
    assert await rolled(desk, "1 January", "1 February", "1 February") == reported
    now = await rolled(desk, "1 January", "1 February")
    assert moved(now) == {"issued": (100, 0), "redeemed": (0, 10)}


async def test_a_period_ends_after_it_begins(desk: Desk) -> None:
    with pytest.raises(PeriodEmptyError):
        await rolled(desk, "1 February", "1 February")


async def test_points_are_told_by_their_age_and_by_when_they_lapse(desk: Desk) -> None:
    contact = member(1001)
    await desk.book(desk.till.earn(contact, "100 until 15 January"), desk.till.earn(contact, "10"))
    desk.today("8 January")
    await desk.book(desk.till.earn(contact, "40 from 10 January until 2 March"))
    desk.today("9 January")
    await desk.book(desk.till.redeem(contact, 30))

    aged = (await aged_at(desk)).definitions[0]
    assert banded(aged.by_age) == [
        "0 to 3: 0 available, 40 pending",
        "3 to 10: 80 available, 0 pending",
    ]
    assert banded(aged.by_expiry) == [
        "3 to 10: 70 available, 0 pending",
        "20 to None: 0 available, 40 pending",
        "None to None: 10 available, 0 pending",
    ]
    assert (aged.available, aged.pending, aged.held, aged.debt) == (80, 40, 0, 0)

    # On 16 January, if nothing more happens: 100 have lapsed, 40 can be spent.
    aged = (await aged_at(desk, when("16 January"))).definitions[0]
    assert banded(aged.by_age) == [
        "3 to 10: 40 available, 0 pending",
        "10 to 20: 10 available, 0 pending",
    ]

    # As it was on 8 January, before the redemption.
    aged = (await aged_at(desk, when("8 January"), when("8 January"))).definitions[0]
    assert banded(aged.by_age) == [
        "0 to 3: 0 available, 40 pending",
        "3 to 10: 110 available, 0 pending",
    ]


async def test_bands_must_rise(desk: Desk) -> None:
    for days in ((), (30, 30), (30, 10), (0, 10), tuple(range(1, 30))):
        async with desk.pool.acquire() as connection:
            with pytest.raises(BandsError):
                await ageing(connection, desk.catalogue, desk.tenant, days=days, at=desk.at)


def by_hand(
    accounts: list[AccountAsOf], definition: DefinitionId, at: datetime
) -> tuple[list[Band], list[Band]]:
    """The bands, counted lot by lot."""
    edges = [0, *DAYS, None]
    ages = [[0, 0] for _ in edges[1:]]
    expiries = [[0, 0] for _ in edges]
    for account in accounts:
        if account.definition != definition:
            continue
        for one in account.lots:
            age = bisect_right(
                [at - timedelta(days=day) for day in DAYS[::-1]], one.lot.effective_at
            )
            ends = one.lot.valid_to
            expiry = len(DAYS) + 1
            if ends is not None:
                expiry = bisect_right([at + timedelta(days=day) for day in DAYS], ends)
            for counted, points in ((0, one.available), (1, one.pending)):
                ages[len(DAYS) - age][counted] += points
                expiries[expiry][counted] += points
    between = list(pairwise(edges))
    return (
        [Band(*edge, *counted) for edge, counted in zip(between, ages, strict=True)],
        [
            Band(*edge, *counted)
            for edge, counted in zip([*between, (None, None)], expiries, strict=True)
        ],
    )


@pytest.mark.parametrize("turn", range(2))
async def test_reports_are_what_the_chains_add_up_to(database: Database, turn: int) -> None:
    seed = int(os.environ.get("SEED") or random.randrange(2**32))
    print(f"SEED={seed}, history {turn}")  # noqa: T201 - pytest shows it when the test fails
    draw = random.Random(seed + turn)
    policy = Policy(validity=Validity(span=Span.DAYS, length=10))
    async with opened(database, shop(policy=policy, scales=2)) as desk:
        instants = await live(desk, draw)
        told = await chains(desk)
        for effective_at, recorded_at in moments(draw, instants):
            accounts = [
                account
                for chain in told.values()
                for account in as_of(chain, effective_at, recorded_at)
            ]
            found = await aged_at(desk, effective_at, recorded_at)
            assert found.is_balanced
            for one in found.definitions:
                ages, expiries = by_hand(accounts, one.definition, effective_at)
                assert list(one.by_age) == ages, f"at {effective_at}, known at {recorded_at}"
                assert list(one.by_expiry) == expiries, f"at {effective_at}, {recorded_at}"
            begins = effective_at - timedelta(days=draw.randint(1, 30))
            report = await rolled_between(desk, begins, effective_at, recorded_at)
            assert report.is_balanced, f"{begins} to {effective_at}, known at {recorded_at}"


async def test_reports_count_further_than_64_bits(desk: Desk, superuser: Connection) -> None:
    """As many members with as much as one may have."""
    await desk.book(*(desk.till.earn(member(1001 + number), 1) for number in range(3)))
    for change in ("lot set issued = $1, remaining = $1", "transfer set amount = $1"):
        await superuser.execute(f"update ledger.{change}", BUCKET_MAX)
    for at in (None, when("1 January")):
        (found,) = (await aged_at(desk, at, at)).definitions
        assert found.by_age[0].available == 3 * BUCKET_MAX > 2**63
    report = await rolled_between(desk, when("1 January"), when("2 January"), None)
    issued = next(one for one in report.definitions[0].movements if one.account.word == "issued")
    assert issued.to_holders == 3 * BUCKET_MAX
