"""Settling what is unclear by reading what Engage has.

The one hard idea: a push of unknown outcome is over when nothing of it can still be applied, which
is what `settle_seconds` says. Only then is an account read, and a value other than the one sent
means that it is pushed again with the total of that moment. Reading costs a request an account, so
at most `read_back_max` of a batch are read; the rest are simply pushed again, which absolute totals
allow and which costs one request for a thousand.

A row that Engage itself complained of is not pushed again but parked with the complaint. Where it
says something of more rows than are read, those that were read speak for the others: what Engage
says of each row may be no complaint at all.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from decimal import Decimal
from typing import Final

from ledger import reading
from ledger.identity import ContactId, HolderId
from sync.engage import accounts, batches
from sync.engage.accounts import SentRow
from sync.engage.answers import standing_in
from sync.engage.batches import BatchKind, TakenBatch
from sync.engage.context import Context
from sync.engage.exchange import Answered, Refused
from sync.engage.progress import SEND_LEASE_SECONDS, State, Step, describe, retry_pause
from sync.engage.settings import Meaning
from sync.engage.transactions.progress import keys_alive_since
from sync.engage.transactions.settling import settle_rows
from sync.lanes import Lanes

TAKEN_AT_ONCE: Final = 10
READ_AT_ONCE: Final = 25
"""Accounts read before what was found is stored."""

LEASE_SECONDS: Final = 120

UNKNOWN_CONTACT: Final = "Engage does not know the contact"

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class SettleReport:
    """What reading back brought.

    Attributes:
        abandoned: Requests whose sender died on the way; they are unclear now.
        settled: Batches cleared up.
        read: Accounts read.
        agreed: Accounts that had what was sent.
        again: Accounts to be pushed again.
        parked: Accounts that Engage does not take.
        trouble: Why reading ended early, if it did.
    """

    abandoned: int = 0
    settled: int = 0
    read: int = 0
    agreed: int = 0
    again: int = 0
    parked: int = 0
    trouble: str | None = None

    def is_stopped(self) -> bool:
        """Whether no more should be read now."""
        return self.trouble is not None


@dataclass(slots=True)
class _Complaints:
    """What reading rows that Engage said something of brought.

    Attributes:
        upheld: Rows that were not as sent.
        unfounded: Rows that were as sent all the same.
    """

    upheld: int = 0
    unfounded: int = 0


@dataclass(slots=True)
class _Findings:
    """What reading a few accounts brought, by place."""

    agreed: list[int]
    differing: list[int]
    unknown: list[int]
    unreadable: list[str]


async def settle(context: Context) -> SettleReport:
    """Settle every unclear batch whose time has come, and find those whose sender died."""
    report = SettleReport()
    await _find_abandoned(context, report)
    lease = timedelta(seconds=LEASE_SECONDS)
    while not report.is_stopped():
        async with context.pool.acquire() as connection:
            now = await context.clock.read(connection)
            taken = await batches.take_up(
                connection,
                context.tenant.id,
                [State.UNCLEAR],
                now,
                lease,
                TAKEN_AT_ONCE,
                keys_alive_since=keys_alive_since(now, context.options),
            )
        for batch in taken:
            if batch.kind is BatchKind.TRANSACTIONS:
                await _settle_movements(context, batch, report)
            else:
                await _settle_batch(context, batch, report)
        if len(taken) < TAKEN_AT_ONCE:
            break
    return report


async def _find_abandoned(context: Context, report: SettleReport) -> None:
    """A request still marked as on the wire after its lease has lost its sender."""
    lease = timedelta(seconds=SEND_LEASE_SECONDS)
    async with context.pool.acquire() as connection, connection.transaction():
        now = await context.clock.read(connection)
        left = await batches.take_up(
            connection, context.tenant.id, [State.SENDING], now, lease, batches.LIST_MAX
        )
        for batch in left:
            # Movements have a key to be sent again under, at once.
            is_total = batch.kind is BatchKind.BALANCES
            step = Step(
                State.UNCLEAR,
                now + context.options.settle_after if is_total else now,
                error="its sender ended before an answer was recorded",
            )
            await batches.record(connection, batch.id, State.SENDING, step, now)
            logger.warning(
                "engage settle tenant=%s batch=%s abandoned=1", context.tenant.name, batch.id
            )
    report.abandoned += len(left)


async def _settle_movements(context: Context, batch: TakenBatch, report: SettleReport) -> None:
    """Settle a batch of movements."""
    settled = await settle_rows(context, batch)
    report.read += settled.read
    report.agreed += settled.told
    report.again += settled.again
    report.parked += settled.parked
    if settled.put_off is None:
        report.settled += 1
    elif settled.until is None:
        report.trouble = settled.put_off
        await _put_off(context, batch, settled.put_off)
    else:
        async with context.pool.acquire() as connection:
            now = await context.clock.read(connection)
            step = Step(State.UNCLEAR, settled.until, error=settled.put_off)
            await batches.record(connection, batch.id, State.UNCLEAR, step, now)
    logger.info(
        "engage settle tenant=%s batch=%s put_off=%s",
        context.tenant.name,
        batch.id,
        settled.put_off,
    )


async def _settle_batch(context: Context, batch: TakenBatch, report: SettleReport) -> None:
    async with context.pool.acquire() as connection:
        rows = await accounts.in_flight(connection, batch.id)
        holders = list({row.key[0] for row in rows})
        contacts = await reading.contacts_of(connection, holders)
    readable = [row for row in rows if row.key[0] in contacts]
    # Complaints first: what is parked for them is not pushed again.
    readable.sort(key=lambda row: (row.message is None, row.place))
    to_read = readable[: context.options.read_back_max]
    complaints = _Complaints()
    for start in range(0, len(to_read), READ_AT_ONCE):
        if not report.is_stopped():
            group = to_read[start : start + READ_AT_ONCE]
            await _settle_rows(context, batch, group, contacts, complaints, report)
    if report.is_stopped():
        await _put_off(context, batch, report.trouble or "")
        return
    await _finish(context, batch, complaints, report)


async def _settle_rows(
    context: Context,
    batch: TakenBatch,
    rows: Sequence[SentRow],
    contacts: dict[HolderId, ContactId],
    complaints: _Complaints,
    report: SettleReport,
) -> None:
    """Read some accounts, and let those go of which enough is known."""
    findings = _Findings([], [], [], [])
    async with Lanes(context.options.requests_at_once) as lanes:
        for row in rows:
            await lanes.start(_read(context, row, contacts[row.key[0]], findings))
    said = {row.place: row.message for row in rows if row.message is not None}
    parked = dict.fromkeys(findings.unknown, UNKNOWN_CONTACT)
    parked |= {place: said[place] for place in [*findings.differing, *parked] if place in said}
    again = [place for place in findings.differing if place not in said]
    async with context.pool.acquire() as connection, connection.transaction():
        now = await context.clock.read(connection)
        await accounts.confirm(connection, batch.id, now, findings.agreed)
        await accounts.park(connection, batch.id, parked)
        await accounts.push_again(connection, batch.id, again)
    complaints.unfounded += sum(place in said for place in findings.agreed)
    complaints.upheld += sum(place in said for place in parked)
    report.read += len(rows) - len(findings.unreadable)
    report.agreed += len(findings.agreed)
    report.again += len(again)
    report.parked += len(parked)
    if findings.unreadable:
        report.trouble = findings.unreadable[0]


async def _read(context: Context, row: SentRow, contact: ContactId, findings: _Findings) -> None:
    definition = context.definitions[row.key[1]]
    exchange = await context.client.accounts_of(str(contact))
    if isinstance(exchange, Refused) and exchange.status == 404:
        findings.unknown.append(row.place)
        return
    if not isinstance(exchange, Answered):
        findings.unreadable.append(describe(exchange))
        return
    # What can't be understood counts as different: pushing again is safe, and ends.
    found = standing_in(exchange.body, definition.engage_id)
    if found is not None and found.balance == Decimal(row.total).scaleb(-definition.scale):
        findings.agreed.append(row.place)
    else:
        findings.differing.append(row.place)


async def _put_off(context: Context, batch: TakenBatch, reason: str) -> None:
    """Come back later; what was found so far is stored."""
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        step = Step(State.UNCLEAR, now + retry_pause(batch.polls + 1), error=reason)
        await batches.record(connection, batch.id, State.UNCLEAR, step, now, polled=True)


async def _finish(
    context: Context, batch: TakenBatch, complaints: _Complaints, report: SettleReport
) -> None:
    """Close the batch, and let those rows go that were not read."""
    said_done = (
        batch.status is not None and context.options.meaning_of(batch.status) is Meaning.DONE
    )
    are_unfounded = complaints.unfounded > 0 and complaints.upheld == 0
    async with context.pool.acquire() as connection, connection.transaction():
        now = await context.clock.read(connection)
        step = Step(State.DONE if said_done else State.SETTLED)
        if await batches.record(connection, batch.id, State.UNCLEAR, step, now):
            unread = await accounts.in_flight(connection, batch.id)
            again = [row.place for row in unread if row.message is None]
            named = {row.place: row.message for row in unread if row.message is not None}
            await accounts.push_again(connection, batch.id, again)
            if are_unfounded:
                await accounts.confirm(connection, batch.id, now, list(named))
                report.agreed += len(named)
            else:
                await accounts.park(connection, batch.id, named)
                report.parked += len(named)
            report.again += len(again)
            report.settled += 1
    logger.info(
        "engage settle tenant=%s batch=%s state=%s", context.tenant.name, batch.id, step.state
    )
