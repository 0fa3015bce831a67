"""What a destination in trouble does to events, to its neighbours, and to nothing else."""

import asyncio
import os
import time
from datetime import UTC, datetime, timedelta
from itertools import cycle, pairwise
from typing import Any

import pytest

from ledger.identity import uuid7
from ledger.postgres import Database
from sync.relay.claiming import Claim, Claimer
from sync.relay.intake import EventState, Reason
from tests.relaying.stage import (
    WORKSPACE,
    Stage,
    basic,
    open_stage,
    relay_settings,
    until,
)

pytestmark = pytest.mark.any_postgres


def visit(number: int, customer: str = "cust-1001", **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{customer}-{number}",
        "event_type": "visit",
        "customer_id": customer,
        **more,
    }


async def claimed_and_lost(stage: Stage) -> None:
    """A sender that dies between writing its request down and sending it, long ago."""
    destination = stage.relay.register.destinations["main"]
    claimer = Claimer(stage.relay.register, destination)
    now = datetime.now(UTC)
    async with stage.pool.acquire() as connection, connection.transaction():
        found, *_ = await claimer.claim(connection, uuid7(now, os.urandom(10)), now)
        assert isinstance(found, Claim)
        await connection.execute(
            "update relay.bulk set lease_until = $1", now - timedelta(seconds=1)
        )


async def test_a_sender_that_died_is_found_by_its_lease(database: Database, moengage: str) -> None:
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})) as stage:
        await stage.tell("perx", visit(1))
        await claimed_and_lost(stage)
        assert await stage.deliver() == 0, "its customer is promised to nobody else"
        (courier,) = stage.relay.couriers.values()
        await courier.settle_late()
        await asyncio.sleep(0.1)
        assert await stage.deliver() == 1
        (event,) = await stage.events()
        assert (event.state, event.maybe_repeated) == (EventState.DELIVERED, True)


async def test_what_is_wanted_at_most_once_is_dead_where_there_is_doubt(
    database: Database, moengage: str
) -> None:
    sources = {"once": basic("perx", at_most_once=True), "often": basic("perx")}
    async with open_stage(database, relay_settings(moengage, sources)) as stage:
        await stage.faults({"kind": "drop-after", "times": 1})
        await stage.tell("once", visit(1))
        await stage.tell("often", visit(2, "cust-2002"))
        await stage.deliver()
        await asyncio.sleep(0.2)
        await stage.deliver()
        once, often = await stage.events()
        assert (once.state, once.reason) == (EventState.DEAD, Reason.OUTCOME_UNCLEAR)
        assert (often.state, often.maybe_repeated) == (EventState.DELIVERED, True)
        arrived = [entry["relayEventId"] for entry in await stage.entries()]
        assert arrived.count(str(once.id)) == 1, "it had arrived, and was not sent again"
        assert arrived.count(str(often.id)) == 2


async def test_refused_credentials_pause_and_burn_nothing(
    database: Database, moengage: str
) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")}, pause_seconds=60)
    async with open_stage(database, settings) as stage:
        await stage.faults({"kind": "error-before", "status": 401})
        for number in range(5):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        await stage.deliver()
        assert (await stage.control.get("/_sandbox")).json()["requests"]["total"] == 1
        (destination,) = (await stage.relay.status()).destinations
        assert destination.condition == "paused"
        assert "401" in (destination.trouble or "")
        assert {one.attempts for one in await stage.events()} == {0}
        await stage.faults()
        assert await stage.deliver() == 0
        await stage.relay.resume(stage.relay.register.destinations["main"].id)
        await stage.deliver()
        assert await stage.states() == {EventState.DELIVERED: 5}
        (destination,) = (await stage.relay.status()).destinations
        assert (destination.condition, destination.trouble) == ("open", None)


