"""The doors that Engage uses, and those that show and start what the sync does."""

import json
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio

from api.access.scopes import Scope
from ledger.postgres import Server
from sandbox.launch import Launched, launched
from sync.engage import DeliveryState, Follower
from sync.engage.settings import LogAuthentication, WebhookOptions
from tests.doors.engaged import (
    HOOK,
    LOG_SECRET,
    adjustment,
    encrypted,
    engaged,
    settings_of,
    signed,
)
from tests.doors.house import House, found_errors, problem
from tests.following.program import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def engage_process() -> Iterator[Launched]:
    with launched("engage") as stand_in:
        yield stand_in


@pytest.fixture(scope="module")
def engage(engage_process: Launched) -> Iterator[Sandbox]:
    with httpx.Client(base_url=engage_process.address, timeout=60) as http:
        sandbox = Sandbox(http)
        sandbox.set(definitions=[{"id": 1}, {"id": 2}, {"id": 3}], balances={"jobSeconds": 0.2})
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engaged_doors(
    postgres: Server, pytestconfig: pytest.Config, engage_process: Launched
) -> AsyncIterator[House]:
    async with engaged(postgres, pytestconfig, settings_of(engage_process.address)) as found:
        yield found


@pytest.fixture
def house(engaged_doors: House) -> House:
    return replace(engaged_doors, contact=uuid4())


async def test_an_adjustment_is_booked_once_however_often_it_comes(house: House) -> None:
    delivery = signed(adjustment(house.contact, 40))
    for _ in range(3):
        response = await house.anyone.post(HOOK, **delivery)
        assert (response.status_code, response.json()) == (200, {"received": True})
    assert await house.available() == 40
    page = (await house.http.get("/v1/adjustments", params={"limit": 1})).json()
    (shown,) = page["adjustments"]
    assert (shown["state"], shown["repeats"]) == ("booked", 2)
    assert shown["contactId"] == str(house.contact)
    booked = (await house.http.get(f"/v1/transactions/{shown['transactionId']}")).json()
    assert (booked["kind"], booked["amount"]) == ("adjust", 40)


async def test_what_is_authentic_and_of_no_use_is_kept_and_can_be_judged_again(
    house: House,
) -> None:
    message = adjustment(house.contact, 1, payload="AAAA")
    response = await house.anyone.post(HOOK, **signed(message))
    assert response.json() == {"received": True}
    page = await house.http.get("/v1/adjustments", params={"state": "quarantined"})
    (shown, *_) = page.json()["adjustments"]
    assert shown["transactionId"] is None
    assert shown["reason"]
    again = await house.http.post(f"/v1/adjustments/{shown['adjustmentId']}/replays")
    assert again.json() == {**shown, "decidedAt": again.json()["decidedAt"]}
    assert await house.available() == 0


async def test_everything_an_adjustment_says_is_kept(house: House) -> None:
    said = {
        "ContactId": str(house.contact),
        "Amount": 12.50,
        "Description": "Given in Engage",
        "Source": "Automation",
        "PointDefinitionId": 2,
        "Reason": "From Automation",
        "ProcessId": str(uuid4()),
        "WorkflowId": str(uuid4()),
        "WorkflowName": "Welcome",
        "SomethingNew": {"nested": [1, "é"]},
    }
    message = adjustment(house.contact, 0, payload=encrypted(said))
    assert (await house.anyone.post(HOOK, **signed(message))).status_code == 200
    (listed,) = (await house.http.get("/v1/adjustments?limit=1")).json()["adjustments"]
    shown = (await house.http.get(f"/v1/adjustments/{listed['adjustmentId']}")).json()
    assert shown == listed
    assert shown["payload"] == said
    assert (await house.http.get(f"/v1/adjustments/{uuid4()}")).status_code == 404


