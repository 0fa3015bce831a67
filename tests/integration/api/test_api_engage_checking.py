"""`pointmaster engage check`: what is wrong is said in a sentence, with what to do about it."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

import httpx
import msgspec
import pytest
import pytest_asyncio

from ledger.identity import ContactId
from ledger.postgres import Server
from sandbox.launch import Launched, launched
from sync.engage import EngageSettings, Follower
from sync.engage.checking import Finding, Verdict, check_engage
from sync.engage.self_check import check_doors
from sync.engage.settings import LogAuthentication, PointsLogOptions, WebhookOptions
from sync.secret import Secret
from tests.doors.engaged import (
    LOG_SECRET,
    SIGNING_SECRET,
    adjustment,
    engaged,
    settings_of,
    signed,
)
from tests.doors.house import House
from tests.following.program import Sandbox

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.any_postgres]

NEW_SECRET = "whsec_bmV3IHNlY3JldCBvZiB0aGUgdGVzdHM="
NEW_KEY = "NewerKeyNewerKeyNewerKeyNewerKey"


@pytest.fixture(scope="module")
def engage_process() -> Iterator[Launched]:
    with launched("engage", "--set", "balances.jobSeconds=null") as stand_in:
        yield stand_in


@pytest.fixture
def engage(engage_process: Launched) -> Iterator[Sandbox]:
    with httpx.Client(base_url=engage_process.address, timeout=60) as http:
        sandbox = Sandbox(http)
        sandbox.set(definitions=[{"id": 1, "name": "Points"}, {"id": 2}, {"id": 3}])
        yield sandbox
        sandbox.behave()


def settings_at(address: str, **more: Any) -> EngageSettings:
    """With an answer that is not waited for long."""
    options = {"answer_seconds": 0.5, "connect_seconds": 0.5} | more.pop("options", {})
    return settings_of(address, options=options, **more)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def engaged_doors(
    postgres: Server, pytestconfig: pytest.Config, engage_process: Launched
) -> AsyncIterator[House]:
    settings = settings_at(engage_process.address)
    async with engaged(postgres, pytestconfig, settings) as found:
        yield found


@pytest_asyncio.fixture(loop_scope="module")
async def stack() -> AsyncIterator[AsyncExitStack]:
    async with AsyncExitStack() as found:
        yield found


async def follower_with(house: House, stack: AsyncExitStack, settings: EngageSettings) -> Follower:
    """The house's Engage, as another configuration sees it."""
    tenant = house.service.catalogue.tenants["acme"]
    return await stack.enter_async_context(Follower(tenant, settings, house.service.books))


def the_one(findings: list[Finding], what: str) -> Finding:
    (found,) = [one for one in findings if one.what == what]
    assert (found.verdict is Verdict.GOOD) == (not found.advice), "whatever is amiss has an advice"
    return found


async def test_all_is_well(engaged_doors: House, engage: Sandbox) -> None:
    house = engaged_doors
    follower = house.service.synchronisation.follower("acme")
    contact = ContactId(uuid4())
    engage.know(contact)
    findings = await check_engage(follower.context, contact)
    findings += await check_doors(follower.context, house.address, datetime.now(UTC))
    assert [one.verdict for one in findings] == [Verdict.GOOD] * 6, findings
    assert engage.requests("/point-accounts/balances") == []
    assert (await check_engage(follower.context))[2].verdict is Verdict.GOOD
    kept = await follower.deliveries()
    assert {(one.state, one.event_type) for one in kept} == {("ignored", "pointmaster.check")}


@pytest.mark.parametrize(
    ("fault", "said", "advised"),
    [
        ({"kind": "slow-before", "milliseconds": 900}, "gave no answer", "answer_seconds"),
        ({"kind": "slow-after", "milliseconds": 900}, "gave no answer", "answer_seconds"),
        ({"kind": "throttle"}, "429", "rate_per_second"),
        ({"kind": "throttle", "retryAfterSeconds": 1}, "429", "rate_per_second"),
        ({"kind": "error-before"}, "error of its own", "Content-Type"),
        ({"kind": "error-after", "status": 503}, "error of its own", "some minutes"),
        ({"kind": "error-before", "status": 401}, "401", "API key is not taken"),
        ({"kind": "error-before", "status": 403}, "403", "may call the point accounts"),
        ({"kind": "error-before", "status": 400}, "400", "Tell Voyado"),
        ({"kind": "drop-before"}, "gave no answer", "staging goes down"),
        ({"kind": "drop-after"}, "gave no answer", "staging goes down"),
    ],
)
async def test_each_fault_has_its_sentence(
    engaged_doors: House,
    engage: Sandbox,
    stack: AsyncExitStack,
    engage_process: Launched,
    fault: dict[str, Any],
    said: str,
    advised: str,
) -> None:
    # With a key of its own each time: a pause after 429 is the key's, and would be waited for.
    key = f"key-{uuid4().hex}"
    engage.set(apiKeys=["sandbox-key", key])
    settings = settings_at(engage_process.address, api_key=Secret(key))
    follower = await follower_with(engaged_doors, stack, settings)
    engage.fault(fault)
    found = the_one(await check_engage(follower.context), "address and key")
    assert found.verdict is Verdict.BAD
    assert said in found.said
    assert advised in found.advice


