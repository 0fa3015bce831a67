"""Posting through the doors: what is booked, what is repeated, what is refused."""

import asyncio
import gzip
import json
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import uuid4

import pytest

from api.intake import bodies
from tests.doors.house import House, found_errors, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_purchase_is_booked_and_can_be_read_back(house: House) -> None:
    response = await house.post("earn", amount=250, effectiveAt="2026-11-20T10:00:00+01:00")
    assert response.status_code == 201
    document = response.json()
    assert document["contactId"] == str(house.contact)
    assert (document["kind"], document["amount"]) == ("earn", 250)
    assert document["effectiveAt"] == "2026-11-20T09:00:00Z"
    assert document["transfers"] == [
        {
            "debit": "issued",
            "credit": "available",
            "amount": 250,
            "effectiveAt": "2026-11-20T09:00:00Z",
        }
    ]
    assert document["balance"] == {"available": 250, "pending": 0, "held": 0, "debt": 0}
    assert document["validTo"] is None

    by_id = await house.http.get(response.headers["location"])
    by_key = await house.http.get(
        "/v1/transactions", params={"idempotencyKey": document["idempotencyKey"]}
    )
    assert by_id.content == by_key.content == response.content


async def test_the_same_again_is_answered_with_the_same_bytes(house: House) -> None:
    asked = house.asks("earn", amount=10, validTo="2999-12-31T00:00:00Z", actor="till 4")
    first = await house.http.post("/v1/transactions", json=asked)
    await house.booked("redeem", amount=4)
    shouted = {**asked, "contactId": str(house.contact).upper()}
    again = await house.http.post("/v1/transactions", json=dict(reversed(shouted.items())))
    assert (first.status_code, again.status_code) == (201, 200)
    assert again.headers["idempotency-replayed"] == "true"
    assert "idempotency-replayed" not in first.headers
    assert again.content == first.content
    assert await house.available() == 6


async def test_a_return_is_answered_the_same_when_it_is_repeated(house: House) -> None:
    earned = await house.booked("earn", amount=100)
    await house.booked("redeem", amount=70)
    asked = house.asks("return", reverses={"transactionId": earned["transactionId"]})
    first = await house.http.post("/v1/transactions", json=asked)
    again = await house.http.post("/v1/transactions", json=asked)
    assert first.content == again.content
    document = first.json()
    assert (document["amount"], document["reversed"], document["notReversed"]) == (100, 100, 0)
    assert document["reverses"] == earned["transactionId"]
    assert document["balance"] == {"available": 0, "pending": 0, "held": 0, "debt": 70}


async def test_what_a_return_could_not_take_back_is_told(house: House) -> None:
    earned = await house.booked("earn", amount=100, definitionId=3)
    await house.booked("redeem", amount=70, definitionId=3)
    document = await house.booked(
        "return", definitionId=3, reverses={"idempotencyKey": earned["idempotencyKey"]}
    )
    assert (document["reversed"], document["notReversed"]) == (30, 70)
    assert document["balance"]["debt"] == 0


async def test_partial_returns_round_over_all_of_them(house: House) -> None:
    earned = await house.booked("earn", amount=100)
    reverses = {"transactionId": earned["transactionId"]}
    # A third of 100 points three times: 33, 33 and 34, never 99.
    amounts = [
        (await house.booked("return", reverses=reverses, part=10.1, whole=30.3))["amount"]
        for _ in range(3)
    ]
    assert amounts == [33, 33, 34]
    assert await house.available() == 0


async def test_amounts_are_exact_to_the_definitions_scale(house: House) -> None:
    body = json.dumps(house.asks("earn", definitionId=2, amount="?")).replace('"?"', "0.10")
    response = await house.http.post(
        "/v1/transactions", content=body, headers={"Content-Type": "application/json"}
    )
    assert response.status_code == 201
    assert b'"amount":0.1,' in response.content
    await house.booked("earn", definitionId=2, amount=0.2)
    assert await house.available(2) == 0.3


