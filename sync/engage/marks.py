"""Marks: which point accounts changed since Engage was last told of them.

The one hard idea: a mark says that an account changed, not to what; so any number of marks become
one row, and the total is read only after the marks were taken. A mark is deleted in the transaction
that stores what is sent instead, and only by its own id: one that arrives meanwhile stays.

Marks of accounts in flight are passed over and stay; the next run sees them.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Final, NamedTuple

from ledger.connection import Connection, Pool
from ledger.identity import DefinitionId, HolderId

CONSUMER: Final = 1
"""The books' number for whoever tells Engage balances (`ledger.outbox.Consumer`)."""

WINDOW: Final = 20_000
"""Marks looked at in one go."""

AccountKey = tuple[HolderId, DefinitionId]

SEE_MARKS = """
    -- The next marks of a tenant's accounts that are neither in flight nor told to wait.
    -- Index: outbox_pk, account_pk.
    select outbox.id, outbox.holder_id, outbox.definition_id, account.holder_id is null as is_new
    from ledger.outbox
    left join engage.account on account.holder_id = outbox.holder_id
        and account.definition_id = outbox.definition_id
    where outbox.consumer = $1 and outbox.id > $2 and outbox.definition_id = any($3::smallint[])
      and account.batch_id is null and (account.retry_at is null or account.retry_at <= $4)
    order by outbox.id limit $5
"""

TAKE_MARKS = """
    -- Index: outbox_pk.
    delete from ledger.outbox where consumer = $1 and id = any($2::bigint[])
"""

COUNT_MARKS = """
    -- At most so many. Index: outbox_pk.
    select count(*) from (
        select from ledger.outbox
        where consumer = $1 and definition_id = any($2::smallint[]) limit $3
    ) as seen
"""

MARK_ALL = """
    -- Every account that is not marked yet.
    insert into ledger.outbox (consumer, holder_id, definition_id, number)
    select $1, account.holder_id, account.definition_id, 0 from ledger.account
    where account.definition_id = any($2::smallint[]) and not exists (
        select from ledger.outbox as marked
        where marked.consumer = $1 and marked.holder_id = account.holder_id
          and marked.definition_id = account.definition_id
    )
"""

FORGET_CONFIRMED = """
    -- What Engage has counts as unknown, so that the same total is sent again.
    update engage.account set confirmed_total = null, retry_at = null
    where definition_id = any($1::smallint[])
      and (confirmed_total is not null or retry_at is not null)
"""


class MarkedAccount(NamedTuple):
    """An account with the marks seen of it.

    Attributes:
        marks: Their ids.
        is_new: Whether Engage was never told of the account.
    """

    key: AccountKey
    marks: tuple[int, ...]
    is_new: bool


async def marked_accounts(
    pool: Pool, definitions: Sequence[DefinitionId], rows_max: int, now: datetime
) -> AsyncGenerator[list[MarkedAccount], None]:
    """The marked accounts, oldest mark first, in groups of at most `rows_max`.

    What is seen holds nothing: the caller locks the accounts before it relies on it.
    """
    after = 0
    while True:
        rows = await pool.fetch(SEE_MARKS, CONSUMER, after, list(definitions), now, WINDOW)
        marks: dict[AccountKey, list[int]] = {}
        new: set[AccountKey] = set()
        for row in rows:
            key = (HolderId(row["holder_id"]), DefinitionId(row["definition_id"]))
            marks.setdefault(key, []).append(row["id"])
            if row["is_new"]:
                new.add(key)
        accounts = [MarkedAccount(key, tuple(ids), key in new) for key, ids in marks.items()]
        for start in range(0, len(accounts), rows_max):
            yield accounts[start : start + rows_max]
        if len(rows) < WINDOW:
            return
        after = rows[-1]["id"]


async def take(connection: Connection, marks: Sequence[int]) -> None:
    """Delete marks, inside the transaction that stores what is sent instead."""
    await connection.execute(TAKE_MARKS, CONSUMER, list(marks))


async def count(connection: Connection, definitions: Sequence[DefinitionId], most: int) -> int:
    """How many marks there are, counted up to `most`."""
    counted = await connection.fetchval(COUNT_MARKS, CONSUMER, list(definitions), most)
    return int(counted or 0)


async def mark_everything(connection: Connection, definitions: Sequence[DefinitionId]) -> int:
    """Mark every account and forget what Engage confirmed; answers how many were marked.

    For a first load, and whenever Engage is no longer believed. Accounts in flight keep their
    push, and are looked at again after it.
    """
    async with connection.transaction():
        await connection.execute(FORGET_CONFIRMED, list(definitions))
        done = await connection.execute(MARK_ALL, CONSUMER, list(definitions))
    return int(done.rpartition(" ")[2])