async def test_a_wrong_address_key_or_definition(
    engaged_doors: House, engage: Sandbox, stack: AsyncExitStack, engage_process: Launched
) -> None:
    async def first(address: str, what: str = "address and key", **secrets: Any) -> Finding:
        settings = settings_at(address, **secrets)
        follower = await follower_with(engaged_doors, stack, settings)
        return the_one(await check_engage(follower.context), what)

    nowhere = await first("http://127.0.0.1:9")
    assert "can't be reached" in nowhere.said
    assert "base_url" in nowhere.advice
    another = await first(f"{engaged_doors.address}/nothing")
    assert another.verdict is Verdict.UNSURE
    assert "api_version" in another.advice
    wrong = await first(engage_process.address, api_key=Secret("another-key"))
    assert "401" in wrong.said
    assert "x-api-key" in wrong.advice
    engage.set(definitions=[{"id": 1, "name": "Points"}, {"id": 9, "name": "Stars"}])
    lacking = await first(engage_process.address, "point definitions")
    assert lacking.said.startswith("Engage has no point definition 2, 3; it has 1 (Points), 9")


async def test_a_contact_is_read_and_compared(
    engaged_doors: House, engage: Sandbox, stack: AsyncExitStack, engage_process: Launched
) -> None:
    follower = await follower_with(engaged_doors, stack, settings_at(engage_process.address))
    contact = ContactId(uuid4())
    unknown = the_one(await check_engage(follower.context, contact), "reading balances")
    assert (unknown.verdict, "does not know" in unknown.said) == (Verdict.BAD, True)
    engage.know(contact)
    balance = {"contactId": str(contact), "definitionId": 2, "amount": 12.5}
    engage.post("/balances", {"balances": [balance]})
    differs = the_one(await check_engage(follower.context, contact), "reading balances")
    assert differs.verdict is Verdict.UNSURE
    assert "Credits: Engage 12.5, books 0" in differs.said


async def test_what_shows_only_in_what_was_sent_before(
    engaged_doors: House, engage: Sandbox, stack: AsyncExitStack, engage_process: Launched
) -> None:
    house = engaged_doors
    options = {"stuck_hours": 0.000001}
    settings = settings_at(engage_process.address, options=options)
    follower = await follower_with(house, stack, settings)
    engage.know(house.contact)
    engage.fault({"kind": "status-unknown", "word": "Indeterminate"})
    await house.booked("earn", amount=5)
    await follower.push()
    engage.run_job()
    await follower.sync(wait_seconds=0.3)
    elsewhere = signed(adjustment(house.contact, 5) | {"tenant": "sandbox"})
    await follower.receive(elsewhere["content"].encode(), elsewhere["headers"])
    said = " ".join(one.said + one.advice for one in await check_engage(follower.context))
    assert "1 in quarantine as tenant_differs" in said
    assert "the message is for tenant 'sandbox', and 'acme' is expected: webhook.tenant" in said
    assert "'Indeterminate', which has no meaning here" in said
    assert "status_meanings" in said
    assert "under way for over" in said, "which is how one that is stuck or missing shows"
    assert "BalanceAccountToAmountJob" in said


@pytest.mark.parametrize(
    "authentication", [LogAuthentication.HEADER, LogAuthentication.BASIC, LogAuthentication.PATH]
)
async def test_our_own_doors_as_engage_finds_them(
    postgres: Server,
    pytestconfig: pytest.Config,
    stack: AsyncExitStack,
    authentication: LogAuthentication,
) -> None:
    settings = settings_at(
        "https://acme.voyado.com",
        authentication=authentication,
        signing_secrets=(Secret(NEW_SECRET), Secret(SIGNING_SECRET)),
        encryption_keys=(Secret(NEW_KEY),),
    )
    async with engaged(postgres, pytestconfig, settings) as house:
        now = datetime.now(UTC)

        async def doors(one: EngageSettings, address: str = house.address) -> list[Finding]:
            follower = await follower_with(house, stack, one)
            return await check_doors(follower.context, address, now)

        webhook, log = await doors(settings)
        assert webhook.verdict is Verdict.GOOD, webhook
        assert "signing secret 1, signing secret 2, encryption key 1" in webhook.said
        assert log.verdict is Verdict.GOOD, log
        assert LOG_SECRET not in log.said
        # The command's secrets are others than those the service was started with.
        secrets = msgspec.structs.replace(
            settings.secrets,
            signing_secrets=(Secret("whsec_b3RoZXI="),),
            points_log=(Secret("another-secret-of-the-log"),),
        )
        webhook, log = await doors(msgspec.structs.replace(settings, secrets=secrets))
        assert "refuses what is proven by signing secret 1 (401)" in webhook.said
        assert "start it again" in log.advice
        webhook, log = await doors(settings, "http://127.0.0.1:9")
        assert "can't be reached" in webhook.said
        assert "can't be reached" in log.said
        webhook, _ = await doors(settings, f"{house.address}/elsewhere")
        assert "404" in webhook.said
        assert "--url" in webhook.advice
        bare = msgspec.structs.replace(settings.secrets, signing_secrets=(), encryption_keys=())
        closed = settings_at("https://acme.voyado.com", authentication=LogAuthentication.CLOSED)
        webhook, log = await doors(msgspec.structs.replace(closed, secrets=bare))
        assert (log.verdict, log.said) == (Verdict.UNSURE, "The points log is closed.")
        assert "neither a signing secret nor an encryption key" in webhook.said


async def test_doors_that_are_not_open_to_this_machine(
    postgres: Server, pytestconfig: pytest.Config
) -> None:
    settings = settings_at(
        "https://acme.voyado.com",
        options={"webhook": WebhookOptions(addresses=("10.0.0.0/8",))},
        points_log_options=PointsLogOptions(
            authentication=LogAuthentication.HEADER, addresses=("10.0.0.0/8",)
        ),
    )
    async with engaged(postgres, pytestconfig, settings) as house:
        follower = house.service.synchronisation.follower("acme")
        findings = await check_doors(follower.context, house.address, datetime.now(UTC))
    assert [one.verdict for one in findings] == [Verdict.UNSURE] * 2
    assert all("trusted_proxies" in one.advice for one in findings)
