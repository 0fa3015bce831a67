"""The books as a source: what is booked is told, once, in order, and with the balance after it."""

from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from api.service import Role
from ledger.identity import ContactId
from ledger.postgres import Database
from sync.engage.contacts.members import Lookup, Member, keep
from tests.doors.house import House, found_errors, open_house, problem
from tests.relaying.stage import WORKSPACE, configuration_with, relay_settings

CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"


def books(**more: Any) -> dict[str, Any]:
    return {"vendor": "ledger", "destination": "main", "tenant": "acme", "books": more}


@pytest.fixture
def options() -> dict[str, Any]:
    """What of the books is told; a test may say otherwise."""
    return {}


@pytest.fixture
async def house(database: Database, moengage: str, options: dict[str, Any]) -> AsyncIterator[House]:
    """A house whose books are told of."""
    settings = relay_settings(moengage, {"points": books(**options)})
    async with open_house(configuration_with(database, settings), role=Role.API) as found:
        yield found


async def told(house: House, customer: str = "") -> list[dict[str, Any]]:
    """What MoEngage was told of a customer, in order: names and attributes."""
    relay = house.service.relay
    await relay.take_from_books()
    for courier in relay.couriers.values():
        await courier.deliver()
    (destination,) = relay.settings.destinations.values()
    client = await house.client(None)
    response = await client.get(
        f"{destination.address}/_sandbox/workspaces/{WORKSPACE}"
        f"/customers/{customer or house.contact}"
    )
    found: list[dict[str, Any]] = [
        entry["element"]["actions"][0]
        for entry in (response.json()["entries"] if response.is_success else [])
        if entry["kind"] == "event"
    ]
    assert (await client.get(f"{destination.address}/_sandbox")).json()["findings"] == {}
    return found


async def profile(house: House) -> dict[str, Any]:
    (destination,) = house.service.relay.settings.destinations.values()
    client = await house.client(None)
    response = await client.get(
        f"{destination.address}/_sandbox/workspaces/{WORKSPACE}/customers/{house.contact}"
    )
    found: dict[str, Any] = response.json()["profile"]
    return found


async def test_what_is_booked_is_told_with_the_balance_after_it(house: House) -> None:
    earned = await house.booked("earn", amount=120, effectiveAt="2026-01-05T10:00:00Z")
    await house.booked("redeem", amount=50)
    reverses = {"transactionId": earned["transactionId"]}
    await house.booked("return", amount=30, reverses=reverses)
    await house.booked("earn", amount=12.5, definitionId=2)
    found = await told(house)
    assert [(one["action"], one["attributes"]["points"]) for one in found] == [
        ("points_earned", 120),
        ("points_balance_changed", 120),
        ("points_redeemed", 50),
        ("points_balance_changed", 50),
        ("points_returned", 30),
        ("points_balance_changed", 30),
        ("points_earned", 12.5),
        ("points_balance_changed", 12.5),
    ]
    first = found[0]
    assert first["current_time"] == "2026-01-05T10:00:00Z"
    assert first["attributes"]["transaction_id"] == earned["transactionId"]
    assert [one["attributes"]["balance"] for one in found[::2]] == [120, 70, 40, 12.5]
    attributes = await profile(house)
    assert (attributes["points_balance"], attributes["credits_balance"]) == (40, 12.5)


@pytest.mark.parametrize(
    "options", [{"events": ["earned"], "definitions": [1], "words": {"1": "stars"}}]
)
async def test_a_tenant_chooses_what_is_told(house: House) -> None:
    await house.booked("earn", amount=10)
    await house.booked("redeem", amount=5)
    await house.booked("earn", amount=7, definitionId=2)
    assert [one["action"] for one in await told(house)] == ["points_earned"]
    assert (await profile(house))["stars_balance"] == 10


async def test_a_late_fact_has_its_own_time_and_the_newest_balance(house: House) -> None:
    await house.booked("earn", amount=10, effectiveAt="2026-03-01T00:00:00Z")
    await told(house)
    await house.booked("earn", amount=5, effectiveAt="2026-02-01T00:00:00Z")
    found = await told(house)
    assert found[-1]["current_time"] == "2026-02-01T00:00:00Z"
    assert (await profile(house))["points_balance"] == 15


