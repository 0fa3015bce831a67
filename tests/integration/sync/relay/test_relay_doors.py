"""The relay over real HTTP: what vendors meet, and what people see and mend."""

import asyncio
import hashlib
import hmac
from collections.abc import AsyncIterator, Sequence
from datetime import datetime
from typing import Any
from uuid import uuid4

import httpx
import pytest
import pytest_asyncio

from api.access.scopes import Scope
from ledger.connection import Connection
from ledger.postgres import Server
from sync.relay.storing import Placed, Stored, store
from tests.conftest import FOLDER, TEMPLATE, create_database, drop_database, ensure_template
from tests.doors.house import House, found_errors, open_house, problem
from tests.relaying.stage import basic, configuration_with, relay_settings

SOURCES = {
    "punchh": basic("punchh"),
    "punchh-signed": basic(
        "punchh", authentication={"kind": "hmac", "client": "acme", "algorithm": "sha1"}
    ),
    "passkit": basic("passkit", authentication={"kind": "path"}),
    "loyalty": basic("open_loyalty", authentication={"kind": "header", "header": "X-Batch"}),
    "perx": basic("perx", authentication={"kind": "header"}),
    "others": basic("perx", tenant="other", destination="theirs"),
    "files": {
        "vendor": "perx",
        "destination": "main",
        "tenant": "acme",
        "kafka": {"servers": ["127.0.0.1:1"], "topics": ["t"], "protocol": "plaintext"},
    },
}
pytestmark = pytest.mark.asyncio(loop_scope="module")

PROVED = httpx.BasicAuth("vendor", "test-secret-1234")
SECRET = "test-secret-1234"


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def open_relay_doors(postgres: Server, pytestconfig: pytest.Config) -> AsyncIterator[House]:
    """A house whose relay leads nowhere: what comes in is seen to wait."""
    await ensure_template(postgres, pytestconfig.stash[FOLDER] / "template.lock")
    name = f"test_{uuid4().hex}"
    database = await create_database(postgres, name, TEMPLATE)
    settings = relay_settings(
        "http://127.0.0.1:9",
        SOURCES,
        {"theirs": {"tenant": "other", "workspace": "w", "address": "http://127.0.0.1:9"}},
        secret=SECRET,
    )
    async with open_house(configuration_with(database, settings)) as found:
        yield found
    await drop_database(postgres, name)


@pytest.fixture
def house(open_relay_doors: House) -> House:
    return open_relay_doors


def punchh(**more: Any) -> dict[str, Any]:
    return {
        "content_id": uuid4().hex,
        "timestamp": 1735689600,
        "event_name": "rewards",
        "payload": {"user": {"external_source_id": f"cust-{uuid4().hex}"}},
        **more,
    }


async def found(house: House, **query: Any) -> list[dict[str, Any]]:
    response = await house.http.get("/v1/relay/events", params={"limit": 200, **query})
    assert response.status_code == 200, response.text
    events: list[dict[str, Any]] = response.json()["events"]
    return events


async def test_a_message_is_kept_and_answered_200(house: House) -> None:
    response = await house.anyone.post("/relay/punchh", json=punchh(), auth=PROVED)
    assert (response.status_code, response.json()) == (200, {"received": True})


@pytest.mark.parametrize("pair", [None, ("vendor", "wrong"), ("x", SECRET)])
async def test_without_proof_nothing_is_kept(house: House, pair: tuple[str, str] | None) -> None:
    message, auth = punchh(), None if pair is None else httpx.BasicAuth(*pair)
    request = house.anyone.build_request("POST", "/relay/punchh", json=message)
    response = await house.anyone.send(request, auth=auth)
    assert response.status_code == 401
    assert problem(response)["code"] == "vendor_refused"
    customer = message["payload"]["user"]["external_source_id"]
    assert await found(house, customer=customer) == []


async def test_a_signature_is_over_address_and_body(house: House) -> None:
    body = b'{"content_id": "c-1",   "event_name": "rewards"}'
    digest = hmac.new(SECRET.encode(), b"/relay/punchh-signed" + body, hashlib.sha1).hexdigest()
    headers = {"authorization": f"hmac {digest}", "x-pch-key": "acme"}
    response = await house.anyone.post("/relay/punchh-signed", content=body, headers=headers)
    assert response.status_code == 200
    response = await house.anyone.post("/relay/punchh-signed", content=body + b" ", headers=headers)
    assert response.status_code == 401