async def test_what_was_set_aside_for_one_reason_is_judged_again_together(house: House) -> None:
    for _ in range(2):
        message = adjustment(house.contact, 1, tenant="mistaken")
        await house.anyone.post(HOOK, **signed(message))
    settings = house.service.synchronisation.follower("acme").context.settings
    named = msgspec.structs.replace(
        settings,
        options=msgspec.structs.replace(
            settings.options, webhook=WebhookOptions(tenant="mistaken")
        ),
    )
    mended = Follower(house.service.catalogue.tenants["acme"], named, house.service.books)
    async with mended:
        assert await mended.replay_all("definition_unknown") == {}
        assert await mended.replay_all("tenant_differs") == {DeliveryState.BOOKED: 2}
    assert await house.available() == 2
    again = await house.http.post("/v1/adjustments/replays", json={"reason": "tenant_differs"})
    assert again.json() == {"replayed": 0, "states": {}}
    wrong = await house.http.post("/v1/adjustments/replays", json={"reason": ""})
    assert found_errors(problem(wrong)) == [("reason", "out_of_range")]


async def test_what_is_booked_is_not_judged_again(house: House) -> None:
    await house.anyone.post(HOOK, **signed(adjustment(house.contact, 5)))
    shown = (await house.http.get("/v1/adjustments?state=booked")).json()["adjustments"][0]
    again = await house.http.post(f"/v1/adjustments/{shown['adjustmentId']}/replays")
    assert again.status_code == 409
    assert problem(again)["code"] == "not_replayable"
    unknown = await house.http.post(f"/v1/adjustments/{uuid4()}/replays")
    assert unknown.status_code == 404
    unheard = await house.http.post("/v1/adjustments/replays", json={"reason": "a\u0000b"})
    assert unheard.status_code == 400


async def test_what_was_a_slip_is_left_for_good(house: House) -> None:
    message = adjustment(house.contact, 5, tenant="mistaken")
    await house.anyone.post(HOOK, **signed(message))
    shown = (await house.http.get("/v1/adjustments?limit=1")).json()["adjustments"][0]
    path = f"/v1/adjustments/{shown['adjustmentId']}/dismissals"
    for body in ({}, {"reason": ""}, {"reason": "a\u0000b"}):
        assert (await house.http.post(path, json=body)).status_code == 400
    left = await house.http.post(path, json={"reason": "a slip"})
    assert left.status_code == 200, left.text
    assert (left.json()["state"], left.json()["reason"]) == ("ignored", "dismissed")
    assert left.json()["message"].startswith("a slip (key ")
    await house.anyone.post(HOOK, **signed(message))
    assert (await house.http.post(path, json={"reason": "a slip"})).status_code == 409
    nobodys = path.replace(shown["adjustmentId"], str(uuid4()))
    assert (await house.http.post(nobodys, json={"reason": "a slip"})).status_code == 404
    assert (await house.http.get(f"/v1/adjustments/{shown['adjustmentId']}")).json()["repeats"] == 1


async def test_messages_that_prove_nothing_are_refused_alike(house: House) -> None:
    message = adjustment(house.contact, 40)
    fitting = signed(message)
    old = signed(message, datetime.now(UTC) - timedelta(minutes=6))
    unsigned = {"content": json.dumps(message)}
    changed = {**fitting, "content": fitting["content"].replace("addPoints", "addpoints")}
    shortened = {**fitting, "content": fitting["content"][:-1]}
    answers = []
    for delivery in (old, unsigned, changed, shortened):
        response = await house.anyone.post(HOOK, **delivery)
        assert response.status_code == 401
        answers.append({**problem(response), "requestId": None})
    assert all(found == answers[0] for found in answers)
    assert answers[0]["code"] == "signature_invalid"
    assert await house.available() == 0


async def test_a_message_may_not_be_larger_than_any_adjustment(house: House) -> None:
    response = await house.anyone.post(HOOK, content=b"x" * (256 * 1024 + 1))
    assert response.status_code == 413
    assert problem(response)["code"] == "body_too_large"


async def test_other_tenants_have_no_such_doors(house: House) -> None:
    for tenant in ("other", "nobody"):
        assert (await house.anyone.post(f"/engage/{tenant}/webhooks")).status_code == 404
        assert (await house.anyone.get(f"/engage/{tenant}/points-log")).status_code == 404


