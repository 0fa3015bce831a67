"""`pointmaster relay`, as it is typed."""

import asyncio
import json
import re
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from click.testing import CliRunner, Result

from api.command_line import main
from ledger.postgres import Database, connect
from tests.relaying.samples import PASSKIT_INSTALLED, PUNCHH_REDEEMABLE, PUNCHH_REWARD
from tests.relaying.stage import basic, open_stage, relay_settings

pytestmark = pytest.mark.any_postgres

CONFIGURATION = """
[tenants.acme]
time_zone = "Europe/Stockholm"
definitions = [
  { engage_id = 1, name = "Points" },
  { engage_id = 2, name = "Credits", scale = 2 },
  { engage_id = 3, name = "Strict", returns = "within_balance" },
]
[tenants.other]
time_zone = "UTC"
definitions = [{ engage_id = 1, name = "Points" }]
[relay.destinations.main]
tenant = "acme"
workspace = "sandbox-workspace"
address = "ADDRESS"
[relay.sources.perx]
tenant = "acme"
vendor = "perx"
destination = "main"
authentication = { kind = "basic", username = "vendor" }
[relay.sources.perx.mapping]
drop = ["user_id"]
customer = ["/who"]
"""


@pytest.fixture
def commands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, database: Database, moengage: str
) -> Any:
    """Types a command in a folder with a configuration."""
    (tmp_path / "pointmaster.toml").write_text(CONFIGURATION.replace("ADDRESS", moengage))
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DATABASE_URL", database.dsn_service)
    monkeypatch.setenv("DATABASE_OWNER_URL", database.dsn_owner)
    monkeypatch.setenv("POINTMASTER_RELAY_DESTINATION_MAIN_KEY", "sandbox-data-key")
    monkeypatch.setenv("POINTMASTER_RELAY_SOURCE_PERX_SECRET", "test-secret")

    def typed(*words: str) -> Result:
        return CliRunner().invoke(main, ["relay", *words])

    return typed


def test_a_preview_shows_what_a_message_becomes(tmp_path: Path) -> None:
    file = tmp_path / "message.json"
    file.write_text(PASSKIT_INSTALLED.body)
    result = CliRunner().invoke(
        main, ["relay", "preview", str(file), "--vendor", "passkit", "--json"]
    )
    assert result.exit_code == 0, result.output
    (found,) = json.loads(result.output)
    assert found["customer"] == "cust-1001"
    assert [one["type"] for one in found["elements"]] == ["customer", "event"]
    wanted = PASSKIT_INSTALLED.outcomes[0].event
    assert wanted is not None
    assert found["elements"][1]["actions"][0]["action"] == wanted["actions"][0]["action"]
    file.write_text(PUNCHH_REDEEMABLE.body)
    result = CliRunner().invoke(main, ["relay", "preview", str(file), "--vendor", "punchh"])
    assert "business_level" in result.output
    file.write_text(PUNCHH_REWARD.body)
    result = CliRunner().invoke(main, ["relay", "preview", str(file), "--vendor", "punchh"])
    assert "punchh_rewards" in result.output
    result = CliRunner().invoke(main, ["relay", "preview", str(file)])
    assert result.exit_code == 2


async def fill(database: Database, moengage: str) -> None:
    settings = relay_settings(moengage, {"perx": basic("perx")})
    async with open_stage(database, settings) as stage:
        for number in range(3):
            message = {
                "event_id": number,
                "event_type": "visit",
                "who": f"cust-{number}",
                "user_id": "guest",
            }
            await stage.tell("perx", message)


