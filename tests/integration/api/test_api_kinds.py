"""Every kind of transaction through the doors: what is booked, and what the answer tells of it."""

from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import httpx
import pytest

from api.access.scopes import Scope
from api.documents.requests import REQUESTS
from tests.doors.house import House, found_errors, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

NOTHING = {"available": 0, "pending": 0, "held": 0, "debt": 0}


def holding(**buckets: int) -> dict[str, int]:
    return {**NOTHING, **buckets}


def ahead(**of_now: float) -> str:
    return (datetime.now(UTC) + timedelta(**of_now)).isoformat()


def ago(**before_now: float) -> str:
    return (datetime.now(UTC) - timedelta(**before_now)).isoformat()


async def refusal(house: House, kind: str, **more: Any) -> str:
    """The code with which a request is refused by a rule."""
    response = await house.post(kind, **more)
    assert response.status_code == 422, response.text
    return str(problem(response)["code"])


async def test_a_checkout_holds_points_and_spends_some_of_them(house: House) -> None:
    await house.booked("earn", amount=100)
    expires = ahead(minutes=15)
    held = await house.booked("hold", amount=80, holdExpiresAt=expires)
    assert held["balance"] == holding(available=20, held=80)
    assert datetime.fromisoformat(held["holdExpiresAt"]) == datetime.fromisoformat(expires)
    captured = await house.booked("capture", holdId=held["transactionId"], amount=50)
    assert (captured["amount"], captured["released"]) == (50, 30)
    assert captured["holdId"] == held["transactionId"]
    assert "reverses" not in captured
    assert captured["balance"] == holding(available=50)
    again = await house.post("release", holdId=held["transactionId"])
    assert (again.status_code, problem(again)["code"]) == (422, "hold_ended")
    assert found_errors(problem(again)) == [("holdId", "hold_ended")]


async def test_a_till_that_lost_the_answer_names_the_hold_by_its_key(house: House) -> None:
    await house.booked("earn", amount=10)
    held = await house.booked("hold", amount=10)
    assert "holdExpiresAt" not in held
    released = await house.booked("release", holdKey=held["idempotencyKey"])
    assert (released["amount"], released["released"]) == (10, 10)
    assert released["holdId"] == held["transactionId"]
    assert released["balance"] == holding(available=10)


async def test_a_hold_that_is_short_or_over_is_refused(house: House) -> None:
    await house.booked("earn", amount=10)
    assert await refusal(house, "hold", amount=11) == "insufficient_points"
    assert await refusal(house, "hold", amount=1, holdExpiresAt=ago(seconds=1)) == "hold_over"
    held = await house.booked("hold", amount=10)
    too_much = await refusal(house, "capture", holdId=held["transactionId"], amount=11)
    assert too_much == "capture_exceeds_hold"
    assert await refusal(house, "capture", holdId=str(uuid4())) == "original_unknown"


async def test_a_cancelled_redemption_gives_points_back_and_tells_which_had_lapsed(
    house: House,
) -> None:
    await house.booked("earn", amount=50, effectiveAt=ago(days=9), validTo=ago(days=2))
    await house.booked("earn", amount=50, effectiveAt=ago(days=8))
    spent = await house.booked("redeem", amount=80, effectiveAt=ago(days=7))
    part = await house.booked(
        "cancel", reverses={"transactionId": spent["transactionId"]}, part=40, whole=80
    )
    assert (part["amount"], part["part"], part["whole"]) == (40, 40, 80)
    assert part["reverses"] == spent["transactionId"]
    assert part["lapsed"] == 10
    rest = await house.booked("cancel", reverses={"idempotencyKey": spent["idempotencyKey"]})
    assert (rest["amount"], rest["lapsed"]) == (40, 40)
    assert rest["balance"] == holding(available=50)
    more = await refusal(
        house, "cancel", reverses={"transactionId": spent["transactionId"]}, amount=1
    )
    assert more == "return_exceeds_original"
    again = await refusal(house, "cancel", reverses={"transactionId": spent["transactionId"]})
    assert again == "nothing_left"


