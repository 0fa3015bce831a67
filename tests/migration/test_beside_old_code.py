"""While services are rolled, code of the last release works on the schema of the next.

What can be shown of that without the old code: a revision takes nothing away that old code reads,
and demands nothing that old code does not write. One that must do otherwise says how a service is
to be rolled then, in a paragraph of its docstring that begins with "Not beside the old code:".
"""

from alembic.script import ScriptDirectory

from ledger.connection import Connection
from ledger.postgres import Database, connect
from migrations.upgrade import configuration, migrate

FIRST_RELEASE = "0011"
"""The revision of the first release: what came before never met any older code."""

SAID = "Not beside the old code:"

COLUMNS = """
    select format('%s.%s', attrelid::regclass, attname) as name, attrelid::regclass::text as place,
           format_type(atttypid, atttypmod) as type, attnotnull as must_be_given,
           atthasdef or attidentity <> '' or attgenerated <> '' as has_default
    from pg_attribute join pg_class on pg_class.oid = attrelid
    where relkind in ('r', 'p') and attnum > 0 and not attisdropped
      and relnamespace::regnamespace::text in ('ledger', 'engage', 'relay', 'access')
"""

DEMANDS = """
    select format('%s %s', conrelid::regclass, pg_get_constraintdef(oid)) as name,
           conrelid::regclass::text as place
    from pg_constraint
    where connamespace::regnamespace::text in ('ledger', 'engage', 'relay', 'access')
      and contype <> 'n' and conrelid <> 0
    union
    select format('%s unique %s', indrelid::regclass, indexrelid::regclass),
           indrelid::regclass::text
    from pg_index join pg_class on pg_class.oid = indrelid
    where indisunique and not indisprimary
      and relnamespace::regnamespace::text in ('ledger', 'engage', 'relay', 'access')
"""
"""What rows must fulfil."""


async def seen(connection: Connection) -> tuple[dict[str, tuple[str, str, bool]], dict[str, str]]:
    """Each column's table, type and whether old code would have to give it; each demand's table."""
    columns = {
        row["name"]: (row["place"], row["type"], row["must_be_given"] and not row["has_default"])
        for row in await connection.fetch(COLUMNS)
    }
    return columns, {row["name"]: row["place"] for row in await connection.fetch(DEMANDS)}


def hindrances(
    before: tuple[dict[str, tuple[str, str, bool]], dict[str, str]],
    after: tuple[dict[str, tuple[str, str, bool]], dict[str, str]],
) -> list[str]:
    """Why code that knows the schema as it was could fail on the schema as it is."""
    (columns, demands), (columns_after, demands_after) = before, after
    tables = {place for place, _, _ in columns.values()}
    found = [f"{name} is gone" for name in columns if name not in columns_after]
    for name, (place, kind, must) in columns_after.items():
        _, earlier, had_to = columns.get(name, (place, kind, False))
        if kind != earlier:
            found.append(f"{name} is now {kind}")
        if place in tables and must and not had_to:
            found.append(f"{name} has to be given")
    found += [
        f"{name} is demanded"
        for name, place in demands_after.items()
        if place in tables and name not in demands
    ]
    return found


async def test_every_revision_since_the_first_release_lets_old_code_work(
    bare_database: Database,
) -> None:
    script = ScriptDirectory.from_config(configuration())
    revisions = list(script.walk_revisions())[::-1]
    numbers = [one.revision for one in revisions]
    since = revisions[numbers.index(FIRST_RELEASE) + 1 :]
    if not since:
        return
    await migrate(bare_database.dsn_owner, target=FIRST_RELEASE)
    connection = await connect(bare_database.dsn_owner)
    try:
        before = await seen(connection)
        for revision in since:
            await migrate(bare_database.dsn_owner, target=revision.revision)
            after = await seen(connection)
            assert SAID in revision.doc or not hindrances(before, after), revision.revision
            before = after
    finally:
        await connection.close()


async def test_what_would_break_old_code_is_seen(database: Database) -> None:
    connection = await connect(database.dsn_owner)
    changes = {
        "alter table ledger.period drop column closed_at": "ledger.period.closed_at is gone",
        "alter table ledger.period rename closed_at to at": "ledger.period.closed_at is gone",
        "drop table ledger.seal": "ledger.seal.root is gone",
        "alter table ledger.rollup alter amount type numeric": "ledger.rollup.amount is now",
        "alter table ledger.rollup add note text not null": "ledger.rollup.note has to be given",
        "alter table ledger.account alter debt_since set not null": "debt_since has to be given",
        "alter table ledger.rollup add check (amount <> 0)": "amount <> 0",
        "create unique index once on ledger.rollup (amount)": "unique",
    }
    harmless = (
        "alter table ledger.rollup add note text",
        "alter table ledger.rollup add note text not null default ''",
        "create table ledger.other (id bigint not null primary key)",
        "create index often on ledger.rollup (amount)",
    )
    try:
        before = await seen(connection)
        for change, told in [*changes.items(), *((change, "") for change in harmless)]:
            trying = connection.transaction()
            await trying.start()
            await connection.execute(change)
            found = hindrances(before, await seen(connection))
            assert any(told in one for one in found) if told else not found, (change, found)
            await trying.rollback()
    finally:
        await connection.close()
