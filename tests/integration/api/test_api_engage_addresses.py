"""Who may call the doors that Engage uses, by address; and whose word is taken for an address."""

import httpx
import pytest

from ledger.postgres import Server
from sync.engage.settings import LogAuthentication, PointsLogOptions, WebhookOptions
from tests.doors.engaged import HOOK, LOG_SECRET, adjustment, engaged, settings_of, signed
from tests.doors.house import House, problem

pytestmark = pytest.mark.any_postgres

LISTED = {"X-Forwarded-For": "52.215.16.239"}
SECRET = {"X-Api-Key": LOG_SECRET}


async def log_of(house: House, headers: dict[str, str]) -> httpx.Response:
    path = f"/engage/acme/points-log/{house.contact}"
    return await house.anyone.get(path, headers={**SECRET, **headers})


async def told(house: House, headers: dict[str, str]) -> httpx.Response:
    delivery = signed(adjustment(house.contact, 1))
    delivery["headers"].update(headers)
    return await house.anyone.post(HOOK, **delivery)


@pytest.mark.parametrize(
    ("proxies", "alone", "forwarded"),
    [
        ((), 403, 403),
        (("10.0.0.0/8",), 403, 403),
        (("127.0.0.0/8",), 403, 200),
    ],
    ids=["no proxy is trusted", "another proxy is trusted", "the proxy is trusted"],
)
async def test_only_listed_addresses_may_call(
    postgres: Server,
    pytestconfig: pytest.Config,
    proxies: tuple[str, ...],
    alone: int,
    forwarded: int,
) -> None:
    listed = ("52.215.16.239/32", "2a05:d028:17:8000::/56")
    settings = settings_of(
        "https://acme.voyado.com",
        options={"webhook": WebhookOptions(addresses=listed)},
        points_log_options=PointsLogOptions(
            authentication=LogAuthentication.HEADER, addresses=listed
        ),
    )
    async with engaged(postgres, pytestconfig, settings, trusted_proxies=proxies) as house:
        for ask in (log_of, told):
            response = await ask(house, {})
            assert response.status_code == alone
            assert problem(response)["code"] == "address_not_allowed"
            assert (await ask(house, LISTED)).status_code == forwarded
            # Whoever stands in front of the listed address can't pretend to be behind it.
            pretended = {"X-Forwarded-For": "52.215.16.239, 203.0.113.9"}
            assert (await ask(house, pretended)).status_code == 403
        expected = 1 if forwarded == 200 else 0
        kept = await house.service.pool.fetchval("select count(*) from engage.delivery")
        assert kept == expected
