"""`pointmaster engage`: what Engage sent, judging it again, files of a program's totals."""

import asyncio
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from api.configuration import load
from api.service import Role, Service, open_service
from ledger.amounts import Points
from ledger.identity import ContactId
from ledger.outcomes import Booked
from ledger.postgres import Database
from ledger.requests import Earn
from sync.engage.files import initial_load
from tests.doors.commands import CONFIGURATION, Commands
from tests.doors.engaged import ENCRYPTION_KEY, SIGNING_SECRET, adjustment, encrypted, signed
from tests.following.program import member

pytestmark = pytest.mark.any_postgres

ENGAGE = """
[tenants.acme.engage]
base_url = "https://acme.voyado.com"
"""
SECRETS = {
    "POINTMASTER_ACME_ENGAGE_API_KEY": "a-key",
    "POINTMASTER_ACME_ENGAGE_ENCRYPTION_KEY": ENCRYPTION_KEY,
    "POINTMASTER_ACME_ENGAGE_SIGNING_SECRET": SIGNING_SECRET,
}
OTHER_KEY = "0123456789abcdefghijklmnopqrstuv"


@pytest.fixture
def commands(tmp_path: Path, database: Database) -> Commands:
    found = Commands(tmp_path, database)
    tmp_path.joinpath("pointmaster.toml").write_text(CONFIGURATION + ENGAGE, encoding="utf-8")
    found.variables.update(SECRETS)
    return found


def with_service(commands: Commands, do: Callable[[Service], Coroutine[Any, Any, None]]) -> None:
    """What happens at the doors meanwhile."""
    configuration = load(commands.folder / "pointmaster.toml", commands.variables)

    async def done() -> None:
        async with open_service(configuration, role=Role.API) as service:
            await do(service)

    asyncio.run(done())


def received(commands: Commands, *messages: dict[str, Any]) -> None:
    async def receive(service: Service) -> None:
        follower = service.synchronisation.follower("acme")
        for message in messages:
            delivery = signed(message)
            receipt = await follower.receive(delivery["content"].encode(), delivery["headers"])
            assert receipt.status_code == 200

    with_service(commands, receive)


def earned(commands: Commands, *earns: tuple[ContactId, int, int]) -> None:
    """Contacts with points of a definition."""

    async def post(service: Service) -> None:
        tenant = service.catalogue.tenants["acme"].id
        requests = []
        for contact, definition, amount in earns:
            found = service.catalogue.definition(tenant, definition)
            assert found is not None
            key = uuid4()
            requests.append(
                Earn(
                    tenant=tenant,
                    contact=contact,
                    definition=found.id,
                    idempotency_key=key.hex,
                    fingerprint=key.bytes,
                    source="pos",
                    amount=Points(amount),
                )
            )
        outcomes = await service.books.post(requests)
        assert all(isinstance(outcome, Booked) for outcome in outcomes)

    with_service(commands, post)


def test_what_engage_sent_is_listed_and_judged_again(commands: Commands) -> None:
    contact = uuid4()
    said = {"ContactId": str(contact), "Amount": 5, "PointDefinitionId": 1}
    undecryptable = [
        adjustment(contact, 0, payload=encrypted(said, OTHER_KEY)),
        adjustment(contact, 0, payload=encrypted(said | {"Amount": 7}, OTHER_KEY)),
    ]
    received(commands, adjustment(contact, 40), adjustment(contact, 0), *undecryptable)
    listed = commands.say("engage", "messages", "acme").words
    assert [listed.count(state) for state in ("booked", "ignored", "quarantined")] == [1, 1, 2]
    assert "no configured encryption key fits" in listed
    only = json.loads(
        commands.say("engage", "messages", "acme", "--state", "quarantined", "--json").out
    )
    assert {one["reason"] for one in only} == {"undecryptable"}

    left = commands.say("engage", "replay", "acme", status=1).words
    assert "2 judged again: 2 quarantined." in left
    commands.variables["POINTMASTER_ACME_ENGAGE_ENCRYPTION_KEY_PREVIOUS"] = OTHER_KEY
    one = commands.say("engage", "replay", "acme", only[0]["adjustmentId"]).words
    assert "1 judged again: 1 booked." in one
    again = commands.say("engage", "replay", "acme", only[0]["adjustmentId"], status=1).words
    assert "the delivery is booked, not quarantined" in again
    others = commands.say("engage", "replay", "acme", "--reason", "undecryptable").words
    assert "1 judged again: 1 booked." in others
    assert "Nothing is in quarantine." in commands.say("engage", "replay", "acme").words
    nothing = commands.say("engage", "replay", "acme", str(uuid4()), status=1).words
    assert "there is no message" in nothing


