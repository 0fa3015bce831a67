"""Who may come in, and what they find: keys, scopes, tenants, addresses."""

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import asyncpg
import pytest

from api.access import doorkeeper
from api.access.keys import read_key
from api.access.scopes import Scope
from api.access.stored import (
    KeyUnknownError,
    create_key,
    find_key,
    list_keys,
    mark_used,
    revoke_key,
    rotate_key,
)
from api.application import operations
from api.edge import AT_ONCE_MAX, Edge
from tests.doors.house import House, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"


def address_of(path: str) -> str:
    """A path of the description with something in its places."""
    for name in ("contactId", "transactionId", "runId", "adjustmentId"):
        path = path.replace(f"{{{name}}}", CONTACT)
    return path.replace("{tenant}", "acme")


GUARDED = [
    (method, address_of(path), operation.scope)
    for method, path, operation in operations()
    if operation.scope is not None
]


@pytest.mark.parametrize(("method", "path", "scope"), GUARDED)
async def test_every_guarded_door_demands_its_scope(
    house: House, method: str, path: str, scope: Scope
) -> None:
    nobody = await house.anyone.request(method, path)
    assert nobody.status_code == 401
    assert nobody.headers["www-authenticate"] == 'Bearer realm="pointmaster"'

    others = [other for other in Scope if other not in {scope, Scope.ADMIN}]
    lacking = await (await house.client(await house.key(*others))).request(method, path)
    assert lacking.status_code == 403
    assert problem(lacking)["detail"] == f"the API key lacks the scope {scope}"

    enough = await (await house.client(await house.key(scope))).request(method, path)
    assert enough.status_code not in {401, 403, 500}


async def test_all_keys_that_open_nothing_are_answered_alike(house: House) -> None:
    good = await house.key(Scope.BALANCES_READ)
    revoked, expired = await house.key(Scope.ADMIN), None
    async with house.service.pool.acquire() as connection:
        await revoke_key(connection, revoked.split("_")[1])
        acme = house.service.catalogue.tenants["acme"]
        past = datetime.now(UTC) - timedelta(seconds=1)
        scopes = frozenset({Scope.ADMIN})
        expired, _ = await create_key(connection, acme.id, "old", scopes, expires_at=past)
    path = f"/v1/contacts/{CONTACT}/balances"
    wrong_secret = good[:-1] + ("0" if good[-1] != "0" else "1")
    unknown_id = "pm_" + "0" * 16 + good[19:]
    headers: list[dict[str, str]] = [
        {},
        {"Authorization": ""},
        {"Authorization": "Bearer"},
        {"Authorization": "Bearer nonsense"},
        {"Authorization": f"Basic {good}"},
        {"Authorization": good},
        {"Authorization": f"Bearer {wrong_secret}"},
        {"Authorization": f"Bearer {unknown_id}"},
        {"Authorization": f"Bearer {good}0"},
        {"Authorization": f"Bearer {revoked}"},
        {"Authorization": f"Bearer {expired.text}"},
        {"Authorization": "Bearer pm_ä"},
    ]
    answers = []
    for sent in headers:
        encoded = [(name.encode(), value.encode("latin-1")) for name, value in sent.items()]
        response = await house.anyone.get(path, headers=encoded)
        assert response.status_code == 401
        answers.append({**problem(response), "requestId": None})
    assert all(found == answers[0] for found in answers)
    assert (
        await house.anyone.get(path, headers={"authorization": f"bearer {good}"})
    ).status_code == 200


