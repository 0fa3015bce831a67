"""Contacts named by their member number at the doors: found, refused, remembered, repeated."""

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
from sync.engage.contacts.options import ContactOptions
from tests.doors.engaged import engaged, settings_of
from tests.doors.house import House, found_errors, problem
from tests.following.program import Sandbox

pytestmark = pytest.mark.asyncio(loop_scope="module")


@pytest.fixture(scope="module")
def stand_in() -> Iterator[Sandbox]:
    with launched("engage") as process, httpx.Client(base_url=process.address, timeout=60) as http:
        yield Sandbox(http)


@pytest.fixture
def engage(stand_in: Sandbox) -> Iterator[Sandbox]:
    yield stand_in
    stand_in.behave()


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engaged_doors(
    postgres: Server, pytestconfig: pytest.Config, stand_in: Sandbox
) -> AsyncIterator[House]:
    # So short that a test may see an answer forgotten.
    contacts = ContactOptions(unknown_seconds=0)
    settings = settings_of(str(stand_in.http.base_url), options={"contacts": contacts})
    async with engaged(postgres, pytestconfig, settings) as found:
        yield found


@pytest.fixture
def house(engaged_doors: House) -> House:
    return replace(engaged_doors, contact=uuid4())


def member(engage: Sandbox, contact: UUID, number: str | None = None) -> str:
    """Makes the contact known to Engage under a member number."""
    number = number or uuid4().hex[:12]
    engage.post("/contacts", {"contacts": [{"id": str(contact), "customKey": number}]})
    return number


def asks(house: House, number: str, kind: str = "earn", **more: Any) -> dict[str, Any]:
    asked = house.asks(kind, memberNumber=number, **more)
    del asked["contactId"]
    return asked


async def test_points_are_booked_for_whoever_has_the_number(house: House, engage: Sandbox) -> None:
    number = member(engage, house.contact)
    asked = asks(house, number, amount=250)
    booked = await house.http.post("/v1/transactions", json=asked)
    assert booked.status_code == 201, booked.text
    assert booked.json()["contactId"] == str(house.contact)
    again = await house.http.post("/v1/transactions", json=asked)
    assert (again.status_code, again.json()) == (200, booked.json())
    spent = await house.http.post("/v1/transactions", json=asks(house, number, "redeem", amount=50))
    assert spent.status_code == 201
    assert await house.available() == 200
    found = await house.http.get("/v1/contacts", params={"memberNumber": number})
    assert found.json() == {"contactId": str(house.contact), "memberNumber": number}


async def test_points_are_moved_between_whoever_have_the_numbers(
    house: House, engage: Sandbox
) -> None:
    friend = replace(house, contact=uuid4())
    giver, taker = member(engage, house.contact), member(engage, friend.contact)
    await house.booked("earn", amount=100)
    by_id = house.asks("move", to={"memberNumber": taker}, amount=10)
    by_number = asks(house, giver, "move", to={"memberNumber": taker, "definitionId": 1}, amount=20)
    for asked in (by_id, by_number):
        moved = await house.http.post("/v1/transactions", json=asked)
        assert moved.status_code == 201, moved.text
        assert moved.json()["contactId"] == str(house.contact)
    assert (await house.available(), await friend.available()) == (70, 30)
    nobody = house.asks("move", to={"memberNumber": "nobody-has-it"}, amount=1)
    response = await house.http.post("/v1/transactions", json=nobody)
    assert found_errors(problem(response)) == [("to.memberNumber", "member_unknown")]
    assert problem(response)["detail"].startswith("to.memberNumber ")
    # What is booked is answered by its key, though nobody can be asked any more.
    engage.fault({"kind": "error-before", "path": "*/contacts/id"})
    async with house.service.pool.acquire() as connection:
        await connection.execute("delete from engage.member")
    items = [by_id, by_number, by_number | {"idempotencyKey": "another"}]
    batch = await house.http.post("/v1/transactions/batch", json={"transactions": items})
    outcomes = batch.json()["outcomes"]
    assert [one["status"] for one in outcomes] == ["replayed", "replayed", "refused"]
    assert outcomes[2]["problem"]["code"] == "members_unavailable"
    assert (await house.available(), await friend.available()) == (70, 30)


