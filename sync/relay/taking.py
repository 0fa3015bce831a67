"""Taking what the books leave for the relay, and telling of it.

The one hard idea: rows are deleted in the transaction that stores what was made of them, so nothing
is told twice and nothing is lost; and one taker at a time, held apart by a lock that ends with the
transaction, keeps each holder's changes in the order in which they were booked.

It reads the books and never writes to them, but for the rows it takes.
"""

import os
from collections.abc import Mapping, Sequence
from typing import Final

import asyncpg

from ledger.connection import Connection, Pool
from ledger.facts import Transaction
from ledger.history import recorded_at_places
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId, uuid7_stream
from ledger.reading import contacts_of
from ledger.tenants import Catalogue
from sync.clock import Clock
from sync.relay.booked import Person, documents_of
from sync.relay.inbox import Inbox
from sync.relay.intake import take_in_document
from sync.relay.people import NumbersOf, known_numbers
from sync.relay.register import Register, SourceRecord
from sync.relay.storing import Placed, Stored
from sync.relay.vendors.protocol import Arrival
from sync.units import lock_key

CONSUMER: Final = 3
"""The books' number for whoever tells MoEngage (`ledger.outbox.Consumer`): a row a transaction."""

ROWS_MAX: Final = 500
LOCK: Final = lock_key("relay.books")

TAKE: Final = """
    -- The next rows, in the order in which each holder's were booked. Index: outbox_pk.
    delete from ledger.outbox where consumer = $1 and id in (
        select id from ledger.outbox where consumer = $1 order by id limit $2
    )
    returning id, holder_id, definition_id, number
"""


class Taker:
    """Takes what the books leave, for the sources that tell of them."""

    def __init__(
        self,
        pool: Pool,
        register: Register,
        catalogue: Catalogue,
        inbox: Inbox,
        clock: Clock,
        numbers_of: NumbersOf,
    ) -> None:
        self._pool = pool
        self._catalogue = catalogue
        self._inbox = inbox
        self._clock = clock
        self._numbers_of = numbers_of
        self._sources = sources_by_definition(register, catalogue)

    @property
    def is_idle(self) -> bool:
        """Whether no source tells of the books."""
        return not self._sources

    async def take(self) -> tuple[int, Stored, list[Placed]]:
        """Take the next rows; answers how many there were, and what was stored of what they told.

        Nothing is taken while somebody else takes.
        """
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval("select pg_try_advisory_xact_lock($1)", LOCK):
                return 0, Stored({}), []
            rows = await connection.fetch(TAKE, CONSUMER, ROWS_MAX)
            if not rows:
                return 0, Stored({}), []
            events = await self._told(connection, sorted(rows, key=lambda row: row["id"]))
            if not events:
                return len(rows), Stored({}), []
            return len(rows), await self._inbox.store_within(connection, events), events

    async def _told(self, connection: Connection, rows: Sequence[asyncpg.Record]) -> list[Placed]:
        places = [(HolderId(row["holder_id"]), row["number"]) for row in rows]
        recorded = await recorded_at_places(connection, places)
        contacts = await contacts_of(connection, list({holder for holder, _ in places}))
        numbers = await known_numbers(
            connection,
            [one for sources in self._sources.values() for one in sources],
            set(contacts.values()),
            self._numbers_of,
        )
        events: list[Placed] = []
        for place in places:
            found, contact = recorded.get(place), contacts.get(place[0])
            if found is not None and contact is not None:
                events += self._events(found.transaction, contact, numbers)
        return events

    def _events(
        self,
        transaction: Transaction,
        contact: ContactId,
        numbers: Mapping[tuple[TenantId, ContactId], str],
    ) -> list[Placed]:
        definition = self._catalogue.definitions[transaction.definition]
        now = self._clock.here()
        events: list[Placed] = []
        for source in self._sources.get(transaction.definition, ()):
            books = source.settings.options.books
            wanted = () if books is None else books.events
            person = Person(contact, numbers.get((source.tenant, contact)))
            for key, document in documents_of(transaction, definition, person, wanted):
                events += [
                    Placed(source, event)
                    for event in take_in_document(
                        source.settings,
                        document,
                        Arrival(now, key),
                        uuid7_stream(now, os.urandom(10)),
                    )
                ]
        return events


def sources_by_definition(
    register: Register, catalogue: Catalogue
) -> dict[DefinitionId, list[SourceRecord]]:
    """Which sources tell of which points."""
    found: dict[DefinitionId, list[SourceRecord]] = {}
    for source in register.sources.values():
        books = source.settings.options.books
        if books is None:
            continue
        for definition in catalogue.definitions_of(source.tenant):
            if not books.definitions or definition.engage_id in books.definitions:
                found.setdefault(definition.id, []).append(source)
    return found
