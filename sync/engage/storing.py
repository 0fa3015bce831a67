"""Turning marked accounts into stored batches.

The one hard idea: marks are taken, accounts locked, totals read, and body and rows stored in one
short transaction, with the totals read after the locks are held and the marks are gone. What a
posting commits before that is in the totals; what it commits later leaves a mark that stays. So
whatever step dies, either the marks are still there or the exact bytes are.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from ledger import reading
from ledger.connection import Connection
from ledger.identity import ContactId
from sync.engage import accounts, batches, marks
from sync.engage.accounts import FreeAccount
from sync.engage.batches import BatchLine
from sync.engage.context import Context, new_id
from sync.engage.marks import MarkedAccount
from sync.engage.totals import Total, body_of, split, stamped_at, total_of


class Stored(NamedTuple):
    """What became of a group of marked accounts.

    Attributes:
        batches: Stored, to be sent; usually one.
        unchanged: Accounts of which there is nothing new to tell.
    """

    batches: list[UUID]
    unchanged: int


class _Changed(NamedTuple):
    """An account that Engage is to be told of."""

    account: FreeAccount
    contact: ContactId
    total: int


async def store(context: Context, connection: Connection, group: Sequence[MarkedAccount]) -> Stored:
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
    changed = await _changed(context, connection, free, read_at)
    stored = Stored([], len(free) - len(changed))
    rows = [(row.account.failures, row) for row in changed]
    for part in split(rows, context.options.batch_rows_max):
        stored.batches.append(await _store_batch(context, connection, part, read_at))
    return stored


async def _changed(
    context: Context, connection: Connection, free: Sequence[FreeAccount], at: datetime
) -> list[_Changed]:
    """Those of the locked accounts whose total is not what Engage is known to have."""
    balances = await reading.totals(connection, [account.key for account in free], at=at)
    contacts = await reading.contacts_of(connection, [account.key[0] for account in free])
    changed = []
    for account in free:
        balance = balances.get(account.key)
        contact = contacts.get(account.key[0])
        if balance is None or contact is None:
            continue  # an erased holder is nobody Engage could be told of
        total = total_of(balance, context.options.total)
        if total != account.confirmed_total:
            changed.append(_Changed(account, contact, total))
    return changed


async def _store_batch(
    context: Context, connection: Connection, rows: Sequence[_Changed], read_at: datetime
) -> UUID:
    definitions = context.definitions
    told = []
    for row in rows:
        definition = definitions[row.account.key[1]]
        told.append(Total(row.contact, row.total, definition.scale, definition.engage_id))
    stamp = stamped_at(read_at, (row.account.sent_at for row in rows))
    body = body_of(told, stamp)
    lines = [BatchLine(row.account.key, row.total) for row in rows]
    batch = new_id(read_at)
    path = context.client.balances_path
    await batches.add(connection, batch, context.tenant.id, read_at, path, body, lines)
    await accounts.send_off(connection, batch, stamp, [(one.key, one.total) for one in lines])
    return batch
