"""The wires as the service has them: one follower a tenant that has an Engage, and the schedule.

The one hard idea: a unit of work keeps a connection while it waits for others, so the wires' pool
must hold more connections than all units together can keep, or they would wait for each other.
"""

import contextlib
from collections.abc import AsyncIterator
from typing import Final

from api.configuration import Configuration
from api.relay import relay_consumers
from ledger.identity import DefinitionId
from ledger.outbox import Consumer, Outbox
from ledger.posting import Books
from ledger.tenants import Catalogue
from sync.engage import Follower, consumer_of
from sync.erasure import ERASERS
from sync.leadership import Connect
from sync.service import Synchronisation

CONNECTIONS_SHARED: Final = 8
"""For webhooks, points logs and the lanes of pushes."""

CONNECTIONS_A_TENANT: Final = 8
"""Kept by its units, one for each of its jobs that runs at a time, with one in reserve."""


def wires_connections(configuration: Configuration) -> int:
    """The most connections that the wires of one process use, the leader's own apart."""
    followers = sum(tenant.engage is not None for tenant in configuration.tenants)
    return CONNECTIONS_SHARED + CONNECTIONS_A_TENANT * followers


@contextlib.asynccontextmanager
async def open_wires(
    configuration: Configuration, books: Books, connect_leader: Connect, *, runs_schedule: bool
) -> AsyncIterator[Synchronisation]:
    """The wires of every tenant that has an Engage, closed with the block."""
    followers = [
        Follower(books.catalogue.tenants[tenant.declaration.name], tenant.engage, books)
        for tenant in configuration.tenants
        if tenant.engage is not None
    ]
    synchronisation = Synchronisation(books, followers, connect=connect_leader, erasers=ERASERS)
    if runs_schedule:
        synchronisation.schedule.start()
    try:
        yield synchronisation
    finally:
        await synchronisation.close()


def outbox_of(configuration: Configuration, catalogue: Catalogue) -> Outbox:
    """Who is to be told of changes: Engage, of tenants that have one, and the relay's sources."""
    consumers: dict[DefinitionId, tuple[Consumer, ...]] = {
        definition.id: (consumer_of(tenant.engage.options),)
        for tenant in configuration.tenants
        if tenant.engage is not None
        for definition in catalogue.definitions_of(catalogue.tenants[tenant.declaration.name].id)
    }
    for number, consumer in relay_consumers(configuration, catalogue).items():
        consumers[number] = (*consumers.get(number, ()), consumer)
    return Outbox(consumers)
