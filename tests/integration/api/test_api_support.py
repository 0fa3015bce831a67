"""What a support agent has at hand: docs/support.md, whose example and commands are run here."""

import asyncio
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import asyncpg
import click
import msgspec
import pytest

from api.application import operations
from api.command_line import main
from api.documents.explanations import ExplanationDocument
from api.documents.requests import REQUESTS
from api.intake.reading import read_transaction
from api.intake.understanding import understand
from ledger.outcomes import Booked
from ledger.postgres import Database
from ledger.posting import Books
from ledger.tenants import load_catalogue
from tests.doors.commands import Commands

pytestmark = pytest.mark.any_postgres

GUIDE = (Path(__file__).parents[3] / "docs" / "support.md").read_text(encoding="utf-8")

CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"
FRIEND = "7c2e4b0a-91d3-4f5e-a6b8-30f1d2c4e596"

VOLATILE = re.compile(r"\d{4}-\d\d-\d\d( \d\d:\d\d)?")
"""Days and hours are never the same again; their form is."""


def asks(kind: str, key: str, contact: str = CONTACT, **more: Any) -> bytes:
    return msgspec.json.encode(
        {
            "kind": kind,
            "idempotencyKey": key,
            "contactId": contact,
            "definitionId": 1,
            "source": "pos",
            **more,
        }
    )


STORY = (
    asks("earn", "1", amount=250, description="Purchase in store 12", reference="000417"),
    asks("earn", "2", amount=100, description="Purchase online", validTo="2999-06-30T22:00:00Z"),
    asks("redeem", "3", amount=120, description="Gift card"),
    asks("hold", "4", amount=30, description="Checkout 77310"),
    asks("redeem", "5", contact=FRIEND, amount=5, allowDebt=True, description="Coffee"),
    asks("move", "6", amount=25, to={"contactId": FRIEND}, description="A gift"),
)


@pytest.fixture
def commands(tmp_path: Path, database: Database) -> Commands:
    found = Commands(tmp_path, database)
    found.say("config", "check")
    found.say("keys", "list")
    asyncio.run(tell(database, STORY))
    return found


async def tell(database: Database, story: Sequence[bytes]) -> None:
    """Post a story, as the doors would."""
    async with asyncpg.create_pool(database.dsn_service, min_size=1, max_size=2) as pool:
        async with pool.acquire() as connection:
            catalogue = await load_catalogue(connection)
        books = Books(pool, catalogue)
        for asked in story:
            request = understand(read_transaction(asked), catalogue.tenants["acme"].id, catalogue)
            (outcome,) = await books.post([request])
            assert isinstance(outcome, Booked), outcome


def test_the_guides_example_is_what_the_command_says(commands: Commands) -> None:
    [shown] = re.findall(r"```text\n(.*?)```", GUIDE, re.DOTALL)
    commands.variables["COLUMNS"] = str(max(map(len, shown.splitlines())))
    [line] = re.findall(r"^pointmaster (explain .*)$", GUIDE, re.MULTILINE)
    said = commands.say(*line.split()).out
    assert plain(said) == plain(shown)


def plain(text: str) -> list[str]:
    """Lines without what is another day or hour each time."""
    return [VOLATILE.sub("…", line).rstrip() for line in text.strip().splitlines()]


def test_an_explanation_can_be_of_another_moment_and_in_part(commands: Commands) -> None:
    asked = ("explain", CONTACT, "--tenant", "acme")
    later = commands.say(*asked, "--effective-at", "2999-07-01").words
    assert "2999-07-01 23:59 Europe/Stockholm" in later
    before = commands.say(*asked, "--effective-at", "2020-01-01").words
    assert "0 to spend, 0 not valid yet, 0 set aside, 0 owed" in before
    assert "Purchase" not in before
    part = commands.say(*asked, "--last", "2").words
    assert "3 transactions before these" in part
    assert "+230" in part
    assert "Gift card" not in part
    unknown = commands.say("explain", "member-1001", "--tenant", "acme", status=2).words
    assert "is not a valid UUID" in unknown
    nothing = commands.say("explain", FRIEND, "--tenant", "acme", "--definition", "2").words
    assert "There were no points" in nothing
    for words, said in (
        (("--definition", "7"), "there is no definition 7; there are: 1, 2"),
        (("--recorded-at", "2999-01-01"), "recordedAt must not be in the future"),
    ):
        assert said in commands.say(*asked, *words, status=1).words


