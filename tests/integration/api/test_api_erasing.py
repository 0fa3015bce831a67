"""Forgetting a person: afterwards nothing in the database, however stored, names them."""

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from api.access.scopes import Scope
from ledger import invariants
from ledger.connection import Connection
from ledger.postgres import Server
from sandbox.launch import Launched, launched
from tests.doors.engaged import HOOK, adjustment, encrypted, engaged, settings_of, signed
from tests.doors.house import House, problem
from tests.following.program import Sandbox

SCHEMAS = ("ledger", "engage", "relay", "access")

MEMBER_NUMBER = "M-1001-4711"

PERSONAL = {
    "idempotencyKey": "key-that-names-member-1001",
    "description": "Ring with an engraving for member 1001",
    "reference": "reference of member 1001",
    "actor": "agent who served member 1001",
}


@pytest.fixture(scope="module")
def engage_process() -> Iterator[Launched]:
    with launched("engage") as stand_in:
        yield stand_in


@pytest.fixture
def engage(engage_process: Launched) -> Iterator[Sandbox]:
    with httpx.Client(base_url=engage_process.address, timeout=60) as http:
        sandbox = Sandbox(http)
        sandbox.set(definitions=[{"id": 1}, {"id": 2}, {"id": 3}], balances={"jobSeconds": 0.1})
        yield sandbox
        sandbox.behave()


@pytest.fixture
async def house(
    postgres: Server, pytestconfig: pytest.Config, engage_process: Launched
) -> AsyncIterator[House]:
    options = {"answer_seconds": 1.0, "settle_seconds": 1.0}
    settings = settings_of(engage_process.address, options=options)
    async with engaged(postgres, pytestconfig, settings) as found:
        yield found


def forms(needle: str) -> set[str]:
    """How a text or a GUID can stand in the text of a row: as it is, or as bytes."""
    found = {needle.lower(), needle.encode().hex(), needle.upper().encode().hex()}
    try:
        identifier = UUID(needle)
    except ValueError:
        return found
    return found | {identifier.hex, identifier.hex.encode().hex()}


async def places_of(house: House, needle: str) -> list[str]:
    """The tables and columns that hold something, whatever their type."""
    found = []
    async with house.service.pool.acquire() as connection:
        columns = await connection.fetch(
            "select table_schema, table_name, column_name from information_schema.columns"
            " where table_schema = any($1::text[])",
            SCHEMAS,
        )
        assert len(columns) > 200
        for schema, table, column in columns:
            for form in forms(needle):
                count = await connection.fetchval(
                    f"select count(*) from {schema}.{table}"
                    f' where strpos(lower("{column}"::text), $1) > 0',
                    form,
                )
                if count:
                    found.append(f"{schema}.{table}.{column}")
    return sorted(set(found))


async def run(house: House) -> dict[str, Any]:
    """Push what changed, and wait until Engage has it or it won't soon."""
    response = await house.http.post("/v1/sync/acme/runs", json={"waitSeconds": 30})
    document: dict[str, Any] = response.json()
    return document


async def forget(house: House, contact: object) -> httpx.Response:
    return await house.http.delete(f"/v1/contacts/{contact}")


async def relay_something(connection: Connection, contact: UUID) -> None:
    """An event of the contact's that MoEngage didn't take, and one that waits."""
    await connection.execute(
        "insert into relay.source (tenant_id, name, vendor) values (1, 'app', 'books')"
    )
    await connection.execute(
        "insert into relay.destination (tenant_id, name, address) values (1, 'moe', 'http://x')"
    )
    for state in ("dead", "waiting"):
        await connection.execute(
            "insert into relay.event (id, received_at, source_id, destination_id, state, family,"
            " customer, payload) values ($1, now(), 1, 1, $2, 'points', $3, $4)",
            uuid4(),
            state,
            str(contact),
            json.dumps({"customer": str(contact), "text": PERSONAL["description"]}).encode(),
        )


