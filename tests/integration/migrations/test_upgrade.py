import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest
from alembic.script import ScriptDirectory

from ledger.postgres import Database, Server, connect
from migrations import upgrade
from migrations.upgrade import LOCK_KEY, NewerDatabaseError, configuration, migrate, pending

ALL = tuple(
    reversed(
        [
            revision.revision
            for revision in ScriptDirectory.from_config(configuration()).walk_revisions()
        ]
    )
)


@pytest.fixture
async def owner(bare_database: Database) -> AsyncIterator[asyncpg.Connection]:
    connection = await connect(bare_database.dsn_owner)
    yield connection
    await connection.close()


def test_revisions_are_numbered_in_one_line() -> None:
    assert list(ALL) == [f"{number:04d}" for number in range(1, len(ALL) + 1)]


async def test_an_empty_database_lacks_everything_and_is_brought_up(
    bare_database: Database,
) -> None:
    assert await pending(bare_database.dsn_service) == ALL
    assert await migrate(bare_database.dsn_owner) == ALL
    assert await pending(bare_database.dsn_service) == ()
    assert await migrate(bare_database.dsn_owner) == ()


async def test_revisions_can_be_applied_one_at_a_time(bare_database: Database) -> None:
    for number, revision in enumerate(ALL, start=1):
        assert await migrate(bare_database.dsn_owner, target=revision) == (revision,)
        assert await pending(bare_database.dsn_service) == ALL[number:]


async def test_services_that_start_together_migrate_once(bare_database: Database) -> None:
    applied = await asyncio.gather(*(migrate(bare_database.dsn_owner) for _ in range(4)))
    assert sorted(applied) == [(), (), (), ALL]


async def test_an_upgrade_waits_its_turn(
    bare_database: Database, owner: asyncpg.Connection
) -> None:
    await owner.execute("SELECT pg_advisory_lock($1)", LOCK_KEY)
    waiting = asyncio.ensure_future(migrate(bare_database.dsn_owner))
    await asyncio.sleep(0.5)
    assert not waiting.done()
    assert await pending(bare_database.dsn_service) == ALL
    await owner.execute("SELECT pg_advisory_unlock($1)", LOCK_KEY)
    assert await waiting == ALL


async def test_a_table_in_use_is_waited_for_and_not_queued_upon(
    bare_database: Database, owner: asyncpg.Connection, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The version table stands for any table: the upgrade gives its place up, and tries again."""
    monkeypatch.setattr(upgrade, "PAUSE_SECONDS", 0.1)
    await migrate(bare_database.dsn_owner, target=ALL[0])
    await owner.execute(
        f"ALTER ROLE pointmaster_owner IN DATABASE {name(bare_database)} SET lock_timeout = '200ms'"
    )
    await owner.execute("BEGIN; LOCK TABLE ledger.alembic_version IN SHARE MODE")
    waiting = asyncio.ensure_future(migrate(bare_database.dsn_owner))
    await asyncio.sleep(1.0)
    assert not waiting.done()
    await owner.execute("ROLLBACK")
    assert await waiting == ALL[1:]


async def test_a_database_of_a_newer_release_is_left_alone(
    bare_database: Database, owner: asyncpg.Connection
) -> None:
    await migrate(bare_database.dsn_owner)
    await owner.execute("UPDATE ledger.alembic_version SET version_num = '9999'")
    with pytest.raises(NewerDatabaseError, match="9999"):
        await pending(bare_database.dsn_service)
    with pytest.raises(NewerDatabaseError, match="9999"):
        await migrate(bare_database.dsn_owner)


async def test_one_role_for_both_needs_no_grants(bare_database: Database) -> None:
    assert await migrate(bare_database.dsn_owner, service_role="pointmaster_owner") == ALL


async def test_a_role_that_comes_later_is_granted_its_due_by_the_next_upgrade(
    bare_database: Database, postgres: Server, caplog: pytest.LogCaptureFixture
) -> None:
    role = name(bare_database)
    await migrate(bare_database.dsn_owner, service_role=role)
    assert f"There is no role {role}" in caplog.text
    administration = await connect(postgres.dsn("postgres", role))
    await administration.execute(f"CREATE ROLE {role}")
    try:
        await migrate(bare_database.dsn_owner, service_role=role)
        for privilege, wanted in (("INSERT", True), ("DELETE", False)):
            granted = await administration.fetchval(
                "SELECT has_table_privilege($1, 'ledger.transaction', $2)", role, privilege
            )
            assert granted is wanted
    finally:
        await administration.execute(f"DROP OWNED BY {role}; DROP ROLE {role}")
        await administration.close()


def name(database: Database) -> str:
    """The database's name, of letters and digits."""
    return database.dsn_owner.split("?")[0].rpartition("/")[2]