def test_debt_gifts_and_origins_are_told(commands: Commands, database: Database) -> None:
    said = commands.say("explain", FRIEND, "--tenant", "acme").words
    assert "20 to spend" in said
    assert "5 owed" in said
    assert "5 of debt paid" in said
    assert f"from {CONTACT}" in said
    assert "first earned on" in said

    hold = asks("hold", "8", contact=FRIEND, amount=6, description="Checkout 77311")
    capture = asks("capture", "9", contact=FRIEND, holdKey="8", amount=2, description="Tea")
    asyncio.run(tell(database, (hold, capture)))
    (line,) = [
        line
        for line in commands.say("explain", FRIEND, "--tenant", "acme").out.splitlines()
        if "Tea" in line
    ]
    assert re.search(r"-2 │ +18 │ 2 of ", line), line


def test_programs_get_the_same_as_json(commands: Commands) -> None:
    said = commands.say("explain", CONTACT, "--tenant", "acme", "--json").out
    (found,) = msgspec.json.decode(said, type=list[ExplanationDocument])
    assert [bytes(one) for one in (found.balance.available, found.balance.held)] == [b"175", b"30"]
    nets = sum(int(bytes(one.net)) for one in found.transactions)
    assert nets == 205
    assert str(found.transactions[0].linked_contact_id) == FRIEND


def test_contacts_are_merged_closed_and_erased(commands: Commands, database: Database) -> None:
    tenant = ("--tenant", "acme")
    refused = commands.say("contacts", "merge", CONTACT, FRIEND, *tenant, "--yes", status=1).words
    assert "the contact has points on hold: capture or release them first; nothing" in refused
    closing = commands.say("contacts", "close", CONTACT, *tenant, "--yes", status=1).words
    assert "has points on hold" in closing
    asked = commands.say("contacts", "merge", FRIEND, CONTACT, *tenant, status=1).words
    assert "for good? [y/N]" in asked
    assert "Aborted" in asked
    merged = commands.say("contacts", "merge", FRIEND, CONTACT, *tenant, "--yes").words
    assert "They are one. 1 account(s) went over." in merged
    together = commands.say("explain", FRIEND, *tenant).words
    assert "195 to spend" in together
    assert together.index("moved away “A gift”") < together.index("received “A gift”")
    itself = commands.say("contacts", "merge", FRIEND, FRIEND, *tenant, status=2).words
    assert "can't be merged into itself" in itself

    commands.say("contacts", "erase", CONTACT, *tenant, "--yes", status=1)
    release = asks("release", "7", holdKey="4", description="Checkout left")
    asyncio.run(tell(database, (release,)))
    erased = commands.say("contacts", "erase", CONTACT, *tenant, "--yes").words
    assert "Forgotten, with 1 contact(s) merged with it." in erased
    again = commands.say("contacts", "erase", CONTACT, *tenant, "--yes").words
    assert "did not know the contact" in again
    assert "no points of this contact" in commands.say("explain", FRIEND, *tenant).words
    assert "The books are right" in commands.say("verify").words


def test_a_member_who_left_has_no_open_account(commands: Commands) -> None:
    said = commands.say("contacts", "close", FRIEND, "--tenant", "acme", "--yes").words
    assert "1 account(s) closed." in said
    nobody = ("contacts", "close", "0" * 31 + "1", "--tenant", "acme", "--yes")
    assert "the contact has no points; nothing" in commands.say(*nobody, status=1).words


COMMANDS = sorted(set(re.findall(r"pointmaster ([a-z][^`\n]*)", GUIDE)))


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_of_the_guide_exists_with_its_options(line: str) -> None:
    command: click.Command = main
    words = line.split()
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert not isinstance(command, click.Group), f"{words} is no command"
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= options


def test_every_address_and_kind_of_the_guide_exists() -> None:
    addresses = set(re.findall(r"`(GET|POST|DELETE) (/v1/[^`?]*)", GUIDE))
    known = {(method.upper(), path) for method, path, _ in operations()}
    assert len(addresses) > 5
    assert addresses <= known
    rows = re.findall(r"^\| [a-z][^|]* \| `(\w+)`", GUIDE, re.MULTILINE)
    assert set(rows) == {"adjust", "cancel", "return", "release", "extend", "activate"}
    assert set(rows) <= set(REQUESTS)
