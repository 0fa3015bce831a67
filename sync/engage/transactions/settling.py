"""Settling movements of unknown outcome by reading what Engage has, row by row.

The one hard idea: a row is found by its time stamp and amount, and no other row of the account has
that stamp. What is found was told; what is not found, once everything was read, was not, and waits
to be told by another request under another key. Where Engage has more than is read, nobody knows,
and a person decides: the row is parked, never told again by hoping.
"""

import logging
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final
from uuid import UUID

from sync.engage import batches
from sync.engage.batches import TakenBatch
from sync.engage.context import Context
from sync.engage.exchange import Answered, Refused
from sync.engage.lenient import decimal_of, fields_of, instant_of, items_of, word_of
from sync.engage.progress import State, Step, describe
from sync.engage.transactions import rows
from sync.engage.transactions.acceptance import UNKNOWN_CONTACT
from sync.engage.transactions.ending import park_until, rows_sent
from sync.engage.transactions.rows import SentRow
from sync.engage.transactions.stamps import floor
from sync.lanes import Lanes

PAGE_ROWS: Final = 100
ACCOUNTS_AT_ONCE: Final = 25
"""Accounts read before what was found is stored."""

TOO_LONG: Final = (
    "it is not known whether Engage has the row, and it has too many to look: compare by hand"
)

BODY = """
    -- Index: batch_pk.
    select body, sent_at from engage.batch where id = $1
"""

logger = logging.getLogger(__name__)


@dataclass(slots=True)
class RowFindings:
    """What reading brought, by place."""

    told: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    parked: dict[int, str] = field(default_factory=dict)
    unreadable: list[str] = field(default_factory=list)


@dataclass(slots=True)
class RowsSettled:
    """What became of a batch's rows.

    Attributes:
        put_off: Why it could not be settled now, if it couldn't.
        until: When to come back, where that is not a matter of trouble.
    """

    told: int = 0
    again: int = 0
    parked: int = 0
    read: int = 0
    put_off: str | None = None
    until: datetime | None = None


Asked = tuple[str, int]
"""A contact and Engage's definition."""


async def settle_rows(context: Context, batch: TakenBatch) -> RowsSettled:
    """Settle the rows of an unclear batch that is not to be sent again."""
    settled = RowsSettled()
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        stored = await connection.fetchrow(BODY, batch.id)
        undecided = await rows.in_flight(connection, batch.id)
    if stored is None:
        raise RuntimeError("a batch that was taken up is not there")
    over_at = stored["sent_at"] + context.options.settle_after
    if not batch.must_read and now < over_at:
        settled.put_off, settled.until = "it may still be worked on", over_at
        return settled
    sent = rows_sent(stored["body"])
    asked: dict[Asked, list[SentRow]] = {}
    for row in undecided:
        asked.setdefault((sent[row.place].contact, sent[row.place].definition), []).append(row)
    groups = list(asked.items())
    for start in range(0, len(groups), ACCOUNTS_AT_ONCE):
        if settled.put_off is None:
            part = groups[start : start + ACCOUNTS_AT_ONCE]
            await _settle_accounts(context, batch.id, part, settled)
    if settled.put_off is None:
        async with context.pool.acquire() as connection, connection.transaction():
            now = await context.clock.read(connection)
            step = Step(State.SETTLED)
            await batches.record(connection, batch.id, State.UNCLEAR, step, now)
    return settled


async def _settle_accounts(
    context: Context,
    batch: UUID,
    groups: Sequence[tuple[Asked, list[SentRow]]],
    settled: RowsSettled,
) -> None:
    """Read some accounts, and decide their rows."""
    findings = RowFindings()
    async with Lanes(context.options.requests_at_once) as lanes:
        for asked, group in groups:
            await lanes.start(_read(context, asked, group, findings))
    async with context.pool.acquire() as connection, connection.transaction():
        now = await context.clock.read(connection)
        await rows.tell(connection, batch, now, findings.told)
        await rows.wait_again(connection, batch, findings.missing)
        await rows.park(connection, batch, findings.parked, park_until(context, now))
        await rows.release(connection, batch, now)
    settled.told += len(findings.told)
    settled.again += len(findings.missing)
    settled.parked += len(findings.parked)
    settled.read += len(groups) - len(findings.unreadable)
    if findings.unreadable:
        settled.put_off = findings.unreadable[0]


async def _read(
    context: Context, asked: Asked, wanted: Sequence[SentRow], findings: RowFindings
) -> None:
    """Look for rows among what Engage has of an account."""
    contact, definition = asked
    scale = context.definitions[wanted[0].key[1]].scale
    step = timedelta(milliseconds=context.options.transactions.stamp_milliseconds)
    left = {(row.stamp, Decimal(row.amount).scaleb(-scale)): row.place for row in wanted}
    offset = 0
    while left and offset < context.options.transactions.read_rows_max:
        exchange = await context.client.transactions_of(
            contact, definition, offset=offset, count=PAGE_ROWS
        )
        if isinstance(exchange, Refused) and exchange.status == 404:
            findings.parked |= dict.fromkeys(left.values(), UNKNOWN_CONTACT)
            return
        page = read_page(exchange.body) if isinstance(exchange, Answered) else None
        if page is None:
            said = "transactions in a form that can't be read"
            is_odd = isinstance(exchange, Answered)
            findings.unreadable.append(said if is_odd else describe(exchange))
            return
        for stamp, amount in page.entries:
            place = left.pop((floor(stamp, step), amount), None)
            if place is not None:
                findings.told.append(place)
        offset += page.count
        if page.count == 0 or (page.total is not None and offset >= page.total):
            findings.missing += left.values()
            return
    findings.parked |= dict.fromkeys(left.values(), TOO_LONG)


@dataclass(frozen=True, slots=True)
class Page:
    """A page of what Engage has of an account.

    Attributes:
        entries: Time stamp and amount of each row.
        count: Rows on the page.
        total: Rows there are; `None` where the answer doesn't say.
    """

    entries: tuple[tuple[datetime, Decimal], ...]
    count: int
    total: int | None


def read_page(body: bytes) -> Page | None:
    """Read a page of transactions; `None` if it can't be read."""
    fields = fields_of(body)
    items = items_of(fields.get("items") if fields else body)
    if items is None:
        return None
    entries = []
    for item in items:
        row = fields_of(item)
        stamp, amount = instant_of(row.get("transactiondate")), decimal_of(row.get("amount"))
        if stamp is None or amount is None:
            return None  # it might be the very row that is looked for
        entries.append((stamp, amount))
    total = word_of(fields.get("totalcount"))
    known = int(total) if total is not None and total.isdecimal() else None
    return Page(tuple(entries), len(items), known)