async def test_another_content_under_a_known_key_is_a_conflict(house: House) -> None:
    asked = house.asks("earn", amount=10)
    await house.http.post("/v1/transactions", json=asked)
    response = await house.http.post("/v1/transactions", json={**asked, "amount": 11})
    assert response.status_code == 409
    assert problem(response)["code"] == "idempotency_key_reused"
    assert await house.available() == 10


async def test_a_refusal_leaves_the_key_free(house: House) -> None:
    asked = house.asks("redeem", amount=10)
    refused = await house.http.post("/v1/transactions", json=asked)
    assert refused.status_code == 422
    document = problem(refused)
    assert document["code"] == "insufficient_points"
    assert found_errors(document) == [("amount", "insufficient_points")]
    assert document["detail"] == "amount 0 available, 10 needed"
    await house.booked("earn", amount=10)
    assert (await house.http.post("/v1/transactions", json=asked)).status_code == 201


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"definitionId": 99}, "definition_unknown", "definitionId"),
        ({"effectiveAt": "2999-01-01T00:00:00Z"}, "effective_at_in_future", "effectiveAt"),
        (
            {"effectiveAt": "2026-01-02T00:00:00Z", "validFrom": "2026-01-01T00:00:00Z"},
            "valid_from_before_effective_at",
            "validFrom",
        ),
        (
            {"effectiveAt": "2026-01-02T00:00:00Z", "validTo": "2026-01-02T00:00:00Z"},
            "validity_empty",
            "validTo",
        ),
    ],
)
async def test_the_rules_of_the_books_have_codes(
    house: House, changes: dict[str, Any], code: str, field: str
) -> None:
    response = await house.http.post(
        "/v1/transactions", json={**house.asks("earn", amount=10), **changes}
    )
    assert response.status_code == 422
    assert problem(response)["code"] == code
    assert found_errors(problem(response)) == [(field, code)]


async def test_fifty_at_once_with_one_key_book_once(house: House) -> None:
    asked = house.asks("earn", amount=10)
    responses = await asyncio.gather(
        *(house.http.post("/v1/transactions", json=asked) for _ in range(50))
    )
    assert sorted(response.status_code for response in responses) == [200] * 49 + [201]
    assert len({response.content for response in responses}) == 1
    assert await house.available() == 10


async def test_fifty_at_once_spend_what_there_is_and_no_more(house: House) -> None:
    await house.booked("earn", amount=30)
    responses = await asyncio.gather(*(house.post("redeem", amount=1) for _ in range(50)))
    codes = sorted(response.status_code for response in responses)
    assert codes == [201] * 30 + [422] * 20
    assert await house.available() == 0


async def test_one_item_that_cannot_be_read_harms_no_other(house: House) -> None:
    good, poor = house.asks("earn", amount=10), house.asks("redeem", amount=999)
    items = [
        good,
        {**house.asks("earn", amount=10), "effectiveAt": "2026-11-20T10:00:00"},
        good,
        poor,
        17,
        house.asks("redeem", amount=4),
    ]
    response = await house.http.post("/v1/transactions/batch", json={"transactions": items})
    assert response.status_code == 200
    document = response.json()
    outcomes = document["outcomes"]
    assert [one["status"] for one in outcomes] == [
        "booked",
        "refused",
        "replayed",
        "refused",
        "refused",
        "booked",
    ]
    assert (document["booked"], document["replayed"], document["refused"]) == (2, 1, 3)
    assert found_errors(outcomes[1]["problem"]) == [("effectiveAt", "time_naive")]
    assert outcomes[2]["transaction"] == outcomes[0]["transaction"]
    assert outcomes[3]["problem"]["code"] == "insufficient_points"
    assert found_errors(outcomes[4]["problem"]) == [("", "wrong_type")]
    assert await house.available() == 6


