"""What the doors work with, opened and closed in order: database, books, keys, wires.

The one hard idea: everything that lives longer than a request is here and is entered once, so a
start that fails closes what was opened before it, and a stop ends the wires before the books and
the books before the database.
"""

import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, cast

import asyncpg
from litestar import Request

from api.access.doorkeeper import Doorkeeper
from api.configuration import Configuration, DatabaseSettings
from api.engage_measures import EngageMeasures
from api.intake.members import Members
from api.measures import Measures
from api.members import EngageMembers
from api.poster import Poster, open_poster
from api.relay import open_relay, relay_connections
from api.relay_measures import RelayMeasures
from api.wires import open_wires, outbox_of, wires_connections
from ledger.connection import Pool
from ledger.identity import TenantId
from ledger.postgres import Database, connect, open_database
from ledger.postgres.connection import APPLICATION, CONNECT_SECONDS_MAX, plain_dsn
from ledger.posting import Books
from ledger.tenants import Catalogue, declare
from migrations.upgrade import migrate, pending
from sync.relay.relay import Relay
from sync.service import Synchronisation

STATEMENT_SECONDS_MAX: Final = 60.0
"""How long any statement of a request may take."""

CONNECTIONS_MIN: Final = 2

LEADER: Final = "pointmaster-leader"
"""What the server's list of sessions shows of the connection that keeps the schedule."""


class Role(StrEnum):
    """What a process does."""

    API = "api"
    """Answers at the doors."""
    WORKER = "worker"
    """Runs the wires' schedules."""
    ALL = "all"

    @property
    def works(self) -> bool:
        """Whether it runs schedules."""
        return self is not Role.API


class NotMigratedError(Exception):
    """The database lacks revisions that the code needs."""

    def __init__(self, revisions: tuple[str, ...]) -> None:
        super().__init__(
            f"the database lacks {len(revisions)} revision(s), {', '.join(revisions)}: "
            "run `pointmaster migrate`, or start with --migrate"
        )


@dataclass(slots=True)
class Service:
    """Everything a handler may use; one for each process.

    Attributes:
        tenant_names: By the books' own number.
        draining: Whether the service is about to stop and wants no new callers.
    """

    configuration: Configuration
    database: Database
    pool: Pool
    books: Books
    poster: Poster
    doorkeeper: Doorkeeper
    measures: Measures
    synchronisation: Synchronisation
    relay: Relay
    relay_measures: RelayMeasures
    engage_measures: EngageMeasures
    members: Members
    tenant_names: Mapping[TenantId, str]
    draining: bool = field(default=False)

    @property
    def catalogue(self) -> Catalogue:
        """The tenants and definitions of the books."""
        return self.books.catalogue


@contextlib.asynccontextmanager
async def open_service(
    configuration: Configuration, *, upgrade: bool = False, role: Role = Role.ALL
) -> AsyncIterator[Service]:
    """The service, for as long as the block lasts.

    Args:
        configuration: What it is told.
        upgrade: Bring the database to the newest revision first.
        role: Whether the wires' schedules run in this process.

    Raises:
        NotMigratedError: revisions are missing and `upgrade` is not asked for.
        DeclarationError, RegistrationError: the configuration contradicts the database.
        MissingExtraError: a source of the relay needs a library that is not installed.
        UnsuitableDatabaseError, EmbeddedServerError, MigrationError: as their modules say.
    """
    async with contextlib.AsyncExitStack() as stack:
        database = await stack.enter_async_context(database_of(configuration.database))
        if upgrade:
            await migrate(database.dsn_owner, service_role=database.service_role)
        missing = await pending(database.dsn_service)
        if missing:
            raise NotMigratedError(missing)
        pool = await stack.enter_async_context(
            open_pool(database.dsn_service, configuration.database.connections)
        )
        async with pool.acquire() as connection:
            declarations = [tenant.declaration for tenant in configuration.tenants]
            catalogue = await declare(connection, declarations)
        outbox = outbox_of(configuration, catalogue)
        books = Books(pool, catalogue, outbox=outbox)
        poster = await stack.enter_async_context(
            open_poster(books, configuration.posting, configuration.database.connections)
        )
        # Of their own, so that a caller at the doors never waits for a push that is under way.
        wires_pool = await stack.enter_async_context(
            open_pool(database.dsn_service, wires_connections(configuration))
        )
        synchronisation = await stack.enter_async_context(
            open_wires(
                configuration,
                Books(wires_pool, catalogue, outbox=outbox),
                lambda: connect(database.dsn_service, application=LEADER),
                runs_schedule=role.works,
            )
        )
        relay_pool = await stack.enter_async_context(
            open_pool(database.dsn_service, relay_connections(configuration))
        )
        relay = await stack.enter_async_context(
            open_relay(
                configuration,
                catalogue,
                pool,
                relay_pool,
                lambda: connect(database.dsn_service, application=LEADER),
                delivers=role.works,
            )
        )
        doorkeeper = Doorkeeper(pool)
        await stack.enter_async_context(doorkeeper.taking_notes())
        measures = Measures(lambda: poster.waiting)
        tenant_names = {one.id: one.name for one in catalogue.tenants.values()}
        yield Service(
            configuration=configuration,
            database=database,
            pool=pool,
            books=books,
            poster=poster,
            doorkeeper=doorkeeper,
            measures=measures,
            synchronisation=synchronisation,
            relay=relay,
            relay_measures=RelayMeasures(relay, measures.registry),
            engage_measures=EngageMeasures(synchronisation, measures.registry),
            members=EngageMembers(pool, synchronisation, tenant_names),
            tenant_names=tenant_names,
        )


def database_of(settings: DatabaseSettings) -> contextlib.AbstractAsyncContextManager[Database]:
    """The database that the settings name."""
    return open_database(
        folder=settings.folder,
        database_url=settings.url.reveal() if settings.url else None,
        owner_url=settings.owner_url.reveal() if settings.owner_url else None,
        major=settings.postgres,
    )


@contextlib.asynccontextmanager
async def open_pool(dsn: str, connections_max: int) -> AsyncIterator[Pool]:
    """A pool of connections, closed with the block; what is lent out is waited for."""
    pool = await asyncpg.create_pool(
        plain_dsn(dsn),
        min_size=min(CONNECTIONS_MIN, connections_max),
        max_size=connections_max,
        timeout=CONNECT_SECONDS_MAX,
        command_timeout=STATEMENT_SECONDS_MAX,
        server_settings={"application_name": APPLICATION, "timezone": "UTC", "jit": "off"},
    )
    try:
        yield pool
    finally:
        await pool.close()


def service_of(request: Request[Any, Any, Any]) -> Service:
    """The service that answers this request."""
    return cast("Service", request.app.state.service)