async def test_a_health_check_is_answered_and_a_wrong_proof_is_told(house: House) -> None:
    for address in ("/relay/punchh", "/relay/punchh/"):
        assert (await house.anyone.get(address)).status_code == 200
        assert (await house.anyone.get(address, auth=PROVED)).status_code == 200
    wrong = await house.anyone.get("/relay/punchh", auth=httpx.BasicAuth("vendor", "wrong"))
    assert wrong.status_code == 401
    assert (await house.anyone.get(f"/relay/passkit/{SECRET}")).status_code == 200
    assert (await house.anyone.get("/relay/passkit/wrong-token-000000")).status_code == 401


@pytest.mark.parametrize("address", ["/relay/nobody", "/relay/files", "/relay/nobody/token"])
async def test_a_source_that_is_none(house: House, address: str) -> None:
    for method in ("GET", "POST"):
        response = await house.anyone.request(method, address, auth=PROVED)
        assert problem(response)["code"] == "not_found"


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
async def test_passkit_comes_by_three_methods_each_with_a_body(house: House, method: str) -> None:
    customer = f"cust-{uuid4().hex}"
    message = {"event": 32, "pass": {"id": uuid4().hex, "externalId": customer}}
    response = await house.anyone.request(method, f"/relay/passkit/{SECRET}", json=message)
    assert response.status_code == 200
    (event,) = await found(house, customer=customer)
    assert (event["family"], event["state"]) == ("pass_deleted", "waiting")


async def test_what_can_not_be_read_is_kept_too(house: House) -> None:
    body = '{"event_type": “x”, "n": ' + uuid4().hex
    response = await house.anyone.post(
        "/relay/perx", content=body.encode(), headers={"x-api-key": SECRET}
    )
    assert response.status_code == 200
    events = await found(house, reason="unreadable", source="perx")
    whole = await house.http.get(f"/v1/relay/events/{events[0]['eventId']}")
    assert whole.json()["content"] == body


async def test_a_body_that_is_too_large_is_refused(house: House) -> None:
    response = await house.anyone.post("/relay/punchh", content=b"x" * (2**21 + 1), auth=PROVED)
    assert response.status_code == 413


async def test_a_list_of_a_thousand_is_a_thousand_events(house: House) -> None:
    mark = uuid4().hex
    data = [{"customerId": f"{mark}-{number}", "points": 1} for number in range(1000)]
    message = {"type": "account.expiring_points_notification", "data": data}
    response = await house.anyone.post("/relay/loyalty", json=message, headers={"x-batch": SECRET})
    assert response.status_code == 200
    assert len(await found(house, customer=f"{mark}-999")) == 1


async def test_what_comes_at_once_is_stored_together(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """That keeps answers within Open Loyalty's second; benchmarks measure how far."""
    together: list[int] = []

    async def counted(connection: Connection, events: Sequence[Placed], now: datetime) -> Stored:
        together.append(len(events))
        return await store(connection, events, now)

    async def send(number: int) -> None:
        message = {"type": "customer.updated", "data": {"customerId": f"{uuid4().hex}-{number}"}}
        response = await house.anyone.post(
            "/relay/loyalty", json=message, headers={"x-batch": SECRET}
        )
        assert response.status_code == 200

    monkeypatch.setattr("sync.relay.inbox.store", counted)
    await asyncio.gather(*(send(number) for number in range(60)))
    assert sum(together) == 60
    assert len(together) <= 20


async def test_people_see_what_is_their_tenants(house: House) -> None:
    customer = f"cust-{uuid4().hex}"
    message = {"event_id": customer, "customer_id": customer, "event_type": "x"}
    await house.anyone.post("/relay/others", json=message, auth=PROVED)
    assert await found(house, customer=customer) == []
    theirs = await house.client(await house.key(Scope.RELAY_READ, tenant="other"))
    (event,) = (await theirs.get("/v1/relay/events", params={"customer": customer})).json()[
        "events"
    ]
    assert (await theirs.get(f"/v1/relay/events/{event['eventId']}")).status_code == 200
    assert (await house.http.get(f"/v1/relay/events/{event['eventId']}")).status_code == 404
    assert (await house.http.get("/v1/relay/events", params={"source": "others"})).json()[
        "events"
    ] == []
    status = (await theirs.get("/v1/relay/status")).json()
    assert [one["source"] for one in status["sources"]] == ["others"]
    assert [one["destination"] for one in status["destinations"]] == ["theirs"]
    refused = await house.http.post("/v1/relay/destinations/theirs/resumptions")
    assert refused.status_code == 404
    lacking = await theirs.post(f"/v1/relay/events/{event['eventId']}/replays")
    assert problem(lacking)["code"] == "scope_missing"


async def test_pages_of_events_follow_each_other(house: House) -> None:
    customer = f"cust-{uuid4().hex}"
    for number in range(7):
        message = {"event_id": f"{customer}-{number}", "customer_id": customer, "event_type": "x"}
        await house.anyone.post("/relay/perx", json=message, headers={"x-api-key": SECRET})
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        query = {"customer": customer, "limit": "3", **cursor}
        document = (await house.http.get("/v1/relay/events", params=query)).json()
        seen += [one["eventId"] for one in document["events"]]
        if "nextCursor" not in document:
            break
        cursor = {"cursor": document["nextCursor"]}
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen, reverse=True)


