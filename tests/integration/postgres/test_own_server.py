import os
import stat
from pathlib import Path

import asyncpg
import pytest
import sqlalchemy as sa

from ledger.postgres import Profile, connect, engine, open_database, start
from ledger.postgres.locks import is_free
from ledger.postgres.problems import EmbeddedServerError, UnusableFolderError
from ledger.postgres.server import prepare


async def test_data_is_kept_from_one_run_to_the_next(new_folder: Path, major: int) -> None:
    async with open_database(folder=new_folder, major=major) as database:
        connection = await connect(database.dsn_owner)
        await connection.execute("CREATE SCHEMA s; CREATE TABLE s.kept AS SELECT 41 AS answer")
        await connection.close()
    assert is_free(new_folder / "alive.lock")

    async with open_database(folder=new_folder, major=major) as database:
        connection = await connect(database.dsn_owner)
        assert await connection.fetchval("SELECT answer FROM s.kept") == 41
        await connection.close()
    assert is_free(new_folder / "alive.lock")
    assert {entry.name for entry in new_folder.iterdir()} == {
        "alive.lock",
        "cluster",
        "start.log",
        "turn.lock",
        "users.lock",
    }


async def test_what_was_committed_is_on_the_disk(data_folder: Path, major: int) -> None:
    async with open_database(folder=data_folder, major=major) as database:
        assert database.major == major
        connection = await connect(database.dsn_service)
        for setting, wanted in (
            ("fsync", "on"),
            ("synchronous_commit", "on"),
            ("full_page_writes", "on"),
            ("data_checksums", "on"),
            ("listen_addresses", ""),
            ("server_encoding", "UTF8"),
            ("timezone", "UTC"),
        ):
            assert await connection.fetchval("SELECT current_setting($1)", setting) == wanted
        await connection.close()


async def test_the_service_may_do_nothing_that_was_not_granted(
    data_folder: Path, major: int
) -> None:
    server = start(data_folder, major=major, profile=Profile.TESTS)
    try:
        owner = await connect(server.dsn_owner)
        await owner.execute("CREATE SCHEMA s CREATE TABLE books (points bigint)")
        service = await connect(server.dsn_service)
        for refused in (
            "SELECT * FROM s.books",
            "CREATE SCHEMA mine",
            "CREATE TABLE public.mine ()",
            "CREATE DATABASE mine",
            "SET ROLE pointmaster_owner",
        ):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(refused)
        await service.close()
        await owner.close()
    finally:
        server.stop()


def test_the_folder_is_closed_to_everyone_else(new_folder: Path, major: int) -> None:
    server = start(new_folder, major=major, profile=Profile.TESTS)
    try:
        for place in (new_folder, new_folder / "cluster", server.folder.socket_folder):
            assert stat.S_IMODE(place.stat().st_mode) == 0o700
        account = server.folder.account.uid
        assert account != 0
        assert (new_folder / "cluster").stat().st_uid == account
        assert new_folder.stat().st_uid == os.geteuid()
    finally:
        server.stop()


async def test_sqlalchemy_connects_with_the_same_string(data_folder: Path, major: int) -> None:
    async with open_database(folder=data_folder, major=major, profile=Profile.TESTS) as database:
        owning = engine(database.dsn_owner)
        async with owning.connect() as connection:
            assert await connection.scalar(sa.text("SELECT current_user")) == "pointmaster_owner"
        await owning.dispose()


async def test_text_sorts_by_code_point(data_folder: Path, major: int) -> None:
    async with open_database(folder=data_folder, major=major, profile=Profile.TESTS) as database:
        connection = await connect(database.dsn_service)
        ordered = await connection.fetch(
            "SELECT word FROM unnest(ARRAY['b', 'a', 'B', 'ä', 'Z']) AS word ORDER BY word"
        )
        assert [row["word"] for row in ordered] == ["B", "Z", "a", "b", "ä"]
        assert await connection.fetchval("SELECT upper('ä')") == "Ä"
        await connection.close()


async def test_an_operator_may_add_settings(data_folder: Path, major: int) -> None:
    start(data_folder, major=major, profile=Profile.TESTS).stop()
    (data_folder / "cluster" / "local.conf").write_text("max_connections = 23\n")
    async with open_database(folder=data_folder, major=major, profile=Profile.TESTS) as database:
        connection = await connect(database.dsn_service)
        assert await connection.fetchval("SHOW max_connections") == "23"
        await connection.close()


def test_data_of_another_major_version_is_refused(data_folder: Path, major: int) -> None:
    start(data_folder, major=major, profile=Profile.TESTS).stop()
    other = 16 if major == 18 else 18
    with pytest.raises(UnusableFolderError, match=f"PostgreSQL {major}, and {other} was asked"):
        start(data_folder, major=other)
    assert is_free(data_folder / "alive.lock")


def test_an_unknown_major_version_is_refused(data_folder: Path) -> None:
    with pytest.raises(EmbeddedServerError, match="there is 16 and 18"):
        start(data_folder, major=9)


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(UnusableFolderError, match="is not a folder"):
        prepare(tmp_path / "data")


def test_a_folder_that_can_not_be_made_is_said_in_a_sentence() -> None:
    with pytest.raises(UnusableFolderError, match="can't be made"):
        prepare(Path("/proc/pointmaster/data"))


def test_a_folder_others_may_write_in_is_refused(tmp_path: Path) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data").chmod(0o777)
    with pytest.raises(UnusableFolderError, match="chmod go-w"):
        prepare(tmp_path / "data")


def test_settings_the_server_refuses_are_quoted_in_the_error(data_folder: Path, major: int) -> None:
    start(data_folder, major=major).stop()
    (data_folder / "cluster" / "local.conf").write_text("shared_buffers = 'plenty'\n")
    with pytest.raises(EmbeddedServerError, match="plenty"):
        start(data_folder, major=major)
    assert is_free(data_folder / "alive.lock")


@pytest.mark.parametrize("name", ["x" * 100, "with space, comma", "ünïcode"])
async def test_a_path_too_long_or_peculiar_for_a_socket_works(
    tmp_path: Path, major: int, name: str
) -> None:
    folder = tmp_path / name / "data"
    server = start(folder, major=major, profile=Profile.TESTS)
    socket_folder = server.folder.socket_folder
    try:
        assert socket_folder.parent == Path("/tmp")
        assert stat.S_IMODE(socket_folder.stat().st_mode) == 0o700
        connection = await connect(server.dsn_service)
        assert await connection.fetchval("SELECT 1") == 1
        await connection.close()
    finally:
        server.stop()
    assert not socket_folder.exists()
