"""Many things at once, but only so many, and none left behind."""

import asyncio

import pytest

from sync.lanes import Lanes


async def test_never_more_at_once_than_allowed() -> None:
    running, most, done = 0, 0, []

    async def work(number: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0.001)
        running -= 1
        done.append(number)

    async with Lanes(3) as lanes:
        for number in range(20):
            await lanes.start(work(number))
    assert most == 3
    assert sorted(done) == list(range(20))


async def test_when_one_fails_the_others_finish_and_nothing_more_begins() -> None:
    finished = []

    async def fail() -> None:
        raise ValueError("no")

    async def work(name: str) -> None:
        await asyncio.sleep(0.02)
        finished.append(name)

    async def caller() -> None:
        async with Lanes(2) as lanes:
            await lanes.start(work("begun"))
            await lanes.start(fail())
            await asyncio.sleep(0.01)
            await lanes.start(work("too late"))

    with pytest.raises(ValueError, match="no"):
        await caller()
    assert finished == ["begun"]


async def test_a_failure_of_the_caller_leaves_nobody_behind() -> None:
    finished = []

    async def work() -> None:
        await asyncio.sleep(0.02)
        finished.append(1)

    async def caller() -> None:
        async with Lanes(2) as lanes:
            await lanes.start(work())
            raise KeyError

    with pytest.raises(KeyError):
        await caller()
    assert finished == [1]


async def test_being_cancelled_cuts_everything_off() -> None:
    cut = []

    async def work() -> None:
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError:
            cut.append(1)
            raise

    async def caller() -> None:
        async with Lanes(2) as lanes:
            for _ in range(5):
                await lanes.start(work())

    task = asyncio.create_task(caller())
    await asyncio.sleep(0.01)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert cut == [1, 1]
