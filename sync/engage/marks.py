"""Marks: which point accounts changed since Engage was last told of them.

The one hard idea: a mark says that an account changed, not to what; so any number of marks become
one row, and the total is read only after the marks were taken. A mark is deleted in the transaction
that stores what is sent instead, and only by its own id: one that arrives meanwhile stays.

Marks of accounts in flight are passed over and stay; the next run sees them.
"""

from collections.abc import AsyncGenerator, Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

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

GROUP_MARKS = f"""
    -- The same in groups of so many accounts, by their keys: only ids leave the database.
    with seen as materialized ({SEE_MARKS}), ranked as (
        select seen.*, (dense_rank() over (order by holder_id, definition_id) - 1) / $6 as part
        from seen
    )
    select array_agg(id) as marks, bool_or(is_new) as has_new, count(*) as seen, max(id) as last
    from ranked group by part order by min(id)
"""

COUNT_MARKS = """
    -- At most so many. Index: outbox_pk.
    select count(*) from (
        select from ledger.outbox
        where consumer = $1 and definition_id = any($2::smallint[]) limit $3
    ) as seen
"""

LAST_MARK = "select max(id) from ledger.outbox where consumer = $1"

MARK_SOME = """
    -- The next accounts by their keys: what Engage has of them counts as unknown, so that the same
    -- total is sent again, and they are marked, unless they were before this began.
    -- Index: account_pk of both, outbox_pk.
    with chosen as materialized (
        select holder_id, definition_id from ledger.account
        where (holder_id, definition_id) > ($3::uuid, $4::smallint)
          and definition_id = any($2::smallint[])
        order by holder_id, definition_id limit $5
    ), unknown as (
        update engage.account set confirmed_total = null, retry_at = null
        from chosen
        where account.holder_id = chosen.holder_id and account.definition_id = chosen.definition_id
          and (confirmed_total is not null or retry_at is not null)
    ), marked as (
        insert into ledger.outbox (consumer, holder_id, definition_id, number)
        select $1, holder_id, definition_id, 0 from chosen
        where not exists (
            select from ledger.outbox as before
            where before.consumer = $1 and before.id <= $6
              and before.holder_id = chosen.holder_id
              and before.definition_id = chosen.definition_id
        )
        returning 1
    )
    select (select count(*) from marked) as marked, count(*) as seen,
           (array_agg(holder_id order by holder_id desc, definition_id desc))[1] as holder_id,
           (array_agg(definition_id order by holder_id desc, definition_id desc))[1]
               as definition_id
    from chosen
"""


class MarkedGroup(NamedTuple):
    """Marks of so many accounts, all those that were seen of each.

    Attributes:
        marks: Their ids.
        has_new: Whether Engage was never told of some of the accounts.
    """

    marks: list[int]
    has_new: bool


async def marked_groups(
    pool: Pool, definitions: Sequence[DefinitionId], rows_max: int, now: datetime
) -> AsyncGenerator[MarkedGroup, None]:
    """The marks of accounts that may be told, oldest first, in groups of `rows_max` accounts.

    What is seen holds nothing: the caller locks the accounts before it relies on it.
    """
    after = 0
    while True:
        groups = await pool.fetch(
            GROUP_MARKS, CONSUMER, after, list(definitions), now, WINDOW, rows_max
        )
        for group in groups:
            yield MarkedGroup(group["marks"], group["has_new"])
        if sum(group["seen"] for group in groups) < WINDOW:
            return
        after = max(group["last"] for group in groups)


async def count(connection: Connection, definitions: Sequence[DefinitionId], most: int) -> int:
    """How many marks there are, counted up to `most`."""
    counted = await connection.fetchval(COUNT_MARKS, CONSUMER, list(definitions), most)
    return int(counted or 0)


async def mark_everything(connection: Connection, definitions: Sequence[DefinitionId]) -> int:
    """Mark every account and forget what Engage confirmed; answers how many were marked.

    For a first load, and whenever Engage is no longer believed. Accounts in flight keep their
    push, and are looked at again after it. Each so many accounts are a transaction of their own:
    one that ends early is begun again.
    """
    before = await connection.fetchval(LAST_MARK, CONSUMER) or 0
    holder, definition = UUID(int=0), 0
    marked = 0
    while True:
        row = await connection.fetchrow(
            MARK_SOME, CONSUMER, list(definitions), holder, definition, WINDOW, before
        )
        if row is None:
            raise RuntimeError("an aggregate always answers")
        marked += int(row["marked"])
        if row["seen"] < WINDOW:
            return marked
        holder, definition = row["holder_id"], row["definition_id"]
