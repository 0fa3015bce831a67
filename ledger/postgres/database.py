"""The database the service works with: its own server's, or the one it was given.

Either way it is two connection strings, one to migrate with and one to serve with, and a version
that was checked. With a given server both may be the same role; then nothing but triggers keeps the
facts append-only, so it is said. A service that is given no owner has no business migrating: it is
judged by whether its own role owns the tables.
"""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

import asyncpg

from ledger.postgres import server as own
from ledger.postgres.connection import connect
from ledger.postgres.settings import SERVICE_ROLE, Profile

logger = logging.getLogger(__name__)

MAJOR_MIN = 16

EXAMINE = """
    -- Where a connection leads, who it is, and whether that role owns the tables.
    select current_database(), pg_postmaster_start_time(), rolname, rolsuper,
           coalesce(
               (select pg_has_role(pg_roles.oid, nspowner, 'member')
                from pg_namespace where nspname = 'ledger'),
               true
           )
    from pg_roles where rolname = current_user
"""


class UnsuitableDatabaseError(Exception):
    """The given database can't be used: not reachable, refused, or too old."""


@dataclass(frozen=True, slots=True)
class Database:
    """Where the books are kept.

    The connection strings may hold passwords; the repr hides them. With a `single_role` nothing but
    triggers keeps the facts as they are.
    """

    dsn_owner: str = field(repr=False)
    dsn_service: str = field(repr=False)
    service_role: str
    major: int
    embedded: bool
    single_role: bool


@dataclass(frozen=True, slots=True)
class _Place:
    """Which database of which running server: the same for everyone who is connected to it."""

    name: str
    server_started_at: datetime


@dataclass(frozen=True, slots=True)
class _Examined:
    """What a connection string leads to."""

    place: _Place
    major: int
    role: str
    is_superuser: bool
    owns_tables: bool
    """Whether it is, or may become, the owner of the tables; so it is where there are none yet."""


@contextlib.asynccontextmanager
async def open_database(
    *,
    folder: Path,
    database_url: str | None = None,
    owner_url: str | None = None,
    major: int = own.DEFAULT_MAJOR,
    profile: Profile = Profile.DURABLE,
) -> AsyncIterator[Database]:
    """The database, for as long as the block lasts: the given one, or a server of our own.

    Args:
        folder: where the own server keeps its data.
        database_url: what the service connects with; None or empty for a server of our own.
        owner_url: what migrations connect with; None for the same as `database_url`.
        major: the own server's major version, 16 or 18.
        profile: how durable the own server is.

    Raises:
        UnsuitableDatabaseError: the given server can't be used.
        EmbeddedServerError: the own server can't be run.
    """
    if database_url:
        yield await given(database_url, owner_url)
        return
    server = own.prepare(folder, major=major, profile=profile)
    starting = asyncio.ensure_future(asyncio.to_thread(server.enter))
    try:
        await asyncio.shield(starting)
        yield Database(
            dsn_owner=server.dsn_owner,
            dsn_service=server.dsn_service,
            service_role=SERVICE_ROLE,
            major=server.major,
            embedded=True,
            single_role=False,
        )
    finally:
        server.give_up()
        await _to_the_end(starting)
        stopping = asyncio.ensure_future(asyncio.to_thread(server.stop))
        await _to_the_end(stopping)
        stopping.result()


async def given(database_url: str, owner_url: str | None) -> Database:
    """Check the server that was given, and say so where its two roles are one.

    Raises:
        UnsuitableDatabaseError: it can't be reached, refuses us, or is older than PostgreSQL 16.
    """
    service = await _examined("DATABASE_URL", database_url)
    owner = await _examined("DATABASE_OWNER_URL", owner_url) if owner_url else service
    if owner.place != service.place:
        raise UnsuitableDatabaseError(
            f"DATABASE_URL leads to the database {service.place.name} and DATABASE_OWNER_URL to "
            f"{owner.place.name}, or to another server: they must be one and the same."
        )
    shares_role = owner.role == service.role if owner_url else service.owns_tables
    single_role = shares_role or service.is_superuser
    if single_role:
        logger.warning(
            "The service runs as %s, which owns the tables or may do anything: only triggers keep "
            "the books append-only. Set DATABASE_OWNER_URL to the owner and DATABASE_URL to a role "
            "that owns nothing.",
            service.role,
        )
    return Database(
        dsn_owner=owner_url or database_url,
        dsn_service=database_url,
        service_role=service.role,
        major=service.major,
        embedded=False,
        single_role=single_role,
    )


def require_version(variable: str, major: int) -> None:
    """Refuse a server that is too old.

    Raises:
        UnsuitableDatabaseError: it is.
    """
    if major < MAJOR_MIN:
        raise UnsuitableDatabaseError(
            f"{variable}: the server is PostgreSQL {major}; {MAJOR_MIN} or newer is needed."
        )


async def _examined(variable: str, dsn: str) -> _Examined:
    try:
        connection = await connect(dsn)
    except (OSError, ValueError, asyncpg.PostgresError, asyncpg.InterfaceError) as problem:
        raise UnsuitableDatabaseError(
            f"{variable}: no connection to the database: {_without_dsn(problem)}"
        ) from None
    try:
        major = connection.get_server_version().major
        [(name, started_at, role, is_superuser, owns_tables)] = await connection.fetch(EXAMINE)
    finally:
        await connection.close()
    require_version(variable, major)
    return _Examined(_Place(name, started_at), major, role, is_superuser, owns_tables)


def _without_dsn(problem: Exception) -> str:
    """What went wrong, without the connection string some errors quote."""
    if isinstance(problem, asyncpg.ClientConfigurationError | ValueError):
        return "the connection string can't be read"
    return str(problem) or type(problem).__name__


async def _to_the_end(work: "asyncio.Future[None]") -> None:
    """Wait for a thread's work, whatever happens to us meanwhile; how it went is the caller's."""
    cancelled = False
    while not work.done():
        try:
            await asyncio.wait([work])
        except asyncio.CancelledError:
            cancelled = True
    work.exception()  # looked at, so that asyncio does not report it as forgotten
    if cancelled:
        raise asyncio.CancelledError
