"""Bringing a database to the revision the code expects: once, however many services start.

One session-wide advisory lock makes upgrades take turns; whoever comes second finds nothing left to
do. A revision that can't get its table locks in time (each sets a `lock_timeout`) is rolled back
whole and tried again.
"""

import asyncio
import logging
from pathlib import Path

from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory
from alembic.script.revision import RevisionError
from alembic.util import CommandError
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection

from ledger.postgres.connection import engine
from ledger.postgres.settings import SERVICE_ROLE
from migrations import ground, privileges

logger = logging.getLogger(__name__)

LOCK_KEY = 0x706F_696E_746D  # any number nobody else uses; these are letters of the project's name
LOCK_SECONDS_MAX = 600.0
ATTEMPTS_MAX = 20
PAUSE_SECONDS = 1.0
LOCK_NOT_AVAILABLE = "55P03"


class MigrationError(Exception):
    """The database could not be brought to the revision."""


class NewerDatabaseError(MigrationError):
    """The database is at a revision this code does not know."""


def configuration() -> Config:
    """Alembic's configuration, made here so that it also holds for an installed package."""
    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent).replace("%", "%%"))
    return config


async def migrate(
    owner_dsn: str, *, service_role: str = SERVICE_ROLE, target: str = "head"
) -> tuple[str, ...]:
    """Bring the database to `target` and grant the service's role what the revisions declared.

    Args:
        owner_dsn: connects as the role that owns, or shall own, the schemas. Not through a pooler
            that shares sessions.
        service_role: what the service runs as. Where it is the owner itself, or unknown to the
            server, nothing is granted.
        target: a revision, or `head`.

    Returns:
        The revisions that were applied, oldest first.

    Raises:
        NewerDatabaseError: the database is ahead of this code.
        MigrationError: another upgrade did not end in time, or table locks could not be had.
    """
    owning = engine(owner_dsn, connections_max=1, application="pointmaster-migrate")
    try:
        async with owning.connect() as connection:
            await _take_turn(connection)
            before = await connection.run_sync(_pending, target)
            for attempt in range(1, ATTEMPTS_MAX + 1):
                try:
                    await connection.run_sync(_upgrade, target)
                    break
                except DBAPIError as problem:
                    await connection.rollback()
                    if getattr(problem.orig, "sqlstate", None) != LOCK_NOT_AVAILABLE:
                        raise
                    if attempt == ATTEMPTS_MAX:
                        raise MigrationError(
                            f"A table stayed locked by others through {ATTEMPTS_MAX} attempts; "
                            "end what holds it (see pg_stat_activity) and migrate again."
                        ) from problem
                    logger.info(
                        "A table is in use; trying again (%d of %d).", attempt, ATTEMPTS_MAX
                    )
                    await asyncio.sleep(PAUSE_SECONDS)
            await connection.run_sync(_grant, service_role)
            after = set(await connection.run_sync(_pending, target))
            await connection.commit()
    finally:
        await owning.dispose()  # closes the session and with it gives the turn back
    return tuple(revision for revision in before if revision not in after)


async def pending(dsn: str) -> tuple[str, ...]:
    """The revisions the database still lacks, oldest first; empty when it is as the code expects.

    Raises:
        NewerDatabaseError: the database is ahead of this code.
    """
    looking = engine(dsn, connections_max=1, application="pointmaster-migrate")
    try:
        async with looking.connect() as connection:
            return await connection.run_sync(_pending, "head")
    finally:
        await looking.dispose()


def _upgrade(connection: Connection, target: str) -> None:
    ground.prepare(connection)
    connection.commit()
    config = configuration()
    config.attributes["connection"] = connection
    command.upgrade(config, target)
    connection.commit()


def _grant(connection: Connection, service_role: str) -> None:
    known, ourselves = connection.execute(
        text("SELECT EXISTS (SELECT FROM pg_roles WHERE rolname = :role), current_user = :role"),
        {"role": service_role},
    ).one()
    if ourselves:
        return
    if not known:
        logger.warning("There is no role %s, so nothing was granted to it.", service_role)
        return
    privileges.grant(connection, service_role)
    connection.commit()


def _pending(connection: Connection, target: str) -> tuple[str, ...]:
    script = ScriptDirectory.from_config(configuration())
    if script.get_current_head() is None:
        return ()
    versions = f"{ground.VERSION_SCHEMA}.{ground.VERSION_TABLE}"
    current: str | None = None
    if connection.scalar(text("SELECT to_regclass(:name) IS NOT NULL"), {"name": versions}):
        current = connection.scalar(text(f"SELECT version_num FROM {versions}"))
    try:
        missing = list(script.iterate_revisions(target, current or "base"))
    except (CommandError, RevisionError) as problem:
        raise NewerDatabaseError(
            f"The database is at revision {current}, which this code does not know: "
            "a newer release migrated it."
        ) from problem
    return tuple(revision.revision for revision in reversed(missing))


async def _take_turn(connection: AsyncConnection) -> None:
    """Have the only upgrade of this database that runs now."""
    waited = 0.0
    while not await connection.scalar(text("SELECT pg_try_advisory_lock(:key)"), {"key": LOCK_KEY}):
        await connection.commit()
        if waited >= LOCK_SECONDS_MAX:
            raise MigrationError(
                f"Another upgrade of this database has not ended within {LOCK_SECONDS_MAX:.0f} s."
            )
        if waited % 10 == 0:
            logger.info("Waiting for another upgrade of this database: %d s so far.", waited)
        await asyncio.sleep(PAUSE_SECONDS)
        waited += PAUSE_SECONDS
    await connection.commit()
