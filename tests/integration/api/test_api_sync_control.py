"""The doors by which people take the sync in hand and look into it."""

from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest
import pytest_asyncio

from api.access.scopes import Scope
from ledger.postgres import Server
from sandbox.launch import launched
from sync.engage.settings import Mode
from tests.doors.engaged import HOOK, adjustment, engaged, settings_of, signed
from tests.doors.house import House, problem
from tests.following.program import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")

SYNC = "/v1/sync/acme"


@pytest.fixture(scope="module")
def engage() -> Iterator[Sandbox]:
    with (
        launched("engage") as stand_in,
        httpx.Client(base_url=stand_in.address, timeout=60) as http,
    ):
        sandbox = Sandbox(http)
        sandbox.set(definitions=[{"id": 1}, {"id": 2}, {"id": 3}], balances={"jobSeconds": 0.1})
        yield sandbox


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engaged_doors(
    postgres: Server, pytestconfig: pytest.Config, engage: Sandbox
) -> AsyncIterator[House]:
    async with engaged(postgres, pytestconfig, settings_of(str(engage.http.base_url))) as found:
        yield found


@pytest.fixture
def house(engaged_doors: House, engage: Sandbox) -> House:
    house = replace(engaged_doors, contact=uuid4())
    engage.know(house.contact)
    return house


async def pushed(house: House, **more: Any) -> dict[str, Any]:
    response = await house.http.post(f"{SYNC}/runs", json={"waitSeconds": 30, **more})
    assert response.status_code == 200, response.text
    run: dict[str, Any] = response.json()
    return run


async def read(house: House, path: str) -> Any:
    response = await house.http.get(f"{SYNC}/{path}")
    assert response.status_code == 200, response.text
    return response.json()


async def test_what_a_person_stops_stays_stopped_until_it_is_resumed(
    house: House, engage: Sandbox
) -> None:
    await house.booked("earn", amount=5)
    wanted = {"direction": "push", "reason": "Engage is being migrated"}
    stopped = (await house.http.post(f"{SYNC}/pauses", json=wanted)).json()["pauses"]
    assert [(one["direction"], one["reason"]) for one in stopped] == [tuple(wanted.values())]
    assert stopped[0]["pausedBy"].startswith("key ")
    again = await house.http.post(f"{SYNC}/pauses", json={"direction": "push"})
    assert again.json()["pauses"] == stopped
    assert "Engage is being migrated" in (await pushed(house))["error"]
    rehearsed = await read(house, "rehearsal")
    assert "paused by key" in rehearsed["paused"]
    (request,) = rehearsed["requests"]
    assert [(row["contactId"], row["amount"]) for row in request["body"]] == [
        (str(house.contact), 5)
    ]
    assert house.contact not in engage.balances()
    status = await read(house, "status")
    assert (status["paused"], status["marked"]) == (stopped, 1)
    gone_on = await house.http.delete(f"{SYNC}/pauses/push")
    assert gone_on.json() == {"pauses": []}
    assert (await pushed(house))["summary"]["is_complete"] is True
    assert engage.balances()[house.contact] == 5
    assert (await house.http.delete(f"{SYNC}/pauses/everything")).status_code == 404


async def test_adjustments_that_came_meanwhile_are_booked_when_they_may_be(house: House) -> None:
    await house.http.post(f"{SYNC}/pauses", json={"direction": "adjustments"})
    await house.anyone.post(HOOK, **signed(adjustment(house.contact, 40)))
    assert await house.available() == 0
    await house.http.delete(f"{SYNC}/pauses/adjustments")
    assert await house.available() == 40


