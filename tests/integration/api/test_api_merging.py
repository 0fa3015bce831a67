"""Contacts that change: merged into another, closed all at once, through the doors."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.access.scopes import Scope
from ledger import invariants
from tests.doors.house import House, found_errors, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ahead(**of_now: float) -> str:
    return (datetime.now(UTC) + timedelta(**of_now)).isoformat().replace("+00:00", "Z")


class Member:
    """A contact beside the house's own."""

    def __init__(self, house: House) -> None:
        self.id = str(uuid4())
        self._house = house

    async def booked(self, kind: str, **more: Any) -> dict[str, Any]:
        return await self._house.booked(kind, contactId=self.id, **more)

    async def get(self, what: str, **query: Any) -> Any:
        response = await self._house.http.get(f"/v1/contacts/{self.id}/{what}", params=query)
        assert response.status_code == 200, response.text
        return response.json()

    async def has(self, **query: Any) -> int:
        found: int = (await self.get("balances", definitionId=1, **query))["balances"][0][
            "available"
        ]
        return found

    async def merge(self, other: "Member", key: str | None = None) -> httpx.Response:
        body = {"into": other.id, "idempotencyKey": key or uuid4().hex, "actor": "support desk"}
        return await self._house.http.post(f"/v1/contacts/{self.id}/merge", json=body)

    async def close(self, key: str, **more: Any) -> httpx.Response:
        body = {"idempotencyKey": key, "source": "crm", "description": "Membership ended", **more}
        return await self._house.http.post(f"/v1/contacts/{self.id}/close", json=body)


async def test_two_contacts_become_one_with_all_they_have(house: House) -> None:
    one, other = Member(house), Member(house)
    earned = await one.booked("earn", amount=50, validTo=ahead(days=9))
    await one.booked("earn", amount=7, validFrom=ahead(days=1))
    await one.booked("earn", amount=3, definitionId=3)
    await other.booked("redeem", amount=20, allowDebt=True)
    response = await one.merge(other, "merge-1")
    assert response.status_code == 200
    document = response.json()
    assert (document["contactId"], document["into"]) == (one.id, other.id)
    assert [(move["kind"], move["amount"], move["actor"]) for move in document["transactions"]] == [
        ("move", 57, "support desk"),
        ("move", 3, "support desk"),
    ]
    for member in (one, other):
        points, _, strict = (await member.get("balances"))["balances"]
        assert (points["available"], points["pending"], points["debt"]) == (30, 7, 0)
        assert strict["available"] == 3
    # A till that still has the old card posts to the one they are now.
    await one.booked("redeem", amount=30)
    assert (await one.has(), await other.has()) == (0, 0)
    # A purchase from before can still be returned: its points are gone, so they are owed.
    returned = await one.booked("return", reverses={"transactionId": earned["transactionId"]})
    assert returned["debtAdded"] == 50


async def test_merging_again_does_nothing_and_is_answered_the_same(house: House) -> None:
    one, other = Member(house), Member(house)
    await one.booked("earn", amount=50)
    first = await one.merge(other, f"merge {one.id}")
    again = await one.merge(other, f"merge {one.id}")
    assert first.content == again.content
    assert len(first.json()["transactions"]) == 1
    under_another_key = await other.merge(one)
    assert under_another_key.json()["transactions"] == []
    assert await other.has() == 50


async def test_contacts_nobody_posted_for_are_remembered_as_merged(house: House) -> None:
    one, other = Member(house), Member(house)
    assert (await one.merge(other)).status_code == 200
    await one.booked("earn", amount=10)
    await other.booked("earn", amount=5)
    assert (await one.has(), await other.has()) == (15, 15)
    third = Member(house)
    await one.merge(third)
    assert [await member.has() for member in (one, other, third)] == [15, 15, 15]


async def test_a_merge_that_cannot_be_changes_nothing(house: House) -> None:
    one, other = Member(house), Member(house)
    await one.booked("earn", amount=50)
    await one.booked("earn", amount=5, definitionId=3)
    held = await one.booked("hold", amount=5, definitionId=3)
    refused = await one.merge(other)
    assert (refused.status_code, problem(refused)["code"]) == (422, "points_held")
    assert (await one.has(), await other.has()) == (50, 0)
    await one.booked("release", definitionId=3, holdId=held["transactionId"])
    await other.booked("earn", amount=1)
    await other.booked("close")
    refused = await one.merge(other)
    assert problem(refused)["code"] == "account_closed"
    itself = await one.merge(one)
    assert found_errors(problem(itself)) == [("into", "move_to_itself")]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ("into", "missing")),
        ({"into": "x", "idempotencyKey": "k"}, ("into", "wrong_type")),
        ({"into": str(uuid4()), "idempotencyKey": "a\nb"}, ("idempotencyKey", "control_character")),
        ({"into": str(uuid4()), "idempotencyKey": "k" * 181}, ("idempotencyKey", "out_of_range")),
        (
            {"into": "00000000-0000-0000-0000-000000000000", "idempotencyKey": "k"},
            ("into", "guid_nil"),
        ),
        ({"into": str(uuid4()), "idempotencyKey": "k", "key": "k"}, ("key", "unknown")),
    ],
)
async def test_merges_that_cannot_be_read(
    house: House, body: dict[str, Any], expected: tuple[str, str]
) -> None:
    response = await house.http.post(f"/v1/contacts/{house.contact}/merge", json=body)
    assert response.status_code == 400
    assert found_errors(problem(response))[0] == expected