async def test_debt_is_told_when_it_arises_and_when_it_is_repaid(house: House) -> None:
    await house.booked("earn", amount=30)
    owing = await house.booked("redeem", amount=50, allowDebt=True)
    assert owing["debtAdded"] == 20
    assert owing["balance"] == holding(debt=20)
    earned = await house.booked("earn", amount=25)
    assert earned["debtRepaid"] == 20
    assert earned["balance"] == holding(available=5)


async def test_a_gift_keeps_its_expiry_and_both_halves_name_each_other(house: House) -> None:
    friend = str(uuid4())
    end = ahead(days=30)
    await house.booked("earn", amount=50, validTo=end)
    await house.booked("earn", amount=50)
    moved = await house.booked("move", amount=60, to={"contactId": friend})
    assert moved["balance"] == holding(available=40)
    received = (await house.http.get(f"/v1/transactions/{moved['linked']}")).json()
    assert (received["kind"], received["contactId"], received["amount"]) == ("receive", friend, 60)
    assert received["linked"] == moved["transactionId"]
    assert "idempotencyKey" not in received
    assert [(term["amount"], term["validTo"] is None) for term in received["terms"]] == [
        (50, False),
        (10, True),
    ]
    assert "validTo" not in received
    balances = (await house.http.get(f"/v1/contacts/{friend}/balances")).json()["balances"]
    assert balances[0]["available"] == 60


async def test_moving_everything_takes_debt_along(house: House) -> None:
    owing = str(uuid4())
    await house.booked("redeem", contactId=owing, amount=30, allowDebt=True)
    await house.booked("earn", amount=50)
    await house.booked("earn", amount=7, validFrom=ahead(days=1))
    moved = await house.booked(
        "move", contactId=owing, everything=True, to={"contactId": str(house.contact)}
    )
    assert (moved["amount"], moved["debtRepaid"]) == (-30, 30)
    assert moved["balance"] == NOTHING
    received = (await house.http.get(f"/v1/transactions/{moved['linked']}")).json()
    assert received["balance"] == holding(available=20, pending=7)


async def test_moves_that_cannot_be(house: House) -> None:
    await house.booked("earn", amount=50)
    me = str(house.contact)
    assert await refusal(house, "move", amount=1, to={"contactId": me}) == "move_to_itself"
    assert await refusal(house, "move", amount=1, to={"definitionId": 2}) == "scales_differ"
    assert await refusal(house, "move", amount=51, to={"definitionId": 3}) == "insufficient_points"
    unknown = await house.post("move", amount=1, to={"definitionId": 99})
    assert found_errors(problem(unknown)) == [("to.definitionId", "definition_unknown")]
    moved = await house.booked("move", amount=50, to={"definitionId": 3})
    assert moved["balance"] == NOTHING
    assert await house.available(3) == 50


async def test_pending_points_can_be_activated_or_put_off(house: House) -> None:
    earned = await house.booked("earn", amount=50, validFrom=ahead(days=10))
    assert earned["balance"] == holding(pending=50)
    reverses = {"transactionId": earned["transactionId"]}
    later = ahead(days=12)
    put_off = await house.booked("extend", reverses=reverses, validFrom=later)
    assert put_off["reverses"] == earned["transactionId"]
    assert datetime.fromisoformat(put_off["validFrom"]) == datetime.fromisoformat(later)
    assert put_off["validTo"] is None
    activated = await house.booked("activate", reverses=reverses)
    assert (activated["amount"], activated["balance"]) == (50, holding(available=50))
    assert activated["validFrom"] == activated["effectiveAt"]
    assert await refusal(house, "activate", reverses=reverses) == "nothing_pending"


async def test_points_can_be_given_a_longer_life_and_no_shorter_one(house: House) -> None:
    earned = await house.booked("earn", amount=50, validTo=ahead(days=10))
    reverses = {"idempotencyKey": earned["idempotencyKey"]}
    shorter = await refusal(house, "extend", reverses=reverses, validTo=ahead(days=9))
    assert shorter == "not_extended"
    body = {**house.asks("extend", reverses=reverses), "validTo": None}
    extended = (await house.http.post("/v1/transactions", json=body)).json()
    assert (extended["amount"], extended["validTo"]) == (50, None)


