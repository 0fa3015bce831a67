"""What every command is told and how it runs: the configuration's place, and failures put kindly.

The one hard idea: a command's work is one coroutine, and the exceptions that an operator can do
something about are listed here, once, to become a sentence.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

import asyncpg
import click
import uvloop
from rich.console import Console

from api.access.stored import KeyUnknownError
from api.configuration import Configuration, ConfigurationError, load
from api.service import NotMigratedError, database_of, open_pool
from api.wires import outbox_of
from ledger.connection import Connection
from ledger.postgres import Database, UnsuitableDatabaseError, connect
from ledger.postgres.problems import EmbeddedServerError
from ledger.posting import Books
from ledger.tenants import Catalogue, DeclarationError, TenantRecord, declare
from migrations.upgrade import MigrationError, pending
from sync.relay.channels.opening import MissingExtraError
from sync.relay.register import RegistrationError

Result = TypeVar("Result")

OUT: Final = Console()
"""What was asked for."""

ASIDE: Final = Console(stderr=True)
"""What is said beside it, so that the answer can be piped."""

CONFIGURATION_OPTION: Final = click.option(
    "-c",
    "--config",
    "configuration",
    type=click.Path(dir_okay=False),
    default="pointmaster.toml",
    show_default=True,
    envvar="POINTMASTER_CONFIG",
    show_envvar=True,
    help="The configuration file.",
)

EXPECTED: Final = (
    DeclarationError,
    EmbeddedServerError,
    KeyUnknownError,
    MigrationError,
    MissingExtraError,
    NotMigratedError,
    RegistrationError,
    UnsuitableDatabaseError,
)
"""Failures whose text is written for the person at the keyboard."""


@dataclass(frozen=True, slots=True)
class Told:
    """What the command line was told before the command."""

    path: str

    def configuration(self) -> Configuration:
        """The configuration; every mistake in it, one a line, where there is any."""
        try:
            return load(Path(self.path))
        except ConfigurationError as problem:
            lines = "\n".join(f"  {mistake}" for mistake in problem.mistakes)
            raise click.ClickException(f"the configuration can't be used:\n{lines}") from None


def run(work: Coroutine[Any, Any, Result]) -> Result:
    """Run a command's work to its end."""
    try:
        return uvloop.run(work)
    except EXPECTED as problem:
        raise click.ClickException(str(problem)) from None
    except (ConnectionError, TimeoutError, asyncpg.PostgresConnectionError) as problem:
        sentence = f"the database does not answer: {str(problem) or type(problem).__name__}"
        raise click.ClickException(sentence) from None
    except (KeyboardInterrupt, asyncio.CancelledError):
        raise click.Abort from None


@dataclass(frozen=True, slots=True)
class Opened:
    """The books, opened for a command.

    Attributes:
        beside: More connections, where the command asked for some.
    """

    connection: Connection
    catalogue: Catalogue
    beside: tuple[Connection, ...] = ()

    def tenant(self, name: str) -> TenantRecord:
        """A tenant by its name."""
        return tenant_in(self.catalogue, name)


@dataclass(frozen=True, slots=True)
class OpenedBooks:
    """The books, opened for a command that posts."""

    books: Books

    def tenant(self, name: str) -> TenantRecord:
        """A tenant by its name."""
        return tenant_in(self.books.catalogue, name)


@contextlib.asynccontextmanager
async def opened_books(configuration: Configuration) -> AsyncIterator[OpenedBooks]:
    """The books behind connections of their own; whoever follows them hears of what is posted."""
    async with migrated(configuration) as database:
        settings = configuration.database
        async with open_pool(database.dsn_service, settings.connections) as pool:
            declarations = [tenant.declaration for tenant in configuration.tenants]
            async with pool.acquire() as connection:
                catalogue = await declare(connection, declarations)
            outbox = outbox_of(configuration, catalogue)
            yield OpenedBooks(Books(pool, catalogue, outbox=outbox))


@contextlib.asynccontextmanager
async def migrated(configuration: Configuration) -> AsyncIterator[Database]:
    """The database that the settings name, as long as it is as the code needs it."""
    async with database_of(configuration.database) as database:
        missing = await pending(database.dsn_service)
        if missing:
            raise NotMigratedError(missing)
        yield database


def tenant_in(catalogue: Catalogue, name: str) -> TenantRecord:
    """A tenant by its name."""
    found = catalogue.tenant(name)
    if found is None:
        known = ", ".join(sorted(catalogue.tenants)) or "none"
        raise click.ClickException(f"there is no tenant {name}; there are: {known}")
    return found


@contextlib.asynccontextmanager
async def opened(configuration: Configuration, *, beside: int = 0) -> AsyncIterator[Opened]:
    """A connection to the books (and some beside it), with the configuration's tenants in them."""
    async with migrated(configuration) as database, contextlib.AsyncExitStack() as stack:
        connections: list[Connection] = []
        for _ in range(1 + beside):
            connection = await connect(database.dsn_service)
            stack.push_async_callback(connection.close)
            connections.append(connection)
        declarations = [tenant.declaration for tenant in configuration.tenants]
        catalogue = await declare(connections[0], declarations)
        yield Opened(connections[0], catalogue, tuple(connections[1:]))
