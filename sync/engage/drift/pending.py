"""Pending points by the instant they become active, as both sides have them.

The one hard idea: two sums of pending points can agree while their instants don't, so what is
corrected is compared instant by instant. Engage is asked for its pending rows; the books have lots.
"""

from datetime import datetime, timedelta
from decimal import Decimal
from typing import Final

from ledger.connection import Connection
from ledger.reading import contacts_of
from sync.engage.context import Context
from sync.engage.exchange import Answered
from sync.engage.lenient import decimal_of, fields_of, instant_of, items_of, word_of
from sync.engage.marks import AccountKey
from sync.engage.progress import describe
from sync.engage.transactions.stamps import floor

PAGE_ROWS: Final = 100

LOTS: Final = """
    -- Index: lot_pk.
    select valid_from, sum(remaining)::bigint as remaining from ledger.lot
    where holder_id = $1 and definition_id = $2 and not active and remaining > 0
    group by valid_from
"""

MILLISECOND: Final = timedelta(milliseconds=1)


async def pending_of_books(
    context: Context, connection: Connection, key: AccountKey
) -> dict[datetime, Decimal]:
    """Pending points of the books by instant, in points; to the millisecond, as they are told."""
    scale = context.definitions[key[1]].scale
    found: dict[datetime, Decimal] = {}
    for row in await connection.fetch(LOTS, *key):
        at = floor(row["valid_from"], MILLISECOND)
        found[at] = found.get(at, Decimal()) + Decimal(row["remaining"]).scaleb(-scale)
    return found


async def pending_of_engage(context: Context, key: AccountKey) -> dict[datetime, Decimal] | str:
    """Pending points of Engage by instant, in points; or why they could not be read."""
    async with context.pool.acquire() as connection:
        contact = (await contacts_of(connection, [key[0]])).get(key[0])
    definition = context.definitions[key[1]].engage_id
    found: dict[datetime, Decimal] = {}
    offset = 0
    while offset < context.options.transactions.read_rows_max:
        exchange = await context.client.transactions_of(
            str(contact), definition, offset=offset, count=PAGE_ROWS, only="Pending"
        )
        if not isinstance(exchange, Answered):
            return f"Engage's pending rows could not be read: {describe(exchange)}"
        fields = fields_of(exchange.body)
        items = items_of(fields.get("items") if fields else exchange.body)
        if items is None:
            return "Engage's pending rows are in a form that can't be read"
        for item in items:
            row = fields_of(item)
            at, amount = instant_of(row.get("validfrom")), decimal_of(row.get("amount"))
            if at is None or amount is None:
                return "Engage's pending rows are in a form that can't be read"
            at = floor(at, MILLISECOND)
            found[at] = found.get(at, Decimal()) + amount
        offset += len(items)
        total = word_of(fields.get("totalcount"))
        if not items or (total is not None and total.isdecimal() and offset >= int(total)):
            return {at: amount for at, amount in found.items() if amount}
    return "Engage has more pending rows than are read"