async def test_what_engage_does_not_take_is_listed_and_retried(
    house: House, engage: Sandbox
) -> None:
    strangers = [uuid4() for _ in range(3)]
    for stranger in strangers:
        await house.booked("earn", amount=7, contactId=str(stranger))
    await pushed(house)
    parked, cursor = [], ""
    while True:
        page = await read(house, f"parked?limit=2{cursor}")
        parked += page["parked"]
        if "nextCursor" not in page:
            break
        cursor = f"&cursor={page['nextCursor']}"
    assert {one["contactId"] for one in parked} == {str(one) for one in strangers}
    assert {one["amount"] for one in parked} == {7}
    assert all(one["reason"] for one in parked)
    assert (await read(house, "status"))["parked"] == 3
    engage.know(*strangers)
    one = {"contactIds": [str(strangers[0])]}
    assert (await house.http.post(f"{SYNC}/parked/retries", json=one)).json() == {"retried": 1}
    assert (await house.http.post(f"{SYNC}/parked/retries", json={})).json() == {"retried": 2}
    await pushed(house)
    assert (await read(house, "parked"))["parked"] == []
    assert {engage.balances()[stranger] for stranger in strangers} == {7}


async def test_who_told_whom_what_about_a_contact(house: House, engage: Sandbox) -> None:
    engage.know(house.contact)
    for amount in (1, 2, 3):
        await house.booked("earn", amount=amount)
        await pushed(house)
    await house.anyone.post(HOOK, **signed(adjustment(house.contact, 4)))
    record = (await read(house, f"contacts/{house.contact}/record"))["entries"]
    assert [(one["teller"], one["what"], one["amount"], one["state"]) for one in record] == [
        ("engage", "message", 4, "booked"),
        ("books", "total", 6, "done"),
        ("books", "total", 3, "done"),
        ("books", "total", 1, "done"),
    ]
    first = await read(house, f"contacts/{house.contact}/record?limit=3")
    cursor = first["nextCursor"]
    rest = await read(house, f"contacts/{house.contact}/record?limit=3&cursor={cursor}")
    assert first["entries"] + rest["entries"] == record


async def test_differences_are_listed_with_what_was_done(house: House, engage: Sandbox) -> None:
    await house.booked("earn", amount=10)
    await pushed(house)
    slip = {"contactId": str(house.contact), "definitionId": 1, "amount": 3}
    engage.post("/balances", {"balances": [slip]})
    run = await pushed(house, kind="drift_share")
    assert (run["kind"], run["summary"]["repaired"]) == ("drift_share", 1)
    assert (await read(house, "status"))["drift"]["differing"] == 1
    (found,) = (await read(house, "differences?open=true"))["differences"]
    assert (found["contactId"], found["engageTotal"]) == (str(house.contact), 3)
    assert (found["booksTotal"], found["size"], found["repair"]) == (10, 7, "push")
    await pushed(house)
    await pushed(house, kind="drift_sample")
    assert (await read(house, "differences?open=true"))["differences"] == []
    (closed,) = (await read(house, "differences?limit=1"))["differences"]
    assert closed["closedAt"] is not None
    assert engage.balances()[house.contact] == 10


async def test_contacts_that_are_gone_are_listed_page_by_page(
    house: House, engage: Sandbox
) -> None:
    contacts = [uuid4() for _ in range(3)]
    engage.know(*contacts)
    for contact in contacts:
        await house.booked("earn", amount=1, contactId=str(contact))
    for contact in contacts:
        engage.http.delete(f"/_sandbox/contacts/{contact}").raise_for_status()
    await pushed(house, kind="contacts")
    first = await read(house, "gone-contacts?limit=2")
    rest = await read(house, f"gone-contacts?limit=2&cursor={first['nextCursor']}")
    listed = first["contacts"] + rest["contacts"]
    assert {UUID(one["contactId"]) for one in listed} == set(contacts)
    assert {one["decision"] for one in listed} == {"listed"}
    assert "nextCursor" not in rest


async def test_of_each_job_it_is_said_what_ran_and_what_is_due(house: House) -> None:
    await pushed(house, kind="drift_sample")
    jobs = {job["kind"]: job for job in (await read(house, "status"))["jobs"]}
    assert {"sweep", "push", "poll", "drift_sample", "drift_share", "contacts"} <= set(jobs)
    assert jobs["drift_sample"]["latest"]["state"] == "done"
    assert jobs["drift_sample"]["timing"] == "every 600 s"
    assert jobs["drift_share"]["nextDueAt"] is not None


