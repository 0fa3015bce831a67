"""The database that grew by revisions is the one the table definitions describe.

Compared twice: by Alembic, which speaks of tables and columns, and by PostgreSQL's own catalog,
which also knows checks, index definitions, defaults and storage options.
"""

from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, text

from ledger.postgres import Database, engine
from migrations import ground
from migrations.definitions import all_metadata, is_compared

CATALOG = {
    "columns": """
        SELECT format('%s.%s', c.oid::regclass, a.attname), concat_ws(' ',
            format_type(a.atttypid, a.atttypmod),
            CASE WHEN a.attnotnull THEN 'not null' END,
            'identity ' || nullif(a.attidentity::text, ''),
            'generated ' || nullif(a.attgenerated::text, ''),
            'default ' || pg_get_expr(d.adbin, d.adrelid))
        FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum > 0
        LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
        WHERE c.relkind IN ('r', 'p') AND NOT a.attisdropped
          AND c.relnamespace::regnamespace::text = ANY (:schemas) AND c.relname <> ALL (:own)
    """,
    "constraints": """
        SELECT format('%s %s', n.conrelid::regclass, n.conname), pg_get_constraintdef(n.oid)
        FROM pg_constraint n JOIN pg_class c ON c.oid = n.conrelid
        WHERE n.contype <> 'n'
          AND c.relnamespace::regnamespace::text = ANY (:schemas) AND c.relname <> ALL (:own)
    """,
    "indexes": """
        SELECT format('%I.%I', schemaname, indexname), indexdef FROM pg_indexes
        WHERE schemaname = ANY (:schemas) AND tablename <> ALL (:own)
    """,
    "tables": """
        SELECT c.oid::regclass::text, concat_ws(' ', c.relpersistence, c.reloptions::text,
            pg_get_partkeydef(c.oid), obj_description(c.oid, 'pg_class'))
        FROM pg_class c
        WHERE c.relkind IN ('r', 'p', 'v', 'm', 'S')
          AND c.relnamespace::regnamespace::text = ANY (:schemas) AND c.relname <> ALL (:own)
    """,
}


def catalog(connection: Connection) -> dict[str, dict[str, str]]:
    chosen = {"schemas": list(ground.SCHEMAS), "own": list(ground.OWN_TABLES)}
    return {
        kind: dict(tuple(row) for row in connection.execute(text(query), chosen))
        for kind, query in CATALOG.items()
    }


def create_all(connection: Connection) -> None:
    ground.prepare(connection)
    for metadata in all_metadata():
        metadata.create_all(connection)


def differences(connection: Connection) -> list[object]:
    context = MigrationContext.configure(
        connection,
        opts={
            "include_schemas": True,
            "include_name": is_compared,
            "compare_server_default": True,
            "version_table": ground.VERSION_TABLE,
            "version_table_schema": ground.VERSION_SCHEMA,
        },
    )
    return list(compare_metadata(context, all_metadata()))  # type: ignore[arg-type]  # several are taken, one is declared


async def test_alembic_finds_no_difference(database: Database) -> None:
    migrated = engine(database.dsn_owner)
    async with migrated.connect() as connection:
        assert await connection.run_sync(differences) == []
    await migrated.dispose()


async def test_the_catalogs_are_the_same(database: Database, bare_database: Database) -> None:
    migrated, defined = engine(database.dsn_owner), engine(bare_database.dsn_owner)
    async with defined.begin() as connection:
        await connection.run_sync(create_all)
    async with defined.connect() as described, migrated.connect() as grown:
        wanted = await described.run_sync(catalog)
        found = await grown.run_sync(catalog)
    assert len(wanted["columns"]) > 50, "there is something to compare"
    assert found == wanted
    await migrated.dispose()
    await defined.dispose()


def test_definitions_lie_in_known_schemas() -> None:
    tables = [table for metadata in all_metadata() for table in metadata.tables.values()]
    assert tables
    assert {table.schema for table in tables} <= set(ground.SCHEMAS)