async def test_a_dead_destination_slows_no_other(database: Database, moengage: str) -> None:
    sources = {"perx": basic("perx"), "dead": basic("perx", destination="dead")}
    dead = {
        "dead": {
            "tenant": "acme", "workspace": "w", "address": "http://127.0.0.1:9",
            "breaker_failures": 2, "breaker_seconds": 60, "backoff_seconds": 0.05,
        }
    }  # fmt: skip
    settings = relay_settings(moengage, sources, dead)
    async with open_stage(database, settings, delivers=True) as stage:
        for number in range(30):
            await stage.tell("dead", visit(number, f"cust-{number}"))

        async def is_broken() -> bool:
            return (await stage.relay.status()).destinations[1].condition == "broken"

        await until(is_broken)
        started = time.monotonic()
        for number in range(50):
            await stage.tell("perx", visit(number, f"cust-{number}"))

        async def all_there() -> bool:
            return len(await stage.arrived()) == 50

        await until(all_there)
        assert time.monotonic() - started < 5
        states = {one.state for one in await stage.events() if one.source == "dead"}
        assert states == {EventState.WAITING}, "nothing is lost, however long it takes"


async def test_who_was_not_reached_waits_no_longer_than_others(
    database: Database, moengage: str
) -> None:
    """Requests that are under way together fail together, and are not one customer's failures."""
    sources = {"perx": basic("perx", destination="dead")}
    dead = {
        "dead": {
            "tenant": "acme", "workspace": "w", "address": "http://127.0.0.1:9", "single": True,
            "breaker_failures": 100, "backoff_seconds": 60,
        }
    }  # fmt: skip
    async with open_stage(database, relay_settings(moengage, sources, dead)) as stage:
        for number in range(6):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        assert await stage.deliver() == 6
        (_, destination) = (await stage.relay.status()).destinations
        assert destination.failures == 6
        latest = await stage.pool.fetchval("select max(ready_at) from relay.queue")
        assert latest - datetime.now(UTC) <= timedelta(seconds=75)


async def test_a_broken_destination_is_tried_by_one_small_request_at_a_time(
    database: Database, moengage: str
) -> None:
    settings = relay_settings(
        moengage, {"perx": basic("perx")}, breaker_failures=2, breaker_seconds=0.3
    )
    async with open_stage(database, settings, delivers=True) as stage:
        await stage.faults({"kind": "error-before", "status": 503})

        async def is_broken() -> bool:
            found = await stage.pool.fetchval(
                "select count(*) from relay.standing where broken_until is not null"
            )
            return bool(found)

        for number in range(10):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        await until(is_broken)
        for number in range(10, 40):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        await asyncio.sleep(1.5)
        requests = (await stage.control.get("/_sandbox")).json()["requests"]["total"]
        assert 2 <= requests <= 8, "two at once, and a try now and then"
        await stage.faults()

        async def all_delivered() -> bool:
            return await stage.states() == {EventState.DELIVERED: 40}

        await until(all_delivered)
        repeated = [one for one in await stage.events() if one.maybe_repeated]
        assert len(repeated) < 40


async def test_an_event_that_always_breaks_the_answer_is_found_and_given_up(
    database: Database, moengage: str
) -> None:
    """A refusal would name it; a broken connection doesn't, so it is found by sending fewer."""
    settings = relay_settings(
        moengage, {"perx": basic("perx")}, attempts_max=4, answer_seconds=0.25, breaker_failures=50
    )
    async with open_stage(database, settings, delivers=True) as stage:
        for number in range(10):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        await until(lambda: _delivered(stage, 10))
        await stage.faults({"kind": "slow-before", "milliseconds": 800})
        await stage.tell("perx", visit(11, "cust-11"))

        async def some_dead() -> bool:
            return bool(await stage.events(state=EventState.DEAD))

        await until(some_dead)
        (event,) = await stage.events(state=EventState.DEAD)
        assert (event.reason, event.attempts) == (Reason.GAVE_UP, 4)


async def _delivered(stage: Stage, count: int) -> bool:
    return (await stage.states()).get(EventState.DELIVERED) == count


async def test_the_rate_holds_over_all_replicas(database: Database, moengage: str) -> None:
    """Two replicas together are told 2700 a minute: 45 a second, in bulks of ten."""
    settings = relay_settings(
        moengage, {"perx": basic("perx")}, events_per_minute=2700, bulk_elements_max=10
    )
    async with open_stage(database, settings) as stage:
        for number in range(200):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        register = stage.relay.register
        replicas = cycle(Claimer(register, register.destinations["main"]) for _ in range(2))
        now, begun, sent = datetime.now(UTC), [], 0
        while sent < 200:
            async with stage.pool.acquire() as connection, connection.transaction():
                bulk = uuid7(now, os.urandom(10))
                found, *_ = await next(replicas).claim(connection, bulk, now)
            if isinstance(found, Claim):
                begun.append(now + found.wait)
                sent += len(found.events)
            else:
                assert found.until is not None
                now = found.until
        assert len(begun) == 20
        pauses = {after - before for before, after in pairwise(begun)}
        assert all(abs(one.total_seconds() - 10 / 45) < 0.001 for one in pauses)


