"""Facts stay as they are: the database itself refuses to change, remove or replace one."""

from collections.abc import AsyncIterator

import asyncpg
import pytest

from ledger import invariants
from ledger.connection import Connection
from ledger.postgres import connect
from tests.bookkeeping.desk import Desk, member

ONE = member(1001)
ERASABLE = ("idempotency_key", "description", "reference", "actor")

OTHER_VALUE = {
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
            values = ", ".join(OTHER_VALUE[kind] for kind in columns.values())
            await service.execute(f"insert into ledger.{table} values ({values})")
    await service.close()
    return desk


@pytest.fixture
async def service(kept: Desk) -> AsyncIterator[Connection]:
    """A connection as the service has it."""
    connection = await connect(kept.database.dsn_service)
    yield connection
    await connection.close()


@pytest.fixture
async def owner(kept: Desk) -> AsyncIterator[Connection]:
    """A connection as the role has it that owns the tables."""
    connection = await connect(kept.database.dsn_owner)
    yield connection
    await connection.close()


async def test_the_tables_of_facts_are_those_the_database_guards(owner: Connection) -> None:
    rows = await owner.fetch(
        "select tgrelid::regclass::text as name from pg_trigger"
        " where tgname in ('facts_stay', 'facts_stay_all')"
    )
    guarded = [row["name"] for row in rows if row["name"].startswith("ledger.")]
    assert sorted(guarded) == sorted([f"ledger.{table}" for table in invariants.FACTS] * 2)


async def test_no_column_of_a_fact_changes(service: Connection, owner: Connection) -> None:
    for table in invariants.FACTS:
        for column, kind in (await columns_of(owner, table)).items():
            change = f"update ledger.{table} set {column} = {OTHER_VALUE[kind]}"
            may_be_named = table == "transaction" and column in ERASABLE
            with pytest.raises(
                asyncpg.RestrictViolationError
                if may_be_named
                else asyncpg.InsufficientPrivilegeError
            ):
                await service.execute(change)
            with pytest.raises(asyncpg.RestrictViolationError, match="are facts and stay"):
                await owner.execute(change)


async def test_no_fact_is_removed(kept: Desk, service: Connection, owner: Connection) -> None:
    for table in invariants.FACTS:
        for removal in ("delete from", "truncate", "truncate ledger.tenant,"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(f"{removal} ledger.{table}")
            with pytest.raises(asyncpg.RestrictViolationError):
                await owner.execute(f"{removal} ledger.{table}")
        assert await kept.count(table) > 0


async def test_a_fact_is_not_replaced_by_inserting_it_again(service: Connection) -> None:
    for table in ("transaction", "transfer", "allocation", "idempotency"):
        again = f"insert into ledger.{table} select * from ledger.{table}"
        with pytest.raises(asyncpg.UniqueViolationError):
            await service.execute(again)
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await service.execute(
            "insert into ledger.transfer select * from ledger.transfer"
            " on conflict (holder_id, number, line) do update set amount = 1"
        )


async def test_a_text_may_be_erased_and_nothing_else_be_put_there(
    service: Connection, owner: Connection
) -> None:
    for column in ERASABLE:
        for connection in (service, owner):
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.execute(f"update ledger.transaction set {column} = 'Three'")
        await service.execute(f"update ledger.transaction set {column} = null")
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(f"update ledger.transaction set {column} = 'Two coffees'")
        with pytest.raises(asyncpg.RestrictViolationError):
            await owner.execute(f"update ledger.transaction set {column} = null, amount = 1")


async def test_what_a_lot_was_issued_as_stays(service: Connection, owner: Connection) -> None:
    may_change = {"remaining", "lapsed", "active", "valid_from", "valid_to", "term"}
    columns = await columns_of(owner, "lot")
    for column in columns.keys() - may_change:
        for connection in (service, owner):
            with pytest.raises(asyncpg.RestrictViolationError):
                await connection.execute(
                    f"update ledger.lot set {column} = {OTHER_VALUE[columns[column]]}"
                )


async def test_the_service_removes_no_state(service: Connection) -> None:
    for table in ("lot", "account", "holder", "hold", "tenant", "definition"):
        for removal in ("delete from", "truncate"):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await service.execute(f"{removal} ledger.{table}")


async def test_state_that_cannot_be_is_refused(service: Connection) -> None:
    for change in (
        "account set available = -1",
        "account set debt = 1",  # with points available
        "lot set remaining = -1",
        "lot set remaining = issued + 1",
        "lot set lapsed = issued + 1",
    ):
        with pytest.raises(asyncpg.CheckViolationError):
            await service.execute(f"update ledger.{change}")


@pytest.mark.parametrize(
    ("table", "changed", "constraint"),
    [
        ("transaction", "kind = 15", "transaction_kind_check"),
        ("transaction", "kind = 0", "transaction_kind_check"),
        ("transfer", "debit = 5", "transfer_debit_check"),
        ("transfer", "credit = 18", "transfer_credit_check"),
        ("transfer", "debit = 11, credit = 12", "transfer_of_a_holder_check"),
        ("transfer", "debit = 1, credit = 1", "transfer_sides_check"),
        ("transfer", "amount = 0", "transfer_amount_check"),
        ("allocation", "amount = -1", "allocation_amount_check"),
    ],
)
async def test_a_fact_that_cannot_be_is_refused(
    service: Connection, table: str, changed: str, constraint: str
) -> None:
    await service.execute(f"create temporary table told as table ledger.{table}")
    await service.execute(f"update told set number = number + 1000, {changed}")
    with pytest.raises(asyncpg.CheckViolationError) as refused:
        await service.execute(f"insert into ledger.{table} table told")
    assert refused.value.constraint_name == constraint
