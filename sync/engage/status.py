"""How a tenant's Engage stands: what is to be told, on its way, parked, differing, stopped.

The one hard idea: everything here is counted now, from the rows themselves. What is stuck is what
should long be over: it is what an alarm looks at.
"""

from datetime import datetime, timedelta
from typing import Final

import msgspec

from ledger.connection import Connection
from sync.engage import batches, deliveries, marks, pauses
from sync.engage.context import Context
from sync.engage.drift import differences
from sync.engage.drift.differences import DriftStatus
from sync.engage.pauses import Pause
from sync.engage.settings import Mode
from sync.engage.transactions import deriving, rows

COUNTED_MAX: Final = 1_000_000

PARKED: Final = """
    -- Index: account_parked_idx, row_parked_idx.
    select (
        select count(*) from engage.account
        where parked_reason is not null and definition_id = any($1::smallint[])
    ) + (
        select count(*) from engage.row
        where state = 'parked' and definition_id = any($1::smallint[])
    )
"""

STUCK: Final = """
    -- Batches that should be over. Index: batch_next_action_idx.
    select count(*) from engage.batch
    where tenant_id = $1 and next_action_at is not null and created_at < $2
"""


class OpenState(msgspec.Struct, frozen=True, kw_only=True):
    """The batches of one state that aren't finished."""

    batches: int
    rows: int
    oldest: datetime
    next_action_at: datetime


class FollowerStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a tenant's Engage stands.

    Attributes:
        marked: Changes not yet on their way, counted up to a million.
        unfinished: Batches on their way, by state.
        stuck: Batches that are on their way for longer than `stuck_hours`.
        parked: Totals and movements that Engage does not take.
        deliveries: Webhook messages by what became of them.
        drift: What differs.
        paused: What people stopped.
        put_off_until, trouble: When and why sending goes on, if it was put off.
    """

    tenant: str
    mode: Mode
    marked: int
    unfinished: dict[str, OpenState]
    stuck: int
    parked: int
    deliveries: dict[str, int]
    drift: DriftStatus
    paused: tuple[Pause, ...]
    put_off_until: datetime | None
    trouble: str | None


async def status_of(context: Context) -> FollowerStatus:
    """How things stand now."""
    definitions, tenant = list(context.definitions), context.tenant
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        unfinished = await batches.unfinished(connection, tenant.id)
        put_off = await batches.waiting(connection, tenant.id, now)
        counts = await deliveries.counts(connection, tenant.id)
        return FollowerStatus(
            tenant=tenant.name,
            mode=context.options.mode,
            marked=await untold(context, connection, COUNTED_MAX),
            unfinished={
                state.value: OpenState(
                    batches=found.batches,
                    rows=found.rows,
                    oldest=found.oldest,
                    next_action_at=found.next_action_at,
                )
                for state, found in unfinished.items()
            },
            stuck=await stuck(context, connection, now),
            parked=await connection.fetchval(PARKED, definitions),
            deliveries={state.value: number for state, number in counts.items()},
            drift=await differences.sum_up(connection, tenant.id, definitions),
            paused=tuple(await pauses.paused(connection, tenant.id)),
            put_off_until=None if put_off is None else put_off[0],
            trouble=None if put_off is None else put_off[1],
        )


async def stuck(context: Context, connection: Connection, now: datetime) -> int:
    """How many requests are on their way for longer than they should be."""
    before = now - timedelta(hours=context.options.stuck_hours)
    return int(await connection.fetchval(STUCK, context.tenant.id, before) or 0)


async def untold(context: Context, connection: Connection, most: int) -> int:
    """How much is to be told and not on its way, counted up to `most`."""
    definitions = list(context.definitions)
    if context.options.mode is Mode.BALANCE_ONLY:
        return await marks.count(connection, definitions, most)
    waiting = await rows.count_waiting(connection, definitions, most)
    return waiting + await deriving.count_underived(context, connection, most)


async def parked_count(context: Context) -> int:
    """How much Engage does not take: accounts and movements together."""
    async with context.pool.acquire() as connection:
        return int(await connection.fetchval(PARKED, list(context.definitions)) or 0)


async def is_complete(context: Context) -> bool:
    """Whether nothing is left to tell and nothing is on its way."""
    async with context.pool.acquire() as connection:
        if await untold(context, connection, 1):
            return False
        return not await batches.unfinished(connection, context.tenant.id)
