"""What holds of single events: repeats, customers learnt later, profiles, names, and forgetting."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from ledger.identity import ContactId
from ledger.postgres import Database
from sync.relay.erasure import erase
from sync.relay.events import Wanted
from sync.relay.intake import EventState, Reason
from sync.relay.register import RegistrationError
from sync.relay.retention import clear_up
from tests.relaying.stage import WORKSPACE, Stage, basic, open_stage, relay_settings


def visit(number: int, customer: str = "cust-1001", **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"{customer}-{number}",
        "event_type": "visit",
        "customer_id": customer,
        **more,
    }


def loyalty(kind: str, **data: Any) -> dict[str, Any]:
    return {"type": kind, "data": data}


async def test_fifty_copies_at_once_are_one(database: Database, moengage: str) -> None:
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})) as stage:
        receipts = await asyncio.gather(*(stage.tell("perx", visit(1)) for _ in range(50)))
        assert sum(one.fresh for one in receipts) == 1
        assert len(await stage.events()) == 1


async def test_equal_messages_are_one_within_seconds_and_two_after(
    database: Database, moengage: str
) -> None:
    sources = {"loyalty": basic("open_loyalty", repeat_seconds=600)}
    async with open_stage(database, relay_settings(moengage, sources)) as stage:
        message = loyalty("customer.updated", customerId="c-1001")
        fresh = [(await stage.tell("loyalty", message)).fresh for _ in range(3)]
        await stage.pool.execute(
            "update relay.seen set fresh_until = fresh_until - make_interval(secs => 600)"
        )
        fresh += [(await stage.tell("loyalty", message)).fresh for _ in range(2)]
        assert fresh == [1, 0, 0, 1, 0]


async def test_sources_that_share_know_each_others_events_and_customers(
    database: Database, moengage: str
) -> None:
    sources = {
        "first": basic("punchh"),
        "second": basic("punchh", shares_with="first"),
        "apart": basic("punchh"),
    }
    async with open_stage(database, relay_settings(moengage, sources)) as stage:
        user = {"user_id": 9, "external_source_id": "cust-1001"}
        users = {"content_id": "c-1", "event_name": "users", "payload": user}
        reward = {"content_id": "c-2", "event_name": "rewards", "payload": {"user": {"user_id": 9}}}
        assert (await stage.tell("first", users)).fresh == 1
        assert (await stage.tell("second", users)).fresh == 0
        assert (await stage.tell("apart", users)).fresh == 1
        await stage.tell("second", reward)
        (event,) = await stage.events(name="rewards")
        assert (event.state, event.customer) == (EventState.WAITING, "cust-1001")


async def test_what_waits_for_its_customer_goes_on_in_its_old_place(
    database: Database, moengage: str
) -> None:
    sources = {"loyalty": basic("open_loyalty")}
    async with open_stage(database, relay_settings(moengage, sources)) as stage:
        await stage.tell("loyalty", loyalty("transaction.registered", transactionId="t-1"))
        assert await stage.deliver() == 0
        (event,) = await stage.events()
        assert (event.state, event.reason) == (EventState.QUARANTINED, Reason.CUSTOMER_UNKNOWN)
        await stage.tell(
            "loyalty",
            loyalty("transaction.assigned_to_customer", transactionId="t-1", customerId="c-1001"),
        )
        await stage.deliver()
        assert await stage.arrived() == [
            ("c-1001", "openloyalty_transaction_registered"),
            ("c-1001", "openloyalty_transaction_assigned_to_customer"),
        ]
        # One that is told the other way round finds its customer at once.
        await stage.tell(
            "loyalty", loyalty("transaction.registered", transactionId="t-1", items=[1])
        )
        assert await stage.deliver() == 1


async def test_what_nobody_let_go_is_found_later(database: Database, moengage: str) -> None:
    """Two receipts at one moment may not see each other; a look now and then sees both."""
    sources = {"loyalty": basic("open_loyalty")}
    async with open_stage(database, relay_settings(moengage, sources)) as stage:
        await stage.tell("loyalty", loyalty("transaction.registered", transactionId="t-1"))
        group = stage.relay.register.sources["loyalty"].group
        await stage.pool.execute(
            "insert into relay.identity values ($1, 'transaction/t-1', 'c-1001', now(), null)",
            group,
        )
        assert await stage.relay.release() == 1
        assert await stage.deliver() == 1


async def test_a_profile_is_written_only_when_it_is_newer(
    database: Database, moengage: str
) -> None:
    sources = {"perx": basic("perx", mapping={"profile": {"points": "/points", "tier": "/tier"}})}
    async with open_stage(database, relay_settings(moengage, sources)) as stage:

        async def at(minute: int, **more: Any) -> None:
            message = visit(minute, timestamp=f"2026-01-01T00:{minute:02}:00Z", **more)
            await stage.tell("perx", message)
            await stage.deliver()

        await at(10, points=100, tier="Silver")
        await at(5, points=50)
        await at(20, points=200)
        await at(15, points=150, tier="Gold")
        response = await stage.control.get(f"/_sandbox/workspaces/{WORKSPACE}/customers/cust-1001")
        profile = response.json()["profile"]
        assert (profile["points"], profile["tier"]) == (200, "Gold")
        assert len(await stage.arrived()) == 4, "the events themselves all arrive"
        assert await stage.findings() == {}


async def test_one_attribute_has_one_type_for_all_replicas(
    database: Database, moengage: str
) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")})
    async with open_stage(database, settings) as one, open_stage(database, settings) as two:
        for stage, number, amount in (
            (one, 1, 20),
            (two, 2, "30"),
            (one, 3, "plenty"),
            (two, 4, True),
        ):
            await stage.tell("perx", visit(number, f"cust-{number}", amount=amount))
            assert await stage.deliver() == 1
        found = {
            name: value
            for entry in await one.entries()
            for name, value in entry["element"]["actions"][0]["attributes"].items()
            if name.startswith("amount")
        }
        assert found == {"amount": 30, "amount_text": "plenty", "amount_boolean": True}
        assert await one.findings() == {}


async def test_names_that_two_replicas_learn_at_once(database: Database, moengage: str) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")})
    async with open_stage(database, settings) as one, open_stage(database, settings) as two:
        for number in range(40):
            value = number if number % 2 else f"text {number}"
            await one.tell("perx", visit(number, f"cust-{number}", **{f"field{number % 5}": value}))
        await asyncio.gather(*(stage.deliver() for stage in (one, two) for _ in range(2)))
        assert await one.states() == {EventState.DELIVERED: 40}
        assert await one.findings() == {}


async def test_what_a_customer_can_not_be_is_quarantined_and_holds_nothing_back(
    database: Database, moengage: str
) -> None:
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})) as stage:
        for message in (
            visit(1, "guest"),
            {"event_id": "x", "event_type": "visit"},
            b"not json",
            visit(2),
        ):
            await stage.tell("perx", message)
        await stage.deliver()
        assert [one.reason for one in await stage.events()] == [
            Reason.CUSTOMER_FORBIDDEN, Reason.CUSTOMER_MISSING, Reason.UNREADABLE, None,
        ]  # fmt: skip
        assert len(await stage.arrived()) == 1


async def test_a_mended_mapping_and_a_replay_by_search(database: Database, moengage: str) -> None:
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})) as stage:
        for number in range(5):
            await stage.tell(
                "perx",
                {
                    "event_id": number,
                    "event_type": "visit",
                    "who": f"cust-{number}",
                    "timestamp": "2026-01-01T00:00:00Z",
                },
            )
        (first, *_) = await stage.events()
        assert first.reason == Reason.CUSTOMER_MISSING
    mended = basic("perx", mapping={"customer": ["/who"]})
    async with open_stage(database, relay_settings(moengage, {"perx": mended})) as stage:
        sources = stage.relay.register.sources_of(stage.tenant)
        wanted = Wanted(sources, state=EventState.QUARANTINED)
        done = await stage.relay.replay_all(wanted, events_max=100)
        assert (done.waiting, done.unchanged) == (5, 0)
        await stage.deliver()
        assert await stage.states() == {EventState.DELIVERED: 5}
        times = {entry["eventTime"] for entry in await stage.entries()}
        assert times == {"2026-01-01T00:00:00Z"}, "each with its own time"
        again = await stage.relay.replay_all(Wanted(sources), events_max=100)
        assert again.waiting == 0, "nothing that was delivered goes again"


async def test_a_source_that_is_gone_sets_its_events_aside(
    database: Database, moengage: str
) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx"), "old": basic("perx")})
    async with open_stage(database, settings) as stage:
        await stage.tell("old", visit(1))
        await stage.tell("perx", visit(2))
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})) as stage:
        await stage.deliver()
        assert len(await stage.arrived()) == 1
        (event,) = await stage.events(state=EventState.QUARANTINED)
        assert (event.source, event.reason) == ("old", Reason.SOURCE_GONE)


async def customers_known(stage: Stage) -> int:
    count = 0
    for table in ("event", "queue", "identity", "profile"):
        count += await stage.pool.fetchval(
            f"select count(*) from relay.{table} where customer = any($1)",
            ["cust-1001", "1dfe06cd-a1be-4423-8ed4-afd900d998aa"],
        )
    return count


async def test_a_person_is_erased_by_contact(database: Database, moengage: str) -> None:
    contact = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"
    sources = {
        "perx": basic("perx", mapping={"profile": {"points": "/points"}}),
        "punchh": basic("punchh"),
        "theirs": basic("perx", tenant="other", destination="theirs"),
    }
    theirs = {"theirs": {"tenant": "other", "workspace": "second", "address": moengage}}
    async with open_stage(database, relay_settings(moengage, sources, theirs)) as stage:
        await stage.tell("perx", visit(1, contact, points=5))
        await stage.deliver()
        await stage.tell("perx", visit(2, contact, points=6))
        await stage.tell("perx", visit(3, "cust-2002"))
        await stage.tell("theirs", visit(4, contact))
        user = {"user_id": 9, "external_source_id": contact}
        await stage.tell("punchh", {"content_id": "c", "event_name": "users", "payload": user})
        assert await customers_known(stage) > 5
        async with stage.pool.acquire() as connection, connection.transaction():
            await erase(connection, stage.tenant, [ContactId(UUID(contact))], [])
        assert await customers_known(stage) == 2, "the other tenant's event and its queue"
        await stage.deliver()
        arrived = [customer for customer, _ in await stage.arrived()]
        assert arrived == [contact, "cust-2002"], "what waited is not sent any more"


async def test_what_is_old_is_cleared_and_a_repeat_is_still_known(
    database: Database, moengage: str
) -> None:
    settings = relay_settings(
        moengage,
        {"perx": basic("perx")},
        retention={"delivered_days": 1, "troubled_days": 5, "dedupe_days": 10},
    )
    async with open_stage(database, settings) as stage:
        await stage.tell("perx", visit(1))
        await stage.deliver()
        await stage.tell("perx", visit(2, "guest"))
        await stage.tell("perx", visit(3))

        async def after(days: int) -> int:
            now = datetime.now(UTC) + timedelta(days=days)
            await clear_up(stage.pool, settings.retention, now)
            return len(await stage.events())

        assert await after(0) == 3
        assert await after(2) == 2, "what was delivered is gone"
        assert (await stage.tell("perx", visit(1))).fresh == 0
        assert await after(6) == 1, "what waits is never removed"
        assert (await stage.tell("perx", visit(2, "guest"))).fresh == 0
        await after(11)
        assert (await stage.tell("perx", visit(1))).fresh == 1


async def test_status_counts_what_came_and_went(database: Database, moengage: str) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")}, event_names_max=1)
    async with open_stage(database, settings) as stage:
        await stage.tell("perx", visit(1))
        await stage.tell("perx", visit(1))
        await stage.tell("perx", visit(2, "guest"))
        status = await stage.relay.status(stage.tenant)
        (destination,), (source,) = status.destinations, status.sources
        assert (destination.waiting, destination.customers, destination.condition) == (1, 1, "open")
        assert destination.lag_seconds >= 0
        assert source.quarantined == {Reason.CUSTOMER_FORBIDDEN.value: 1}
        totals = {kind: number for (_, kind), number in stage.relay.tally.totals.items()}
        assert totals == {"received": 3, "repeats": 1, "quarantined": 1}
        await stage.tell("perx", {**visit(3), "event_type": "one name too many"})
        await stage.deliver()
        totals = {kind: number for (_, kind), number in stage.relay.tally.totals.items()}
        assert totals == {"received": 4, "repeats": 1, "quarantined": 2, "delivered": 1}


async def test_a_name_belongs_to_one_tenant_for_ever(database: Database, moengage: str) -> None:
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})):
        pass
    others = relay_settings(moengage, {"perx": basic("perx", tenant="other")}, tenant="other")
    with pytest.raises(RegistrationError, match=r"relay\.destinations\.main belongs to another"):
        async with open_stage(database, others):
            pass
