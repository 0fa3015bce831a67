"""What a contact has and what happened to it, read through the doors."""

import asyncio
from datetime import datetime, timedelta
from typing import Any

import pytest

from tests.doors.house import House, found_errors, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")


async def test_a_contact_nobody_knows_has_nothing(house: House) -> None:
    response = await house.http.get(f"/v1/contacts/{str(house.contact).upper()}/balances")
    assert response.status_code == 200
    document = response.json()
    assert document["contactId"] == str(house.contact)
    nothing = {"available": 0, "pending": 0, "held": 0, "debt": 0}
    assert document["balances"] == [
        {"definitionId": 1, "name": "Points", **nothing},
        {"definitionId": 2, "name": "Credits", **nothing},
        {"definitionId": 3, "name": "Strict", **nothing},
    ]


async def test_balances_tell_buckets_apart_and_when_they_change(house: House) -> None:
    await house.booked("earn", amount=100, validTo="2999-06-30T22:00:00Z")
    await house.booked("earn", amount=40, validFrom="2998-01-01T00:00:00Z")
    await house.booked("redeem", amount=130, allowDebt=True, definitionId=2)
    one = (await house.http.get(f"/v1/contacts/{house.contact}/balances")).json()["balances"]
    assert one[0] == {
        "definitionId": 1,
        "name": "Points",
        "available": 100,
        "pending": 40,
        "held": 0,
        "debt": 0,
        "nextChangeAt": "2998-01-01T00:00:00Z",
    }
    assert (one[1]["available"], one[1]["debt"]) == (0, 130)


async def test_points_become_valid_and_lapse_at_their_moment_without_any_job(house: House) -> None:
    clock = "select clock_timestamp()"
    now: datetime = await house.service.pool.fetchval(clock)
    soon, end = now + timedelta(seconds=1), now + timedelta(seconds=2)
    await house.booked("earn", amount=7, validFrom=soon.isoformat(), validTo=end.isoformat())
    before, found = now, None
    while before < end:
        before = await house.service.pool.fetchval(clock)
        found = await house.available()
        after = await house.service.pool.fetchval(clock)
        # However slow the machine: what was read wholly within a time is as it was then.
        if after < soon or before >= end:
            assert found == 0
        elif soon <= before and after < end:
            assert found == 7
        await asyncio.sleep(0.02)
    assert found == 0


async def test_pages_are_whole_and_do_not_shift(house: House) -> None:
    booked = [await house.booked("earn", amount=amount) for amount in range(1, 8)]
    path = f"/v1/contacts/{house.contact}/transactions"
    seen: list[dict[str, Any]] = []
    query: dict[str, Any] = {"limit": 3}
    while True:
        page = (await house.http.get(path, params=query)).json()
        seen += page["transactions"]
        await house.booked("earn", amount=100)
        if "nextCursor" not in page:
            break
        query["cursor"] = page["nextCursor"]
    assert seen == booked[::-1]


async def test_a_contacts_transactions_of_one_definition(house: House) -> None:
    await house.booked("earn", amount=1)
    credits_earned = await house.booked("earn", amount=2, definitionId=2)
    path = f"/v1/contacts/{house.contact}/transactions"
    page = (await house.http.get(path, params={"definitionId": 2})).json()
    assert page == {"transactions": [credits_earned]}


@pytest.mark.parametrize(
    ("query", "status", "field", "code"),
    [
        ("definitionId=99", 422, "definitionId", "definition_unknown"),
        ("definitionId=x", 400, "definitionId", "wrong_type"),
        ("definitionId=0", 400, "definitionId", "out_of_range"),
        ("definitionId=1&definitionId=2", 400, "definitionId", "duplicate"),
        ("definitonId=1", 400, "definitonId", "unknown"),
        ("definitionId=%FF", 400, "query", "wrong_type"),
        ("limit=0", 400, "limit", "out_of_range"),
        ("limit=201", 400, "limit", "out_of_range"),
        ("limit=1e1", 400, "limit", "out_of_range"),
        ("cursor=", 400, "cursor", "cursor_invalid"),
        ("cursor=AAAA", 400, "cursor", "cursor_invalid"),
        ("cursor=MTo5OTk5OTk5OTk5OTk5OTk5OTk5OTk5", 400, "cursor", "cursor_invalid"),
        ("x=" + "y" * 9000, 400, "query", "too_long"),
    ],
)
async def test_queries_are_read_strictly(
    house: House, query: str, status: int, field: str, code: str
) -> None:
    response = await house.http.get(f"/v1/contacts/{house.contact}/transactions?{query}")
    assert response.status_code == status
    assert found_errors(problem(response)) == [(field, code)]


@pytest.mark.parametrize(
    ("contact", "code"),
    [
        ("1001", "guid_invalid"),
        ("{1dfe06cd-a1be-4423-8ed4-afd900d998aa}", "guid_invalid"),
        ("1dfe06cd-a1be-4423-8ed4-afd900d998aag", "guid_invalid"),
        ("00000000-0000-0000-0000-000000000000", "guid_nil"),
    ],
)
async def test_wrong_guids_in_addresses(house: House, contact: str, code: str) -> None:
    response = await house.http.get(f"/v1/contacts/{contact}/balances")
    assert response.status_code == 400
    assert found_errors(problem(response)) == [("contactId", code)]


async def test_a_transaction_by_key_needs_the_key(house: House) -> None:
    response = await house.http.get("/v1/transactions")
    assert found_errors(problem(response)) == [("idempotencyKey", "missing")]


async def test_the_trial_balance_has_both_sides(house: House) -> None:
    before = (await house.http.get("/v1/finance/trial-balance")).json()
    earned = await house.booked("earn", amount=100)
    await house.booked("redeem", amount=30)
    await house.booked("return", reverses={"transactionId": earned["transactionId"]})
    await house.booked("adjust", amount=-5)
    after = (await house.http.get("/v1/finance/trial-balance")).json()
    assert after["balanced"] is True

    def moved(account: str) -> int:
        """How far an account moved to its credit side."""
        net = [
            next(
                line["credit"] - line["debit"]
                for line in trial["definitions"][0]["lines"]
                if line["account"] == account
            )
            for trial in (before, after)
        ]
        return int(net[1] - net[0])

    # 100 earned, 30 spent, all taken back, 5 corrected: the contact owes 35.
    assert (moved("debt"), moved("available")) == (-35, 0)
    assert (moved("issued"), moved("redeemed"), moved("adjusted")) == (0, 30, 5)
    assert after["definitions"][0]["difference"] == 0
