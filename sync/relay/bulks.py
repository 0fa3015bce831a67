"""Requests to MoEngage as they are written down: before they are sent, and how they ended.

The one hard idea: a request whose sender has died is found by its lease. Whoever ends a request
does so only while it is under way, so a sender that comes back late finds that others have decided
for it.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from ledger.connection import Connection
from sync.relay.exchange import Exchange
from sync.relay.register import DestinationId

ADD: Final = """
    insert into relay.bulk (
        id, destination_id, created_at, lease_until, events, event_count, element_count,
        byte_count, state
    ) values ($1, $2, $3, $4, $5, $6, $7, $8, 'sending')
"""

END: Final = """
    -- Only while it is under way. Index: bulk_pk.
    update relay.bulk set state = $2, finished_at = $3, http_status = $4, request_id = $5,
        error = $6
    where id = $1 and state = 'sending'
    returning id
"""

LATE: Final = """
    -- A request whose sender has died. Index: bulk_lease_idx.
    select id, destination_id, events from relay.bulk
    where destination_id = $1 and state = 'sending' and lease_until < $2
    order by lease_until limit 1
    for update skip locked
"""


class LateBulk(NamedTuple):
    """A request whose sender has died."""

    id: UUID
    destination: DestinationId
    events: tuple[UUID, ...]


async def add_bulk(
    connection: Connection,
    bulk: UUID,
    destination: DestinationId,
    now: datetime,
    lease_until: datetime,
    events: Sequence[UUID],
    element_count: int,
    byte_count: int,
) -> None:
    """Write down a request that is about to be sent."""
    await connection.execute(
        ADD,
        bulk,
        destination,
        now,
        lease_until,
        list(events),
        len(events),
        element_count,
        byte_count,
    )


async def end_bulk(connection: Connection, bulk: UUID, exchange: Exchange, now: datetime) -> bool:
    """Write down how a request ended; False if somebody else has done so."""
    ended = await connection.fetchval(
        END,
        bulk,
        exchange.verdict.value,
        now,
        exchange.status,
        exchange.request_id,
        exchange.trouble,
    )
    return ended is not None


async def late_bulk(
    connection: Connection, destination: DestinationId, now: datetime
) -> LateBulk | None:
    """A destination's request whose sender has died, locked until the transaction ends."""
    row = await connection.fetchrow(LATE, destination, now)
    if row is None:
        return None
    return LateBulk(row["id"], DestinationId(row["destination_id"]), tuple(row["events"] or ()))
