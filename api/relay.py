"""The relay as the service has it: registered, started, and stopped with the service.

The one hard idea: what is received uses the doors' connections and what is delivered connections of
its own, so that a destination that keeps many requests under way never makes a caller wait.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Final

from api.configuration import Configuration
from ledger.connection import Pool
from ledger.identity import DefinitionId
from ledger.outbox import Consumer
from ledger.tenants import Catalogue
from sync.engage.contacts.members import latest_numbers
from sync.leadership import Connect
from sync.relay.register import register
from sync.relay.relay import Relay
from sync.relay.taking import CONSUMER

CONNECTIONS_SHARED: Final = 4
CONNECTIONS_MAX: Final = 40

TOLD: Final = Consumer(CONSUMER, per_account=False)
"""The relay hears of each transaction by itself."""


def relay_connections(configuration: Configuration) -> int:
    """The most connections that delivering uses in one process, the leader's own apart."""
    relay = configuration.relay
    files = sum(source.options.sftp is not None for source in relay.sources.values())
    return min(CONNECTIONS_SHARED + 3 * len(relay.destinations) + files, CONNECTIONS_MAX)


@contextlib.asynccontextmanager
async def open_relay(
    configuration: Configuration,
    catalogue: Catalogue,
    pool: Pool,
    wires: Pool,
    connect_leader: Connect,
    *,
    delivers: bool,
) -> AsyncIterator[Relay]:
    """The relay, for as long as the block lasts.

    Raises:
        RegistrationError: a source or destination belongs to another tenant in the database.
        MissingExtraError: a source needs a client library that is not installed.
    """
    async with pool.acquire() as connection:
        registered = await register(connection, configuration.relay, catalogue)
    relay = Relay(
        configuration.relay,
        registered,
        catalogue,
        pool=pool,
        wires=wires,
        connect=connect_leader,
        numbers_of=latest_numbers,
    )
    try:
        relay.start(delivers=delivers)
        yield relay
    finally:
        await relay.stop()


def relay_consumers(
    configuration: Configuration, catalogue: Catalogue
) -> Mapping[DefinitionId, Consumer]:
    """Whether the relay is to be told of changes, by the points they are of."""
    return {
        definition.id: TOLD
        for source in configuration.relay.sources.values()
        if (books := source.options.books) is not None
        for definition in catalogue.definitions_of(catalogue.tenants[source.tenant].id)
        if not books.definitions or definition.engage_id in books.definitions
    }
