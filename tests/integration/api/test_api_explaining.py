"""Where did my points go: balances, lots and explanations at any moment, through the doors."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

import httpx
import pytest

from api.intake.cursor import LotPlace, write_cursor
from ledger import reading_as_of
from tests.doors.house import House, found_errors, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")


def ago(**before_now: float) -> str:
    return (datetime.now(UTC) - timedelta(**before_now)).isoformat().replace("+00:00", "Z")


def ahead(**of_now: float) -> str:
    return (datetime.now(UTC) + timedelta(**of_now)).isoformat().replace("+00:00", "Z")


async def get(house: House, what: str, **query: Any) -> httpx.Response:
    """Read something of the house's contact."""
    return await house.http.get(f"/v1/contacts/{house.contact}/{what}", params=query)


async def explained(house: House, transaction: dict[str, Any]) -> dict[str, Any]:
    """The explanation of one transaction."""
    path = f"/v1/transactions/{transaction['transactionId']}/explanation"
    document: dict[str, Any] = (await house.http.get(path)).json()
    return document


async def held(house: House, **query: Any) -> str:
    """What the contact holds of definition 1, in a word."""
    response = await get(house, "balances", definitionId=1, **query)
    assert response.status_code == 200, response.text
    (found,) = response.json()["balances"]
    buckets = [f"{found[one]} {one}" for one in ("available", "pending", "held", "debt")]
    return ", ".join(one for one in buckets if not one.startswith("0 ")) or "nothing"


async def test_a_balance_can_be_read_at_any_moment_past_or_to_come(house: House) -> None:
    await house.booked("earn", amount=100, effectiveAt=ago(days=30), validTo=ahead(days=30))
    await house.booked("earn", amount=50, validFrom=ahead(days=10))
    await house.booked("redeem", amount=40, effectiveAt=ago(days=10))
    assert await held(house) == "60 available, 50 pending"
    assert await held(house, effectiveAt=ago(days=31)) == "nothing"
    assert await held(house, effectiveAt=ago(days=20)) == "100 available"
    assert await held(house, effectiveAt=ago(days=5)) == "60 available"
    assert await held(house, effectiveAt=ahead(days=11)) == "110 available"
    assert await held(house, effectiveAt=ahead(days=31)) == "50 available"


async def test_what_the_books_knew_at_a_moment_never_changes(house: House) -> None:
    first = await house.booked("earn", amount=100, effectiveAt=ago(days=30))
    known = {"recordedAt": first["recordedAt"], "effectiveAt": ago(days=1)}
    before = await get(house, "balances", **known)
    await house.booked("redeem", amount=40, effectiveAt=ago(days=10))
    assert (await get(house, "balances", **known)).content == before.content
    assert await held(house, **known) == "100 available"
    assert await held(house, effectiveAt=ago(days=1)) == "60 available"
    document = before.json()
    assert datetime.fromisoformat(document["recordedAt"]) == datetime.fromisoformat(
        known["recordedAt"]
    )


@pytest.mark.parametrize("what", ["balances", "lots", "explanation"])
async def test_wrong_instants_are_explained(house: House, what: str) -> None:
    more = {"definitionId": 1} if what == "explanation" else {}
    for query, expected in (
        ({"recordedAt": ahead(days=1)}, ("recordedAt", "time_in_future")),
        ({"effectiveAt": "2026-11-01"}, ("effectiveAt", "time_invalid")),
        ({"effectiveAt": "2026-11-01T00:00:00"}, ("effectiveAt", "time_naive")),
        ({"effectiveAt": "3000-01-01T00:00:00Z"}, ("effectiveAt", "time_out_of_range")),
        ({"asOf": "2026-11-01T00:00:00Z"}, ("asOf", "unknown")),
    ):
        response = await get(house, what, **query, **more)
        assert response.status_code == 400
        assert found_errors(problem(response)) == [expected]
    # A plus sign that was not escaped is a space to everybody who reads addresses.
    response = await house.http.get(
        f"/v1/contacts/{house.contact}/balances?effectiveAt=2026-11-01T00:00:00+01:00"
    )
    assert "%2B" in problem(response)["detail"]


