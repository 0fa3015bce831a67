"""The doors of finance: every balance as pages and as a file, reports, periods."""

import asyncio
import csv
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from io import BytesIO, StringIO
from typing import Any
from uuid import uuid4

import pytest

from api import streaming
from api.access.scopes import Scope
from api.routes import finance_balances
from api.streaming import BrokenOffError, Give, Pieces
from tests.doors.house import House, found_errors, problem

pytestmark = pytest.mark.asyncio(loop_scope="module")

JSON_MAX = 200


async def pages(house: House, **asked: Any) -> list[dict[str, Any]]:
    """Every page of balances, each entry once."""
    found: list[dict[str, Any]] = []
    cursor: dict[str, str] = {}
    while True:
        response = await house.http.get("/v1/finance/balances", params={**asked, **cursor})
        assert response.status_code == 200, response.text
        document = response.json()
        assert len(document["balances"]) <= int(asked.get("limit", 50))
        found += document["balances"]
        if "nextCursor" not in document:
            return found
        cursor = {"cursor": document["nextCursor"], "effectiveAt": document["effectiveAt"]}


async def of_house(house: House, **asked: Any) -> list[dict[str, Any]]:
    """Those of the house's own contact."""
    found = await pages(house, limit=JSON_MAX, **asked)
    return [one for one in found if one.get("contactId") == str(house.contact)]


async def test_every_balance_is_listed_page_by_page_and_all_at_once(house: House) -> None:
    contacts = [uuid4() for _ in range(12)]
    for number, contact in enumerate(contacts, start=1):
        await house.booked("earn", contactId=str(contact), amount=number)
    await house.booked("earn", contactId=str(contacts[0]), definitionId=2, amount=12.5)

    whole = await pages(house, limit=JSON_MAX)
    assert [(one["holderId"], one["definitionId"]) for one in whole] == sorted(
        (one["holderId"], one["definitionId"]) for one in whole
    )
    for limit in (1, 5):
        assert await pages(house, limit=limit) == whole
    only = await pages(house, limit=JSON_MAX, definitionId=2)
    assert only == [one for one in whole if one["definitionId"] == 2]

    answer = await house.http.get("/v1/finance/balances", headers={"Accept": "text/csv"})
    assert answer.headers["content-type"].startswith("text/csv")
    assert answer.headers["content-disposition"] == 'attachment; filename="balances.csv"'
    rows = list(csv.DictReader(StringIO(answer.text, newline="")))
    numbers = ("available", "pending", "held", "debt", "net")
    assert [
        {**row, "definitionId": int(row["definitionId"])}
        | {name: Decimal(row[name]) for name in numbers}
        for row in rows
    ] == [{**one} | {name: Decimal(str(one[name])) for name in numbers} for one in whole]

    parquet = pytest.importorskip("pyarrow.parquet")
    answer = await house.http.get(
        "/v1/finance/balances", headers={"Accept": "application/vnd.apache.parquet"}
    )
    table = parquet.read_table(BytesIO(answer.content))
    assert table.column_names[:3] == ["contactId", "holderId", "definitionId"]
    assert table.num_rows == len(whole)


async def test_balances_are_listed_as_of_any_instant_of_either_axis(house: House) -> None:
    now = datetime.now(UTC)
    yesterday, tomorrow = (now + timedelta(days=days) for days in (-1, 1))
    await house.booked(
        "earn", amount=100, effectiveAt=yesterday.isoformat(), validTo=tomorrow.isoformat()
    )
    after = datetime.now(UTC)
    await house.booked("redeem", amount=30)

    [current] = await of_house(house)
    assert (current["available"], current["net"]) == (70, 70)
    past = (now - timedelta(hours=1)).isoformat()
    [then] = await of_house(house, effectiveAt=past)
    assert then["available"] == 100
    assert await of_house(house, effectiveAt=tomorrow.isoformat()) == []
    [known] = await of_house(house, effectiveAt=after.isoformat(), recordedAt=after.isoformat())
    assert known["available"] == 100
    assert await of_house(house, recordedAt=past) == []

    headers = {"Accept": "text/csv"}
    asked = {"effectiveAt": past}
    answer = await house.http.get("/v1/finance/balances", params=asked, headers=headers)
    [row] = [line for line in answer.text.splitlines() if line.startswith(str(house.contact))]
    assert row.split(",")[3] == "100"


