"""From a vendor's message to MoEngage: once, in order, and through everything that can go wrong."""

from typing import Any

import pytest

from ledger.postgres import Database
from sync.relay.intake import EventState, Reason
from tests.relaying.samples import SAMPLES
from tests.relaying.stage import basic, open_stage, relay_settings, until


def visit(number: int, customer: str = "cust-1001", **more: Any) -> dict[str, Any]:
    return {
        "event_id": f"e-{customer}-{number}",
        "event_type": f"visit_{number}",
        "customer_id": customer,
        **more,
    }


async def test_a_message_arrives_whole_and_its_repeat_does_not(
    database: Database, moengage: str
) -> None:
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})) as stage:
        assert (await stage.tell("perx", visit(1))).fresh == 1
        assert (await stage.tell("perx", visit(1))).fresh == 0
        assert await stage.deliver() == 1
        (entry,) = await stage.entries()
        (event,) = await stage.events()
        assert event.state is EventState.DELIVERED
        assert event.name == "perx_visit_1"
        assert event.request_id is not None
        assert entry["relayEventId"] == str(event.id)
        assert await stage.findings() == {}


async def test_every_sample_of_the_vendors_arrives_or_says_why_not(
    database: Database, moengage: str
) -> None:
    sources = {vendor: basic(vendor) for vendor in ("punchh", "passkit", "open_loyalty", "perx")}
    async with open_stage(database, relay_settings(moengage, sources)) as stage:
        wanted = held = 0
        for sample in SAMPLES:
            receipt = await stage.tell(sample.vendor.value, sample.body.encode())
            assert receipt.events == len(sample.outcomes)
            wanted += sum(one.event is not None for one in sample.outcomes)
            held += sum(one.event is None for one in sample.outcomes)
        await stage.deliver()
        assert len(await stage.arrived()) >= wanted
        assert await stage.findings() == {}
        states = await stage.states()
        # A later sample said whose the purchase was, and another made the user known.
        assert states[EventState.DELIVERED] == wanted + 2
        assert states[EventState.IGNORED] == 1
        assert held == 3


async def test_the_order_of_each_customer_is_kept(database: Database, moengage: str) -> None:
    async with open_stage(database, relay_settings(moengage, {"perx": basic("perx")})) as stage:
        for number in range(120):
            await stage.tell("perx", visit(number, f"cust-{number % 3}"))
        await stage.deliver()
        arrived = await stage.arrived()
        assert len(arrived) == 120
        for customer in range(3):
            names = [name for one, name in arrived if one == f"cust-{customer}"]
            assert names == [f"perx_visit_{number}" for number in range(customer, 120, 3)]


@pytest.mark.parametrize(
    ("fault", "repeated"),
    [
        ({"kind": "throttle", "times": 2, "retryAfterSeconds": 1}, False),
        ({"kind": "drop-before", "times": 2}, True),
        ({"kind": "drop-after", "times": 2}, True),
        ({"kind": "error-before", "times": 2}, True),
        ({"kind": "error-after", "times": 2, "status": 503}, True),
        ({"kind": "error-before", "times": 1, "status": 401}, False),
        ({"kind": "error-before", "times": 1, "status": 403}, False),
        ({"kind": "error-before", "times": 1, "status": 409}, False),
    ],
    ids=lambda fault: (
        f"{fault['kind']} {fault.get('status', '')}" if isinstance(fault, dict) else ""
    ),
)
async def test_whatever_goes_wrong_everything_arrives(
    database: Database,
    moengage: str,
    fault: dict[str, Any],
    repeated: bool,  # noqa: FBT001 - a column
) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")})
    async with open_stage(database, settings, delivers=True) as stage:
        await stage.faults(fault)
        for number in range(20):
            await stage.tell("perx", visit(number, f"cust-{number % 4}"))

        async def all_delivered() -> bool:
            return await stage.states() == {EventState.DELIVERED: 20}

        await until(all_delivered)
        events = await stage.events()
        arrived = [entry["relayEventId"] for entry in await stage.entries()]
        assert set(arrived) == {str(event.id) for event in events}
        twice = {one for one in arrived if arrived.count(one) > 1}
        assert twice <= {str(event.id) for event in events if event.maybe_repeated}
        assert any(event.maybe_repeated for event in events) is repeated


async def test_the_culprit_of_a_refused_bulk_is_found_and_no_other_is_held_back(
    database: Database, moengage: str
) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")}, bulk_bytes_max=20_000)
    async with open_stage(database, settings) as stage:
        for number in range(40):
            await stage.tell("perx", visit(number, f"cust-{number}"))
        # The stand-in refuses what is too large for it: of all these only one is.
        await stage.tell("perx", visit(1, "cust-large", text=["x" * 500] * 30))
        await stage.control.put("/_sandbox/settings", json={"limits": {"bulkBytesMax": 12_000}})
        await stage.deliver()
        (dead,) = await stage.events(state=EventState.DEAD)
        assert (dead.customer, dead.reason) == ("cust-large", Reason.REFUSED)
        assert "413" in (dead.message or "")
        assert len(await stage.arrived()) == 40
        await stage.control.put("/_sandbox/settings", json={"limits": {"bulkBytesMax": 100_000}})
        assert (await stage.relay.replay(stage.tenant, dead.id)) is not None
        await stage.deliver()
        assert len(await stage.arrived()) == 41
        assert await stage.events(state=EventState.DEAD) == []