async def test_lots_are_listed_in_the_order_in_which_they_are_consumed(house: House) -> None:
    forever = await house.booked("earn", amount=10)
    later = await house.booked("earn", amount=20, validTo=ahead(days=20))
    sooner = await house.booked("earn", amount=30, validTo=ahead(days=10))
    gone = await house.booked("earn", amount=5, validTo=ahead(days=5))
    await house.booked("redeem", amount=10)
    other = await house.booked("earn", amount=1, definitionId=3)
    document = (await get(house, "lots")).json()
    lots = document["lots"]
    ids = [one["transactionId"] for one in lots]
    assert ids == [one["transactionId"] for one in (sooner, later, forever, other)]
    assert [(one["available"], one["spent"]) for one in lots] == [(25, 5), (20, 0), (10, 0), (1, 0)]
    assert lots[0]["validTo"] == sooner["validTo"]
    assert "nextCursor" not in document
    everything = (await get(house, "lots", spent="true", definitionId=1)).json()["lots"]
    assert (everything[0]["transactionId"], everything[0]["spent"]) == (gone["transactionId"], 5)


async def test_pages_of_lots_stay_where_they_were_while_points_are_spent(house: House) -> None:
    for number in range(7):
        await house.booked("earn", amount=10, validTo=ahead(days=10 + number))
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await get(house, "lots", limit=3, **cursor)).json()
        seen += [one["validTo"] for one in page["lots"]]
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
        await house.booked("redeem", amount=10)  # the first lots, which were shown already
    assert len(seen) == len(set(seen)) == 7
    assert seen == sorted(seen)
    for wrong in ("x", "MTo0MQ", write_cursor(LotPlace(uuid4(), 1))):
        response = await get(house, "lots", cursor=wrong)
        assert found_errors(problem(response)) == [("cursor", "cursor_invalid")]
    response = await get(house, "lots", spent="yes")
    assert found_errors(problem(response)) == [("spent", "value_unknown")]


async def test_open_holds_are_listed_and_those_whose_time_has_come_are_not(house: House) -> None:
    await house.booked("earn", amount=100)
    endless = await house.booked("hold", amount=10, reference="order 2")
    soon = await house.booked("hold", amount=20, holdExpiresAt=ahead(minutes=5))
    ended = await house.booked("hold", amount=30, holdExpiresAt=ahead(minutes=1))
    await house.booked("release", holdId=ended["transactionId"])
    holds = (await get(house, "holds")).json()["holds"]
    assert [one["holdId"] for one in holds] == [soon["transactionId"], endless["transactionId"]]
    assert holds[0]["holdExpiresAt"] == soon["holdExpiresAt"]
    assert (holds[1]["amount"], holds[1]["reference"]) == (10, "order 2")
    assert "holdExpiresAt" not in holds[1]
    assert (await get(house, "holds", definitionId=2)).json()["holds"] == []


async def test_an_explanation_names_the_earns_that_a_redemption_consumed(house: House) -> None:
    first = await house.booked("earn", amount=50, validTo=ahead(days=5), description="Shoes")
    second = await house.booked("earn", amount=50, description="Boots")
    spent = await house.booked("redeem", amount=70, description="Gift card")
    document = (await get(house, "explanation", definitionId=1)).json()
    assert document["balance"]["available"] == 30
    latest = document["transactions"][0]
    assert (latest["transactionId"], latest["net"]) == (spent["transactionId"], -70)
    assert [(one["transactionId"], one["amount"]) for one in latest["sources"]] == [
        (first["transactionId"], 50),
        (second["transactionId"], 20),
    ]
    assert [one["description"] for one in document["lots"]] == ["Boots", "Shoes"]
    alive = document["lots"][0]
    assert (alive["lot"]["available"], alive["lot"]["spent"]) == (30, 20)
    assert [(one["from"], one["to"], one["amount"]) for one in alive["steps"]] == [
        ("available", "redeemed", 20)
    ]

    of_spent = (
        await house.http.get(f"/v1/transactions/{spent['transactionId']}/explanation")
    ).json()
    assert of_spent["sources"] == latest["sources"]
    assert of_spent["lots"] == []
    assert of_spent["transaction"] == spent
    of_first = (
        await house.http.get(f"/v1/transactions/{first['transactionId']}/explanation")
    ).json()
    assert of_first["sources"] == []
    assert [(one["to"], one["transactionId"]) for one in of_first["lots"][0]["steps"]] == [
        ("redeemed", spent["transactionId"])
    ]