async def test_a_crash_between_taking_and_telling_loses_and_doubles_nothing(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    await house.booked("earn", amount=10)
    relay = house.service.relay
    taker = relay._taker  # noqa: SLF001 - a test may look inside

    async def fail(*_: Any) -> Any:
        raise ConnectionError("the process was killed")

    with monkeypatch.context() as patched:
        patched.setattr(relay.inbox, "store_within", fail)
        with pytest.raises(ConnectionError):
            await taker.take()
    assert len(await told(house)) == 2
    assert await relay.take_from_books() == 0


@pytest.mark.parametrize("options", [{"events": ["expiring_soon"], "expiring_days": [30, 7]}])
async def test_points_that_expire_soon_are_told_of_once_for_each_notice(house: House) -> None:
    now = datetime.now(UTC)

    def at(days: float) -> str:
        return (now + timedelta(days=days)).isoformat().replace("+00:00", "Z")

    await house.booked("earn", amount=10, validTo=at(20))
    await house.booked("earn", amount=5, validTo=at(5))
    await house.booked("earn", amount=7, validTo=at(60))
    await house.booked("redeem", amount=2)
    relay = house.service.relay
    assert await relay.tell_expiring() == 2
    assert await relay.tell_expiring() == 0
    found = sorted(one["attributes"]["points"] for one in await told(house))
    assert found == [3, 10]
    assert {one["action"] for one in await told(house)} == {"points_expiring_soon"}


async def test_who_was_erased_is_not_told_of(house: House) -> None:
    await house.booked("earn", amount=10)
    async with house.service.pool.acquire() as connection:
        await connection.execute("delete from ledger.contact where contact_id = $1", house.contact)
    assert await house.service.relay.take_from_books() == 1
    assert await house.service.relay.take_from_books() == 0


async def known_as(house: House, number: str) -> None:
    """Engage said that a member number is the contact's."""
    now = datetime.now(UTC)
    member = Member(Lookup.FOUND, ContactId(house.contact))
    async with house.service.pool.acquire() as connection:
        tenant = house.service.catalogue.tenants["acme"].id
        await keep(connection, tenant, number, member, now, now + timedelta(days=1))


BY_NUMBER = {"customer": "member_number", "events": ["earned", "expiring_soon"]}


@pytest.mark.parametrize("options", [BY_NUMBER])
async def test_people_may_be_known_by_their_member_numbers(house: House) -> None:
    number = f"M-{uuid4().hex}"
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    await house.booked("earn", amount=10, validTo=tomorrow)
    assert await told(house, number) == [], "nobody knows the number"
    waiting = (await house.http.get("/v1/relay/events")).json()["events"]
    assert [one["reason"] for one in waiting] == ["customer_unknown"]
    await known_as(house, number)
    await house.booked("earn", amount=5)
    await told(house, number)
    assert await house.service.relay.tell_expiring() == 1
    found = [(one["action"], one["attributes"]["points"]) for one in await told(house, number)]
    assert found == [("points_earned", 10), ("points_earned", 5), ("points_expiring_soon", 10)]
    assert await told(house) == []


@pytest.mark.parametrize("options", [{}, BY_NUMBER])
async def test_whoever_is_forgotten_is_forgotten_by_every_name(
    house: House, options: dict[str, Any]
) -> None:
    """What was sent, what waits to be sent and what waits for a name: all of it is gone."""
    await house.booked("earn", amount=1)
    await told(house)
    if options:
        for number in ("M-1001", "M-2002"):
            await known_as(house, number)
            await house.booked("earn", amount=2)
            await told(house)
    await house.booked("earn", amount=3)
    await house.service.relay.take_from_books()
    somebody = await house.booked("earn", amount=4, contactId=CONTACT)
    await house.service.relay.take_from_books()
    before = (await house.http.get("/v1/relay/events")).json()["events"]
    assert {one["state"] for one in before} >= {"delivered", "waiting"}
    refused = await house.http.request(
        "DELETE", f"/v1/contacts/{house.contact}", json={"dryRun": True}
    )
    assert found_errors(problem(refused)) == [("body", "unknown")]
    assert (await house.http.delete(f"/v1/contacts/{house.contact}")).status_code == 200
    left = (await house.http.get("/v1/relay/events")).json()["events"]
    content = [
        (await house.http.get(f"/v1/relay/events/{one['eventId']}")).json()["content"]
        for one in left
    ]
    assert content
    assert all(one["transactionId"] == somebody["transactionId"] for one in content)
    async with house.service.pool.acquire() as connection:
        for table in ("queue", "identity", "profile", "event"):
            rows = await connection.fetch(f"select t::text as row from relay.{table} t")
            for name in (str(house.contact), "M-1001", "M-2002"):
                assert not [row["row"] for row in rows if name in row["row"]], table
