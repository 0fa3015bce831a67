"""What is due is swept in shares, several at a time: no holder is in two of them."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

import pytest

from ledger.identity import DefinitionId, HolderId
from ledger.sweeping import PAGE, SHARE_MIN, SHARES, Account, Sweep, shares_of


def accounts(holders: int, each: int) -> list[Account]:
    return [
        (HolderId(UUID(int=number)), DefinitionId(definition))
        for definition in range(each)
        for number in range(holders)
    ]


@dataclass
class Due:
    """What is due, and what a sweep of it came to.

    `broken` can't be booked, and stay due. Of a share with one of `fatal` in it, nothing can.
    """

    due: list[Account]
    broken: set[Account] = field(default_factory=set)
    fatal: set[Account] = field(default_factory=set)
    under_way: set[HolderId] = field(default_factory=set)
    at_once: int = 0
    most_at_once: int = 0
    swept: list[Account] = field(default_factory=list)

    async def find(self, count: int) -> Sequence[Account]:
        await asyncio.sleep(0)
        return self.due[:count]

    async def sweep(self, share: Sequence[Account]) -> Sequence[Account]:
        holders = {holder for holder, _ in share}
        assert not holders & self.under_way, "a holder is in two shares at the same time"
        self.under_way |= holders
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            for _ in range(len(share) % 7 + 1):
                await asyncio.sleep(0)
            if self.fatal & set(share):
                raise ConnectionError("the database is gone")
            booked = [one for one in share if one not in self.broken]
            self.swept += booked
            self.due = [one for one in self.due if one not in set(booked)]
            return [one for one in share if one in self.broken]
        finally:
            self.at_once -= 1
            self.under_way -= holders

    async def run(self, limit: int = 1_000_000) -> int:
        async with asyncio.timeout(30):
            return await Sweep(self.find, self.sweep).run(limit)


def test_every_account_is_in_one_share_and_every_holder_too() -> None:
    due = accounts(333, 3)
    shares = shares_of(due)
    assert len(shares) == SHARES
    assert sorted(account for share in shares for account in share) == sorted(due)
    holders = [{holder for holder, _ in share} for share in shares]
    assert sum(len(one) for one in holders) == len(set.union(*holders)) == 333
    assert max(map(len, shares)) - min(map(len, shares)) <= 3


def test_few_accounts_and_none_are_not_divided() -> None:
    assert shares_of([]) == []
    assert len(shares_of(accounts(SHARE_MIN, 1))) == 1
    assert len(shares_of(accounts(1, 2 * SHARE_MIN))) == 1


async def test_all_are_swept_once_several_shares_at_a_time() -> None:
    every = accounts(2 * PAGE, 2)
    books = Due(list(every))
    assert await books.run() == len(every)
    assert sorted(books.swept) == sorted(every)
    assert books.most_at_once == SHARES


async def test_no_more_are_swept_than_asked() -> None:
    books = Due(accounts(PAGE + 700, 1))
    assert await books.run(limit=PAGE + 300) == PAGE + 300
    assert len(books.due) == 400


async def test_accounts_that_cannot_be_booked_keep_nobody_from_being_swept() -> None:
    every = accounts(2 * PAGE, 1)
    # More than a page of them, and they are the longest overdue.
    books = Due(list(every), broken=set(every[: PAGE + 1]))
    assert await books.run() == PAGE - 1
    assert books.due == every[: PAGE + 1]


async def test_a_share_that_fails_is_told_once_the_others_have_ended() -> None:
    every = accounts(PAGE, 1)
    books = Due(list(every), fatal={every[0]})
    with pytest.raises(ConnectionError):
        await books.run()
    assert books.at_once == 0
    assert books.swept


async def test_a_sweep_that_is_cancelled_leaves_nothing_running() -> None:
    books = Due(accounts(2 * PAGE, 1))
    sweeping = asyncio.create_task(books.run())
    while not books.at_once:
        await asyncio.sleep(0)
    sweeping.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sweeping
    assert books.at_once == 0
