"""What Engage was told of each point account, and that it is told one thing at a time.

The one hard idea: `engage.account.batch_id` is set under the row's lock, together with the stored
batch, and cleared only when that push has ended. Accounts are always locked in the order of their
keys, so two pushers can wait for each other but never in a circle.
"""

from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ledger.connection import Connection
from ledger.identity import DefinitionId, HolderId
from sync.engage.marks import CONSUMER, AccountKey, MarkedGroup

# That an account is in flight with a batch, said so that PostgreSQL makes no guess from how many
# accounts happened to be in flight when it last gathered statistics: it would read them all.
HELD = "coalesce(account.batch_id, '00000000-0000-0000-0000-000000000000') = $1"

BEGIN_FOLLOWING = """
    -- Rows for marked accounts that Engage was never told of. Index: outbox_pk, account_pk.
    insert into engage.account (holder_id, definition_id)
    select distinct holder_id, definition_id from ledger.outbox
    where consumer = $1 and id = any($2::bigint[])
    order by holder_id, definition_id
    on conflict do nothing
"""

CLAIM = """
    -- Those marked accounts that are not in flight are locked, in the order of their keys, and give
    -- up their marks; by how often they failed. One by one by their keys, whatever statistics say
    -- of a table that has just been filled. Index: outbox_pk, account_pk.
    with marked as materialized (
        select id, holder_id, definition_id from ledger.outbox
        where consumer = $1 and id = any($2::bigint[])
    ), free as materialized (
        select free.* from (
            select distinct holder_id, definition_id from marked order by holder_id, definition_id
        ) as asked
        cross join lateral (
            select holder_id, definition_id, failures from engage.account
            where account.holder_id = asked.holder_id
              and account.definition_id = asked.definition_id and account.batch_id is null
            for update
        ) as free
    ), taken as (
        delete from ledger.outbox using marked join free using (holder_id, definition_id)
        where outbox.consumer = $1 and outbox.id = marked.id
    )
    select failures, array_agg(holder_id) as holders, array_agg(definition_id) as definitions
    from free group by failures order by failures
"""

IN_FLIGHT = f"""
    -- The rows of a batch whose accounts it still holds. Index: batch_row_pk, account_pk.
    select batch_row.place, batch_row.total, batch_row.message, batch_row.holder_id,
           batch_row.definition_id
    from engage.batch_row join engage.account using (holder_id, definition_id)
    where batch_row.batch_id = $1 and {HELD}
    order by batch_row.place
"""

CONFIRM = f"""
    -- Engage has what was sent: these places, or all but those, are free again.
    -- Index: batch_row_pk, account_pk.
    update engage.account set batch_id = null, confirmed_total = account.sent_total,
        confirmed_at = $2, failures = 0, retry_at = null, parked_reason = null
    from engage.batch_row
    where batch_row.batch_id = $1 and {HELD}
      and account.holder_id = batch_row.holder_id
      and account.definition_id = batch_row.definition_id
      and (batch_row.place = any($3::smallint[])) = $4
"""

PUSH_AGAIN = f"""
    -- Nobody knows what Engage has: free again, and marked. Index: batch_row_pk, account_pk.
    with freed as (
        update engage.account set batch_id = null, confirmed_total = null,
            failures = case when $4::timestamptz is null then failures else failures + 1 end,
            retry_at = $4
        from engage.batch_row
        where batch_row.batch_id = $1 and {HELD}
          and account.holder_id = batch_row.holder_id
          and account.definition_id = batch_row.definition_id
          and batch_row.place = any($2::smallint[])
        returning account.holder_id, account.definition_id
    )
    insert into ledger.outbox (consumer, holder_id, definition_id, number)
    select $3, holder_id, definition_id, 0 from freed
"""