async def test_a_revoked_key_opens_nothing_after_at_most_three_seconds(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [1000.0]
    monkeypatch.setattr("api.access.doorkeeper.time.monotonic", lambda: clock[0])
    key = await house.key(Scope.BALANCES_READ)
    client = await house.client(key)
    path = f"/v1/contacts/{CONTACT}/balances"
    assert (await client.get(path)).status_code == 200
    async with house.service.pool.acquire() as connection:
        await revoke_key(connection, key.split("_")[1])
    clock[0] += 3
    assert (await client.get(path)).status_code == 401


async def test_a_rotated_key_runs_out_and_its_successor_takes_over(house: House) -> None:
    old = await house.key(Scope.BALANCES_READ, Scope.SYNC_READ)
    async with house.service.pool.acquire() as connection:
        key, record = await rotate_key(connection, old.split("_")[1], timedelta(hours=1))
        before = await find_key(connection, old.split("_")[1])
        now = await connection.fetchval("select clock_timestamp()")
        with pytest.raises(KeyUnknownError):
            await rotate_key(connection, "0" * 16, timedelta())
    assert record.scopes == frozenset({Scope.BALANCES_READ, Scope.SYNC_READ})
    assert before is not None
    assert before.successor == key.id
    assert before.works_at(now)
    assert not before.works_at(now + timedelta(hours=1))
    client = await house.client(key.text)
    assert (await client.get(f"/v1/contacts/{CONTACT}/balances")).status_code == 200


async def test_only_a_hash_of_a_key_is_stored(house: House) -> None:
    key = await house.key(Scope.ADMIN)
    async with house.service.pool.acquire() as connection:
        (stored,) = [one for one in await list_keys(connection) if one.id == key.split("_")[1]]
        row = await connection.fetchval(
            "select api_key::text from access.api_key where id = $1", stored.id
        )
    assert key.split("_")[2] not in row
    assert key.split("_")[2] not in repr(stored)


async def test_uses_of_keys_are_noted(house: House) -> None:
    key = await house.key(Scope.BALANCES_READ)
    client = await house.client(key)
    await client.get(f"/v1/contacts/{CONTACT}/balances")
    await house.service.doorkeeper.write_used()
    async with house.service.pool.acquire() as connection:
        found = await find_key(connection, key.split("_")[1])
    assert found is not None
    assert found.last_used_at is not None


async def test_uses_are_noted_again_after_whatever_went_wrong(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A driver that stumbles over its own connection used to end the note-taking for good."""
    text = await house.key(Scope.BALANCES_READ)
    key = read_key(text)
    attempts = []

    async def stumble(*asked: Any) -> None:
        attempts.append(asked)
        if len(attempts) < 3:
            raise asyncpg.InternalClientError("got result for unknown protocol state")
        await mark_used(*asked)

    monkeypatch.setattr(doorkeeper, "mark_used", stumble)
    monkeypatch.setattr(doorkeeper, "MARK_USED_SECONDS", 0.01)
    keeper = doorkeeper.Doorkeeper(house.service.pool)
    async with keeper.taking_notes(), asyncio.timeout(10):
        assert await keeper.admit(key)
        while len(attempts) < 3:
            await asyncio.sleep(0.01)
    async with house.service.pool.acquire() as connection:
        found = await find_key(connection, text.split("_")[1])
    assert found is not None
    assert found.last_used_at is not None


async def test_another_tenants_data_does_not_exist(house: House) -> None:
    earned = await house.booked("earn", amount=10)
    stranger = await house.client(await house.key(Scope.ADMIN, tenant="other"))
    by_id = await stranger.get(f"/v1/transactions/{earned['transactionId']}")
    by_key = await stranger.get(
        "/v1/transactions", params={"idempotencyKey": earned["idempotencyKey"]}
    )
    unknown = await stranger.get(f"/v1/transactions/{uuid4()}")
    assert by_id.status_code == by_key.status_code == unknown.status_code == 404
    assert {**problem(by_id), "requestId": 0} == {**problem(unknown), "requestId": 0}
    balances = (await stranger.get(f"/v1/contacts/{house.contact}/balances")).json()
    assert [one["available"] for one in balances["balances"]] == [0]
    page = (await stranger.get(f"/v1/contacts/{house.contact}/transactions")).json()
    assert page == {"transactions": []}
    trial = (await stranger.get("/v1/finance/trial-balance")).json()
    assert [one["holdersSide"] for one in trial["definitions"]] == [0]


async def test_another_tenants_key_and_original_can_be_neither_reused_nor_taken_back(
    house: House,
) -> None:
    asked = house.asks("earn", amount=10)
    earned = (await house.http.post("/v1/transactions", json=asked)).json()
    stranger = await house.client(await house.key(Scope.ADMIN, tenant="other"))
    same_words = await stranger.post("/v1/transactions", json=asked)
    assert same_words.status_code == 201
    taken = house.asks("return", reverses={"transactionId": earned["transactionId"]})
    refused = await stranger.post("/v1/transactions", json=taken)
    assert problem(refused)["code"] == "original_unknown"
    assert await house.available() == 10


@pytest.mark.parametrize("path", ["/", "/v2/transactions", "/v1", "/v1/contact", "/%00", "/a%2Fb"])
async def test_addresses_that_do_not_exist(house: House, path: str) -> None:
    response = await house.http.get(path)
    assert response.status_code == 404
    assert problem(response)["code"] == "not_found"


async def test_methods_that_an_address_does_not_know(house: House) -> None:
    response = await house.http.delete("/v1/transactions")
    assert response.status_code == 405
    assert problem(response)["code"] == "method_not_allowed"
    assert set(response.headers["allow"].split(", ")) == {"GET", "POST", "OPTIONS"}


@pytest.mark.parametrize(
    ("sent", "kept"), [("till-4.88213", True), ("a" * 65, False), ("line break?", False)]
)
async def test_a_request_keeps_the_id_its_caller_gave_it(
    house: House, sent: str, *, kept: bool
) -> None:
    response = await house.anyone.get("/health/live", headers={"X-Request-Id": sent})
    assert (response.headers["x-request-id"] == sent) is kept
    assert response.headers["x-request-id"]


async def test_a_failure_of_ours_tells_nothing_but_the_requests_id(
    house: House, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async def fail(*_: object, **__: object) -> None:
        raise RuntimeError("the words of the failure")

    monkeypatch.setattr(house.service.poster, "post", fail)
    response = await house.post("earn", amount=1)
    assert response.status_code == 500
    document = problem(response)
    assert document["code"] == "internal"
    assert "failure" not in response.text
    assert document["requestId"] in caplog.text
    assert "the words of the failure" in caplog.text


async def test_a_lost_database_is_said_to_be_away(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def refuse(*_: object, **__: object) -> None:
        raise ConnectionRefusedError("connection refused")

    monkeypatch.setattr(house.service.poster, "post", refuse)
    response = await house.post("earn", amount=1)
    assert response.status_code == 503
    assert problem(response)["code"] == "unavailable"
    assert response.headers["retry-after"] == "2"


async def test_beyond_a_limit_callers_are_told_to_come_again(house: House) -> None:
    async def never_reached(*_: Any) -> None:
        raise AssertionError

    edge = Edge(never_reached, house.service.measures)
    edge.at_once = AT_ONCE_MAX
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    async def receive() -> Any:
        raise AssertionError

    scope: Any = {"type": "http", "method": "GET", "headers": [], "path": "/"}
    await edge(scope, receive, send)
    assert sent[0]["status"] == 429
    assert (b"retry-after", b"1") in sent[0]["headers"]


async def test_health_and_metrics(house: House) -> None:
    for path in ("/health/live", "/health/ready"):
        for method in ("GET", "HEAD"):
            assert (await house.anyone.request(method, path)).status_code == 200
    await house.booked("earn", amount=1)
    text = (await house.http.get("/metrics")).text
    assert 'pointmaster_postings_total{kind="earn",outcome="booked",tenant="acme"}' in text
    assert 'route="/v1/transactions"' in text
    assert str(house.contact) not in text
    house.service.draining = True
    draining = await house.anyone.get("/health/ready")
    house.service.draining = False
    assert draining.status_code == 503
    assert problem(draining)["detail"] == "the service is being stopped"