def test_what_is_quarantined_is_listed_and_replayed(
    commands: Any, tmp_path: Path, database: Database, moengage: str
) -> None:
    asyncio.run(fill(database, moengage))
    listed = commands("dead", "--json")
    assert listed.exit_code == 1
    events = [json.loads(line) for line in listed.output.splitlines()]
    assert {one["reason"] for one in events} == {"customer_forbidden"}
    assert len(events) == 3
    chosen = ("--source", "perx", "--reason", "customer_forbidden", "--since", "2026-01-01")
    assert "customer_forbidden" in commands("dead", *chosen).output
    assert "there is no source" in commands("dead", "--source", "prx").output
    status = json.loads(commands("status", "--json").output)
    assert status["sources"][0]["quarantined"] == {"customer_forbidden": 3}
    assert status["sources"][0]["lastHour"]["received"] == 3, "a message is seen at once"
    told = commands("status").output
    assert "main" in told
    assert "3 customer_forbidden" in told, "not cut, in 80 columns"
    whole = json.loads(commands("show", events[0]["eventId"], "--json").output)
    assert whole["content"]["who"].startswith("cust-")
    assert '"who": "cust-' in commands("show", events[0]["eventId"]).output
    assert "there is no event" in commands("show", str(UUID(int=1))).output
    file = tmp_path / "message.json"
    file.write_text(
        json.dumps({"event_type": "visit", "who": "cust-9", "user_id": "guest", "a": 1})
    )
    (shown,) = json.loads(commands("preview", str(file), "--source", "perx", "--json").output)
    assert shown["customer"] == "cust-9", "the mapping was mended"
    assert "user_id" not in shown["elements"][0]["actions"][0]["attributes"]
    assert "1 event(s) are on their way; 0" in commands("replay", events[0]["eventId"]).output
    assert "2 event(s) are on their way; 0" in commands("replay", "--state", "quarantined").output
    assert commands("replay").exit_code == 2
    assert "There are none" in commands("duplicates").output
    asyncio.run(mark_repeated(database, events[1]["eventId"]))
    assert events[1]["eventId"] in commands("duplicates", "--source", "perx").output
    assert commands("dead").exit_code == 0
    assert commands("forget", "cust-0").exit_code == 2, "whose customer is it?"
    assert "1 event(s) are gone" in commands("forget", "cust-0", "--tenant", "acme").output
    assert json.loads(commands("status", "--json").output)["destinations"][0]["waiting"] == 2


async def mark_repeated(database: Database, event: str) -> None:
    connection = await connect(database.dsn_service)
    try:
        await connection.execute(
            "update relay.event set maybe_repeated = true where id = $1", UUID(event)
        )
    finally:
        await connection.close()


def test_a_destination_is_checked_and_resumed(
    commands: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "They belong together" in commands("check", "main").output
    assert "sent to again" in commands("resume", "main").output
    assert "there is no destination" in commands("resume", "nowhere").output
    monkeypatch.setenv("POINTMASTER_RELAY_DESTINATION_MAIN_KEY", "wrong")
    refused = commands("check", "main")
    assert refused.exit_code == 1
    assert "401" in refused.output
    assert refused.output.count("Authentication") == 1
    assert "wrong" not in refused.output
    path = Path("pointmaster.toml")
    path.write_text(re.sub(r"127\.0\.0\.1:\d+", "127.0.0.1:9", path.read_text()))
    assert "can't be asked" in commands("check", "main").output


async def unknown_guests(database: Database, moengage: str) -> None:
    settings = relay_settings(moengage, {"shop": basic("punchh")})
    async with open_stage(database, settings) as stage:
        for user in (1001, 1002):
            message = {
                "content_id": str(user),
                "event_name": "checkins",
                "business_id": 7,
                "payload": {"user": {"user_id": user}},
            }
            await stage.tell("shop", message)


def test_guests_there_were_before_are_told_from_a_list(
    commands: Any, tmp_path: Path, database: Database, moengage: str, monkeypatch: Any
) -> None:
    path = Path("pointmaster.toml")
    shop = '[relay.sources.shop]\ntenant = "acme"\nvendor = "punchh"\ndestination = "main"\n'
    proof = 'authentication = { kind = "bearer" }\n'
    path.write_text(path.read_text() + shop + proof)
    monkeypatch.setenv("POINTMASTER_RELAY_SOURCE_SHOP_SECRET", "test-secret")
    asyncio.run(unknown_guests(database, moengage))
    assert "user/7/1001" in commands("dead").output
    file = tmp_path / "guests.csv"
    file.write_text("waits_for,customer\nuser/7/1001,cust-1\n1002,cust-2\nuser/7/3,guest\n")
    refused = commands("tell", str(file), "--source", "shop")
    assert refused.exit_code == 1
    assert "line 3: waits_for must be like user/BUSINESS/USER" in refused.output
    assert "line 4: customer is one of the words" in refused.output
    assert "There are none" not in commands("dead").output, "nothing was kept"
    file.write_text("waits_for,customer\nuser/7/1001,cust-1\nuser/7/1003,cust-3\n")
    done = commands("tell", str(file), "--source", "shop")
    assert "2 are known; 1 event(s) are on their way" in done.output
    left = [json.loads(line) for line in commands("dead", "--json").output.splitlines()]
    assert [one["waitsFor"] for one in left] == ["user/7/1002"]
    file.write_text("user,customer\n1,2\n")
    assert "lacks the column waits_for" in commands("tell", str(file), "--source", "shop").output
    unfit = commands("tell", str(file), "--source", "nobody")
    assert "there is no source nobody" in unfit.output
