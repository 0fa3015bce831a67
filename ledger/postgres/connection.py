"""Connecting to a database, the same way everywhere.

asyncpg reads the connection string, with all it may say about certificates and several hosts;
SQLAlchemy is handed finished connections. Sessions say who they are and count time in UTC, whatever
the server's defaults.
"""

import asyncpg
from sqlalchemy import URL
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

CONNECT_SECONDS_MAX = 10.0
APPLICATION = "pointmaster"


def plain_dsn(dsn: str) -> str:
    """The connection string as asyncpg reads it: without a driver's name in its scheme."""
    scheme, separator, rest = dsn.partition("://")
    return (
        f"postgresql://{rest}"
        if separator and scheme.split("+")[0] in {"postgres", "postgresql"}
        else dsn
    )


async def connect(dsn: str, *, application: str = APPLICATION) -> asyncpg.Connection:
    """A connection of its own, to be closed by the caller.

    Args:
        dsn: a PostgreSQL connection string.
        application: what the server's list of sessions shows.

    Raises:
        OSError: the server can't be reached within 10 seconds.
        asyncpg.PostgresError: the server refuses.
    """
    return await asyncpg.connect(
        plain_dsn(dsn),
        timeout=CONNECT_SECONDS_MAX,
        server_settings={"application_name": application, "timezone": "UTC", "jit": "off"},
    )


def engine(dsn: str, *, connections_max: int = 10, application: str = APPLICATION) -> AsyncEngine:
    """A SQLAlchemy engine whose pool holds at most `connections_max` connections."""

    async def one_more() -> asyncpg.Connection:
        return await connect(dsn, application=application)

    return create_async_engine(
        URL.create("postgresql+asyncpg"),
        async_creator=one_more,
        pool_size=connections_max,
        max_overflow=0,
        pool_pre_ping=True,
    )
