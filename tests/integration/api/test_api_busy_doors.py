"""The busiest doors answer without the framework exactly what the framework would answer."""

import json
from collections.abc import AsyncIterator, Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import httpx
import pytest
import pytest_asyncio

import api.application
from api.access.scopes import Scope
from ledger.postgres import Server
from tests.doors.engaged import LOG_SECRET, engaged, settings_of
from tests.doors.house import House, listening

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.any_postgres]

CONTACT = UUID("3f0c9f5e-62a1-4f0e-9a57-2b1d0e4c7a11")
PURCHASE: Mapping[str, Any] = {
    "idempotencyKey": "receipt-1",
    "contactId": str(CONTACT),
    "definitionId": 2,
    "kind": "earn",
    "amount": 12.5,
    "source": "pos",
    "description": 'Köp "i butik" \\ 12 / 🎁\u2028',
}
LOG = {"X-Api-Key": LOG_SECRET}


@dataclass(frozen=True)
class BothWays:
    """The same service at two addresses: as it is, and by the framework alone."""

    house: House
    busy: httpx.AsyncClient
    framework: httpx.AsyncClient

    async def ask(
        self, method: str, path: str, *, key: str | None = None, **more: Any
    ) -> tuple[httpx.Response, httpx.Response]:
        headers = more.pop("headers", {}) | ({"Authorization": f"Bearer {key}"} if key else {})
        headers["X-Request-Id"] = "of-a-test"
        busy = await self.busy.request(method, path, headers=headers, **more)
        return busy, await self.framework.request(method, path, headers=headers, **more)


@pytest.fixture(scope="module")
def no_busy_doors() -> Iterator[pytest.MonkeyPatch]:
    with pytest.MonkeyPatch.context() as patch:
        yield patch


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def ways(
    postgres: Server, pytestconfig: pytest.Config, no_busy_doors: pytest.MonkeyPatch
) -> AsyncIterator[BothWays]:
    settings = settings_of("http://127.0.0.1:9")
    async with engaged(postgres, pytestconfig, settings) as house:
        no_busy_doors.setattr(api.application, "BusyDoors", lambda inner, _service: inner)
        async with (
            listening(house.service) as framework,
            httpx.AsyncClient(base_url=house.address) as busy,
            httpx.AsyncClient(base_url=framework) as other,
        ):
            yield BothWays(house, busy, other)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def key(ways: BothWays) -> str:
    key = await ways.house.key(Scope.ADMIN)
    for number in range(1, 26):
        document = {**PURCHASE, "idempotencyKey": f"receipt-{number}", "amount": number + 0.25}
        if number % 5 == 0:
            document["description"] = "Plain"
        posted = await ways.house.http.post("/v1/transactions", json=document)
        assert posted.status_code == 201, posted.text
    return key


def assert_same(both: tuple[httpx.Response, httpx.Response]) -> httpx.Response:
    busy, framework = both
    assert busy.status_code == framework.status_code
    assert busy.content == framework.content
    names = set(busy.headers) | set(framework.headers)
    for name in names - {"date"}:
        assert busy.headers.get(name) == framework.headers.get(name), name
    return busy


GUIDS = (
    str(CONTACT),
    str(CONTACT).upper(),
    CONTACT.hex,
    "d0f5a3c1-5b7e-4c1a-8f3e-6a2b9c4d7e10",  # nobody's; the same in every worker process
    "00000000-0000-0000-0000-000000000000",
    "nobody",
    f"{CONTACT}%20",
    "",
)


@pytest.mark.parametrize("guid", GUIDS)
@pytest.mark.parametrize("query", ["", "?definitionId=2", "?definitonId=2", "?"])
async def test_a_balance_reads_the_same_both_ways(
    ways: BothWays, key: str, guid: str, query: str
) -> None:
    assert_same(await ways.ask("GET", f"/v1/contacts/{guid}/balances{query}", key=key))


@pytest.mark.parametrize(
    "query",
    [
        "effectiveAt=2026-01-01T00:00:00Z",
        "effectiveAt=2999-01-01T00:00:00.5Z",
        "recordedAt=2026-01-01T00%3A00%3A00Z",
        "recordedAt=2999-01-01T00:00:00Z",
        "recordedAt=2026-01-01T00:00:00Z&effectiveAt=2026-01-01T00:00:00%2B01:00",
        "effectiveAt=2026-01-01T00:00:00+01:00",
        "effectiveAt=2026-01-01",
        "effectiveAt=",
        "effectiveAt",
        "effectiveat=2026-01-01T00:00:00Z",
        "effectiveAt=2026-01-01T00:00:00Z&effectiveAt=2026-01-01T00:00:00Z",
        "effectiveAt=2026-01-01T00:00:00Z&",
        "effectiveAt=2026-01-01T00:00:00Z&definitionId=2",
        "effectiveAt=2026-01-01T00:00:00Z%FF",
        "effectiveAt=" + "2" * 300,
    ],
)
async def test_a_balance_of_the_past_or_to_come_reads_the_same_both_ways(
    ways: BothWays, key: str, query: str
) -> None:
    for guid in (str(CONTACT), GUIDS[3]):
        assert_same(await ways.ask("GET", f"/v1/contacts/{guid}/balances?{query}", key=key))