async def test_nobody_and_several_are_refused_with_their_codes(
    house: House, engage: Sandbox
) -> None:
    shared = member(engage, house.contact)
    member(engage, uuid4(), shared)
    for number, code in ((shared, "member_ambiguous"), ("nobody-has-it", "member_unknown")):
        response = await house.http.post("/v1/transactions", json=asks(house, number, amount=1))
        assert response.status_code == 422
        assert problem(response)["code"] == code
        assert found_errors(problem(response)) == [("memberNumber", code)]
        looked = await house.http.get("/v1/contacts", params={"memberNumber": number})
        assert problem(looked)["code"] == code
    assert await house.available() == 0


async def test_while_engage_cannot_be_asked_nothing_is_booked(
    house: House, engage: Sandbox
) -> None:
    known = member(engage, house.contact)
    first = asks(house, known, amount=5)
    assert (await house.http.post("/v1/transactions", json=first)).status_code == 201
    engage.fault({"kind": "error-before", "path": "*/contacts/id"})
    number = member(engage, uuid4())
    asked = asks(house, number, amount=1)
    response = await house.http.post("/v1/transactions", json=asked)
    assert (response.status_code, response.headers["retry-after"]) == (503, "5")
    assert problem(response)["code"] == "members_unavailable"
    # What is remembered needs nobody to be asked.
    second = asks(house, known, amount=5)
    assert (await house.http.post("/v1/transactions", json=second)).status_code == 201
    # Nor does what is in the books already.
    async with house.service.pool.acquire() as connection:
        await connection.execute("delete from engage.member")
    again = await house.http.post("/v1/transactions", json=first)
    assert again.headers["idempotency-replayed"] == "true"
    assert again.json()["contactId"] == str(house.contact)
    engage.behave()
    assert (await house.http.post("/v1/transactions", json=asked)).status_code == 201


async def test_a_repeat_is_its_members_though_the_number_went_to_another(
    house: House, engage: Sandbox
) -> None:
    number = member(engage, house.contact)
    asked = asks(house, number, amount=3)
    await house.http.post("/v1/transactions", json=asked)
    other = uuid4()
    engage.http.delete(f"/_sandbox/contacts/{house.contact}").raise_for_status()
    member(engage, other, number)
    async with house.service.pool.acquire() as connection:
        await connection.execute("delete from engage.member")
    again = await house.http.post("/v1/transactions", json=asked)
    assert again.json()["contactId"] == str(house.contact)
    batch = await house.http.post("/v1/transactions/batch", json={"transactions": [asked]})
    (outcome,) = batch.json()["outcomes"]
    assert outcome["status"] == "replayed"
    assert outcome["transaction"]["contactId"] == str(house.contact)
    reused = await house.http.post("/v1/transactions", json=asked | {"amount": 4})
    assert problem(reused)["code"] == "idempotency_key_reused"


async def test_in_a_batch_each_item_has_its_own_fate(house: House, engage: Sandbox) -> None:
    number = member(engage, house.contact)
    items = [
        asks(house, number, amount=1),
        asks(house, "nobody-has-it", amount=2),
        house.asks("earn", amount=4),
        asks(house, number, amount=8),
        asks(house, number, amount=0),
    ]
    response = await house.http.post("/v1/transactions/batch", json={"transactions": items})
    outcomes = response.json()["outcomes"]
    assert [one["status"] for one in outcomes] == [
        "booked",
        "refused",
        "booked",
        "booked",
        "refused",
    ]
    assert outcomes[1]["problem"]["code"] == "member_unknown"
    assert await house.available() == 13


async def test_either_an_id_or_a_number(house: House) -> None:
    both = house.asks("earn", amount=1, memberNumber="10042")
    response = await house.http.post("/v1/transactions", json=both)
    assert found_errors(problem(response)) == [("memberNumber", "not_together")]
    neither = asks(house, "", amount=1)
    del neither["memberNumber"]
    response = await house.http.post("/v1/transactions", json=neither)
    assert found_errors(problem(response)) == [("contactId", "missing")]
    empty = await house.http.post("/v1/transactions", json=asks(house, "", amount=1))
    assert found_errors(problem(empty)) == [("memberNumber", "too_short")]


async def test_a_tenant_without_an_engage_has_no_numbers(house: House) -> None:
    key = await house.key(Scope.ADMIN, tenant="other")
    other = await house.client(key)
    response = await other.post("/v1/transactions", json=asks(house, "10042", amount=1))
    assert found_errors(problem(response)) == [("memberNumber", "value_unknown")]
