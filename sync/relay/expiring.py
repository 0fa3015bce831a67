"""Noticing that points will expire soon.

The one hard idea: a notice is recognised like any other event, by a key of holder, points, expiry
and how long before; so looking again, after a crash or every hour, tells nothing twice. The key is
remembered until the points are gone.

Accounts are found by when something of them is next due, which is never later than an expiry.
"""

import os
from collections.abc import Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Final

import asyncpg

from ledger.amounts import Points
from ledger.connection import Pool
from ledger.identity import HolderId, uuid7_stream
from ledger.policies import Definition
from ledger.reading import contacts_of
from ledger.tenants import Catalogue
from sync.relay.booked import Person, expiring_document
from sync.relay.inbox import Inbox
from sync.relay.intake import take_in_document
from sync.relay.people import NumbersOf, known_numbers
from sync.relay.register import SourceRecord
from sync.relay.storing import Placed
from sync.relay.vendors.books import EXPIRING
from sync.relay.vendors.protocol import Arrival

TOGETHER_MAX: Final = 500
REMEMBERED: Final = timedelta(days=1)
"""How long after the expiry its notice is still recognised."""

SOON: Final = """
    -- What will expire of each account until an instant. Index: account_next_due_at_idx, lot_pk.
    select account.holder_id, account.definition_id, lot.valid_to,
           sum(lot.remaining)::bigint as points
    from ledger.account join ledger.lot on lot.holder_id = account.holder_id
        and lot.definition_id = account.definition_id
    where account.next_due_at <= $3 and account.definition_id = any($1::smallint[])
      and lot.remaining > 0 and lot.valid_to > $2 and lot.valid_to <= $3
    group by account.holder_id, account.definition_id, lot.valid_to
    order by account.holder_id, account.definition_id, lot.valid_to
"""


async def tell_expiring(
    pool: Pool,
    inbox: Inbox,
    catalogue: Catalogue,
    source: SourceRecord,
    now: datetime,
    numbers_of: NumbersOf,
) -> int:
    """Tell of all points of a source's definitions that expire soon; answers how many are new."""
    books = source.settings.options.books
    if books is None or EXPIRING not in books.events or not books.expiring_days:
        return 0
    definitions = {
        one.id: one
        for one in catalogue.definitions_of(source.tenant)
        if not books.definitions or one.engage_id in books.definitions
    }
    last = now + timedelta(days=max(books.expiring_days))
    told = 0
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        cursor = await connection.cursor(SOON, list(definitions), now, last)
        while rows := await cursor.fetch(TOGETHER_MAX):
            contacts = await contacts_of(connection, [HolderId(row["holder_id"]) for row in rows])
            known = set(contacts.values())
            numbers = await known_numbers(connection, [source], known, numbers_of)
            events: list[Placed] = []
            for row in rows:
                contact = contacts.get(HolderId(row["holder_id"]))
                if contact is None:
                    continue
                person = Person(contact, numbers.get((source.tenant, contact)))
                definition = definitions[row["definition_id"]]
                events += _events(source, row, definition, person, books.expiring_days, now)
            told += len((await inbox.store(events)).states)
    return told


def _events(
    source: SourceRecord,
    row: asyncpg.Record,
    definition: Definition,
    person: Person,
    days: Sequence[int],
    now: datetime,
) -> list[Placed]:
    """The notice of one expiry: the nearest of those that are due by now."""
    before = min(one for one in days if row["valid_to"] <= now + timedelta(days=one))
    place = f"{row['holder_id']}/{row['definition_id']}"
    key = f"expiring/{place}/{row['valid_to'].isoformat()}/{before}"
    document = expiring_document(definition, person, Points(row["points"]), row["valid_to"], now)
    found = take_in_document(
        source.settings, document, Arrival(now, key), uuid7_stream(now, os.urandom(10))
    )
    until = row["valid_to"] + REMEMBERED
    return [Placed(source, replace(event, fresh_until=until)) for event in found]