async def test_a_balance_without_a_key_or_with_too_small_a_one_is_refused_the_same(
    ways: BothWays, key: str
) -> None:
    path = f"/v1/contacts/{CONTACT}/balances"
    small = await ways.house.key(Scope.TRANSACTIONS_WRITE)
    other = await ways.house.key(Scope.BALANCES_READ, tenant="other")
    answers = [
        assert_same(await ways.ask("GET", path, key=one)) for one in (None, "pm_x", small, other)
    ]
    assert [one.status_code for one in answers] == [401, 401, 403, 200]
    assert_same(await ways.ask("HEAD", path, key=key))
    assert_same(await ways.ask("PUT", path, key=key))


@pytest.mark.parametrize("guid", GUIDS)
@pytest.mark.parametrize(
    "path",
    [
        "/engage/acme/points-log?contactId={}",
        "/engage/acme/points-log?CONTACTID={}",
        "/engage/acme/points-log?contactId={}&locale=sv",
        "/engage/acme/points-log/{}",
        "/engage/acme/a-token/points-log/{}",
        "/engage/acme/a-token/points-log?contactId={}",
        "/engage/nobody/points-log?contactId={}",
        "/engage/acme//points-log?contactId={}",
        "/engage/points-log/points-log/{}",
        "/engage/acme/points-log/{}/more",
    ],
)
async def test_a_points_log_reads_the_same_both_ways(
    ways: BothWays, key: str, path: str, guid: str
) -> None:
    assert key
    assert_same(await ways.ask("GET", path.format(guid), headers=LOG))


async def test_a_points_log_has_its_rows_newest_first(ways: BothWays, key: str) -> None:
    assert key
    log = assert_same(await ways.ask("GET", f"/engage/acme/points-log/{CONTACT}", headers=LOG))
    rows = log.json()
    assert len(rows) == 25
    assert [row["amount"] for row in rows[:3]] == [25.25, 24.25, 23.25]
    assert rows[0]["description"] == "Plain"
    assert rows[1]["description"] == PURCHASE["description"]


async def test_a_points_log_is_closed_the_same(ways: BothWays) -> None:
    path = f"/engage/acme/points-log/{CONTACT}"
    for headers in ({}, {"X-Api-Key": "another"}):
        answer = assert_same(await ways.ask("GET", path, headers=headers))
        assert answer.status_code == 401


@pytest.mark.parametrize(
    ("headers", "body"),
    [
        ({"Content-Type": "application/json"}, None),
        ({"Content-Type": "application/json; charset=utf-8"}, None),
        ({"Content-Type": "text/plain"}, None),
        ({"Content-Type": "application/json"}, b"{"),
        ({"Content-Type": "application/json"}, b""),
        ({"Content-Type": "application/json"}, json.dumps({"kind": "earn"}).encode()),
        ({"Content-Type": "application/json"}, b'{"kind": "' + b"x" * 40_000 + b'"}'),
    ],
)
async def test_a_repeated_posting_and_a_wrong_one_are_answered_the_same(
    ways: BothWays, key: str, headers: dict[str, str], body: bytes | None
) -> None:
    repeated = {**PURCHASE, "idempotencyKey": "receipt-1", "amount": 1.25}
    content = json.dumps(repeated).encode() if body is None else body
    answer = assert_same(
        await ways.ask("POST", "/v1/transactions", key=key, headers=headers, content=content)
    )
    if body is None and headers["Content-Type"].startswith("application/json"):
        assert answer.status_code == 200
        assert answer.headers["idempotency-replayed"] == "true"


@pytest.mark.parametrize("name", ["Authorization", "X-Api-Key", "X-Request-Id", "Accept"])
@pytest.mark.parametrize("order", ["good first", "good last"])
async def test_a_header_that_is_said_twice_is_understood_the_same(
    ways: BothWays, key: str, name: str, order: str
) -> None:
    good = {"Authorization": f"Bearer {key}", **LOG, "X-Request-Id": "of-a-test", "Accept": "*/*"}
    twice = [(name, good.pop(name)), (name, "another")]
    headers = [*good.items(), *(twice if order == "good first" else reversed(twice))]
    for method, path in (
        ("GET", f"/v1/contacts/{CONTACT}/balances"),
        ("GET", f"/engage/acme/points-log/{CONTACT}"),
        ("POST", "/v1/transactions"),
    ):
        body = PURCHASE if method == "POST" else None
        busy = await ways.busy.request(method, path, headers=headers, json=body)
        assert_same((busy, await ways.framework.request(method, path, headers=headers, json=body)))


async def test_both_ways_count_under_the_same_names(ways: BothWays, key: str) -> None:
    await ways.ask("GET", f"/v1/contacts/{CONTACT}/balances", key=key)
    await ways.ask("GET", f"/engage/acme/points-log?contactId={CONTACT}", headers=LOG)
    await ways.ask("POST", "/v1/transactions", key=key, json={**PURCHASE, "kind": "earn"})
    exposed = (await ways.busy.get("/metrics", headers={"Authorization": f"Bearer {key}"})).text
    assert '{contactId}/balances"' in exposed
    assert 'route="/engage/{tenant}/points-log"' in exposed
    assert ":str" not in exposed
    assert 'route="(none)",status="200"' not in exposed
