"""What people have stopped, and until when: until they let it go on.

The one hard idea: a pause is a row in the database that every piece of work looks at before it
begins, so it holds on all replicas at once and over every restart. What is on its way is not called
back; it is followed to its end.
"""

from datetime import datetime
from enum import StrEnum

import msgspec

from ledger.connection import Connection
from ledger.identity import TenantId

REASON_LENGTH_MAX = 500

PAUSE = """
    insert into engage.pause (tenant_id, direction, paused_at, paused_by, reason)
    values ($1, $2, $3, $4, $5)
    on conflict (tenant_id, direction) do nothing
"""

RESUME = "delete from engage.pause where tenant_id = $1 and direction = $2"

WHY = """
    -- Index: pause_pk.
    select paused_at, paused_by, reason from engage.pause where tenant_id = $1 and direction = $2
"""

LIST = """
    -- Index: pause_pk.
    select direction, paused_at, paused_by, reason from engage.pause where tenant_id = $1
    order by direction
"""


class Direction(StrEnum):
    """What can be stopped by itself."""

    PUSH = "push"
    """Telling Engage anything: totals, movements, repairs."""
    ADJUSTMENTS = "adjustments"
    """Booking what Engage sends; it is kept meanwhile, and booked afterwards."""
    DRIFT = "drift"
    """Comparing balances, and putting right what differs."""
    CONTACTS = "contacts"
    """Looking for contacts that Engage deleted or merged."""


class Pause(msgspec.Struct, frozen=True, kw_only=True):
    """Something that was stopped.

    Attributes:
        paused_by: As whoever did it is called: a key's name, or the command line.
    """

    direction: Direction
    paused_at: datetime
    paused_by: str
    reason: str | None


async def pause(
    connection: Connection,
    tenant: TenantId,
    direction: Direction,
    at: datetime,
    paused_by: str,
    reason: str | None,
) -> bool:
    """Stop something; False if it was stopped already, and then nothing changes."""
    said = None if reason is None else reason[:REASON_LENGTH_MAX]
    done = await connection.execute(PAUSE, tenant, direction.value, at, paused_by, said)
    return str(done) != "INSERT 0 0"


async def resume(connection: Connection, tenant: TenantId, direction: Direction) -> bool:
    """Let something go on; False if it was not stopped."""
    done = await connection.execute(RESUME, tenant, direction.value)
    return str(done) != "DELETE 0"


async def why(connection: Connection, tenant: TenantId, direction: Direction) -> str | None:
    """Why something is stopped, for the person who wonders; `None` if it is not."""
    row = await connection.fetchrow(WHY, tenant, direction.value)
    if row is None:
        return None
    reason = f": {row['reason']}" if row["reason"] else ""
    return f"paused by {row['paused_by']} since {row['paused_at']:%Y-%m-%dT%H:%M:%SZ}{reason}"


async def paused(connection: Connection, tenant: TenantId) -> list[Pause]:
    """Everything of a tenant that is stopped."""
    return [
        Pause(
            direction=Direction(row["direction"]),
            paused_at=row["paused_at"],
            paused_by=row["paused_by"],
            reason=row["reason"],
        )
        for row in await connection.fetch(LIST, tenant)
    ]
