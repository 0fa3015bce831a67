"""Every command of the guide to Engage does what the guide says, beside a stand-in Engage."""

import asyncio
import base64
import re
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from api.configuration import load
from api.service import Role, open_service
from ledger.amounts import Points
from ledger.identity import ContactId
from ledger.outcomes import Booked
from ledger.postgres import Database
from ledger.requests import Earn
from sandbox.launch import launched
from sync.engage.settings import EngageOptions
from tests.acceptance.test_finance_guides import blocks, perform
from tests.doors.commands import CONFIGURATION, Commands
from tests.doors.engaged import ENCRYPTION_KEY, SIGNING_SECRET
from tests.following.program import Sandbox
from tests.unit.sync.engage.test_engage_contract_page import names

pytestmark = pytest.mark.any_postgres

GUIDE = (Path(__file__).parents[2] / "docs" / "engage.md").read_text(encoding="utf-8")
CONTACT = UUID("1dfe06cd-a1be-4423-8ed4-afd900d998aa")
OTHER = UUID("1dfe06cd-a1be-4423-8ed4-afd900d998ab")
LOG_SECRET = base64.b64encode(b"of the guide's points log").decode()


@contextmanager
def serving(commands: Commands) -> Iterator[str]:
    """The service as a process; where it listens."""
    process: subprocess.Popen[str] = commands.start("serve", "--port", "0")
    assert process.stdout is not None
    try:
        for line in process.stdout:
            if line.startswith("Listening on "):
                yield line.removeprefix("Listening on ").strip()
                break
        else:
            raise AssertionError("it never listened")
    finally:
        process.kill()
        process.communicate()


def earn(commands: Commands, *contacts: UUID) -> None:
    configuration = load(commands.folder / "pointmaster.toml", commands.variables)

    async def post() -> None:
        async with open_service(configuration, role=Role.API) as service:
            tenant = service.catalogue.tenants["acme"].id
            definition = service.catalogue.definition(tenant, 1)
            assert definition is not None
            outcomes = await service.books.post(
                [
                    Earn(
                        tenant=tenant,
                        contact=ContactId(contact),
                        definition=definition.id,
                        idempotency_key=str(contact),
                        fingerprint=contact.bytes,
                        source="pos",
                        amount=Points(100),
                    )
                    for contact in contacts
                ]
            )
            assert all(isinstance(outcome, Booked) for outcome in outcomes)

    asyncio.run(post())


def test_the_guide_is_followed(database: Database, tmp_path: Path) -> None:
    commands = Commands(tmp_path, database)
    (section,) = re.findall(r"^```toml\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)
    with launched("engage", "--set", "balances.jobSeconds=0.1") as stand_in:
        address = stand_in.address
        told = section.replace("https://acme.staging.voyado.com", address)
        quick = 'poll_seconds = [0.1]\nmode = "balance_only"'
        told = told.replace('mode = "balance_only"', quick)
        # A service that is asked for by hand only: the guide's commands do it all.
        paused = "".join(
            f"{job} = {{ every_seconds = 3600, paused = true }}\n"
            for job in ("sweep", "push", "poll", "drift_sample", "drift_share", "contacts")
        )
        schedule = f"[tenants.acme.engage.schedule]\n{paused}"
        path = tmp_path / "pointmaster.toml"
        path.write_text(f"{CONFIGURATION}\n{told}\n{schedule}", encoding="utf-8")
        commands.variables |= {
            "POINTMASTER_ACME_ENGAGE_API_KEY": "sandbox-key",
            "POINTMASTER_ACME_ENGAGE_ENCRYPTION_KEY": ENCRYPTION_KEY,
            "POINTMASTER_ACME_ENGAGE_SIGNING_SECRET": SIGNING_SECRET,
            "POINTMASTER_ACME_ENGAGE_POINTS_LOG_SECRET": LOG_SECRET,
        }
        with httpx.Client(base_url=address, timeout=60) as http:
            engage = Sandbox(http)
            engage.set(definitions=[{"id": 1}, {"id": 2}])
            engage.know(CONTACT, OTHER)
            earn(commands, CONTACT, OTHER)
            with serving(commands) as ours:
                follow(commands, engage, ours)
            assert engage.balances() == {CONTACT: 140, OTHER: 100}


def follow(commands: Commands, engage: Sandbox, address: str) -> None:
    """Do what the guide says, in its order; where it says so, somebody gives points in Engage."""
    performed = 0
    for block in blocks("engage.md"):
        if "engage messages acme" in block.content and "booked" in block.content:
            said = commands.say("engage", "check", "acme", "--url", address).words
            assert said.count("good") == 6, said
            webhook = {"url": f"{address}/engage/acme/webhooks", "encryptionKey": ENCRYPTION_KEY,
                       "signingSecrets": [SIGNING_SECRET]}  # fmt: skip
            engage.set(webhook=webhook, tenant="acme")
            given = {"contactId": str(CONTACT), "amount": 40}
            engage.post("/adjustments", {"adjustments": [given], "waitSeconds": 10})
        perform(commands, block)
        performed += 1
    assert performed > 8


@pytest.mark.parametrize("name", sorted(set(re.findall(r"`([a-z_]+\.[a-z_]+)`", GUIDE))))
def test_every_setting_the_guide_names_is_one(name: str) -> None:
    settings = set(names(EngageOptions))
    known = settings | {"service.trusted_proxies"}
    assert name in known or name.endswith((".md", ".toml"))


def test_the_metrics_the_guide_names_are_measured() -> None:
    measures = Path(__file__).parents[2] / "api" / "engage_measures.py"
    text = measures.read_text(encoding="utf-8")
    for name in re.findall(r"`pointmaster_([a-z_]+)", GUIDE):
        assert f"pointmaster_{name}" in text, name
