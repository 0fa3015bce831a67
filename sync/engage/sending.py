"""Making one request: a stored batch goes out, and what came of it is written down.

The one hard idea: that a request is about to be made is committed before it is made, so a batch
found in that state later has had a sender that died. What the answer means is decided for totals
and for movements apart; how it is written down is one and the same.
"""

import logging
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from ledger.connection import Connection
from sync.engage import batches
from sync.engage.batches import BatchKind, Sending
from sync.engage.context import Context
from sync.engage.ending import end
from sync.engage.exchange import Exchange, Unreached
from sync.engage.progress import SEND_LEASE_SECONDS, State, Step, after_sending
from sync.engage.transactions.ending import end_rows
from sync.engage.transactions.progress import after_telling

REFUSED_MAX: Final = 3
"""Requests turned away for what they hold, before a run gives up: more likely it is all of them."""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PushReport:
    """What a run did.

    Attributes:
        stored: Batches made of what was to be told.
        sent: Requests made, those left from earlier runs included.
        rows: Rows in them.
        unchanged: Marked accounts of which there is nothing new to tell.
        derived: Transactions of the books that became rows.
        accepted, unclear, refused, put_off: How the requests ended.
        parked: Rows that Engage did not take.
        trouble: Why the run ended early, if it did.
    """

    stored: int = 0
    sent: int = 0
    rows: int = 0
    unchanged: int = 0
    derived: int = 0
    accepted: int = 0
    unclear: int = 0
    refused: int = 0
    put_off: int = 0
    parked: int = 0
    trouble: str | None = None

    def is_stopped(self) -> bool:
        """Whether nothing more should be sent in this run."""
        return self.trouble is not None


async def send(
    context: Context, batch: UUID, report: PushReport, *, expected: State = State.STORED
) -> None:
    """Send a batch and record what came of it.

    Args:
        context: Whose.
        batch: Which.
        report: Of the run, added to. Once it is stopped, nothing is sent any more.
        expected: Where the batch stands: `unclear` for one that is sent again with its key.
    """
    await context.client.turn()
    if report.is_stopped():
        return  # it stays as it is; the next run sends it
    lease = timedelta(seconds=context.options.answer_seconds + SEND_LEASE_SECONDS)
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        sending = await batches.start_sending(connection, batch, now, lease, expected=expected)
    if sending is None:
        return
    exchange = await context.client.post(
        sending.path, sending.body, idempotency_key=sending.idempotency_key
    )
    again = expected is State.UNCLEAR
    async with context.pool.acquire() as connection, connection.transaction():
        now = await context.clock.read(connection)
        step = await _record(context, connection, batch, sending, exchange, now, again, report)
    _count(report, sending, exchange, step)
    logger.info(
        "engage push tenant=%s batch=%s kind=%s state=%s status=%s",
        context.tenant.name,
        batch,
        sending.kind,
        step.state,
        step.http_status,
    )


async def _record(
    context: Context,
    connection: Connection,
    batch: UUID,
    sending: Sending,
    exchange: Exchange,
    now: datetime,
    again: bool,  # noqa: FBT001 - a private step of the only caller
    report: PushReport,
) -> Step:
    """Write down what came of a request; answers what follows."""
    options = context.options
    if sending.kind is BatchKind.BALANCES:
        step = after_sending(exchange, attempts=sending.attempts, now=now, options=options)
        recorded = await batches.record(connection, batch, State.SENDING, step, now)
        if recorded and step.state is State.REFUSED:
            await end(connection, batch, step, now)
        return step
    step = after_telling(
        exchange,
        attempts=sending.attempts,
        first_sent_at=sending.first_sent_at,
        again=again,
        now=now,
        options=options,
    )
    if await batches.record(connection, batch, State.SENDING, step, now):
        step, parked = await end_rows(context, connection, batch, sending, step, exchange, now)
        report.parked += parked
    return step


def _count(report: PushReport, sending: Sending, exchange: Exchange, step: Step) -> None:
    if not isinstance(exchange, Unreached):
        report.sent += 1
        report.rows += sending.row_count
    match step.state:
        case State.ACCEPTED | State.DONE:
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
