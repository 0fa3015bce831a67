"""Telling Engage what changed: what is stored goes out, what is new is stored and goes out.

The one hard idea: one run for a tenant is enough; within it, several requests over different
accounts are stored and made at once. The run ends early when Engage itself is in trouble, or when a
person has stopped it: what is stored then waits, and no more accounts are put in flight.
"""

from contextlib import aclosing

from sync.engage import batches, marks, parked, pauses
from sync.engage.context import Context
from sync.engage.marks import MarkedGroup
from sync.engage.pauses import Direction
from sync.engage.sending import PushReport, send
from sync.engage.settings import Mode
from sync.engage.storing import store
from sync.engage.transactions.deriving import derive
from sync.engage.transactions.progress import keys_alive_since
from sync.engage.transactions.rows import SeenRow
from sync.engage.transactions.storing import store_rows, waiting_groups
from sync.lanes import Lanes

__all__ = ["PushReport", "push"]


async def push(context: Context, *, at_once: bool = False) -> PushReport:
    """Send everything that is to be sent and isn't in flight.

    Args:
        context: Whose Engage. The caller has the tenant's push to itself.
        at_once: Try again at once what was put off, as when a person asks after mending something.
    """
    report = PushReport()
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        report.trouble = await pauses.why(connection, context.tenant.id, Direction.PUSH)
        if report.is_stopped():
            return report
        await parked.retry_due(context, connection, now)
        if at_once:
            await batches.make_due(connection, context.tenant.id, now)
        left = await batches.to_be_sent(
            connection, context.tenant.id, now, keys_alive_since(now, context.options)
        )
        put_off = await batches.waiting(connection, context.tenant.id, now)
    async with Lanes(context.options.requests_at_once) as lanes:
        for batch, state in left:
            if not report.is_stopped():
                await lanes.start(send(context, batch, report, expected=state))
    if put_off is not None and not report.is_stopped():
        until, reason = put_off
        report.trouble = f"put off until {until:%Y-%m-%dT%H:%M:%SZ}: {reason or 'no reason kept'}"
    if report.is_stopped():
        return report
    if context.options.mode is Mode.BALANCE_ONLY:
        await _push_marked(context, report)
    else:
        report.derived = await derive(context)
        await _push_waiting(context, report)
    return report


async def _push_marked(context: Context, report: PushReport) -> None:
    """Store and send the totals of what is marked, group by group, several groups at once."""
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
    groups = marks.marked_groups(
        context.pool, list(context.definitions), context.options.batch_rows_max, now
    )
    async with aclosing(groups), Lanes(context.options.requests_at_once) as lanes:
        async for group in groups:
            if report.is_stopped():
                break
            await lanes.start(_push_group(context, group, report))


async def _push_group(context: Context, group: MarkedGroup, report: PushReport) -> None:
    """Store what changed of some accounts, and send it."""
    async with context.pool.acquire() as connection, connection.transaction():
        report.trouble = await pauses.why(connection, context.tenant.id, Direction.PUSH)
        if report.is_stopped():
            return
        stored = await store(context, connection, group)
    report.stored += len(stored.batches)
    report.unchanged += stored.unchanged
    for batch in stored.batches:
        await send(context, batch, report)


async def _push_waiting(context: Context, report: PushReport) -> None:
    """Store and send the rows that wait, likewise; those an account still has, in another round."""
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
    stored = -1
    while stored < report.stored and not report.is_stopped():
        stored = report.stored
        groups = waiting_groups(context, now)
        async with aclosing(groups), Lanes(context.options.requests_at_once) as lanes:
            async for group in groups:
                if report.is_stopped():
                    break
                await lanes.start(_push_rows(context, group, report))


async def _push_rows(context: Context, group: list[SeenRow], report: PushReport) -> None:
    """Store some rows as a batch, and send it."""
    async with context.pool.acquire() as connection, connection.transaction():
        report.trouble = await pauses.why(connection, context.tenant.id, Direction.PUSH)
        if report.is_stopped():
            return
        batch = await store_rows(context, connection, group)
    if batch is not None:
        report.stored += 1
        await send(context, batch, report)
