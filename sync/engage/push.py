"""Sending totals: what is stored goes out, and what came of each request is written down.

The one hard idea: that a request is about to be made is committed before it is made, so a batch
found in that state later has had a sender that died. One run for a tenant is enough; within it,
several requests over different accounts are stored and made at once.

The run ends early when Engage itself is in trouble: what is stored then waits, and no more accounts
are put in flight.
"""

import logging
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from sync.engage import batches, marks
from sync.engage.context import Context
from sync.engage.ending import end
from sync.engage.marks import MarkedAccount
from sync.engage.progress import SEND_LEASE_SECONDS, State, after_sending
from sync.engage.storing import store
from sync.lanes import Lanes

REFUSED_MAX: Final = 3
"""Requests turned away for what they hold, before a run gives up: more likely it is all of them."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PushReport:
    """What a run did.

    Attributes:
        stored: Batches made of marked accounts.
        sent: Requests made, those left from earlier runs included.
        rows: Rows in them.
        unchanged: Marked accounts of which there is nothing new to tell.
        accepted, unclear, refused, put_off: How the requests ended.
        trouble: Why the run ended early, if it did.
    """

    stored: int = 0
    sent: int = 0
    rows: int = 0
    unchanged: int = 0
    accepted: int = 0
    unclear: int = 0
    refused: int = 0
    put_off: int = 0
    trouble: str | None = None

    def is_stopped(self) -> bool:
        """Whether nothing more should be sent in this run."""
        return self.trouble is not None


async def push(context: Context, *, at_once: bool = False) -> PushReport:
    """Send everything that is to be sent and isn't in flight.

    Args:
        context: Whose Engage. The caller has the tenant's push to itself.
        at_once: Try again at once what was put off, as when a person asks after mending something.
    """
    report = PushReport()
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        if at_once:
            await batches.make_due(connection, context.tenant.id, now)
        left = await batches.stored(connection, context.tenant.id, now)
        put_off = await batches.waiting(connection, context.tenant.id, now)
    async with Lanes(context.options.requests_at_once) as lanes:
        for batch in left:
            if not report.is_stopped():
                await lanes.start(_send(context, batch, report))
    if put_off is not None and not report.is_stopped():
        until, reason = put_off
        report.trouble = f"put off until {until:%Y-%m-%dT%H:%M:%SZ}: {reason or 'no reason kept'}"
    if not report.is_stopped():
        await _push_marked(context, now, report)
    return report


async def _push_marked(context: Context, now: datetime, report: PushReport) -> None:
    """Store and send what is marked, group by group, several groups at once."""
    groups = marks.marked_accounts(
        context.pool, list(context.definitions), context.options.batch_rows_max, now
    )
    async with aclosing(groups), Lanes(context.options.requests_at_once) as lanes:
        async for group in groups:
            if report.is_stopped():
                break
            await lanes.start(_push_group(context, group, report))


async def _push_group(context: Context, group: list[MarkedAccount], report: PushReport) -> None:
    """Store what changed of some accounts, and send it."""
    async with context.pool.acquire() as connection, connection.transaction():
        stored = await store(context, connection, group)
    report.stored += len(stored.batches)
    report.unchanged += stored.unchanged
    for batch in stored.batches:
        await _send(context, batch, report)


async def _send(context: Context, batch: UUID, report: PushReport) -> None:
    """Send a stored batch and record what came of it."""
    await context.client.turn()
    if report.is_stopped():
        return  # it stays stored; the next run sends it
    lease = timedelta(seconds=context.options.answer_seconds + SEND_LEASE_SECONDS)
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        sending = await batches.start_sending(connection, batch, now, lease)
    if sending is None:
        return
    exchange = await context.client.post(sending.path, sending.body)
    async with context.pool.acquire() as connection, connection.transaction():
        now = await context.clock.read(connection)
        step = after_sending(exchange, attempts=sending.attempts, now=now, options=context.options)
        recorded = await batches.record(connection, batch, State.SENDING, step, now)
        if recorded and step.state is State.REFUSED:
            await end(connection, batch, step, now)
    report.sent += 1
    report.rows += sending.row_count
    match step.state:
        case State.ACCEPTED:
            report.accepted += 1
        case State.UNCLEAR:
            report.unclear += 1
        case State.REFUSED:
            report.refused += 1
        case _:
            report.put_off += 1
    if step.trouble is not None:
        report.trouble = step.trouble
    elif report.refused >= REFUSED_MAX:
        report.trouble = f"{report.refused} requests refused: {step.error}"
    logger.info(
        "engage push tenant=%s batch=%s state=%s status=%s",
        context.tenant.name,
        batch,
        step.state,
        step.http_status,
    )
