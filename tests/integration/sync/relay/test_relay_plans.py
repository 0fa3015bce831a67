"""What the hot statements read does not grow with what waits: a backlog of 40,000 events.

Rows and index entries are counted as PostgreSQL counts them, for what each statement really does,
with its values known to the planner and unknown, and with the tables analysed and not.
"""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import pytest

from ledger.connection import Connection
from ledger.postgres import Database, connect
from sync.relay import events, storing, waiting
from sync.relay.erasure import erase_customers
from sync.relay.events import Wanted
from sync.relay.fresh import fresh_ids
from sync.relay.intake import EventState, take_in_document
from sync.relay.register import DestinationId
from sync.relay.replaying import replay_some
from sync.relay.storing import Placed
from sync.relay.vendors.protocol import Arrival
from tests.relaying.stage import Stage, basic, open_stage, relay_settings

NOW = datetime.now(UTC)
CUSTOMERS = [f"cust-{number}" for number in range(20, 40)]
DESTINATION = DestinationId(1)
TOO_MUCH = 3_000
"""Of 65,000 events, 20,000 queues and 10,000 keys of customers; 20 customers have 600 events."""

LATER = ("attributes", "release", "search", "troubled", "one", "replay", "erase")
"""For these, tables that were filled at once may be read whole until they are analysed."""

FILL = """
    insert into relay.event (id, received_at, source_id, destination_id, state, family, customer,
                             join_key, reason, payload)
    select gen_random_uuid(), now(), 1, 1, state, 'visit',
           case when state <> 'quarantined' then 'cust-' || one % 2000 end,
           case when state = 'quarantined' then 'user/7/' || one end,
           case when state = 'quarantined' then 'customer_unknown' end, '{}'
    from (select one, case when one <= 40000 then 'waiting' when one <= 60000 then 'delivered'
                      else 'quarantined' end as state
          from generate_series(1, 65000) as one) as numbered;

    insert into relay.queue (destination_id, customer, since, ready_at)
    select 1, 'cust-' || one, now() - interval '1 day', now() - one * interval '1 second'
    from generate_series(1, 20000) as one;

    insert into relay.identity (group_id, key, customer, learned_at)
    select 1, 'user/8/' || one, 'cust-' || one, now() from generate_series(1, 10000) as one;

    insert into relay.profile select 1, 'cust-' || one, 'tier', now()
    from generate_series(1, 10000) as one;

    insert into relay.seen (group_id, key, event_id, at)
    select 1, id, id, received_at from relay.event;
"""

READ = """
    select sum(pg_stat_get_xact_tuples_returned(pg_class.oid))
    from pg_class join pg_namespace on pg_namespace.oid = relnamespace and nspname = 'relay'
    where relkind in ('r', 'i')
"""


@pytest.fixture
async def backlog(database: Database, moengage: str) -> AsyncIterator[Stage]:
    settings = relay_settings(moengage, {"punchh": basic("punchh")})
    async with open_stage(database, settings) as stage:
        await stage.pool.execute(FILL)
        yield stage


async def read_by(
    connection: Connection, mode: str, do: Callable[[Connection], Awaitable[object]]
) -> int:
    """How many rows and index entries something reads; it is undone."""
    transaction = connection.transaction()
    await transaction.start()
    try:
        await connection.execute(f"set local plan_cache_mode = {mode}")
        before = int(await connection.fetchval(READ))
        await do(connection)
        return int(await connection.fetchval(READ)) - before
    finally:
        await transaction.rollback()


def visits(stage: Stage) -> list[Placed]:
    source = stage.relay.register.sources["punchh"]
    ids = fresh_ids(NOW)
    return [
        Placed(source, event)
        for customer in CUSTOMERS
        for event in take_in_document(
            source.settings,
            {
                "content_id": customer,
                "event_name": "checkins",
                "payload": {"external_source_id": customer},
            },
            Arrival(NOW),
            ids,
        )
    ]


async def test_what_is_read_does_not_grow_with_what_waits(
    backlog: Stage, database: Database
) -> None:
    ready = dict.fromkeys(CUSTOMERS, NOW + timedelta(seconds=1))
    source = backlog.relay.register.sources["punchh"]
    sources, tenant = [source.id], source.tenant
    keys = [f"user/7/{number}" for number in range(63_000, 63_020)]
    of_one = Wanted(sources, customer="cust-30")
    troubled = Wanted(sources, state=EventState.QUARANTINED)
    done: dict[str, Callable[[Connection], Awaitable[object]]] = {
        "pick": lambda one: waiting.pick(one, DESTINATION, NOW, 20),
        "events": lambda one: waiting.events_of(one, DESTINATION, CUSTOMERS, 50),
        "attributes": lambda one: waiting.attributes_as_of(one, DESTINATION, CUSTOMERS),
        "claim": lambda one: waiting.claim(one, DESTINATION, CUSTOMERS, uuid4()),
        "lock": lambda one: waiting.lock_claimed(one, DESTINATION, CUSTOMERS),
        "end": lambda one: waiting.end(one, DESTINATION, CUSTOMERS),
        "go on": lambda one: waiting.let_go(one, DESTINATION, ready),
        "store": lambda one: storing.store(one, visits(backlog), NOW),
        "release": lambda one: storing.release(one, source.group, sources, NOW, keys),
        "search": lambda one: events.page(one, backlog.relay.register, of_one),
        "troubled": lambda one: events.page(one, backlog.relay.register, troubled),
        "one": lambda one: events.one(one, backlog.relay.register, sources, UUID(int=1)),
        "replay": lambda one: replay_some(one, backlog.relay.register, of_one, NOW, None),
        "erase": lambda one: erase_customers(one, tenant, CUSTOMERS[:1]),
    }
    for analysed in (False, True):
        if analysed:
            owner = await connect(database.dsn_owner)
            await owner.execute("analyze")
            await owner.close()
        for mode in ("force_custom_plan", "force_generic_plan"):
            async with backlog.pool.acquire() as connection:
                read = {
                    name: await read_by(connection, mode, do)
                    for name, do in done.items()
                    if analysed or name not in LATER
                }
            assert {name: count for name, count in read.items() if count > TOO_MUCH} == {}
            assert sum(map(bool, read.values())) >= len(read) - 1, f"nothing was counted: {read}"
