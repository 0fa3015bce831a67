"""Files of rows, fetched over the real protocol: whole, once, and only from the right server."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import asyncssh
import pytest

from ledger.postgres import Database
from sync.relay.channels.sftp import Fetched, PickUp
from sync.relay.intake import EventState, Reason
from tests.relaying.folder import PASSWORD, USER, Folder, served
from tests.relaying.stage import Stage, open_stage, relay_settings

pytestmark = pytest.mark.any_postgres

HEADER = "event_id,event_type,customer_id,points"


@pytest.fixture
async def folder(tmp_path: Path) -> AsyncIterator[Folder]:
    async with served(tmp_path) as found:
        yield found


def fetching(folder: Folder, **more: Any) -> dict[str, Any]:
    return {
        "perx": {
            "vendor": "perx",
            "destination": "main",
            "tenant": "acme",
            "sftp": {
                "host": "127.0.0.1",
                "port": folder.port,
                "username": USER,
                "host_key": [folder.host_key],
                "settle_seconds": 0,
                **more,
            },
        }
    }


async def fetch(stage: Stage) -> Fetched:
    return await stage.relay.pick_ups["perx"].fetch()


def row(number: int) -> str:
    return f"e-{number},reward,cust-{number},{number * 10}"


async def test_each_row_becomes_an_event_and_the_file_is_moved_away(
    database: Database, moengage: str, folder: Folder
) -> None:
    folder.write("rewards.csv", HEADER, *(row(number) for number in range(1, 1201)))
    settings = relay_settings(moengage, fetching(folder), secret=PASSWORD)
    async with open_stage(database, settings) as stage:
        done = await fetch(stage)
        assert (done.files, done.rows, done.fresh) == (1, 1200, 1200)
        assert (folder.names(), folder.names("archive")) == ([], ["rewards.csv"])
        await stage.deliver()
        entries = await stage.entries()
        assert len(entries) == 1200
        attributes = entries[0]["element"]["actions"][0]["attributes"]
        assert (attributes["points"], entries[0]["name"]) == ("10", "perx_reward")
        assert await fetch(stage) == Fetched()


async def test_a_file_that_comes_again_brings_only_its_new_rows(
    database: Database, moengage: str, folder: Folder
) -> None:
    without_id = "event_type,customer_id"
    rows = ["reward,cust-1", "reward,cust-1", "reward,cust-2"]
    settings = relay_settings(moengage, fetching(folder), secret=PASSWORD)
    async with open_stage(database, settings) as stage:
        folder.write("daily.csv", without_id, *rows)
        assert (await fetch(stage)).fresh == 3, "two equal rows of one file are two"
        folder.write("daily.csv", without_id, *rows, "reward,cust-3")
        again = await fetch(stage)
        assert (again.rows, again.fresh) == (4, 1)
        assert len(folder.names("archive")) == 2, "neither overwrites the other"


async def test_a_crash_before_the_file_is_moved_costs_a_second_reading_only(
    database: Database, moengage: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder.write("rewards.csv", HEADER, row(1), row(2))
    settings = relay_settings(moengage, fetching(folder), secret=PASSWORD)

    async def crash(*_: Any) -> None:
        raise ConnectionError("the process was killed")

    async with open_stage(database, settings) as stage:
        with monkeypatch.context() as patched:
            patched.setattr(PickUp, "_archive", crash)
            with pytest.raises(ConnectionError):
                await fetch(stage)
        assert folder.names() == ["rewards.csv"]
        again = await fetch(stage)
        assert (again.files, again.fresh) == (1, 0)
        assert len(await stage.events()) == 2


async def test_a_file_that_is_still_being_written_is_waited_for(
    database: Database, moengage: str, folder: Folder, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = SimpleNamespace(now=0.0)
    stand_in = SimpleNamespace(monotonic=lambda: clock.now)
    monkeypatch.setattr("sync.relay.channels.sftp.time", stand_in)
    settings = relay_settings(moengage, fetching(folder, settle_seconds=60), secret=PASSWORD)
    async with open_stage(database, settings) as stage:
        file = folder.write("rewards.csv", HEADER, row(1))
        assert (await fetch(stage)).waiting == 1
        clock.now = 59
        with file.open("a") as opened:
            opened.write(f"{row(2)}\n")
        assert (await fetch(stage)).waiting == 1
        clock.now = 118
        assert (await fetch(stage)).waiting == 1, "it changed less than a minute ago"
        clock.now = 119
        assert (await fetch(stage)).fresh == 2


async def test_a_file_may_be_declared_complete_by_another(
    database: Database, moengage: str, folder: Folder
) -> None:
    settings = relay_settings(moengage, fetching(folder, done_suffix=".done"), secret=PASSWORD)
    async with open_stage(database, settings) as stage:
        folder.write("rewards.csv", HEADER, row(1))
        assert (await fetch(stage)).files == 0
        folder.write("rewards.csv.done")
        assert (await fetch(stage)).files == 1
        assert folder.names("archive") == ["rewards.csv", "rewards.csv.done"]


async def test_a_row_that_does_not_fit_is_kept_aside_and_a_file_that_can_not_be_read_stays(
    database: Database, moengage: str, folder: Folder
) -> None:
    folder.write("rewards.csv", HEADER, row(1), "e-2,reward", row(3))
    (folder.path / "broken.csv").write_bytes(f"{HEADER}\n{row(4)}\n".encode() + b"e-5,\xff,x,1\n")
    folder.write("empty.csv")
    folder.write("notes.txt", "not asked for")
    settings = relay_settings(moengage, fetching(folder), secret=PASSWORD)
    async with open_stage(database, settings) as stage:
        done = await fetch(stage)
        assert (done.files, done.troubled) == (1, 2)
        (event,) = await stage.events(state=EventState.QUARANTINED)
        assert (event.reason, event.message) == (
            Reason.UNREADABLE, "the message row 2 has 2 values, the header 4",
        )  # fmt: skip
        assert folder.names() == ["broken.csv", "empty.csv", "notes.txt"]
        assert (await fetch(stage)).troubled == 2, "neither is read again while it is as it was"
        trouble = await stage.pool.fetch(
            "select name, trouble from relay.file where trouble is not null"
        )
        assert {one["name"] for one in trouble} == {"broken.csv", "empty.csv"}
        assert len(trouble) == 2


async def test_a_server_with_another_key_gets_neither_name_nor_password(
    database: Database, moengage: str, folder: Folder
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode().strip()
    settings = relay_settings(moengage, fetching(folder, host_key=[other]), secret=PASSWORD)
    async with open_stage(database, settings) as stage:
        with pytest.raises(asyncssh.HostKeyNotVerifiable):
            await fetch(stage)
    assert folder.logins == []


async def test_a_private_key_opens_too(database: Database, moengage: str, tmp_path: Path) -> None:
    key = asyncssh.generate_private_key("ssh-ed25519")
    async with served(tmp_path, key) as folder:
        folder.write("rewards.csv", HEADER, row(1))
        secret = key.export_private_key().decode()
        settings = relay_settings(moengage, fetching(folder), secret=secret)
        async with open_stage(database, settings) as stage:
            assert (await fetch(stage)).fresh == 1


async def test_two_replicas_do_not_fetch_at_once(
    database: Database, moengage: str, folder: Folder
) -> None:
    folder.write("rewards.csv", HEADER, *(row(number) for number in range(1, 500)))
    settings = relay_settings(moengage, fetching(folder), secret=PASSWORD)
    async with open_stage(database, settings) as one, open_stage(database, settings) as two:
        done = await asyncio.gather(fetch(one), fetch(two))
        assert sorted(found.files for found in done) == [0, 1]