PARK = f"""
    -- Engage does not take these: free again, and left alone until they change or are retried.
    -- Index: batch_row_pk, account_pk.
    update engage.account set batch_id = null, confirmed_total = null, parked_reason = said.message,
        retry_at = null, failures = 0
    from engage.batch_row
    join unnest($2::smallint[], $3::text[]) as said (place, message) using (place)
    where batch_row.batch_id = $1 and {HELD}
      and account.holder_id = batch_row.holder_id
      and account.definition_id = batch_row.definition_id
"""

SAY = """
    -- What was said of single rows. Index: batch_row_pk.
    update engage.batch_row set message = said.message
    from unnest($2::smallint[], $3::text[]) as said (place, message)
    where batch_row.batch_id = $1 and batch_row.place = said.place
"""

FAILURES_OF = f"""
    -- Index: batch_row_pk, account_pk.
    select batch_row.place, account.failures
    from engage.batch_row join engage.account using (holder_id, definition_id)
    where batch_row.batch_id = $1 and {HELD}
"""


class Claimed(NamedTuple):
    """Locked accounts, none of them in flight and none of them marked any more.

    Attributes:
        failures: Pushes in a row that Engage did not take, of each.
    """

    failures: int
    holders: list[HolderId]
    definitions: list[DefinitionId]

    def parts(self, size: int) -> Iterator["Claimed"]:
        """The same in parts of at most so many."""
        for start in range(0, len(self.holders), size):
            end = start + size
            yield Claimed(self.failures, self.holders[start:end], self.definitions[start:end])


class SentRow(NamedTuple):
    """A row of a batch whose account is in flight with it.

    Attributes:
        place: From 0.
        total: As sent, in minor units.
        message: What Engage said of it.
    """

    place: int
    key: AccountKey
    total: int
    message: str | None


async def claim(connection: Connection, group: MarkedGroup) -> list[Claimed]:
    """Lock those of a group's accounts that are not in flight, and take their marks."""
    if group.has_new:
        await connection.execute(BEGIN_FOLLOWING, CONSUMER, group.marks)
    return [
        Claimed(row["failures"], row["holders"], row["definitions"])
        for row in await connection.fetch(CLAIM, CONSUMER, group.marks)
    ]


async def in_flight(connection: Connection, batch: UUID) -> list[SentRow]:
    """The rows of a batch whose accounts it still holds, by place."""
    return [
        SentRow(
            row["place"],
            (HolderId(row["holder_id"]), DefinitionId(row["definition_id"])),
            row["total"],
            row["message"],
        )
        for row in await connection.fetch(IN_FLIGHT, batch)
    ]


async def confirm(connection: Connection, batch: UUID, at: datetime, places: Sequence[int]) -> None:
    """Note that Engage has what these rows said, and let their accounts go."""
    await connection.execute(CONFIRM, batch, at, list(places), True)


async def confirm_all_but(
    connection: Connection, batch: UUID, at: datetime, places: Sequence[int]
) -> None:
    """The same for all rows but these."""
    await connection.execute(CONFIRM, batch, at, list(places), False)


async def push_again(
    connection: Connection, batch: UUID, places: Sequence[int], retry_at: datetime | None = None
) -> None:
    """Let accounts go and mark them; with `retry_at`, as having failed once more, for then."""
    await connection.execute(PUSH_AGAIN, batch, list(places), CONSUMER, retry_at)


async def park(connection: Connection, batch: UUID, reasons: dict[int, str]) -> None:
    """Let accounts go that Engage does not take, each with its reason by place."""
    await connection.execute(PARK, batch, list(reasons), list(reasons.values()))


async def say(connection: Connection, batch: UUID, messages: dict[int, str]) -> None:
    """Keep what was said of single rows, by place."""
    if messages:
        await connection.execute(SAY, batch, list(messages), list(messages.values()))


async def failures_of(connection: Connection, batch: UUID) -> dict[int, int]:
    """How often each row's account had failed before, by place."""
    return {row["place"]: row["failures"] for row in await connection.fetch(FAILURES_OF, batch)}