async def test_how_the_sync_stands_is_measured(house: House) -> None:
    stranger = uuid4()
    await house.booked("earn", amount=7, contactId=str(stranger))
    await pushed(house)
    await house.booked("earn", amount=1)
    async with house.service.pool.acquire() as connection:
        await connection.execute(
            """
            update engage.batch set state = 'accepted', finished_at = null,
                next_action_at = now() + interval '1 hour', created_at = now() - interval '4 hours'
            where id = (select id from engage.batch order by id desc limit 1)
            """
        )
    said = (await house.http.get("/metrics")).text.splitlines()
    for line in (
        'pointmaster_engage_untold{tenant="acme"} 1.0',
        'pointmaster_engage_stuck_batches{tenant="acme"} 1.0',
        'pointmaster_engage_unfinished_batches{state="accepted",tenant="acme"} 1.0',
        'pointmaster_engage_paused{direction="push",tenant="acme"} 0.0',
        'pointmaster_sync_job_late{job="push",tenant="acme"} 0.0',
        "pointmaster_sync_leads 0.0",
    ):
        assert line in said, line
    values = dict(line.rsplit(" ", 1) for line in said if not line.startswith("#"))
    assert float(values['pointmaster_engage_parked{tenant="acme"}']) >= 1
    assert float(values['pointmaster_engage_oldest_comparison_seconds{tenant="acme"}']) > 0
    assert not any(str(stranger) in line for line in said)
    async with house.service.pool.acquire() as connection:
        await connection.execute(
            "update engage.batch set state = 'settled', finished_at = now(), next_action_at = null"
            " where finished_at is null"
        )


async def test_a_first_load_tells_everything(house: House, engage: Sandbox) -> None:
    await house.booked("earn", amount=9)
    async with house.service.pool.acquire() as connection:
        await connection.execute("delete from ledger.outbox")  # booked before Engage followed
    await pushed(house)
    assert house.contact not in engage.balances()
    await pushed(house, everything=True)
    assert engage.balances()[house.contact] == 9


async def test_a_first_load_of_movements_tells_each_once(
    postgres: Server, pytestconfig: pytest.Config, engage: Sandbox
) -> None:
    settings = settings_of(str(engage.http.base_url), options={"mode": Mode.ALL_TRANSACTIONS})
    async with engaged(postgres, pytestconfig, settings) as house:
        engage.know(house.contact)
        await house.booked("earn", amount=9)
        await house.booked("redeem", amount=2)
        async with house.service.pool.acquire() as connection:
            await connection.execute("delete from ledger.outbox")
        await house.booked("earn", amount=1)
        for _ in range(2):
            await pushed(house, everything=True)
        assert engage.balances()[house.contact] == 8
        rows = await house.http.get(f"{SYNC}/contacts/{house.contact}/record")
        assert sorted(one["amount"] for one in rows.json()["entries"]) == [-2, 1, 9]


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("pauses", {"direction": "everything"}),
        ("pauses", {}),
        ("parked/retries", {"rowIds": []}),
        ("parked/retries", {"contactIds": ["1001"]}),
        ("runs", {"kind": "everything"}),
    ],
)
async def test_bodies_are_read_strictly(house: House, path: str, body: Any) -> None:
    response = await house.http.post(f"{SYNC}/{path}", json=body)
    assert response.status_code == 400
    assert problem(response)["code"] == "request_invalid"


async def test_looking_and_doing_need_scopes_of_their_own(house: House) -> None:
    looker = await house.client(await house.key(Scope.SYNC_READ))
    assert (await looker.get(f"{SYNC}/pauses")).status_code == 200
    for path in ("pauses", "parked/retries"):
        assert (await looker.post(f"{SYNC}/{path}", json={})).status_code == 403
    stranger = await house.client(await house.key(Scope.ADMIN, tenant="other"))
    for path in ("pauses", "parked", "differences", "gone-contacts", "rehearsal"):
        assert (await stranger.get(f"{SYNC}/{path}")).status_code == 404
