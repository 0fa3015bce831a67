"""Sending totals: marks become batches, batches become requests.

The one hard idea: marks are taken, accounts locked, totals read, and body and rows stored, in that
order, in one short transaction. What a posting commits before the marks are taken is in the totals;
what it commits later leaves a mark that stays. So whatever step dies, either the marks are still
there or the exact bytes are.

One run for a tenant at a time, several requests at once over different accounts. The run ends early
when Engage itself is in trouble: what is stored then waits, and no more accounts are put in flight.
"""

import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ledger import reading
from ledger.connection import Connection
from ledger.identity import ContactId, HolderId
from sync.engage import accounts, batches, marks
from sync.engage.accounts import FreeAccount
from sync.engage.context import Context, new_id
from sync.engage.ending import end
from sync.engage.marks import AccountKey, MarkedAccount
from sync.engage.progress import SEND_LEASE_SECONDS, State, after_sending
from sync.engage.totals import Total, body_of, split, stamped_at, total_of
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


@dataclass(slots=True)
class _Stored:
    """What one transaction stored."""

    batches: list[UUID] = field(default_factory=list)
    unchanged: int = 0


async def push(context: Context, *, at_once: bool = False) -> PushReport:
    """Send everything that is to be sent and isn't in flight.

    Args:
        context: Whose Engage. The caller has the tenant's push to itself.
        at_once: Try again at once what was put off, as when a person asks after mending something.
    """
    report = PushReport()
    lanes = Lanes(context.options.requests_at_once)
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        if at_once:
            await batches.make_due(connection, context.tenant.id, now)
        left = await batches.stored(connection, context.tenant.id, now)
        put_off = await batches.waiting(connection, context.tenant.id, now)
    for batch in left:
        if not report.is_stopped():
            await lanes.start(_send(context, batch, report))
    if put_off is not None and not report.is_stopped():
        until, reason = put_off
        report.trouble = f"put off until {until:%Y-%m-%dT%H:%M:%SZ}: {reason or 'no reason kept'}"
    if not report.is_stopped():
        async for stored in _store_all(context, now):
            report.stored += len(stored.batches)
            report.unchanged += stored.unchanged
            for batch in stored.batches:
                await lanes.start(_send(context, batch, report))
            if report.is_stopped():
                break
    await lanes.finish()
    return report


async def _store_all(context: Context, now: datetime) -> AsyncIterator[_Stored]:
    """Make batches of all marked accounts, group by group, as fast as they are taken off."""
    groups = marks.marked_accounts(
        context.pool, list(context.definitions), context.options.batch_rows_max, now
    )
    async for group in groups:
        async with context.pool.acquire() as connection, connection.transaction():
            stored = await store(context, connection, group)
        yield stored


async def store(context: Context, connection: Connection, group: list[MarkedAccount]) -> _Stored:
    """Make batches of some marked accounts, inside the caller's transaction.

    Accounts that somebody else put in flight meanwhile keep their marks.
    """
    free = await accounts.lock_free(
        connection,
        [account.key for account in group],
        [account.key for account in group if account.is_new],
    )
    taken = {account.key for account in free}
    await marks.take(connection, [mark for one in group if one.key in taken for mark in one.marks])
    read_at = await context.clock.read(connection)
    totals = await _totals(context, connection, free, read_at)
    contacts = await reading.contacts_of(connection, list({holder for holder, _ in totals}))
    changed = [
        (account.failures, account)
        for account in free
        if account.key in totals
        and account.key[0] in contacts  # an erased holder is nobody Engage could be told of
        and account.confirmed_total != totals[account.key]
    ]
    stored = _Stored(unchanged=len(free) - len(changed))
    for rows in split(changed, context.options.batch_rows_max):
        batch = await _store_batch(context, connection, rows, totals, contacts, read_at)
        stored.batches.append(batch)
    return stored


async def _totals(
    context: Context, connection: Connection, free: list[FreeAccount], at: datetime
) -> dict[AccountKey, int]:
    """What Engage is to be told, read after the marks were taken."""
    balances = await reading.totals(connection, [account.key for account in free], at=at)
    return {key: total_of(balance, context.options.total) for key, balance in balances.items()}


async def _store_batch(
    context: Context,
    connection: Connection,
    rows: list[FreeAccount],
    totals: dict[AccountKey, int],
    contacts: dict[HolderId, ContactId],
    read_at: datetime,
) -> UUID:
    definitions = context.definitions
    stamp = stamped_at(read_at, (account.sent_at for account in rows))
    told = []
    for account in rows:
        holder, number = account.key
        definition = definitions[number]
        total = totals[account.key]
        told.append(Total(contacts[holder], total, definition.scale, definition.engage_id))
    batch = new_id(read_at)
    sent = [(account.key, totals[account.key]) for account in rows]
    path = context.client.balances_path
    await batches.add(
        connection, batch, context.tenant.id, read_at, path, body_of(told, stamp), sent
    )
    await accounts.send_off(connection, batch, stamp, sent)
    return batch


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
