"""What a request's end means for the rows in it.

The one hard idea: rows are decided one by one. Those the answer names are parked with what it
says, those it leaves open are read, all others are told; so a bad row never holds up its
neighbours. Which row is which is read from the bytes that were sent, since contacts may have been
merged since.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from uuid import UUID

from ledger.connection import Connection
from sync.engage import accounts, batches
from sync.engage.answers import named_guids
from sync.engage.batches import Sending
from sync.engage.context import Context
from sync.engage.exchange import Answered, Exchange
from sync.engage.lenient import decimal_of, fields_of, instant_of, items_of, word_of
from sync.engage.progress import FAILURES_PARK, State, Step, retry_pause
from sync.engage.transactions import rows
from sync.engage.transactions.acceptance import RowSent, read_acceptance
from sync.engage.transactions.rows import SentRow


async def end_rows(
    context: Context,
    connection: Connection,
    batch: UUID,
    sending: Sending,
    step: Step,
    exchange: Exchange,
    now: datetime,
) -> tuple[Step, int]:
    """Decide the rows of a request, inside the transaction that recorded how it ended.

    Returns:
        What follows for the batch (rows in doubt keep it open), and how many rows were parked.
    """
    if step.state is State.DONE and isinstance(exchange, Answered):
        return await _end_accepted(context, connection, batch, sending, step, exchange, now)
    if step.state is State.REFUSED:
        return step, await _end_refused(context, connection, batch, sending, step, now)
    return step, 0


async def _end_accepted(
    context: Context,
    connection: Connection,
    batch: UUID,
    sending: Sending,
    step: Step,
    exchange: Answered,
    now: datetime,
) -> tuple[Step, int]:
    acceptance = read_acceptance(exchange.body, rows_sent(sending.body))
    undecided = [*acceptance.refused, *acceptance.doubtful]
    await rows.tell_all_but(connection, batch, now, undecided)
    if acceptance.refused:
        retry_at = park_until(context, now)
        await rows.park(connection, batch, acceptance.refused, retry_at)
        await accounts.say(connection, batch, acceptance.refused)
    await rows.release(connection, batch, now)
    if acceptance.doubtful:
        error = f"the answer leaves {len(acceptance.doubtful)} rows open: reading them back"
        step = Step(State.UNCLEAR, now, http_status=step.http_status, error=error, must_read=True)
        await batches.record(connection, batch, State.DONE, step, now)
    return step, len(acceptance.refused)


async def _end_refused(
    context: Context,
    connection: Connection,
    batch: UUID,
    sending: Sending,
    step: Step,
    now: datetime,
) -> int:
    """Rows named in the refusal are parked; the others are told again, in smaller company."""
    reason = step.error or "Engage refused the request"
    named = named_guids(reason)
    sent = rows_sent(sending.body)
    undecided = await rows.in_flight(connection, batch)
    parked = {
        row.place: reason
        for row in undecided
        if sent[row.place].contact in named or row.failures + 1 >= FAILURES_PARK
    }
    await rows.park(connection, batch, parked, park_until(context, now))
    await accounts.say(connection, batch, parked)
    again: dict[int, list[SentRow]] = {}
    for row in undecided:
        if row.place not in parked:
            again.setdefault(row.failures, []).append(row)
    for failures, group in again.items():
        retry_at = now + retry_pause(failures + 1)
        places = [row.place for row in group]
        await rows.wait_again(connection, batch, places, retry_at, failed=True)
    await rows.release(connection, batch, now)
    return len(parked)


def rows_sent(body: bytes) -> Sequence[RowSent]:
    """The rows of a body of ours, by place."""
    sent = []
    for item in items_of(body) or []:
        fields = fields_of(item)
        contact, definition = word_of(fields["contactid"]), word_of(fields["definitionid"])
        amount, stamp = decimal_of(fields["amount"]), instant_of(fields["timestamp"])
        if contact is None or definition is None or amount is None or stamp is None:
            raise ValueError("a stored body is not as it was written")
        sent.append(RowSent(contact, int(definition), amount, stamp))
    return sent


def park_until(context: Context, now: datetime) -> datetime | None:
    """When what is parked is tried again by itself; `None` for never."""
    hours = context.options.parked_retry_hours
    return now + timedelta(hours=hours) if hours else None