async def test_without_a_signing_secret_what_cannot_be_decrypted_gets_one_answer(
    postgres: Server, pytestconfig: pytest.Config
) -> None:
    settings = settings_of("https://acme.voyado.com", signing_secrets=())
    async with engaged(postgres, pytestconfig, settings) as unsigned_house:
        good = adjustment(unsigned_house.contact, 40)
        poor = [
            b"",
            b"{}",
            b"\xff",
            json.dumps({**good, "payload": good["payload"][:-4]}).encode(),
            json.dumps({**good, "payload": encrypted({}, "x" * 32)}).encode(),
            json.dumps({**good, "payload": {"ContactId": str(uuid4())}}).encode(),
        ]
        answers = []
        for body in poor:
            response = await unsigned_house.anyone.post(HOOK, content=body)
            assert response.status_code == 400
            answers.append({**problem(response), "requestId": None})
        assert all(found == answers[0] for found in answers)
        assert answers[0]["code"] == "message_refused"
        assert (await unsigned_house.anyone.post(HOOK, json=good)).status_code == 200
        assert await unsigned_house.available() == 40


async def test_the_points_log_is_a_bare_list_in_both_forms_of_its_address(house: House) -> None:
    await house.booked("earn", amount=250, effectiveAt="2026-11-20T10:00:00.9Z")
    await house.booked("redeem", amount=50, description="Gift card")
    secret = {"X-Api-Key": LOG_SECRET}
    contact = str(house.contact)
    by_query = await house.anyone.get(
        "/engage/acme/points-log", params={"ContactId": contact.upper(), "page": 1}, headers=secret
    )
    by_path = await house.anyone.get(f"/engage/acme/points-log/{contact}", headers=secret)
    assert by_query.content == by_path.content
    shouted = await house.anyone.get(f"/engage/acme/points-log/{contact.upper()}", headers=secret)
    assert shouted.content == by_path.content
    newest, oldest = by_query.json()
    assert oldest == {
        "transactionDate": "2026-11-20T10:00:00Z",
        "amount": 250,
        "description": "Purchase",
    }
    assert (newest["amount"], newest["description"]) == (-50, "Gift card")
    nobody = await house.anyone.get(f"/engage/acme/points-log/{uuid4()}", headers=secret)
    assert (nobody.status_code, nobody.content) == (200, b"[]")


async def test_a_points_log_needs_the_tenants_secret_and_a_contact(house: House) -> None:
    path = f"/engage/acme/points-log/{house.contact}"
    api_key = house.http.headers["authorization"]
    refusals: list[dict[str, str]] = [
        {},
        {"X-Api-Key": ""},
        {"X-Api-Key": LOG_SECRET + "x"},
        {"Authorization": api_key},
    ]
    for headers in refusals:
        response = await house.anyone.get(path, headers=headers)
        assert response.status_code == 401
        assert problem(response)["code"] == "points_log_closed"
    secret = {"X-Api-Key": LOG_SECRET}
    missing = await house.anyone.get("/engage/acme/points-log", headers=secret)
    assert found_errors(problem(missing)) == [("contactId", "missing")]
    wrong = await house.anyone.get("/engage/acme/points-log?contactId=1001", headers=secret)
    assert found_errors(problem(wrong)) == [("contactId", "guid_invalid")]


@pytest.mark.parametrize("authentication", [LogAuthentication.BASIC, LogAuthentication.PATH])
async def test_a_points_log_can_be_asked_for_in_other_ways(
    postgres: Server, pytestconfig: pytest.Config, authentication: LogAuthentication
) -> None:
    settings = settings_of("https://acme.voyado.com", authentication)
    async with engaged(postgres, pytestconfig, settings) as other_house:
        contact = other_house.contact
        plain, secret = "/engage/acme", f"/engage/acme/{LOG_SECRET}"
        is_path = authentication is LogAuthentication.PATH
        for ending in (f"/points-log/{contact}", f"/points-log?contactId={contact}"):
            if is_path:
                good = await other_house.anyone.get(secret + ending)
                poor = await other_house.anyone.get("/engage/acme/guess" + ending)
            else:
                good = await other_house.anyone.get(plain + ending, auth=("engage", LOG_SECRET))
                poor = await other_house.anyone.get(plain + ending, auth=("engage", "guess"))
            assert (good.status_code, good.content) == (200, b"[]")
            assert poor.status_code == 401
            assert (await other_house.anyone.get(plain + ending)).status_code == 401