async def contacts_something(connection: Connection, contact: UUID) -> None:
    """What is known of the contact by Engage: a member number, and that somebody became them."""
    await connection.execute(
        "insert into engage.member values (1, $2, $1, now(), now() + interval '1 day', 'found')",
        contact,
        MEMBER_NUMBER,
    )
    await connection.execute(
        "insert into engage.run (id, tenant_id, kind, cause, state, asked_at, finished_at, error,"
        " summary) values ($1, 1, 'push', 'schedule', 'done', now(), now(), $2, $3)",
        uuid4(),
        f"3 requests refused: 400: contact {contact} is locked",
        json.dumps({"push": {"sent": 3, "trouble": f"contact {contact} is locked"}}),
    )
    for one, into in ((contact, None), (uuid4(), contact)):
        await connection.execute(
            "insert into engage.gone values (1, $1, $2, now(), now(), 'listed', $3)",
            one,
            into,
            f"of {contact}",
        )


async def live(house: House, engage: Sandbox) -> None:
    """Let the house's contact leave traces wherever one can."""
    contact = house.contact
    earned = await house.booked("earn", amount=500, **PERSONAL)
    await house.booked("redeem", amount=20, description=f"Gift card of {contact}")
    await house.booked("earn", amount=10, definitionId=3, validFrom="2999-01-01T00:00:00Z")
    held = await house.booked("hold", amount=5, description=PERSONAL["description"])
    await house.booked("release", holdId=held["transactionId"])
    await house.booked("return", reverses={"transactionId": earned["transactionId"]}, amount=1)
    # Messages that were booked, came to nothing, came twice, or could not be read.
    said = {"ContactId": str(contact), "Amount": 40, "PointDefinitionId": 1}
    good = adjustment(contact, 40, payload=encrypted({**said, "WorkflowName": MEMBER_NUMBER}))
    plain = {**adjustment(contact, 7), "payload": {"ContactId": str(contact), "Amount": 7}}
    for message in (
        good,
        {**good, "id": good["id"].upper()},
        adjustment(contact, 0),
        adjustment(contact, 0.5),
        {**adjustment(contact, 1), "eventType": "point.balance.updated"},
        plain,
        {**plain, "payload": json.dumps(plain["payload"]).replace("Amount", "Amount?")},
        {"note": f"no event at all, about {str(contact).upper()}"},
    ):
        response = await house.anyone.post(HOOK, **signed(message))
        assert response.status_code == 200
    # Engage doesn't know the contact, and says so by name.
    somebody = {"contactId": str(uuid4())}
    engage.know(UUID(somebody["contactId"]))
    await house.booked("earn", amount=1, **somebody)
    await run(house)
    async with house.service.pool.acquire() as connection:
        await relay_something(connection, contact)
        await contacts_something(connection, contact)


async def test_nothing_names_a_person_who_was_erased(house: House, engage: Sandbox) -> None:
    await live(house, engage)
    needles = [str(house.contact), MEMBER_NUMBER, *PERSONAL.values()]
    before = {needle: await places_of(house, needle) for needle in needles}
    # The test can fail: everything is somewhere, and the contact in many places.
    assert all(before.values())
    assert set(before[str(house.contact)]) >= {
        "engage.batch.body",
        "engage.batch_row.message",
        "engage.delivery.body",
        "engage.delivery.contact_id",
        "engage.delivery.payload",
        "engage.gone.contact_id",
        "engage.gone.into_contact_id",
        "engage.gone.message",
        "engage.member.contact_id",
        "engage.run.error",
        "engage.run.summary",
        "engage.account.parked_reason",
        "ledger.contact.contact_id",
        "ledger.transaction.description",
        "relay.event.customer",
        "relay.event.payload",
    }
    response = await forget(house, house.contact)
    assert response.status_code == 200, response.text
    assert response.json() == {"contactId": str(house.contact), "wasKnown": True, "merged": []}
    for needle in needles:
        assert await places_of(house, needle) == []
    async with house.service.pool.acquire() as connection:
        assert await invariants.check(connection, house.service.catalogue) == []
        closed = await connection.fetchval(
            "select sum(amount) from ledger.transfer where credit = 17"
        )
    assert closed == 519 + 10  # 500 + 40 - 20 - 1 to spend, 10 that were pending
    again = (await forget(house, house.contact)).json()
    assert again["wasKnown"] is False