async def test_another_tenants_balances_are_not_listed(house: House) -> None:
    await house.booked("earn", amount=100)
    http = await house.client(await house.key(Scope.FINANCE_READ, tenant="other"))
    assert (await http.get("/v1/finance/balances")).json()["balances"] == []
    csv_answer = await http.get("/v1/finance/balances", headers={"Accept": "text/csv"})
    assert len(csv_answer.text.splitlines()) == 1


@pytest.mark.parametrize(
    ("asked", "headers", "found"),
    [
        ({"recordedAt": "2999-01-01T00:00:00Z"}, {}, ("recordedAt", "time_in_future")),
        ({"effectiveAt": "2026-01-01T00:00:00"}, {}, ("effectiveAt", "time_naive")),
        ({"cursor": "MTo0MQ"}, {}, ("cursor", "cursor_invalid")),
        ({"cursor": "x" * 65}, {}, ("cursor", "cursor_invalid")),
        ({"limit": "201"}, {}, ("limit", "out_of_range")),
        ({"limit": "5"}, {"Accept": "text/csv"}, ("limit", "not_together")),
        (
            {"recordedAt": "2999-01-01T00:00:00Z"},
            {"Accept": "text/csv"},
            ("recordedAt", "time_in_future"),
        ),
    ],
)
async def test_a_list_that_can_not_be_made_is_refused(
    house: House, asked: dict[str, str], headers: dict[str, str], found: tuple[str, str]
) -> None:
    response = await house.http.get("/v1/finance/balances", params=asked, headers=headers)
    assert response.status_code == 400
    assert found_errors(problem(response)) == [found]


@pytest.mark.parametrize(
    ("accepted", "found"),
    [
        ("*/*", "application/json"),
        ("", "application/json"),
        ("text/html", "application/json"),
        ("text/*;q=0.5, application/json;q=0.1", "text/csv"),
        ("text/csv;q=0, */*", "application/json"),
        ("text/csv, application/json;q=0.9", "text/csv"),
        ("TEXT/CSV; charset=utf-8", "text/csv"),
    ],
)
async def test_the_form_is_the_one_the_caller_wants_most(
    house: House, accepted: str, found: str
) -> None:
    response = await house.http.get("/v1/finance/balances", headers={"Accept": accepted})
    assert response.headers["content-type"].partition(";")[0] == found


