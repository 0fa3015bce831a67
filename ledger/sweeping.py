"""Finding what has fallen due, for the sweep, and going through it in shares.

The one hard idea: `account.next_due_at` is never later than the truth, so an index over it finds
every account with something due; one that comes up for nothing is put right by looking.
"""

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from ledger.connection import Connection
from ledger.identity import DefinitionId, HolderId
from ledger.state import HolderState

Account = tuple[HolderId, DefinitionId]

SHARES: Final = 3
"""Shares that are swept at the same time, each on a connection of its own."""

PAGE: Final = 1500
"""Accounts that are looked for at a time."""

SHARE_MIN: Final = 100
"""Accounts that are worth a connection of their own."""

DUE_ACCOUNTS = """
    -- Accounts with something due, the longest overdue first. Index: account_next_due_at_idx.
    select holder_id, definition_id from ledger.account
    where next_due_at <= coalesce($2, statement_timestamp())
      and ($3::smallint[] is null or definition_id = any($3))
    order by next_due_at limit $1
"""

LOCK_DUE_HOLDERS = """
    -- The same lock, in the same order, as a posting's. Index: holder_pk.
    select * from ledger.holder where id = any($1::uuid[]) order by id for no key update
"""


async def due_accounts(
    connection: Connection,
    limit: int,
    at: datetime | None,
    definitions: Sequence[DefinitionId] | None = None,
) -> list[Account]:
    """Accounts (of these definitions) on which something is due at an instant, at most `limit`."""
    rows = await connection.fetch(DUE_ACCOUNTS, limit, at, definitions)
    return [(HolderId(row["holder_id"]), DefinitionId(row["definition_id"])) for row in rows]


def shares_of(accounts: Sequence[Account]) -> list[list[Account]]:
    """Accounts in shares to be swept at the same time: no holder is in two, none is too small."""
    whole = sorted(accounts)
    size = max(SHARE_MIN, -(-len(whole) // SHARES))
    shares: list[list[Account]] = [[]]
    for _, of_one in groupby(whole, key=lambda account: account[0]):
        if len(shares[-1]) >= size:
            shares.append([])
        shares[-1].extend(of_one)
    return [share for share in shares if share]


async def lock_due_holders(
    connection: Connection, holders: Sequence[HolderId]
) -> tuple[dict[HolderId, HolderState], datetime]:
    """Lock holders for a sweep; answers them and the database's clock, read afterwards."""
    rows = await connection.fetch(LOCK_DUE_HOLDERS, list(set(holders)))
    states = {
        HolderId(row["id"]): HolderState(
            HolderId(row["id"]),
            row["number"],
            row["head"],
            row["last_recorded_at"],
            row["last_lot"],
            row["salt"],
        )
        for row in rows
    }
    now: datetime = await connection.fetchval("select clock_timestamp()")
    return states, now


class Sweep:
    """One walk over what is due: while the database stores one share, the next is decided.

    Args:
        find: Answers accounts with something due, at most so many, the longest overdue first.
        sweep: Books what is due on a share; answers the accounts on which it could not.
    """

    def __init__(
        self,
        find: Callable[[int], Awaitable[Sequence[Account]]],
        sweep: Callable[[Sequence[Account]], Coroutine[None, None, Sequence[Account]]],
    ) -> None:
        self._find = find
        self._sweep = sweep
        self._waiting: deque[list[Account]] = deque()
        self._under_way: dict[asyncio.Task[Sequence[Account]], list[Account]] = {}
        self._passed_over: set[Account] = set()

    async def run(self, limit: int) -> int:
        """Sweep at most `limit` accounts; answers how many it was.

        Where a share fails as a whole, those under way are let finish before that is told.
        """
        swept, taken = 0, 0
        try:
            while True:
                self._start()
                # Looked for while others are swept, so that nobody waits for it.
                if not self._waiting and taken < limit:
                    found = await self._next(min(PAGE, limit - taken))
                    self._waiting.extend(shares_of(found))
                    taken += len(found)
                    self._start()
                if not self._under_way:
                    return swept
                swept += await self._one_ended()
        finally:
            for task in self._under_way:
                task.cancel()
            await asyncio.gather(*self._under_way, return_exceptions=True)

    def _start(self) -> None:
        while self._waiting and len(self._under_way) < SHARES:
            share = self._waiting.popleft()
            self._under_way[asyncio.create_task(self._sweep(share))] = share

    async def _next(self, count: int) -> list[Account]:
        """Accounts that are due and in no share yet; nor is any other of their holder."""
        busy = {one for share in self._under_way.values() for one in share}
        holders = {holder for holder, _ in busy}
        found = await self._find(count + len(busy) + len(self._passed_over))
        free = [
            account
            for account in found
            if account[0] not in holders and account not in self._passed_over
        ]
        return free[:count]

    async def _one_ended(self) -> int:
        ended, _ = await asyncio.wait(self._under_way, return_when=asyncio.FIRST_COMPLETED)
        swept = 0
        failure: BaseException | None = None
        for task in ended:
            share = self._under_way.pop(task)
            if task.cancelled():
                failure = failure or asyncio.CancelledError()
            elif task.exception() is not None:
                failure = failure or task.exception()
            else:
                swept += len(share) - len(task.result())
                self._passed_over.update(task.result())
        if failure is not None:
            if self._under_way:
                await asyncio.wait(self._under_way)
            raise failure
        return swept