async def test_a_closed_account_takes_nothing_more(house: House) -> None:
    assert await refusal(house, "close") == "no_account"
    await house.booked("earn", amount=50)
    held = await house.booked("hold", amount=20)
    assert await refusal(house, "close") == "points_held"
    await house.booked("release", holdId=held["transactionId"])
    closed = await house.booked("close")
    assert (closed["amount"], closed["balance"]) == (50, NOTHING)
    assert await refusal(house, "earn", amount=1) == "account_closed"


async def test_every_kind_is_answered_the_same_when_it_is_repeated(house: House) -> None:
    def named(word: str) -> dict[str, str]:
        return {"idempotencyKey": f"{house.contact} {word}"}

    asked: list[dict[str, Any]] = [
        house.asks("earn", amount=100, **named("earned")),
        house.asks("earn", amount=9, validFrom=ahead(days=9), validTo=ahead(days=30), **named("b")),
        house.asks("extend", reverses=named("b"), validTo=ahead(days=40)),
        house.asks("activate", reverses=named("b")),
        house.asks("hold", amount=10, **named("held")),
        house.asks("capture", holdKey=named("held")["idempotencyKey"], amount=4),
        house.asks("hold", amount=1, **named("left")),
        house.asks("release", holdKey=named("left")["idempotencyKey"]),
        house.asks("redeem", amount=5, **named("spent")),
        house.asks("cancel", reverses=named("spent"), amount=2),
        house.asks("return", reverses=named("earned"), amount=3),
        house.asks("adjust", amount=-1),
        house.asks("move", amount=1, to={"definitionId": 3}),
        house.asks("move", everything=True, to={"contactId": str(uuid4())}),
        house.asks("close"),
    ]
    assert {one["kind"] for one in asked} == set(REQUESTS)
    first = [await house.http.post("/v1/transactions", json=one) for one in asked]
    assert [one.status_code for one in first] == [201] * len(asked), [one.text for one in first]
    again = [await house.http.post("/v1/transactions", json=one) for one in asked]
    assert [one.status_code for one in again] == [200] * len(asked)
    assert [one.content for one in again] == [one.content for one in first]
    by_id = [await house.http.get(one.headers["location"]) for one in first]
    assert [one.content for one in by_id] == [one.content for one in first]
    batch = (await house.http.post("/v1/transactions/batch", json={"transactions": asked})).json()
    assert batch["replayed"] == len(asked)
    assert [one["transaction"] for one in batch["outcomes"]] == [one.json() for one in first]


async def test_points_moved_in_a_batch_can_be_spent_by_who_received_them(house: House) -> None:
    friend = str(uuid4())
    items = [
        house.asks("earn", amount=30),
        house.asks("move", amount=30, to={"contactId": friend}),
        house.asks("redeem", contactId=friend, amount=30),
    ]
    batch = (await house.http.post("/v1/transactions/batch", json={"transactions": items})).json()
    assert batch["booked"] == 3


async def test_what_happened_in_a_closed_period_is_booked_in_the_open_one(house: House) -> None:
    other = await house.client(await house.key(Scope.ADMIN, tenant="other"))
    await house.service.books.close_period(
        house.service.catalogue.tenants["other"].id, datetime(2026, 11, 1, tzinfo=UTC)
    )
    late = {"amount": 10, "effectiveAt": "2026-10-20T10:00:00Z"}
    strictly = await other.post("/v1/transactions", json=house.asks("earn", strict=True, **late))
    assert problem(strictly)["code"] == "period_closed"
    booked = await other.post("/v1/transactions", json=house.asks("earn", strict=False, **late))
    document = booked.json()
    assert booked.status_code == 201
    assert document["effectiveAt"] == "2026-11-01T00:00:00Z"
    assert document["occurredAt"] == "2026-10-20T10:00:00Z"


async def test_times_in_a_request_that_have_no_meaning_are_refused(house: House) -> None:
    for kind, more in (
        ("close", {"effectiveAt": ago(days=1)}),
        ("move", {"everything": True, "to": {"definitionId": 3}, "effectiveAt": ago(days=1)}),
    ):
        response: httpx.Response = await house.post(kind, **more)
        assert response.status_code == 400
        assert problem(response)["errors"][0]["field"] == "effectiveAt"