async def test_points_go_on_being_counted_and_the_texts_are_gone(house: House) -> None:
    earned = await house.booked("earn", amount=50, **PERSONAL)
    trial = (await house.http.get("/v1/finance/trial-balance")).json()
    await forget(house, house.contact)
    kept = (await house.http.get(f"/v1/transactions/{earned['transactionId']}")).json()
    assert {name: kept.get(name) for name in ("contactId", *PERSONAL)} == dict.fromkeys(
        ("contactId", *PERSONAL)
    )
    assert (kept["amount"], kept["effectiveAt"]) == (50, earned["effectiveAt"])
    after = (await house.http.get("/v1/finance/trial-balance")).json()
    assert (trial["balanced"], after["balanced"]) == (True, True)
    assert await house.available() == 0
    assert (await house.http.get(f"/v1/contacts/{house.contact}/transactions")).json() == {
        "transactions": []
    }
    # The key stays taken, though nobody can tell any more what it stood for.
    response = await house.post("earn", amount=50, idempotencyKey=PERSONAL["idempotencyKey"])
    assert problem(response)["code"] == "idempotency_key_reused"


async def test_merged_contacts_are_forgotten_together(house: House) -> None:
    other = uuid4()
    await house.booked("earn", amount=50, **PERSONAL)
    await house.http.post(
        f"/v1/contacts/{house.contact}/merge",
        json={"into": str(other), "idempotencyKey": f"merge of {house.contact}"},
    )
    response = await forget(house, other)
    assert response.json() == {
        "contactId": str(other),
        "wasKnown": True,
        "merged": [str(house.contact)],
    }
    for needle in (str(other), str(house.contact), *PERSONAL.values()):
        assert await places_of(house, needle) == []


async def test_points_on_hold_keep_a_person_from_being_erased(house: House) -> None:
    await house.booked("earn", amount=50, **PERSONAL)
    held = await house.booked("hold", amount=10)
    refused = await forget(house, house.contact)
    assert (refused.status_code, problem(refused)["code"]) == (422, "points_held")
    assert await house.available() == 40
    await house.booked("release", holdId=held["transactionId"])
    assert (await forget(house, house.contact)).status_code == 200


async def test_what_is_on_its_way_to_engage_is_forgotten_when_it_has_arrived(
    house: House, engage: Sandbox
) -> None:
    engage.know(house.contact)
    engage.fault({"kind": "drop-after", "path": "/api/v*/point-accounts/balances*"})
    await house.booked("earn", amount=50)
    await run(house)
    assert (await house.http.get("/v1/sync/acme/status")).json()["unfinished"]
    await forget(house, house.contact)
    # Nobody could tell what Engage has, if this were forgotten too.
    assert await places_of(house, str(house.contact)) == ["engage.batch.body"]
    engage.behave()
    async with asyncio.timeout(30):
        while await places_of(house, str(house.contact)):
            await asyncio.sleep(0.2)
            await run(house)
    assert (await house.http.get("/v1/sync/acme/status")).json()["unfinished"] == {}


async def test_erasing_needs_a_scope_of_its_own(house: House) -> None:
    await house.booked("earn", amount=50)
    others = [scope for scope in Scope if scope not in {Scope.CONTACTS_ERASE, Scope.ADMIN}]
    lacking = await house.client(await house.key(*others))
    refused = await lacking.delete(f"/v1/contacts/{house.contact}")
    assert problem(refused)["code"] == "scope_missing"
    stranger = await house.client(await house.key(Scope.ADMIN, tenant="other"))
    unknown = await stranger.delete(f"/v1/contacts/{house.contact}")
    assert unknown.json()["wasKnown"] is False
    assert await house.available() == 50