async def test_what_the_books_knew_before_a_merge_is_still_answered(house: House) -> None:
    one, other = Member(house), Member(house)
    first = await one.booked("earn", amount=50, effectiveAt="2026-10-01T00:00:00Z")
    second = await other.booked("earn", amount=20, effectiveAt="2026-10-02T00:00:00Z")
    then = {"recordedAt": second["recordedAt"], "effectiveAt": "2026-10-05T00:00:00Z"}
    known = [await member.get("balances", **then) for member in (one, other)]
    assert [found["balances"][0]["available"] for found in known] == [50, 20]
    await one.merge(other)
    assert [await member.get("balances", **then) for member in (one, other)] == known
    # Known now to be one person, they had 70 together, whoever is asked for.
    for member in (one, other):
        assert await member.has(effectiveAt="2026-10-05T00:00:00Z") == 70
        assert await member.has(effectiveAt="2026-10-01T12:00:00Z") == 50
        lots = (await member.get("lots", effectiveAt="2026-10-05T00:00:00Z"))["lots"]
        assert [lot["available"] for lot in lots] == [50, 20]
    own, lot = (await other.get("lots"))["lots"]
    assert (own["kind"], lot["kind"]) == ("earn", "receive")
    assert "origin" not in own
    assert lot["origin"]["transactionId"] == first["transactionId"]
    assert lot["origin"]["contactId"] == one.id


async def test_an_explanation_tells_of_both_and_adds_up(house: House) -> None:
    one, other = Member(house), Member(house)
    await one.booked("earn", amount=50)
    await one.booked("redeem", amount=10)
    await other.booked("earn", amount=20)
    await one.merge(other)
    spent = await other.booked("redeem", amount=45)
    found = await one.get("explanation", definitionId=1)
    assert found["balance"]["available"] == 15
    assert sum(movement["net"] for movement in found["transactions"]) == 15
    assert sum(life["lot"]["available"] for life in found["lots"]) == 15
    assert found["transactions"][0]["transactionId"] == spent["transactionId"]
    kinds = sorted(movement["kind"] for movement in found["transactions"])
    assert kinds == ["earn", "earn", "move", "receive", "redeem", "redeem"]


async def test_a_merged_contacts_transactions_are_all_there_page_by_page(house: House) -> None:
    one, other, third = Member(house), Member(house), Member(house)
    booked = []
    for number in range(4):
        booked.append(await one.booked("earn", amount=1 + number))
        booked.append(await other.booked("earn", amount=10 + number))
    await one.merge(other)
    booked.append(await third.booked("earn", amount=100))
    await other.merge(third)
    booked.append(await one.booked("earn", amount=200))
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = await third.get("transactions", **query)
        seen += page["transactions"]
        if "nextCursor" not in page:
            break
        query["cursor"] = page["nextCursor"]
    told = [entry for entry in seen if entry["kind"] == "earn"]
    assert [entry["transactionId"] for entry in told] == [
        entry["transactionId"] for entry in reversed(booked)
    ]
    # Each with the contact it was booked for; a later one with the contact that stayed.
    assert [entry["contactId"] for entry in told[1:]] == [
        entry["contactId"] for entry in reversed(booked[:-1])
    ]
    assert told[0]["contactId"] == third.id
    times = [entry["recordedAt"] for entry in seen]
    assert times == sorted(times, reverse=True)
    assert len(seen) == 10 + 2 * 2


async def test_a_member_who_leaves_closes_all_accounts_at_once(house: House) -> None:
    member = Member(house)
    nobody = await member.close("left-0")
    assert (nobody.status_code, problem(nobody)["code"]) == (422, "no_account")
    await member.booked("earn", amount=50)
    await member.booked("redeem", amount=5, definitionId=3, allowDebt=True)
    held = await member.booked("hold", amount=20)
    refused = await member.close(f"left {member.id}")
    assert (refused.status_code, problem(refused)["code"]) == (422, "points_held")
    await member.booked("release", holdId=held["transactionId"])
    first = await member.close(f"left {member.id}", reference="case 7")
    assert first.status_code == 200, first.text
    closings = first.json()["transactions"]
    assert [(one["kind"], one["amount"], one["definitionId"]) for one in closings] == [
        ("close", 50, 1),
        ("close", 0, 3),
    ]
    assert closings[0]["reference"] == "case 7"
    again = await member.close(f"left {member.id}", reference="case 7")
    assert again.content == first.content
    under_another_key = await member.close("another key")
    assert under_another_key.json()["transactions"] == []
    late = await house.http.post(
        "/v1/transactions", json={**house.asks("earn", amount=1), "contactId": member.id}
    )
    assert problem(late)["code"] == "account_closed"


async def test_another_tenants_contacts_are_neither_merged_nor_closed(house: House) -> None:
    one, other = Member(house), Member(house)
    await one.booked("earn", amount=50)
    stranger = await house.client(await house.key(Scope.ADMIN, tenant="other"))
    merged = await stranger.post(
        f"/v1/contacts/{one.id}/merge", json={"into": other.id, "idempotencyKey": "merge-x"}
    )
    assert merged.json()["transactions"] == []
    assert (await one.has(), await other.has()) == (50, 0)


async def test_the_books_are_right_after_all_that(house: House) -> None:
    async with house.service.pool.acquire() as connection:
        assert await invariants.check(connection, house.service.catalogue) == []