async def test_what_has_fallen_due_is_explained_before_it_is_booked(house: House) -> None:
    await house.booked("earn", amount=100, effectiveAt=ago(days=9), validTo=ahead(days=1))
    document = (await get(house, "explanation", definitionId=1, effectiveAt=ahead(days=2))).json()
    due, earned = document["transactions"]
    assert (due["kind"], due["net"]) == ("expiry", -100)
    assert "transactionId" not in due
    assert (earned["kind"], earned["net"]) == ("earn", 100)
    (lot,) = document["lots"]
    assert (lot["lot"]["lapsed"], lot["lot"]["available"]) == (100, 0)
    assert [(one["kind"], one["to"]) for one in lot["steps"]] == [("expiry", "expired")]


async def test_a_long_history_is_told_in_part_and_still_adds_up(house: House) -> None:
    for number in range(12):
        await house.booked("earn", amount=10 + number)
        await house.booked("redeem", amount=9)
    full = (await get(house, "explanation", definitionId=1)).json()
    part = (await get(house, "explanation", definitionId=1, limit=5)).json()
    assert len(full["transactions"]) == 24
    assert "earlier" not in full
    assert part["transactions"] == full["transactions"][:5]
    assert part["earlier"]["transactions"] == 19
    net = part["earlier"]["net"] + sum(one["net"] for one in part["transactions"])
    available = part["otherLots"]["available"] + sum(
        one["lot"]["available"] for one in part["lots"]
    )
    assert net == available == part["balance"]["available"] == await house.available()
    assert part["otherLots"]["lots"] + len(part["lots"]) == 12


async def test_moved_points_are_traced_to_the_earn_they_came_from(house: House) -> None:
    friend, end = str(uuid4()), str(uuid4())
    earned = await house.booked("earn", amount=50, effectiveAt=ago(days=3))
    await house.booked("move", amount=50, to={"contactId": friend})
    await house.booked("move", contactId=friend, amount=30, to={"contactId": end})
    spent = await house.booked("redeem", contactId=end, amount=20)
    lots = (await house.http.get(f"/v1/contacts/{end}/lots")).json()["lots"]
    origin = {
        "transactionId": earned["transactionId"],
        "kind": "earn",
        "effectiveAt": earned["effectiveAt"],
        "contactId": str(house.contact),
    }
    assert [(one["kind"], one["available"], one["origin"]) for one in lots] == [
        ("receive", 10, origin)
    ]
    (source,) = (await explained(house, spent))["sources"]
    assert (source["amount"], source["origin"]) == (20, origin)


async def test_an_explanation_needs_to_know_of_which_points(house: House) -> None:
    assert found_errors(problem(await get(house, "explanation"))) == [("definitionId", "missing")]
    unknown = await get(house, "explanation", definitionId=99)
    assert (unknown.status_code, problem(unknown)["code"]) == (422, "definition_unknown")
    nobody = (await get(house, "explanation", definitionId=1)).json()
    assert (nobody["lots"], nobody["transactions"]) == ([], [])
    missing = await house.http.get(f"/v1/transactions/{uuid4()}/explanation")
    assert missing.status_code == 404


async def test_a_history_too_long_for_one_request_is_refused(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    earned = [await house.booked("earn", amount=1) for _ in range(3)]
    monkeypatch.setattr(reading_as_of, "HISTORY_MAX", 2)
    for response in (
        await get(house, "balances", effectiveAt=ago(days=1)),
        await get(house, "lots"),
        await get(house, "explanation", definitionId=1),
        await house.http.get(f"/v1/transactions/{earned[0]['transactionId']}/explanation"),
    ):
        assert response.status_code == 422
        assert problem(response)["code"] == "history_too_long"
    assert await house.available() == 3


async def test_pages_of_transactions_do_not_shift(house: House) -> None:
    keys = [(await house.booked("earn", amount=1))["idempotencyKey"] for _ in range(7)]
    seen: list[str] = []
    cursor: dict[str, str] = {}
    while True:
        page = (await get(house, "transactions", limit=3, **cursor)).json()
        seen += [one["idempotencyKey"] for one in page["transactions"]]
        await house.booked("earn", amount=1)
        if "nextCursor" not in page:
            break
        cursor = {"cursor": page["nextCursor"]}
    assert seen == keys[::-1]
    somebody = await house.booked("earn", amount=1, contactId=str(uuid4()))
    stranger = write_cursor(UUID(somebody["transactionId"]))
    response = await get(house, "transactions", cursor=stranger)
    assert found_errors(problem(response)) == [("cursor", "cursor_invalid")]
