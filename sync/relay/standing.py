"""How each destination stands, kept for all replicas together.

The one hard idea: the rate is a row that says from when on the next event may be sent. Whoever has
put a request together moves it forward by what the request holds and has that stretch of time to
itself; so any number of replicas share the rate, and a request costs one short statement.
"""

from datetime import datetime, timedelta
from typing import Final, NamedTuple

import asyncpg

from ledger.connection import Connection
from sync.relay.breaker import Standing
from sync.relay.register import DestinationId

COLUMNS: Final = """
    limited_until, paused_until, broken_until, failures, accepted_at, failed_at, trouble
"""

READ: Final = f"select events_free_at, customers_free_at, {COLUMNS} from relay.standing"

READ_ONE: Final = f"{READ} where destination_id = $1"

LOCK: Final = f"select {COLUMNS} from relay.standing where destination_id = $1 for update"

WRITE: Final = """
    update relay.standing set limited_until = $2, paused_until = $3, broken_until = $4,
        failures = $5, accepted_at = coalesce($6, accepted_at), failed_at = coalesce($7, failed_at),
        trouble = $8
    where destination_id = $1
"""

TRY: Final = """
    -- Have the one try of a broken or paused destination; nobody else has it until then.
    update relay.standing set
        broken_until = case when broken_until is not null then $3::timestamptz end,
        paused_until = case when paused_until is not null then $3::timestamptz end
    where destination_id = $1 and coalesce(broken_until <= $2, true)
      and coalesce(paused_until <= $2, true)
    returning destination_id
"""

RESERVE: Final = """
    -- A stretch of time for so many events and customers; answers when it begins.
    update relay.standing set
        events_free_at = greatest(events_free_at, $2) + $3 * make_interval(secs => $5),
        customers_free_at = greatest(customers_free_at, $2) + $4 * make_interval(secs => $6)
    where destination_id = $1
    returning greatest(events_free_at - $3 * make_interval(secs => $5),
                       customers_free_at - $4 * make_interval(secs => $6))
"""

RESUME: Final = """
    update relay.standing set limited_until = null, paused_until = null, broken_until = null,
        failures = 0, trouble = null
    where destination_id = $1
"""


class Allowance(NamedTuple):
    """How long one event and one customer take up of the rate, in seconds."""

    event_seconds: float
    customer_seconds: float


class Read(NamedTuple):
    """How a destination stands.

    Attributes:
        free_at: From when on the rate allows more.
    """

    standing: Standing
    free_at: datetime | None


async def read(connection: Connection, destination: DestinationId) -> Read:
    """How a destination stands."""
    row = await connection.fetchrow(READ_ONE, destination)
    if row is None:
        raise RuntimeError("a registered destination has no standing")
    instants = (row["events_free_at"], row["customers_free_at"])
    return Read(_standing(row), max((one for one in instants if one is not None), default=None))


async def lock(connection: Connection, destination: DestinationId) -> Standing:
    """How a destination stands, kept from others until the transaction ends."""
    row = await connection.fetchrow(LOCK, destination)
    if row is None:
        raise RuntimeError("a registered destination has no standing")
    return _standing(row)


async def write(connection: Connection, destination: DestinationId, standing: Standing) -> None:
    """Write down how a destination stands; the caller has locked it."""
    await connection.execute(
        WRITE,
        destination,
        standing.limited_until,
        standing.paused_until,
        standing.broken_until,
        standing.failures,
        standing.accepted_at,
        standing.failed_at,
        standing.trouble,
    )


async def may_try(
    connection: Connection, destination: DestinationId, now: datetime, until: datetime
) -> bool:
    """Have the one try of a destination that is broken or paused, until an instant."""
    return await connection.fetchval(TRY, destination, now, until) is not None


async def reserve(
    connection: Connection,
    destination: DestinationId,
    now: datetime,
    events: int,
    customers: int,
    allowance: Allowance,
) -> timedelta:
    """How long to wait before so much may be sent; nobody else has that stretch of time."""
    begins: datetime = await connection.fetchval(
        RESERVE,
        destination,
        now,
        events,
        customers,
        allowance.event_seconds,
        allowance.customer_seconds,
    )
    return max(timedelta(), begins - now)


async def resume(connection: Connection, destination: DestinationId) -> None:
    """Send again at once, whatever was the matter."""
    await connection.execute(RESUME, destination)


def _standing(row: asyncpg.Record) -> Standing:
    return Standing(
        limited_until=row["limited_until"],
        paused_until=row["paused_until"],
        broken_until=row["broken_until"],
        failures=row["failures"],
        accepted_at=row["accepted_at"],
        failed_at=row["failed_at"],
        trouble=row["trouble"],
    )