async def test_a_run_pushes_what_changed_and_waits_for_engage(
    house: House, engage: Sandbox
) -> None:
    engage.know(house.contact)
    await house.booked("earn", amount=120)
    await house.booked("redeem", amount=20)
    response = await house.http.post("/v1/sync/acme/runs", json={"waitSeconds": 30})
    assert response.status_code == 200, response.text
    run = response.json()
    assert (run["state"], run["isFinal"], run["cause"]) == ("done", True, "request")
    assert run["summary"]["is_complete"] is True
    # Contacts of other tests, whom Engage does not know.
    status = (await house.http.get("/v1/sync/acme/status")).json()
    assert run["summary"]["parked"] == status["parked"]
    assert engage.balances()[house.contact] == 100

    again = await house.http.get(response.headers["location"])
    assert again.json() == run
    listed = (await house.http.get("/v1/sync/acme/runs", params={"limit": 1})).json()
    assert listed["runs"] == [run]
    (batch, *_) = (await house.http.get("/v1/sync/batches")).json()["batches"]
    assert (batch["state"], batch["kind"]) == ("done", "balances")
    status = (await house.http.get("/v1/sync/acme/status")).json()
    assert (status["tenant"], status["marked"], status["unfinished"]) == ("acme", 0, {})


async def test_a_run_nobody_waits_for_goes_on(house: House, engage: Sandbox) -> None:
    engage.know(house.contact)
    await house.booked("earn", amount=7)
    response = await house.http.post("/v1/sync/acme/runs", json={})
    assert response.status_code in {200, 202}
    done = await house.http.post("/v1/sync/acme/runs", json={"waitSeconds": 30})
    assert done.json()["state"] == "done"
    assert engage.balances()[house.contact] == 7


async def test_batches_are_listed_page_by_page_and_by_state(house: House, engage: Sandbox) -> None:
    engage.know(house.contact)
    for amount in (1, 2, 3):
        await house.booked("earn", amount=amount)
        await house.http.post("/v1/sync/acme/runs", json={"waitSeconds": 30})
    first = (await house.http.get("/v1/sync/batches?limit=2&state=done")).json()
    cursor = first["nextCursor"]
    second = (await house.http.get(f"/v1/sync/batches?limit=2&cursor={cursor}")).json()
    ids = [one["batchId"] for one in first["batches"] + second["batches"]]
    assert ids == sorted(ids, reverse=True)
    assert len(set(ids)) == len(ids) >= 3
    wrong = await house.http.get("/v1/sync/batches?state=finished")
    assert found_errors(problem(wrong)) == [("state", "value_unknown")]


@pytest.mark.parametrize(
    ("body", "errors"),
    [
        ({"waitSeconds": 601}, [("waitSeconds", "out_of_range")]),
        ({"waitSeconds": "long"}, [("waitSeconds", "wrong_type")]),
        ({"wait": 1}, [("wait", "unknown")]),
        ([], [("", "wrong_type")]),
    ],
)
async def test_how_a_run_is_wanted_is_read_strictly(
    house: House, body: Any, errors: list[tuple[str, str]]
) -> None:
    response = await house.http.post("/v1/sync/acme/runs", json=body)
    assert response.status_code == 400
    assert found_errors(problem(response)) == errors


async def test_a_key_moves_only_its_own_tenant(house: House) -> None:
    assert (await house.http.post("/v1/sync/other/runs", json={})).status_code == 404
    stranger = await house.client(await house.key(Scope.ADMIN, tenant="other"))
    for path in ("/v1/sync/acme/runs", "/v1/sync/acme/status"):
        assert problem(await stranger.get(path))["detail"] == "there is no such tenant"
    assert (await stranger.post("/v1/sync/acme/runs", json={})).status_code == 404


async def test_a_tenant_without_an_engage_has_sent_and_received_nothing(house: House) -> None:
    alone = await house.client(await house.key(Scope.ADMIN, tenant="other"))
    own = await alone.get("/v1/sync/other/status")
    assert problem(own)["detail"] == "the tenant has no Engage"
    assert (await alone.get("/v1/sync/batches")).json() == {"batches": []}
    assert (await alone.get("/v1/adjustments")).json() == {"adjustments": []}
    assert (await alone.get("/v1/adjustments", params={"state": "lost"})).status_code == 400
