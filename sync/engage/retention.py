"""Clearing away what is over and old, a few thousand rows at a time.

The one hard idea: only what can't matter any more goes. A request that has not ended, a message in
quarantine and an open difference are kept however old they are; so is every row of a movement that
Engage was told, because its time stamp is what keeps it from being told twice. An adjustment that
comes again after its message was cleared away is still recognised: the books keep its key for ever.
Of one that was decided not to be booked they have no key, so its message stays, without its bytes.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from ledger.connection import Pool
from ledger.identity import TenantId, uuid7
from sync.engage.below_zero import NOTHING_THERE
from sync.engage.contacts import members
from sync.engage.context import Context
from sync.engage.deliveries import DISMISSED

ROWS_MAX: Final = 2000
"""Rows of one transaction."""

BATCHES_MAX: Final = 20
"""Batches of one transaction: each has up to a thousand rows."""

ROUNDS_MAX: Final = 500
"""Transactions of one kind in one go; what is left is for the next time."""

UNBOOKED_FOR_GOOD: Final = (DISMISSED, NOTHING_THERE)
"""Reasons of adjustments that were left unbooked and would be booked if they came as new ones."""

BATCH_BODIES: Final = """
    -- Index: batch_tenant_idx.
    update engage.batch set body = null where id = any(array(
        select id from engage.batch
        where tenant_id = $1 and id < $2 and finished_at < $3 and body is not null
        order by id limit $4 for update skip locked
    ))
"""

MESSAGE_BODIES: Final = """
    -- Index: delivery_tenant_idx.
    update engage.delivery set body = null, earlier_bodies = null where id = any(array(
        select id from engage.delivery
        where tenant_id = $1 and id < $2 and decided_at < $3 and body is not null
          and state in ('booked', 'duplicate', 'ignored')
        order by id limit $4 for update skip locked
    ))
"""

IGNORED: Final = """
    -- Index: delivery_tenant_idx.
    delete from engage.delivery where id = any(array(
        select id from engage.delivery
        where tenant_id = $1 and id < $2 and decided_at < $3 and state = 'ignored'
          and coalesce(reason, '') <> all($5::text[])
        order by id limit $4 for update skip locked
    ))
"""

MESSAGES: Final = """
    -- Index: delivery_tenant_idx.
    delete from engage.delivery where id = any(array(
        select id from engage.delivery
        where tenant_id = $1 and id < $2 and decided_at < $3
          and state in ('booked', 'duplicate', 'ignored')
          and coalesce(reason, '') <> all($5::text[])
        order by id limit $4 for update skip locked
    ))
"""

BATCHES: Final = """
    -- With their rows. Index: batch_tenant_idx, batch_row_pk.
    with old as (
        delete from engage.batch where id = any(array(
            select id from engage.batch
            where tenant_id = $1 and id < $2 and finished_at < $3
            order by id limit $4 for update skip locked
        ))
        returning id
    ), rows as (
        delete from engage.batch_row using old where batch_row.batch_id = old.id
    )
    select count(*) from old
"""

DIFFERENCES: Final = """
    -- Index: difference_tenant_idx.
    delete from engage.difference where id = any(array(
        select id from engage.difference
        where tenant_id = $1 and id < $2 and closed_at < $3
        order by id limit $4 for update skip locked
    ))
"""

RUNS: Final = """
    -- Few enough a day to be looked through.
    delete from engage.run where id = any(array(
        select id from engage.run
        where tenant_id = $1 and id < $2 and finished_at < $3
        order by id limit $4 for update skip locked
    ))
"""


class Cleared(msgspec.Struct, frozen=True, kw_only=True):
    """How much was cleared away.

    Attributes:
        bodies: Of requests and messages that stay without them.
        messages: Of the webhook, ignored ones included.
        member_numbers: Answers that no longer count.
    """

    bodies: int
    messages: int
    batches: int
    differences: int
    runs: int
    member_numbers: int


async def clear_up(context: Context) -> Cleared:
    """Clear away what is over and older than the settings keep."""
    options, pool, tenant = context.options.retention, context.pool, context.tenant.id
    async with pool.acquire() as connection:
        now = await context.clock.read(connection)
    bodies = now - timedelta(days=options.bodies_days)
    ignored = now - timedelta(days=options.ignored_days)
    record = now - timedelta(days=options.record_days)
    runs = now - timedelta(days=options.runs_days)
    return Cleared(
        bodies=await _clear(pool, BATCH_BODIES, tenant, bodies, ROWS_MAX)
        + await _clear(pool, MESSAGE_BODIES, tenant, bodies, ROWS_MAX),
        messages=await _clear(pool, IGNORED, tenant, ignored, ROWS_MAX, UNBOOKED_FOR_GOOD)
        + await _clear(pool, MESSAGES, tenant, record, ROWS_MAX, UNBOOKED_FOR_GOOD),
        batches=await _clear(pool, BATCHES, tenant, record, BATCHES_MAX),
        differences=await _clear(pool, DIFFERENCES, tenant, record, ROWS_MAX),
        runs=await _clear(pool, RUNS, tenant, runs, ROWS_MAX),
        member_numbers=await _forget_members(context, now, record),
    )


async def _forget_members(context: Context, now: datetime, record: datetime) -> int:
    async with context.pool.acquire() as connection:
        return await members.forget_expired(connection, now, record)


async def _clear(
    pool: Pool, statement: str, tenant: TenantId, until: datetime, most: int, *more: object
) -> int:
    """Clear in short transactions until few enough are left."""
    values: Sequence[object] = (tenant, _first_id(until), until, most, *more)
    cleared = 0
    for _ in range(ROUNDS_MAX):
        async with pool.acquire() as connection:
            if statement is BATCHES:
                count = int(await connection.fetchval(statement, *values))
            else:
                done = str(await connection.execute(statement, *values))
                count = int(done.rpartition(" ")[2])
        cleared += count
        if count < most:
            break
    return cleared


def _first_id(moment: datetime) -> UUID:
    """The least identifier of anything made at that moment."""
    return uuid7(moment, bytes(10))