async def test_only_so_many_files_are_made_at_once(
    house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(finance_balances, "FILES_AT_ONCE", 0)
    response = await house.http.get("/v1/finance/balances", headers={"Accept": "text/csv"})
    assert problem(response)["code"] == "too_many_requests"
    assert response.headers["retry-after"] == "10"


async def test_a_file_nobody_takes_gives_everything_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(streaming, "STALLED_SECONDS_MAX", 0.05)
    ended: list[Pieces] = []
    given_back = asyncio.Event()

    async def make(give: Give) -> None:
        try:
            for _ in range(10):
                await give(b"rows")
        finally:
            given_back.set()

    pieces = Pieces(make, ended=ended.append)
    await pieces.begin()
    await asyncio.wait_for(given_back.wait(), 5)
    await asyncio.sleep(0)
    assert ended == [pieces]
    with pytest.raises(BrokenOffError):
        assert [piece async for piece in pieces.every()] == [b"rows"]


async def test_a_file_that_breaks_off_is_not_ended_as_if_it_were_whole() -> None:
    async def make(give: Give) -> None:
        await give(b"one")
        await asyncio.sleep(0.01)
        raise OSError("the connection is gone")

    pieces = Pieces(make, ended=lambda _: None)
    await pieces.begin()
    taken = pieces.every()
    assert await anext(taken) == b"one"
    with pytest.raises(BrokenOffError):
        await anext(taken)


async def test_the_trial_balance_is_read_as_of_any_instant(house: House) -> None:
    before = datetime.now(UTC)
    await house.booked("earn", amount=100)

    async def issued(**asked: str) -> int:
        response = await house.http.get("/v1/finance/trial-balance", params=asked)
        document = response.json()
        assert document["balanced"]
        lines = {line["account"]: line for line in document["definitions"][0]["lines"]}
        found: int = lines["issued"]["debit"]
        return found

    assert await issued() - await issued(recordedAt=before.isoformat()) == 100
    assert await issued() - await issued(effectiveAt=before.isoformat()) == 100
    response = await house.http.get(
        "/v1/finance/trial-balance", params={"recordedAt": "2999-01-01T00:00:00Z"}
    )
    assert found_errors(problem(response)) == [("recordedAt", "time_in_future")]


async def test_a_period_rolls_forward(house: House) -> None:
    begins = datetime.now(UTC)
    await house.booked("earn", amount=100)
    await house.booked("redeem", amount=150, allowDebt=True)
    until = datetime.now(UTC) + timedelta(seconds=1)
    asked = {"from": begins.isoformat(), "until": until.isoformat()}
    document = (await house.http.get("/v1/finance/roll-forward", params=asked)).json()
    assert document["balanced"]
    points = document["definitions"][0]
    moved = {
        one["account"]: (one["toContacts"], one["fromContacts"], one["net"])
        for one in points["movements"]
        if one["net"]
    }
    assert moved == {"issued": (100, 0, 100), "redeemed": (0, 150, -150)}
    assert points["closingNet"] - points["openingNet"] == -50
    assert (points["debtIncurred"], points["debtSettled"]) == (50, 0)

    for wrong, field, code in (
        ({"from": begins.isoformat()}, "until", "missing"),
        ({"from": asked["until"], "until": asked["from"]}, "until", "out_of_range"),
        ({**asked, "until": "tomorrow"}, "until", "time_invalid"),
    ):
        response = await house.http.get("/v1/finance/roll-forward", params=wrong)
        assert found_errors(problem(response)) == [(field, code)]


async def test_points_are_told_by_their_age(house: House) -> None:
    ago = datetime.now(UTC) - timedelta(days=40)
    await house.booked("earn", amount=100, effectiveAt=ago.isoformat(), validTo=None)
    document = (await house.http.get("/v1/finance/ageing", params={"days": "30,60"})).json()
    assert document["balanced"]
    points = document["definitions"][0]
    bands = [(one.get("daysFrom"), one.get("daysTo")) for one in points["byAge"]]
    assert bands == [(0, 30), (30, 60), (60, None)]
    assert points["byAge"][1]["available"] >= 100
    assert "daysFrom" not in points["byExpiry"][-1]
    for days in ("", "0", "30,30", "60,30", "x", "1,", "40000", ",".join(map(str, range(1, 30)))):
        response = await house.http.get("/v1/finance/ageing", params={"days": days})
        assert found_errors(problem(response)) == [("days", "out_of_range")], days


async def test_a_period_is_closed_once_and_for_good(house: House) -> None:
    http = await house.client(
        await house.key(Scope.FINANCE_CLOSE, Scope.FINANCE_READ, tenant="other")
    )
    until = datetime.now(UTC) - timedelta(days=1)
    body = {"until": until.astimezone().isoformat()}
    first = await http.post("/v1/finance/periods", json=body)
    assert first.status_code == 201
    again = await http.post("/v1/finance/periods", json=body)
    assert again.status_code == 200
    assert again.content == first.content
    listed = (await http.get("/v1/finance/periods")).json()
    assert listed == {"periods": [first.json()]}

    for wrong in (until - timedelta(days=1), until + timedelta(days=2)):
        response = await http.post("/v1/finance/periods", json={"until": wrong.isoformat()})
        assert (response.status_code, problem(response)["code"]) == (409, "period_not_closable")
    for document, code in (
        ({}, "missing"),
        ({"until": "2026-01-01"}, "wrong_type"),
        ({"until": "2026-01-01T00:00:00"}, "wrong_type"),
        ({"until": "1066-01-01T00:00:00Z"}, "time_out_of_range"),
        ({"until": body["until"], "tenant": "acme"}, "unknown"),
    ):
        response = await http.post("/v1/finance/periods", json=document)
        assert response.status_code == 400
        assert [error["code"] for error in problem(response)["errors"]] == [code], document
    assert (await house.http.get("/v1/finance/periods")).json() == {"periods": []}


async def test_closing_needs_a_scope_of_its_own(house: House) -> None:
    http = await house.client(await house.key(Scope.FINANCE_READ))
    response = await http.post("/v1/finance/periods", json={"until": "2026-01-01T00:00:00Z"})
    assert (response.status_code, problem(response)["code"]) == (403, "scope_missing")
    for path in ("balances", "trial-balance", "periods", "ageing"):
        http = await house.client(await house.key(Scope.BALANCES_READ))
        assert (await http.get(f"/v1/finance/{path}")).status_code == 403
