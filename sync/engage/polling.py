"""Asking Engage how far it has come with what it accepted, until it says so in a final word.

The one hard idea: the question costs a request and Engage's job may run hourly, so each batch has
its own widening plan of appointments; whichever worker comes first after one takes it up.
"""

import logging
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from sync.engage import batches
from sync.engage.batches import TakenBatch
from sync.engage.context import Context
from sync.engage.ending import end
from sync.engage.exchange import Refused
from sync.engage.progress import State, after_polling
from sync.lanes import Lanes

TAKEN_AT_ONCE: Final = 50
LEASE_SECONDS: Final = 60

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class PollReport:
    """What a round of questions brought.

    Attributes:
        asked: Questions.
        done, failed: Batches that ended so.
        unclear: Batches that are now to be settled by reading.
        trouble: Why the round ended early, if it did.
    """

    asked: int = 0
    done: int = 0
    failed: int = 0
    unclear: int = 0
    trouble: str | None = None

    def is_stopped(self) -> bool:
        """Whether no more should be asked in this round."""
        return self.trouble is not None


async def poll(context: Context) -> PollReport:
    """Ask about every accepted batch whose appointment has come."""
    report = PollReport()
    lease = timedelta(seconds=LEASE_SECONDS + context.options.answer_seconds)
    while not report.is_stopped():
        async with context.pool.acquire() as connection:
            now = await context.clock.read(connection)
            taken = await batches.take_up(
                connection, context.tenant.id, [State.ACCEPTED], now, lease, TAKEN_AT_ONCE
            )
        async with Lanes(context.options.requests_at_once) as lanes:
            for batch in taken:
                await lanes.start(_ask(context, batch, report))
        if len(taken) < TAKEN_AT_ONCE:
            break
    return report


async def _ask(context: Context, batch: TakenBatch, report: PollReport) -> None:
    exchange = await context.client.balances_status(batch.engage_id or "")
    if isinstance(exchange, Refused) and exchange.status != 404:
        logger.warning(
            "engage poll tenant=%s batch=%s status=%d", context.tenant.name, batch.id,
            exchange.status,
        )  # fmt: skip
    async with context.pool.acquire() as connection, connection.transaction():
        now = await context.clock.read(connection)
        step = after_polling(
            exchange,
            polls=batch.polls + 1,
            answered_at=batch.answered_at or now,
            now=now,
            options=context.options,
        )
        recorded = await batches.record(
            connection, batch.id, State.ACCEPTED, step, now, polled=True
        )
        if recorded and step.state in {State.DONE, State.FAILED}:
            await end(connection, batch.id, step, now)
    report.asked += 1
    match step.state:
        case State.DONE:
            report.done += 1
        case State.FAILED:
            report.failed += 1
        case State.UNCLEAR:
            report.unclear += 1
        case _:
            pass
    if step.trouble is not None:
        report.trouble = step.trouble
    if step.state is not State.ACCEPTED:
        logger.info(
            "engage poll tenant=%s batch=%s state=%s status=%r",
            context.tenant.name,
            batch.id,
            step.state,
            step.status,
        )
