"""The service uses the server it was given, after a look at it."""

import asyncio
from pathlib import Path

import pytest

from ledger.postgres import Database, UnsuitableDatabaseError, connect, open_database
from ledger.postgres.database import given, require_version

SECRET = "pass-word-of-nobody"


async def test_two_roles_are_as_it_should_be(
    database: Database, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    async with open_database(
        folder=tmp_path / "data", database_url=database.dsn_service, owner_url=database.dsn_owner
    ) as opened:
        assert (opened.embedded, opened.single_role) == (False, False)
        assert (opened.major, opened.service_role) == (database.major, "pointmaster_service")
        connection = await connect(opened.dsn_owner)
        assert await connection.fetchval("SELECT current_user") == "pointmaster_owner"
        await connection.close()
    assert not caplog.records
    assert not (tmp_path / "data").exists(), "no server of our own was wanted"


async def test_one_role_for_both_works_with_a_warning(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    opened = await given(database.dsn_owner, None)
    assert opened.single_role
    assert opened.dsn_owner == opened.dsn_service
    assert "only triggers keep the books append-only" in caplog.text


async def test_a_service_need_not_know_the_owner(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    opened = await given(database.dsn_service, None)
    assert not opened.single_role
    assert not caplog.records


async def test_before_the_first_migration_whoever_comes_will_be_the_owner(
    bare_database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    assert (await given(bare_database.dsn_owner, None)).single_role
    assert "only triggers keep the books append-only" in caplog.text


async def test_an_empty_variable_is_none(tmp_path: Path, major: int) -> None:
    async with open_database(
        folder=tmp_path / "data", database_url="", owner_url="", major=major
    ) as opened:
        assert opened.embedded


async def test_a_scheme_that_names_a_driver_is_understood(database: Database) -> None:
    with_driver = database.dsn_service.replace("postgresql://", "postgresql+asyncpg://")
    opened = await given(with_driver, database.dsn_owner)
    assert opened.service_role == "pointmaster_service"


@pytest.mark.parametrize(
    "dsn",
    [
        f"postgresql://somebody:{SECRET}@127.0.0.1:1/books",
        f"postgresql://somebody:{SECRET}@no-such-host.invalid/books",
        f"mysql://somebody:{SECRET}@127.0.0.1/books",
        f"postgresql://somebody:{SECRET}@127.0.0.1:port/books",
        f"postgresql://somebody:{SECRET}@127.0.0.1/books?sslmode=perhaps",
        SECRET,
    ],
)
async def test_a_server_that_can_not_be_had_is_named_by_its_variable_only(
    dsn: str, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(UnsuitableDatabaseError, match="DATABASE_URL: no connection") as told:
        await given(dsn, None)
    assert SECRET not in str(told.value) + caplog.text


async def test_a_database_that_is_not_there_is_named(database: Database) -> None:
    missing = database.dsn_service.replace("@/test_", "@/missing_")
    with pytest.raises(UnsuitableDatabaseError, match=r"DATABASE_URL: no connection.*missing_"):
        await given(missing, None)


async def test_the_owner_is_looked_at_too(database: Database) -> None:
    with pytest.raises(UnsuitableDatabaseError, match="DATABASE_OWNER_URL: no connection"):
        await given(database.dsn_service, "postgresql://somebody@127.0.0.1:1/books")


async def test_owner_and_service_must_be_in_one_database(
    database: Database, bare_database: Database
) -> None:
    with pytest.raises(UnsuitableDatabaseError, match="must be one and the same"):
        await given(database.dsn_service, bare_database.dsn_owner)


async def test_a_superuser_is_no_role_to_serve_with(
    database: Database, caplog: pytest.LogCaptureFixture
) -> None:
    superuser = database.dsn_service.replace("pointmaster_service@", "postgres@")
    assert (await given(superuser, database.dsn_owner)).single_role
    assert "may do anything" in caplog.text


@pytest.mark.parametrize("major", [9, 15])
def test_an_old_server_is_refused(major: int) -> None:
    with pytest.raises(UnsuitableDatabaseError, match=f"PostgreSQL {major}; 16 or newer"):
        require_version("DATABASE_URL", major)


@pytest.mark.parametrize("major", [16, 18, 19])
def test_a_newer_server_is_fine(major: int) -> None:
    require_version("DATABASE_URL", major)


def test_connection_strings_do_not_show() -> None:
    shown = repr(
        Database(
            dsn_owner=f"postgresql://owner:{SECRET}@server/books",
            dsn_service=f"postgresql://service:{SECRET}@server/books",
            service_role="service",
            major=18,
            embedded=False,
            single_role=False,
        )
    )
    assert SECRET not in shown


async def test_a_connection_ends_with_its_own_time(database: Database) -> None:
    connection = await connect(database.dsn_service)
    assert await connection.fetchval("SHOW timezone") == "UTC"
    assert await connection.fetchval("SHOW application_name") == "pointmaster"
    await asyncio.wait_for(connection.close(), 5)
