"""Events that wait, and the customers whose they are, as the database has them.

The one hard idea: a customer's row in `queue` is taken with `for update skip locked`, so any number
of replicas pick different customers and none waits for another; and only then are the customer's
events read, in the order of their receipt.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from ledger.connection import Connection
from sync.relay.intake import EventState, Reason
from sync.relay.register import DestinationId, SourceId

PICK: Final = """
    -- Customers with something to send and nothing under way, the longest ready first.
    -- Index: queue_ready_idx.
    select customer from relay.queue
    where destination_id = $1 and bulk_id is null and ready_at <= $2
    order by ready_at limit $3
    for update skip locked
"""

EVENTS: Final = f"""
    -- What each of these customers is to be told, in order; at most so many each.
    -- Index: event_waiting_idx.
    select event.* from unnest($2::text[]) with ordinality as picked (customer, place)
    cross join lateral (
        select id, source_id, customer, received_at, occurred_at, attempts, portion, profile_sent,
               payload
        from relay.event
        where event.destination_id = $1 and event.customer = picked.customer
          and event.state = '{EventState.WAITING}'
        order by number limit $3
    ) as event
    order by place
"""

AS_OF: Final = """
    -- As of when these customers' attributes were last written. Index: profile_pk.
    select customer, attribute, as_of from relay.profile
    where destination_id = $1 and customer = any($2::text[])
"""

WRITE_AS_OF: Final = """
    -- Index: profile_pk.
    insert into relay.profile as profile (destination_id, customer, attribute, as_of)
    select $1, customer, attribute, as_of
    from unnest($2::text[], $3::text[], $4::timestamptz[]) as given (customer, attribute, as_of)
    order by customer, attribute
    on conflict (destination_id, customer, attribute) do update set
        as_of = greatest(profile.as_of, excluded.as_of)
"""

SET_ASIDE: Final = f"""
    -- Events that can't be sent as things are. Index: event_pk.
    update relay.event set state = '{EventState.QUARANTINED}', reason = given.reason,
        message = given.message, settled_at = $1
    from unnest($2::uuid[], $3::text[], $4::text[]) as given (id, reason, message)
    where event.id = given.id and event.state = '{EventState.WAITING}'
"""

CLAIM: Final = """
    -- The promise that nothing else is under way for these customers. Index: queue_pk.
    update relay.queue set bulk_id = $3
    where destination_id = $1 and customer = any($2::text[])
"""

LOCK_CLAIMED: Final = """
    -- The customers of a request, before what is left to send is looked at. Index: queue_pk.
    select customer from relay.queue
    where destination_id = $1 and customer = any($2::text[])
    order by customer for update
"""

END: Final = f"""
    -- Customers of whom nothing waits any more. Looked up for each, since joining them reads all
    -- that waits for anybody. Index: queue_pk, event_waiting_idx.
    delete from relay.queue
    where destination_id = $1 and customer = any($2::text[]) and (
        select event.number from relay.event
        where event.destination_id = queue.destination_id
          and event.customer = queue.customer and event.state = '{EventState.WAITING}'
        order by event.number limit 1
    ) is null
"""

GO_ON: Final = f"""
    -- Customers of whom more waits: when they are ready, and since when they wait.
    -- Index: queue_pk, event_waiting_idx.
    update relay.queue set bulk_id = null, ready_at = given.ready_at, since = coalesce((
        select received_at from relay.event where event.destination_id = queue.destination_id
          and event.customer = queue.customer and event.state = '{EventState.WAITING}'
        order by number limit 1
    ), queue.since)
    from unnest($2::text[], $3::timestamptz[]) as given (customer, ready_at)
    where queue.destination_id = $1 and queue.customer = given.customer
"""

CUSTOMERS_OF_BULK: Final = """
    select customer from relay.queue where destination_id = $1 and bulk_id = $2
"""


class WaitingEvent(NamedTuple):
    """An event that is to be sent."""

    id: UUID
    source: SourceId
    customer: str
    received_at: datetime
    occurred_at: datetime | None
    attempts: int
    portion: int | None
    profile_sent: bool
    payload: bytes | None


class SetAside(NamedTuple):
    """An event that can't be sent, and why."""

    event: UUID
    source: SourceId
    reason: Reason
    message: str


async def pick(
    connection: Connection, destination: DestinationId, now: datetime, customers_max: int
) -> list[str]:
    """Customers with something to send, locked until the transaction ends."""
    rows = await connection.fetch(PICK, destination, now, customers_max)
    return [row["customer"] for row in rows]


async def events_of(
    connection: Connection, destination: DestinationId, customers: Sequence[str], each_max: int
) -> dict[str, list[WaitingEvent]]:
    """What waits for these customers, in order."""
    rows = await connection.fetch(EVENTS, destination, list(customers), each_max)
    found: dict[str, list[WaitingEvent]] = {customer: [] for customer in customers}
    for row in rows:
        found[row["customer"]].append(
            WaitingEvent(
                row["id"],
                SourceId(row["source_id"]),
                row["customer"],
                row["received_at"],
                row["occurred_at"],
                row["attempts"],
                row["portion"],
                row["profile_sent"],
                row["payload"],
            )
        )
    return found


async def attributes_as_of(
    connection: Connection, destination: DestinationId, customers: Sequence[str]
) -> dict[tuple[str, str], datetime]:
    """As of when attributes were last written, by customer and attribute."""
    rows = await connection.fetch(AS_OF, destination, list(customers))
    return {(row["customer"], row["attribute"]): row["as_of"] for row in rows}


async def write_as_of(
    connection: Connection,
    destination: DestinationId,
    written: dict[tuple[str, str], datetime],
) -> None:
    """Note as of when attributes are written now."""
    if written:
        await connection.execute(
            WRITE_AS_OF,
            destination,
            [customer for customer, _ in written],
            [attribute for _, attribute in written],
            list(written.values()),
        )


async def set_aside(connection: Connection, events: Sequence[SetAside], now: datetime) -> None:
    """Quarantine events; they don't hold back later ones."""
    if events:
        await connection.execute(
            SET_ASIDE,
            now,
            [one.event for one in events],
            [one.reason.value for one in events],
            [one.message for one in events],
        )


async def claim(
    connection: Connection, destination: DestinationId, customers: Sequence[str], bulk: UUID
) -> None:
    """Promise that a request is the only one under way for its customers."""
    await connection.execute(CLAIM, destination, list(customers), bulk)


async def lock_claimed(
    connection: Connection, destination: DestinationId, customers: Sequence[str]
) -> None:
    """Lock the customers of a request that has ended, before their events are settled."""
    await connection.execute(LOCK_CLAIMED, destination, list(customers))


async def end(connection: Connection, destination: DestinationId, customers: Sequence[str]) -> None:
    """Be done with those of these customers of whom nothing waits any more."""
    await connection.execute(END, destination, list(customers))


async def let_go(
    connection: Connection, destination: DestinationId, ready: dict[str, datetime]
) -> None:
    """Let customers go on, each from an instant on; those of whom nothing waits are done."""
    await end(connection, destination, list(ready))
    await connection.execute(GO_ON, destination, list(ready), list(ready.values()))


async def customers_of(connection: Connection, destination: DestinationId, bulk: UUID) -> list[str]:
    """Whose request it is."""
    rows = await connection.fetch(CUSTOMERS_OF_BULK, destination, bulk)
    return [row["customer"] for row in rows]