async def test_an_atomic_batch_is_booked_whole_or_not_at_all(house: House) -> None:
    earn, redeem = house.asks("earn", amount=10), house.asks("redeem", amount=11)
    response = await house.http.post(
        "/v1/transactions/batch", json={"transactions": [earn, earn, redeem], "atomic": True}
    )
    codes = [one["problem"]["code"] for one in response.json()["outcomes"]]
    assert codes == ["batch_not_booked", "batch_not_booked", "insufficient_points"]
    assert await house.available() == 0

    unreadable = {**redeem, "amount": "11"}
    response = await house.http.post(
        "/v1/transactions/batch", json={"transactions": [earn, unreadable], "atomic": True}
    )
    codes = [one["problem"]["code"] for one in response.json()["outcomes"]]
    assert codes == ["batch_not_booked", "request_invalid"]

    redeem["amount"] = 9
    response = await house.http.post(
        "/v1/transactions/batch", json={"transactions": [earn, redeem], "atomic": True}
    )
    assert response.json()["booked"] == 2
    assert await house.available() == 1


async def test_a_repeated_batch_is_answered_from_the_books(house: House) -> None:
    batch = {"transactions": [house.asks("earn", amount=1) for _ in range(20)]}
    first = (await house.http.post("/v1/transactions/batch", json=batch)).json()
    again = (await house.http.post("/v1/transactions/batch", json=batch)).json()
    assert (first["booked"], again["replayed"]) == (20, 20)
    assert [one["transaction"] for one in again["outcomes"]] == [
        one["transaction"] for one in first["outcomes"]
    ]


async def test_a_thousand_fit_into_a_batch_and_no_more(house: House) -> None:
    items = [house.asks("earn", amount=1) for _ in range(1001)]
    refused = await house.http.post("/v1/transactions/batch", json={"transactions": items})
    assert refused.status_code == 413
    assert problem(refused)["detail"] == "the batch has 1001 items, 1000 are allowed"
    booked = await house.http.post("/v1/transactions/batch", json={"transactions": items[:1000]})
    assert booked.json()["booked"] == 1000
    assert await house.available() == 1000


async def test_a_body_of_more_than_two_mebibytes_is_refused(house: House) -> None:
    for path in ("/v1/transactions", "/v1/transactions/batch"):
        response = await house.http.post(
            path, content=b" " * (2 * 1024 * 1024 + 1), headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 413
        assert problem(response)["code"] == "body_too_large"


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"", "json_invalid"),
        (b"{", "json_invalid"),
        (b"\xff", "json_invalid"),
        (b"[" * 100_000, "json_invalid"),
        (b"[]", "request_invalid"),
        (b"{}", "request_invalid"),
        (b"null", "request_invalid"),
    ],
)
async def test_bodies_that_are_no_transaction(house: House, body: bytes, code: str) -> None:
    for path in ("/v1/transactions", "/v1/transactions/batch"):
        response = await house.http.post(
            path, content=body, headers={"Content-Type": "application/json"}
        )
        assert response.status_code == 400
        assert problem(response)["code"] == code


@pytest.mark.parametrize(
    "batch",
    [
        {"transactions": []},
        {"transactions": [], "transaction": []},
        {"transactions": {}},
        {"transactions": [{}], "atomic": "yes"},
    ],
)
async def test_batches_of_the_wrong_form(house: House, batch: dict[str, Any]) -> None:
    response = await house.http.post("/v1/transactions/batch", json=batch)
    assert response.status_code == 400
    assert problem(response)["code"] == "request_invalid"


