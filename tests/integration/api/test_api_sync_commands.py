"""`pointmaster sync …` as an operator types it: stopping, rehearsing, retrying, looking into it."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import httpx
import pytest

from api.command_line.context import opened_books
from api.configuration import load
from ledger.amounts import Points
from ledger.identity import ContactId
from ledger.outcomes import Booked
from ledger.postgres import Database
from ledger.requests import Earn
from sandbox.launch import launched
from tests.doors.commands import Commands
from tests.following.program import Sandbox, member

pytestmark = pytest.mark.any_postgres

STRANGER = member(1002)


@pytest.fixture
def engage() -> Iterator[Sandbox]:
    with (
        launched("engage") as stand_in,
        httpx.Client(base_url=stand_in.address, timeout=60) as http,
    ):
        sandbox = Sandbox(http)
        sandbox.set(balances={"jobSeconds": 0.1})
        sandbox.know(member(1001))
        yield sandbox


@pytest.fixture
def commands(tmp_path: Path, database: Database, engage: Sandbox) -> Commands:
    commands = Commands(tmp_path, database)
    section = f"""
        [tenants.acme.engage]
        base_url = "{engage.http.base_url}"
        poll_seconds = [0.1]
        schedule = {{ contacts = {{ every_seconds = 900, paused = true }} }}
    """
    path = tmp_path / "pointmaster.toml"
    path.write_text(path.read_text(encoding="utf-8") + section, encoding="utf-8")
    commands.variables["POINTMASTER_ACME_ENGAGE_API_KEY"] = "sandbox-key"
    return commands


def earn(commands: Commands, contact: ContactId, amount: int) -> None:
    """Points for a purchase, booked by hand."""

    async def book() -> None:
        configuration = load(commands.folder / "pointmaster.toml", commands.variables)
        async with opened_books(configuration) as opened:
            tenant = opened.tenant("acme")
            definition = opened.books.catalogue.definition(tenant.id, 1)
            assert definition is not None
            key = f"{contact} {amount}"
            asked = Earn(
                tenant=tenant.id,
                contact=contact,
                definition=definition.id,
                idempotency_key=key,
                fingerprint=UUID(int=amount).bytes,
                source="pos",
                amount=Points(amount),
            )
            (outcome,) = await opened.books.post([asked])
            assert isinstance(outcome, Booked)

    asyncio.run(book())


def test_the_sync_in_the_hands_of_an_operator(commands: Commands, engage: Sandbox) -> None:
    earn(commands, member(1001), 5)
    earn(commands, STRANGER, 7)
    said = commands.say("sync", "pause", "acme", "push", "--reason", "moving house")
    assert said.words == "push is stopped."
    assert "stopped already" in commands.say("sync", "pause", "acme", "push").words
    bodies = commands.folder / "bodies"
    rehearsed = commands.say("sync", "rehearse", "acme", "--bodies", str(bodies))
    assert "Nothing would be sent: paused by" in rehearsed.words
    (body,) = bodies.iterdir()
    assert {row["amount"] for row in json.loads(body.read_text())} == {5, 7}
    assert "moving house" in commands.say("sync", "status", "acme").words
    assert "paused by" in commands.say("sync", "run", "acme", "--wait", "5", status=1).words
    assert commands.say("sync", "resume", "acme", "push").words == "push goes on."
    assert "push was not stopped" in commands.say("sync", "resume", "acme", "push").words
    assert engage.balances() == {}

    told = commands.say("sync", "run", "acme", status=3).words
    assert "Engage has what the books have, but for 1 that it does not take" in told
    parked = commands.say("sync", "parked", "acme").words
    assert str(STRANGER) in parked
    assert "7 Points" in parked
    engage.know(STRANGER)
    retried = commands.say("sync", "retry", "acme", "--contact", str(STRANGER))
    assert "1 parked one(s)" in retried.words
    commands.say("sync", "run", "acme")
    assert engage.balances() == {member(1001): 5, STRANGER: 7}

    slip = {"contactId": str(member(1001)), "definitionId": 1, "amount": 1}
    engage.post("/balances", {"balances": [slip]})
    assert "differing 1" in commands.say("sync", "run", "acme", "--job", "drift_share").words
    commands.say("sync", "run", "acme")
    commands.say("sync", "run", "acme", "--job", "drift_sample")
    assert str(member(1001)) in commands.say("sync", "differences", "acme").words
    assert str(member(1001)) not in commands.say("sync", "differences", "acme", "--open").words
    record = commands.say("sync", "record", "acme", str(member(1001))).words
    assert record.count("5 Points") == 3, "told twice, and found to differ once"
    engage.http.delete(f"/_sandbox/contacts/{STRANGER}").raise_for_status()
    commands.say("sync", "run", "acme", "--job", "contacts")
    assert str(STRANGER) in commands.say("sync", "gone", "acme").words

    status = commands.say("sync", "status", "acme").words
    assert "contacts │ every 900 s, paused" in status
    jobs = json.loads(commands.say("sync", "status", "acme", "--json").out)["jobs"]
    assert {job["kind"] for job in jobs if job["latest"]} == {
        "push",
        "drift_share",
        "drift_sample",
        "contacts",
    }
