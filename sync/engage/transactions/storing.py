"""Turning waiting rows into stored batches.

The one hard idea: rows are taken along and their accounts put in flight in the transaction that
stores the exact bytes and the key they are sent under. So whatever step dies, either the rows still
wait or the very request is there to be made again.
"""

from collections.abc import AsyncGenerator, Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

from ledger import reading
from ledger.connection import Connection
from ledger.identity import ContactId
from sync.engage import batches
from sync.engage.batches import BatchKind, BatchLine
from sync.engage.client import TRANSACTIONS_PATH
from sync.engage.context import Context, new_id
from sync.engage.marks import AccountKey
from sync.engage.totals import FAILURES_SPLIT_MAX
from sync.engage.transactions import rows
from sync.engage.transactions.body import Movement, body_of
from sync.engage.transactions.rows import SeenRow, WaitingRow

ERASED: Final = "the contact was erased"


async def waiting_groups(context: Context, now: datetime) -> AsyncGenerator[list[SeenRow], None]:
    """The waiting rows of accounts that aren't in flight, in groups for a request each.

    An account's rows are in one group, as many as fit, oldest first. What is seen holds nothing:
    the caller locks the accounts before it relies on it.
    """
    after = 0
    while True:
        seen = await rows.see_waiting(context.pool, list(context.definitions), after, now)
        for group in grouped(seen, context.options.batch_rows_max):
            yield group
        if len(seen) < rows.WINDOW:
            return
        after = seen[-1].id


async def first_waiting(context: Context, connection: Connection) -> list[SeenRow]:
    """The first group of waiting rows, as the connection's transaction sees them."""
    now = await context.clock.read(connection)
    seen = await rows.see_waiting(connection, list(context.definitions), 0, now)
    return next(iter(grouped(seen, context.options.batch_rows_max)), [])


def grouped(seen: Iterable[SeenRow], rows_max: int) -> list[list[SeenRow]]:
    """Divide rows into requests: the more often one failed, the fewer others share its fate.

    An account's first rows go with its worst; the others wait for a later request.
    """
    accounts: dict[AccountKey, list[SeenRow]] = {}
    for row in seen:
        accounts.setdefault(row.key, []).append(row)
    open_groups: dict[int, list[SeenRow]] = {}
    groups: list[list[SeenRow]] = []
    for account in accounts.values():
        failures = min(FAILURES_SPLIT_MAX, max(row.failures for row in account))
        size = 1 if failures == FAILURES_SPLIT_MAX else max(1, rows_max // 10**failures)
        part = account[:size]
        group = open_groups.setdefault(failures, [])
        if len(group) + len(part) > size:
            groups.append(group)
            group = open_groups[failures] = []
        group.extend(part)
    return groups + [group for group in open_groups.values() if group]


async def store_rows(
    context: Context, connection: Connection, group: Iterable[SeenRow]
) -> UUID | None:
    """Make a batch of some waiting rows, inside the caller's transaction; `None` if none is left.

    Rows of accounts that somebody else put in flight meanwhile go on waiting.
    """
    asked = list(group)
    free = await rows.lock_free(connection, list({row.key for row in asked}))
    waiting = await rows.read_waiting(connection, [row.id for row in asked if row.key in free])
    contacts = await reading.contacts_of(connection, list({row.key[0] for row in waiting}))
    now = await context.clock.read(connection)
    nobodys = [row.id for row in waiting if row.key[0] not in contacts]
    if nobodys:
        await rows.drop(connection, nobodys, now, ERASED)
    told = [row for row in waiting if row.key[0] in contacts]
    if not told:
        return None
    batch = new_id(now)
    body = body_of(_movement(context, row, contacts[row.key[0]]) for row in told)
    await batches.add(
        connection,
        batch,
        context.tenant.id,
        now,
        TRANSACTIONS_PATH,
        body,
        [BatchLine(row.key, row.amount, row.id) for row in told],
        kind=BatchKind.TRANSACTIONS,
        idempotency_key=str(batch),
    )
    await rows.send_off(connection, batch, now, told)
    return batch


def _movement(context: Context, row: WaitingRow, contact: ContactId) -> Movement:
    definition = context.definitions[row.key[1]]
    options = context.options.transactions
    return Movement(
        contact,
        row.amount,
        definition.scale,
        definition.engage_id,
        row.stamp,
        row.source,
        options.description_of(row.nature, row.description),
        row.valid_from,
        row.valid_to,
    )
