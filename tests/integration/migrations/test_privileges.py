"""Facts stay as they are, whoever asks, and the service gets what the revisions declared."""

import asyncpg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.ext.asyncio import AsyncEngine

from ledger.postgres import SERVICE_ROLE, Database, connect, engine
from migrations import ground
from migrations.privileges import facts, grant, state

FACTS = "ledger.purchase"
STATE = "ledger.shelf"


class Revision:
    """Stands where Alembic's operations stand."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def get_bind(self) -> Connection:
        return self.connection


def declare(connection: Connection) -> None:
    ground.prepare(connection)
    connection.execute(
        text(f"CREATE TABLE {FACTS} (number bigint, points bigint, description text, seen jsonb)")
    )
    connection.execute(text(f"CREATE TABLE {STATE} (number bigint, points bigint)"))
    facts(Revision(connection), FACTS, erasable=("description",))
    state(Revision(connection), STATE, update=True, delete=False)
    grant(connection, SERVICE_ROLE)


async def run(owning: AsyncEngine, *steps: object) -> None:
    async with owning.begin() as connection:
        for step in steps:
            await connection.run_sync(step)  # type: ignore[arg-type]  # plain functions of a connection


@pytest.fixture
async def declared(bare_database: Database) -> Database:
    """A database with one table of facts holding one row, and one table of state."""
    owning = engine(bare_database.dsn_owner)
    await run(owning, declare)
    await owning.dispose()
    service = await connect(bare_database.dsn_service)
    await service.execute(f"INSERT INTO {FACTS} VALUES (1, 60, 'two coats', '{{\"a\": 1.0}}')")
    await service.execute(f"INSERT INTO {STATE} VALUES (1, 60)")
    await service.close()
    return bare_database


CHANGES = [
    f"UPDATE {FACTS} SET points = 61",
    f"UPDATE {FACTS} SET points = 61, description = NULL",
    f"UPDATE {FACTS} SET description = 'three coats'",
    f"UPDATE {FACTS} SET number = NULL",
    f"DELETE FROM {FACTS}",
    f"TRUNCATE {FACTS}",
]


@pytest.mark.parametrize("change", CHANGES)
async def test_not_even_the_owner_changes_a_fact(declared: Database, change: str) -> None:
    owner = await connect(declared.dsn_owner)
    with pytest.raises(
        asyncpg.RestrictViolationError, match=r"ledger\.purchase is refused"
    ) as told:
        await owner.execute(change)
    assert (told.value.schema_name, told.value.table_name) == ("ledger", "purchase")
    assert await owner.fetchval(f"SELECT points FROM {FACTS}") == 60
    await owner.close()


@pytest.mark.parametrize("change", CHANGES)
async def test_the_service_changes_no_fact(declared: Database, change: str) -> None:
    service = await connect(declared.dsn_service)
    with pytest.raises((asyncpg.InsufficientPrivilegeError, asyncpg.RestrictViolationError)):
        await service.execute(change)
    await service.close()


async def test_an_erasable_text_may_be_erased_and_stays_erased(declared: Database) -> None:
    service = await connect(declared.dsn_service)
    await service.execute(f"UPDATE {FACTS} SET description = NULL")
    await service.execute(f"UPDATE {FACTS} SET description = NULL")
    with pytest.raises(asyncpg.RestrictViolationError):
        await service.execute(f"UPDATE {FACTS} SET description = 'two coats'")
    row = await service.fetchrow(f"SELECT number, points, description FROM {FACTS}")
    assert row is not None
    assert tuple(row) == (1, 60, None)
    await service.close()


async def test_state_may_be_changed_as_declared(declared: Database) -> None:
    service = await connect(declared.dsn_service)
    await service.execute(f"SELECT * FROM {STATE} FOR UPDATE")
    await service.execute(f"UPDATE {STATE} SET points = 61")
    for refused in (f"DELETE FROM {STATE}", f"TRUNCATE {STATE}", f"DROP TABLE {STATE}"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(refused)
    await service.close()


async def test_granting_again_takes_back_what_was_not_declared(declared: Database) -> None:
    owning = engine(declared.dsn_owner)
    async with owning.begin() as connection:
        await connection.execute(text(f"GRANT ALL ON {FACTS}, {STATE} TO {SERVICE_ROLE}"))
    await run(owning, lambda connection: grant(connection, SERVICE_ROLE))
    service = await connect(declared.dsn_service)
    for refused in (f"DELETE FROM {STATE}", f"UPDATE {FACTS} SET points = 61"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(refused)
    await service.close()
    await owning.dispose()


async def test_a_trigger_can_not_be_taken_away_by_the_service(declared: Database) -> None:
    service = await connect(declared.dsn_service)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(f"ALTER TABLE {FACTS} DISABLE TRIGGER ALL")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute("SET session_replication_role = 'replica'")
    await service.close()


async def test_every_table_says_what_the_service_may_do(database: Database) -> None:
    owner = await connect(database.dsn_owner)
    undeclared = await owner.fetch(
        """
        SELECT format('%I.%I', schemaname, tablename) AS name FROM pg_tables
        WHERE schemaname = ANY ($1) AND tablename <> ALL ($2)
          AND NOT EXISTS (
            SELECT FROM ledger.service_privileges
            WHERE to_regclass(table_name) = to_regclass(format('%I.%I', schemaname, tablename)))
        """,
        list(ground.SCHEMAS),
        ground.OWN_TABLES,
    )
    await owner.close()
    assert [row["name"] for row in undeclared] == []