async def test_a_request_waits_for_its_turn(database: Database, moengage: str) -> None:
    settings = relay_settings(
        moengage, {"perx": basic("perx")}, events_per_minute=1200, bulk_elements_max=5
    )
    async with open_stage(database, settings) as stage:
        for number in range(10):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        started = time.monotonic()
        assert await stage.deliver() == 2
        assert time.monotonic() - started >= 0.25, "five at 20 a second"


async def test_a_limit_is_waited_for_by_all(database: Database, moengage: str) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")}, bulk_elements_max=10)
    async with open_stage(database, settings) as stage, open_stage(database, settings) as other:
        # An hour, whose end is less likely to fall into the test than a minute's.
        limits: dict[str, int | None] = {"windowSeconds": 3600, "transitionEventsMax": 30}
        await stage.control.put("/_sandbox/settings", json={"limits": limits})
        for number in range(60):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        assert await stage.deliver() == 4, "the fourth is one too many"
        assert await other.deliver() == 0
        (destination,) = (await other.relay.status()).destinations
        assert (destination.condition, destination.waiting) == ("limited", 30)
        await stage.control.put(
            "/_sandbox/settings", json={"limits": {"transitionEventsMax": None}}
        )
        await other.relay.resume(other.relay.register.destinations["main"].id)
        assert await other.deliver() == 3
        assert await stage.states() == {EventState.DELIVERED: 60}
        assert not any(one.maybe_repeated for one in await stage.events())


async def test_single_endpoints_send_the_profile_first_and_nothing_twice(
    database: Database, moengage: str
) -> None:
    sources = {"perx": basic("perx", mapping={"profile": {"points": "/points"}})}
    settings = relay_settings(moengage, sources, single=True)
    async with open_stage(database, settings, delivers=True) as stage:
        await stage.faults(
            {"kind": "throttle", "probability": 0.3, "times": 2, "retryAfterSeconds": 1}, seed=4
        )
        for number in range(6):
            await stage.tell("perx", visit(number, f"cust-{number % 2}", points=number))
        await until(lambda: _delivered(stage, 6))
        entries = await stage.entries()
        assert [one["kind"] for one in entries if one["customerId"] == "cust-1"] == [
            "customer", "event",
        ] * 3  # fmt: skip
        assert len({one["relayEventId"] for one in entries}) == len(entries) == 12
        paths = {
            one["path"]
            for one in (await stage.control.get("/_sandbox/requests")).json()["requests"]
        }
        assert paths == {f"/v1/event/{WORKSPACE}", f"/v1/customer/{WORKSPACE}"}


async def test_one_customer_does_not_exceed_what_one_may(database: Database, moengage: str) -> None:
    """At 1200 a minute, 50 at once are followed by a rest of 2.5 seconds."""
    settings = relay_settings(moengage, {"perx": basic("perx")}, customer_events_per_minute=1200)
    async with open_stage(database, settings) as stage:
        for number in range(60):
            await stage.tell("perx", visit(number))
        assert await stage.deliver() == 1
        assert await stage.states() == {EventState.DELIVERED: 50, EventState.WAITING: 10}
        rest = await stage.pool.fetchval(
            "select ready_at - finished_at from relay.queue, relay.bulk"
        )
        assert rest == timedelta(seconds=2.5)


async def test_a_stop_finishes_what_is_under_way(database: Database, moengage: str) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")})
    async with open_stage(database, settings, delivers=True) as stage:
        await stage.faults({"kind": "slow-after", "milliseconds": 700})
        await stage.tell("perx", visit(1))

        async def under_way() -> bool:
            return bool(await stage.pool.fetchval("select count(*) from relay.bulk"))

        await until(under_way)
    async with open_stage(database, settings) as stage:
        (event,) = await stage.events()
        assert (event.state, event.maybe_repeated) == (EventState.DELIVERED, False)