async def test_what_is_quarantined_is_mended_by_a_replay(house: House) -> None:
    mark = uuid4().hex
    message = punchh(payload={"user": {"user_id": mark}})
    await house.anyone.post("/relay/punchh", json=message, auth=PROVED)
    (event,) = await found(house, state="quarantined", reason="customer_unknown", name="rewards")
    assert event["message"] == "no event has said yet to which customer it belongs"
    replayed = await house.http.post(f"/v1/relay/events/{event['eventId']}/replays")
    assert replayed.json() == {"waiting": 0, "unchanged": 1}
    teaching = punchh(
        event_name="users", payload={"user_id": mark, "external_source_id": f"c-{mark}"}
    )
    await house.anyone.post("/relay/punchh", json=teaching, auth=PROVED)
    states = {one["family"]: one["state"] for one in await found(house, customer=f"c-{mark}")}
    assert states == {"rewards": "waiting", "users": "waiting"}


async def test_whose_is_what_may_be_told(house: House) -> None:
    mark = uuid4().hex
    await house.anyone.post(
        "/relay/punchh", json=punchh(payload={"user": {"user_id": mark}}), auth=PROVED
    )
    (event,) = await found(house, reason="customer_unknown")
    business = event["waitsFor"].split("/")[1]
    address = "/v1/relay/sources/punchh/customers"

    async def tell(waits_for: str, customer: str, address: str = address) -> httpx.Response:
        said = {"customers": [{"waitsFor": waits_for, "customer": customer}]}
        return await house.http.post(address, json=said)

    wrong = [await tell(mark, "cust-1"), await tell(event["waitsFor"], "guest")]
    assert [found_errors(problem(one)) for one in wrong] == [
        [("customers[0].waitsFor", "value_unknown")],
        [("customers[0].customer", "value_unknown")],
    ]
    for other in ("others", "perx", "nobody"):
        foreign = await tell(event["waitsFor"], "cust-1", f"/v1/relay/sources/{other}/customers")
        assert foreign.status_code in {400, 404}
    done = await tell(f"user/{business}/{mark}", f"c-{mark}")
    assert done.json() == {"told": 1, "released": 1}
    (event,) = await found(house, customer=f"c-{mark}")
    assert (event["state"], event["waitsFor"]) == ("waiting", None)


async def test_a_customer_is_forgotten(house: House) -> None:
    customer = f"cust-{uuid4().hex}"
    message = {"event_id": customer, "customer_id": customer, "event_type": "x"}
    await house.anyone.post("/relay/perx", json=message, headers={"x-api-key": SECRET})
    asked = {"customers": [customer]}
    assert (await house.http.post("/v1/relay/erasures", json=asked)).json() == {"events": 1}
    assert await found(house, customer=customer) == []
    again = await house.anyone.post("/relay/perx", json=message, headers={"x-api-key": SECRET})
    assert again.status_code == 200
    assert await found(house, customer=customer) == [], "a late repeat is still one"


@pytest.mark.parametrize(
    "query",
    [
        {"state": "lost"},
        {"customer": "a\x00b"},
        {"receivedFrom": "2026-01-01T00:00:00"},
        {"possiblyDuplicated": "maybe"},
        {"unknown": "1"},
    ],
)
async def test_a_search_is_read_strictly(house: House, query: dict[str, str]) -> None:
    response = await house.http.get("/v1/relay/events", params=query)
    assert problem(response)["code"] == "request_invalid"


async def test_metrics_speak_of_sources_and_destinations(house: House) -> None:
    await house.anyone.post("/relay/punchh", json=punchh(), auth=PROVED)
    text = (await house.http.get("/metrics")).text
    assert (
        'pointmaster_relay_events_total{destination="main",happened="received",source="punchh"}'
        in text
    )
    assert 'pointmaster_relay_waiting_events{destination="main"}' in text
    assert (
        'pointmaster_relay_destination_condition{condition="open",destination="main"} 1.0' in text
    )
