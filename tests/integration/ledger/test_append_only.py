"""Facts stay as they are: the database itself refuses to change, remove or replace one."""

import asyncpg
import pytest

from ledger import invariants
from ledger.connection import Connection
from ledger.postgres import Database, connect
from tests.bookkeeping.desk import Desk, member

ONE = member(1001)
ERASABLE = ("idempotency_key", "description", "reference", "actor")

ANY_VALUE = {
    "bigint": "9",
    "boolean": "false",
    "bytea": r"'\x01'",
    "integer": "9",
    "jsonb": "'{}'",
    "smallint": "9",
    "text": "'x'",
    "timestamp with time zone": "'2026-06-01'",
    "uuid": "'00000000-0000-4000-8000-000000000001'",
}


async def columns_of(connection: Connection, table: str) -> dict[str, str]:
    rows = await connection.fetch(
        "select column_name, data_type from information_schema.columns"
        " where table_schema = 'ledger' and table_name = $1 order by ordinal_position",
        table,
    )
    return {row["column_name"]: row["data_type"] for row in rows}


@pytest.fixture
async def kept(desk: Desk) -> Desk:
    """Books with a row in every table of facts."""
    await desk.book(
        desk.till.earn(ONE, "100 until 1 March", key="purchase", description="Two coffees"),
        desk.till.redeem(ONE, 30),
    )
    service = await connect(desk.database.dsn_service)
    for table in invariants.FACTS:
        if not await desk.count(table):
            columns = await columns_of(service, table)
            values = ", ".join(ANY_VALUE[kind] for kind in columns.values())
            await service.execute(f"insert into ledger.{table} values ({values})")
    await service.close()
    return desk


async def test_the_tables_of_facts_are_those_the_database_guards(database: Database) -> None:
    owner = await connect(database.dsn_owner)
    rows = await owner.fetch(
        "select tgrelid::regclass::text as name from pg_trigger"
        " where tgname in ('facts_stay', 'facts_stay_all')"
    )
    await owner.close()
    guarded = [row["name"] for row in rows if row["name"].startswith("ledger.")]
    assert sorted(guarded) == sorted([f"ledger.{table}" for table in invariants.FACTS] * 2)


@pytest.mark.parametrize("table", invariants.FACTS)
async def test_no_column_of_a_fact_changes(kept: Desk, table: str) -> None:
    service = await connect(kept.database.dsn_service)
    owner = await connect(kept.database.dsn_owner)
    for column, kind in (await columns_of(owner, table)).items():
        change = f"update ledger.{table} set {column} = {ANY_VALUE[kind]}"
        may_be_named = table == "transaction" and column in ERASABLE
        with pytest.raises(
            asyncpg.RestrictViolationError if may_be_named else asyncpg.InsufficientPrivilegeError
        ):
            await service.execute(change)
        with pytest.raises(asyncpg.RestrictViolationError, match="are facts and stay"):
            await owner.execute(change)
    await service.close()
    await owner.close()


@pytest.mark.parametrize("table", invariants.FACTS)
@pytest.mark.parametrize("removal", ["delete from", "truncate", "truncate ledger.tenant,"])
async def test_no_fact_is_removed(kept: Desk, table: str, removal: str) -> None:
    service = await connect(kept.database.dsn_service)
    owner = await connect(kept.database.dsn_owner)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(f"{removal} ledger.{table}")
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(f"{removal} ledger.{table}")
    assert await kept.count(table) > 0
    await service.close()
    await owner.close()


async def test_a_fact_is_not_replaced_by_inserting_it_again(kept: Desk) -> None:
    service = await connect(kept.database.dsn_service)
    for table in ("transaction", "transfer", "allocation", "idempotency"):
        again = f"insert into ledger.{table} select * from ledger.{table}"
        with pytest.raises(asyncpg.UniqueViolationError):
            await service.execute(again)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(
            "insert into ledger.transfer select * from ledger.transfer"
            " on conflict (holder_id, number, line) do update set amount = 1"
        )
    await service.close()


@pytest.mark.parametrize("column", ERASABLE)
async def test_a_text_may_be_erased_and_nothing_else_be_put_there(kept: Desk, column: str) -> None:
    service = await connect(kept.database.dsn_service)
    owner = await connect(kept.database.dsn_owner)
    for connection in (service, owner):
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute(f"update ledger.transaction set {column} = 'Three coffees'")
    await service.execute(f"update ledger.transaction set {column} = null")
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(f"update ledger.transaction set {column} = 'Two coffees'")
    with pytest.raises(asyncpg.RestrictViolationError):
        await owner.execute(f"update ledger.transaction set {column} = null, amount = 1")
    await service.close()
    await owner.close()


@pytest.mark.parametrize(
    "column",
    [
        "holder_id", "lot", "line", "definition_id", "number", "issued", "effective_at",
        "first_valid_from", "first_valid_to", "origin_holder", "origin_lot",
    ],
)  # fmt: skip
async def test_what_a_lot_was_issued_as_stays(kept: Desk, column: str) -> None:
    for dsn in (kept.database.dsn_service, kept.database.dsn_owner):
        connection = await connect(dsn)
        kind = (await columns_of(connection, "lot"))[column]
        with pytest.raises(asyncpg.RestrictViolationError):
            await connection.execute(f"update ledger.lot set {column} = {ANY_VALUE[kind]}")
        await connection.close()


@pytest.mark.parametrize("table", ["lot", "account", "holder", "hold", "tenant", "definition"])
async def test_the_service_removes_no_state(kept: Desk, table: str) -> None:
    service = await connect(kept.database.dsn_service)
    for removal in ("delete from", "truncate"):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await service.execute(f"{removal} ledger.{table}")
    await service.close()


@pytest.mark.parametrize(
    "change",
    [
        "update ledger.account set available = -1",
        "update ledger.account set debt = 1",  # with points available
        "update ledger.lot set remaining = -1",
        "update ledger.lot set remaining = issued + 1",
        "update ledger.lot set lapsed = issued + 1",
    ],
)
async def test_state_that_cannot_be_is_refused(kept: Desk, change: str) -> None:
    service = await connect(kept.database.dsn_service)
    with pytest.raises(asyncpg.CheckViolationError):
        await service.execute(change)
    await service.close()
