"""What Engage does not take: listed, and tried again by hand, in time, or when its cause is gone.

The one hard idea: parked is not lost. A parked total is told anew as it is then; a parked movement
is told as it happened, under a new key. Retrying what is still refused parks it again.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final

import asyncpg
import msgspec

from ledger.connection import Connection
from ledger.identity import ContactId, DefinitionId, HolderId
from ledger.reading import contacts_of
from sync.engage.context import Context
from sync.engage.marks import CONSUMER, AccountKey

LIST_MAX: Final = 1000

ROWS: Final = """
    -- Parked rows of a tenant, oldest first. Index: row_parked_idx.
    select id, holder_id, definition_id, number, amount, stamp, reason, retry_at from engage.row
    where state = 'parked' and definition_id = any($1::smallint[]) and id > $2
    order by id limit $3
"""

ACCOUNTS: Final = """
    -- Parked accounts of a tenant. Index: account_parked_idx.
    select holder_id, definition_id, sent_total, sent_at, parked_reason from engage.account
    where parked_reason is not null and definition_id = any($1::smallint[])
      and ($2::uuid is null or (definition_id, holder_id) > ($3::smallint, $2::uuid))
    order by definition_id, holder_id limit $4
"""

RETRY_ROWS: Final = """
    -- Index: row_parked_idx.
    update engage.row set state = 'waiting', retry_at = null
    where state = 'parked' and definition_id = any($1::smallint[])
      and ($2::bigint[] is null or id = any($2))
      and ($3::uuid[] is null or holder_id = any($3))
      and ($4::timestamptz is null or retry_at <= $4)
"""

RETRY_ACCOUNTS: Final = """
    -- Mark parked accounts; those that are marked already are only no longer parked.
    -- Index: account_parked_idx.
    with free as (
        update engage.account set parked_reason = null, confirmed_total = null, retry_at = null
        where parked_reason is not null and batch_id is null
          and definition_id = any($2::smallint[])
          and ($3::uuid[] is null or holder_id = any($3))
          and ($4::timestamptz is null or sent_at <= $4)
        returning holder_id, definition_id
    )
    insert into ledger.outbox (consumer, holder_id, definition_id, number)
    select $1, holder_id, definition_id, 0 from free
"""


class ParkedRecord(msgspec.Struct, frozen=True, kw_only=True):
    """Something that Engage does not take.

    Attributes:
        id: By which a movement can be retried alone; `None` for a total.
        definition: The books' own number.
        amount: In minor units: the total as last told, or the movement.
        at: When the total was told, or when the movement happened.
        retry_at: When it is tried again by itself; `None` for not before somebody asks.
    """

    id: int | None
    holder: HolderId
    contact: ContactId | None
    definition: DefinitionId
    amount: int
    at: datetime | None
    reason: str
    retry_at: datetime | None


async def page(
    context: Context, connection: Connection, *, after: int | AccountKey = 0, limit: int = 100
) -> list[ParkedRecord]:
    """A page of what is parked: movements, oldest first, then totals.

    `after` is what was seen last: a movement by its id, or an account.
    """
    if isinstance(after, tuple):
        return await parked_accounts(context, connection, after=after, limit=limit)
    found = await parked_rows(context, connection, after=after, limit=limit)
    rest = min(limit, LIST_MAX) - len(found)
    if rest:
        found += await parked_accounts(context, connection, limit=rest)
    return found


async def parked_rows(
    context: Context, connection: Connection, *, after: int = 0, limit: int = 100
) -> list[ParkedRecord]:
    """A page of parked movements, oldest first; `after` is the id of the last one seen."""
    rows = await connection.fetch(ROWS, list(context.definitions), after, min(limit, LIST_MAX))
    contacts = await contacts_of(connection, [HolderId(row["holder_id"]) for row in rows])
    return [
        ParkedRecord(
            id=row["id"],
            holder=HolderId(row["holder_id"]),
            contact=contacts.get(row["holder_id"]),
            definition=DefinitionId(row["definition_id"]),
            amount=row["amount"],
            at=row["stamp"],
            reason=row["reason"] or "",
            retry_at=row["retry_at"],
        )
        for row in rows
    ]


async def parked_accounts(
    context: Context,
    connection: Connection,
    *,
    after: AccountKey | None = None,
    limit: int = 100,
) -> list[ParkedRecord]:
    """A page of accounts whose totals are parked; `after` is the key of the last one seen."""
    holder, definition = after or (None, None)
    rows = await connection.fetch(
        ACCOUNTS, list(context.definitions), holder, definition, min(limit, LIST_MAX)
    )
    contacts = await contacts_of(connection, [HolderId(row["holder_id"]) for row in rows])
    hours = context.options.parked_retry_hours
    return [_parked_account(row, contacts, hours) for row in rows]


def _parked_account(
    row: asyncpg.Record, contacts: dict[HolderId, ContactId], hours: float
) -> ParkedRecord:
    again = row["sent_at"] + timedelta(hours=hours) if hours and row["sent_at"] else None
    return ParkedRecord(
        id=None,
        holder=HolderId(row["holder_id"]),
        contact=contacts.get(row["holder_id"]),
        definition=DefinitionId(row["definition_id"]),
        amount=row["sent_total"] or 0,
        at=row["sent_at"],
        reason=row["parked_reason"],
        retry_at=again,
    )


async def retry(
    context: Context,
    connection: Connection,
    *,
    rows: Sequence[int] | None = None,
    holders: Sequence[HolderId] | None = None,
) -> int:
    """Try parked ones again: all, or those of some holders, or single movements; answers how many.

    With `rows`, totals are left as they are.
    """
    definitions = list(context.definitions)
    wanted = None if rows is None else list(rows)
    whose = None if holders is None else list(holders)
    retried = _count(await connection.execute(RETRY_ROWS, definitions, wanted, whose, None))
    if rows is None:
        done = await connection.execute(RETRY_ACCOUNTS, CONSUMER, definitions, whose, None)
        retried += _count(done)
    return retried


async def retry_due(context: Context, connection: Connection, now: datetime) -> int:
    """Try again what has been parked for as long as the settings say; answers how many."""
    hours = context.options.parked_retry_hours
    if not hours:
        return 0
    definitions, before = list(context.definitions), now - timedelta(hours=hours)
    retried = _count(await connection.execute(RETRY_ROWS, definitions, None, None, now))
    done = await connection.execute(RETRY_ACCOUNTS, CONSUMER, definitions, None, before)
    return retried + _count(done)


def _count(done: object) -> int:
    """How many rows a statement changed, by what it answers."""
    return int(str(done).rpartition(" ")[2])
