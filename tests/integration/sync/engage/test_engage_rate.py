"""Below fifty calls a second with one key, over all replicas together."""

import asyncio
import time

import pytest

from sync.engage.rate import Rate
from sync.secret import Secret
from tests.following.program import Program, Sandbox, member


async def test_three_replicas_share_the_rate_of_a_key(program: Program, engage: Sandbox) -> None:
    contacts = [member(number) for number in range(120)]
    engage.know(*contacts)
    await program.earn_all([(contact, 1) for contact in contacts])
    replicas = [
        await program.follower(batch_rows_max=1, rate_per_second=45.0, requests_at_once=8)
        for _ in range(3)
    ]
    reports = await asyncio.gather(*(replica.push() for replica in replicas))
    assert sum(report.accepted for report in reports) == 120
    (rate,) = engage.get("")["rate"]
    assert rate["busySeconds"] == []
    assert rate["highestInAnySecond"] <= 50


async def test_turns_are_spaced_and_not_bunched(program: Program) -> None:
    rates = [Rate(program.pool, Secret("a key"), 40) for _ in range(2)]
    started = time.monotonic()
    taken = []

    async def call(rate: Rate) -> None:
        await rate.turn()
        taken.append(time.monotonic() - started)

    await asyncio.gather(*(call(rate) for rate in rates for _ in range(20)))
    assert max(taken) >= 39 / 40 - 0.05
    taken.sort()
    # A scheduler's delay may push two turns together, never a whole block of them.
    assert all(later - earlier >= 3 / 40 for earlier, later in zip(taken, taken[8:], strict=False))


async def test_another_key_has_a_rate_of_its_own(program: Program) -> None:
    first, second = (Rate(program.pool, Secret(key), 0.1) for key in ("one", "two"))
    async with asyncio.timeout(2):
        await first.turn()
        await second.turn()
    with pytest.raises(TimeoutError):
        async with asyncio.timeout(0.2):
            await first.turn()


async def test_the_key_itself_is_not_in_the_table(program: Program) -> None:
    await Rate(program.pool, Secret("a key nobody may see"), 40).turn()
    row = await program.pool.fetchrow("select * from engage.rate")
    assert row is not None
    assert "a key" not in str(dict(row))