async def test_a_field_given_twice_is_refused_wherever_it_stands(house: House) -> None:
    item = json.dumps(house.asks("earn", amount=10))
    twice = item.replace('"amount": 10', '"amount": 10, "amount": 1000')
    headers = {"Content-Type": "application/json"}
    one = await house.http.post("/v1/transactions", content=twice, headers=headers)
    assert found_errors(problem(one)) == [("amount", "duplicate")]
    many = await house.http.post(
        "/v1/transactions/batch", content=f'{{"transactions": [{twice}, {item}]}}', headers=headers
    )
    assert [outcome["status"] for outcome in many.json()["outcomes"]] == ["refused", "booked"]
    around = await house.http.post(
        "/v1/transactions/batch",
        content=f'{{"transactions": [{item}], "transactions": [{item}]}}',
        headers=headers,
    )
    assert found_errors(problem(around)) == [("transactions", "duplicate")]


@pytest.mark.parametrize("media_type", ["text/plain", "application/xml", "", "application/jsonx"])
async def test_only_json_is_taken(house: House, media_type: str) -> None:
    response = await house.http.post(
        "/v1/transactions",
        content=json.dumps(house.asks("earn", amount=1)),
        headers={"Content-Type": media_type},
    )
    assert response.status_code == 415
    assert problem(response)["code"] == "media_type_unsupported"


async def test_a_compressed_body_is_refused_as_such(house: House) -> None:
    body = gzip.compress(json.dumps(house.asks("earn", amount=1)).encode())
    headers = {"Content-Type": "application/json", "Content-Encoding": "gzip"}
    response = await house.http.post("/v1/transactions", content=body, headers=headers)
    assert response.status_code == 415
    assert problem(response)["detail"] == "send the body uncompressed"
    plain = {"Content-Encoding": "identity"}
    asked = house.asks("earn", amount=1)
    assert (await house.http.post("/v1/transactions", json=asked, headers=plain)).is_success


async def test_times_are_kept_in_microseconds(house: House) -> None:
    """As .NET writes them, with seven decimals."""
    earned = await house.booked("earn", amount=1, effectiveAt="2026-11-20T10:00:00.1234567Z")
    assert earned["effectiveAt"] == "2026-11-20T10:00:00.123457Z"


async def test_a_till_whose_clock_is_slow_may_say_now(house: House) -> None:
    slow = datetime.now(UTC) - timedelta(seconds=2)
    earned = await house.booked("earn", amount=1, validFrom=slow.isoformat())
    assert earned["validFrom"] == earned["effectiveAt"]
    hour = (datetime.now(UTC) - timedelta(hours=1)).isoformat()
    refused = problem(await house.post("earn", amount=1, validFrom=hour))
    assert refused["code"] == "valid_from_before_effective_at"
    assert "which is now unless it is said" in refused["detail"]


@pytest.mark.parametrize("query", ["%ff", "limit=%ff", "a=1&" * 60, "limit=" + "9" * 9000])
async def test_an_unreadable_query_is_no_body(house: House, query: str) -> None:
    path = f"/v1/contacts/{house.contact}/transactions?{query}"
    refused = problem(await house.http.get(path))
    assert refused["code"] == "request_invalid"
    assert refused["detail"].startswith("query ")
    assert "body" not in refused["detail"]


async def test_a_return_of_what_nobody_booked(house: House) -> None:
    for reverses in ({"transactionId": str(uuid4())}, {"idempotencyKey": "unknown"}):
        response = await house.post("return", reverses=reverses)
        assert response.status_code == 422
        assert problem(response)["code"] == "original_unknown"


async def test_a_body_that_does_not_come_in_time_is_not_waited_for(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bodies, "BODY_SECONDS_MAX", 0.1)

    host, port = house.address.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = f"POST /v1/transactions HTTP/1.1\r\nHost: {host}\r\nContent-Length: 100\r\n"
    kind = "Content-Type: application/json\r\n"
    authorization = f"Authorization: {house.http.headers['authorization']}\r\n\r\n"
    writer.write((head + kind + authorization + '{"kind":').encode())
    answer = await reader.read()  # to its end: the connection is closed
    writer.close()
    assert answer.startswith(b"HTTP/1.1 408 ")
    assert b'"code":"body_too_slow"' in answer