def test_what_was_a_slip_is_dismissed_for_good(commands: Commands) -> None:
    slip = adjustment(uuid4(), 2.5)
    received(commands, slip)
    words = ("engage", "messages", "acme", "--state", "quarantined", "--json")
    (held,) = json.loads(commands.say(*words).out)
    assert held["reason"] == "amount_beyond_scale"
    wordless = commands.say(
        "engage", "dismiss", "acme", held["adjustmentId"], "--reason", "", status=2
    )
    assert "has 1 to 500 characters" in wordless.words
    why = ("--reason", "adjusted anew")
    said = commands.say("engage", "dismiss", "acme", held["adjustmentId"], *why).words
    assert said == "It won't be booked."
    received(commands, slip)
    assert json.loads(commands.say(*words).out) == []
    (left,) = json.loads(commands.say("engage", "messages", "acme", "--json").out)
    assert (left["state"], left["reason"]) == ("ignored", "dismissed")
    assert left["message"].startswith("adjusted anew (")
    assert "before: amount_beyond_scale: amount has 1 decimals" in left["message"]
    again = commands.say("engage", "dismiss", "acme", held["adjustmentId"], *why, status=1).words
    assert "the delivery is ignored, not quarantined" in again
    nobodys = commands.say("engage", "dismiss", "acme", str(uuid4()), *why, status=1).words
    assert "there is no message" in nobodys


def test_a_program_is_written_into_files_and_read_back(
    commands: Commands, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(initial_load, "ROWS_MAX", 2)
    monkeypatch.setattr(initial_load, "PAGE", 2)
    people = [member(number) for number in range(1001, 1004)]
    earned(commands, *[(contact, 1, 100) for contact in people], (people[0], 2, 1250))
    folder = tmp_path / "files"
    written = commands.say("engage", "write-files", "acme", str(folder)).words
    assert "4 row(s) in 2 file(s)." in written
    assert "Point definition 1: 300 in all. Point definition 2: 12.5 in all." in written
    files = sorted(folder.iterdir())
    assert [file.name for file in files] == ["points-0001.csv", "points-0002.csv"]
    content = b"".join(file.read_bytes() for file in files)
    for contact in people:
        assert f"\r\n{contact};contactId;1;100;adjustment;".encode() in content
    assert f"\r\n{people[0]};contactId;2;12.5;adjustment;".encode() in content
    assert b'"' not in content
    for file in files:
        assert "All as in the books." in commands.say("engage", "read-file", "acme", str(file)).out

    broken = tmp_path / "broken.csv"
    lines = files[0].read_text(encoding="utf-8").splitlines()
    changed = lines[1].replace(";100;", ";99;").replace(";12.5;", ";12;")
    broken.write_text("\n".join([lines[0], changed, "1001;contactId;1"]), encoding="utf-8")
    amiss = commands.say("engage", "read-file", "acme", str(broken), status=1).words
    assert "line 3 has 3 cells instead of 12" in amiss
    assert "1 would not be taken; 1 differ from the books." in amiss
    broken.write_text("Key,KeyType", encoding="utf-8")
    none = commands.say("engage", "read-file", "acme", str(broken), status=1).words
    assert "the first line must be Key;KeyType" in none


def test_there_is_no_file_of_movements(commands: Commands, tmp_path: Path) -> None:
    settings = CONFIGURATION + ENGAGE + 'mode = "all_transactions"\napi_version = "v2"\n'
    commands.folder.joinpath("pointmaster.toml").write_text(settings, encoding="utf-8")
    said = commands.say("engage", "write-files", "acme", str(tmp_path / "files"), status=1).words
    assert "sync run --everything" in said


def test_an_engage_that_is_not_there_is_said_so(commands: Commands) -> None:
    settings = CONFIGURATION + ENGAGE.replace("https://acme.voyado.com", "http://127.0.0.1:9")
    commands.folder.joinpath("pointmaster.toml").write_text(settings, encoding="utf-8")
    words = ("engage", "check", "acme", "--url", "http://127.0.0.1:9")
    said = commands.say(*words, status=1).words
    assert "bad address and key: http://127.0.0.1:9 can't be reached" in said
    assert "Start the service, or give the address" in said
    found = json.loads(commands.say(*words, "--no-doors", "--json", status=1).out)
    assert [one["verdict"] for one in found] == ["bad", "good"]
    assert (
        "tenant nobody has no Engage" in commands.say("engage", "check", "nobody", status=1).words
    )
