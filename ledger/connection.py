"""What the books need of a connection: asyncpg's own, or one lent by its pool."""

from typing import Final, TypeAlias

import asyncpg
from asyncpg.pool import PoolConnectionProxy

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record] | PoolConnectionProxy[asyncpg.Record]"
Pool: TypeAlias = "asyncpg.Pool[asyncpg.Record]"

LOCK_MILLISECONDS_MAX: Final = 5_000
"""How long whoever posts or reads waits for a holder that somebody else has locked."""
