"""What the service may do with each table, said by the revision that makes the table.

A revision calls `facts` or `state` for every table it makes. What they say is kept in a table of
the database and granted at the end of every upgrade to the role the service runs as, so it does not
matter whether that role, or its name, was there when the revision ran. On tables of facts a trigger
refuses changes from anyone else, the owner included, as long as the owner does not take the trigger
away; that last step leaves its trace in the hash chain, not here.
"""

from typing import Protocol

from sqlalchemy import Connection, text

from migrations.ground import PRIVILEGES_TABLE, SCHEMAS, VERSION_SCHEMA, VERSION_TABLE

TRIGGER_ROWS = "facts_stay"
TRIGGER_TABLE = "facts_stay_all"


class Operations(Protocol):
    """What is needed of `alembic.op`."""

    def get_bind(self) -> Connection:
        """The connection the revision runs on."""
        ...


def facts(operations: Operations, table: str, *, erasable: tuple[str, ...] = ()) -> None:
    """Declare a table of facts: the service may read and add; nobody may change or delete.

    Args:
        operations: `alembic.op`.
        table: schema and table, as in `ledger.transactions`.
        erasable: columns that may be set to NULL later, by the service too, and to nothing else.
    """
    connection = operations.get_bind()
    arguments = ", ".join(f"'{column}'" for column in erasable)
    connection.execute(
        text(
            f"CREATE TRIGGER {TRIGGER_ROWS} BEFORE UPDATE OR DELETE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION ledger.refuse_change({arguments})"
        )
    )
    connection.execute(
        text(
            f"CREATE TRIGGER {TRIGGER_TABLE} BEFORE TRUNCATE ON {table} "
            "FOR EACH STATEMENT EXECUTE FUNCTION ledger.refuse_change()"
        )
    )
    _record(connection, table, ("SELECT", "INSERT"), erasable)


def state(operations: Operations, table: str, *, update: bool = True, delete: bool = False) -> None:
    """Declare a table of state: the service may read and add, and change or delete as said here.

    Locking rows (`FOR UPDATE`) needs `update`.
    """
    more = (*(("UPDATE",) if update else ()), *(("DELETE",) if delete else ()))
    _record(operations.get_bind(), table, ("SELECT", "INSERT", *more), ())


def grant(connection: Connection, role: str) -> None:
    """Give the role exactly what the revisions declared, and no more; the caller commits."""
    quoted = connection.scalar(text("SELECT quote_ident(:role)"), {"role": role})
    for schema in SCHEMAS:
        connection.execute(text(f"GRANT USAGE ON SCHEMA {schema} TO {quoted}"))
        connection.execute(text(f"REVOKE ALL ON ALL TABLES IN SCHEMA {schema} FROM {quoted}"))
        connection.execute(text(f"GRANT USAGE ON ALL SEQUENCES IN SCHEMA {schema} TO {quoted}"))
    for table in (VERSION_TABLE, PRIVILEGES_TABLE):
        if connection.scalar(
            text("SELECT to_regclass(:name) IS NOT NULL"), {"name": f"{VERSION_SCHEMA}.{table}"}
        ):
            connection.execute(text(f"GRANT SELECT ON {VERSION_SCHEMA}.{table} TO {quoted}"))
    declared = connection.execute(
        text(
            f"SELECT table_name, privileges, erasable FROM {VERSION_SCHEMA}.{PRIVILEGES_TABLE} "
            "WHERE to_regclass(table_name) IS NOT NULL ORDER BY table_name"
        )
    ).all()
    for table, privileges, erasable in declared:
        columns = [f"UPDATE ({', '.join(erasable)})"] if erasable else []
        connection.execute(
            text(f"GRANT {', '.join([*privileges, *columns])} ON {table} TO {quoted}")
        )


def _record(
    connection: Connection, table: str, privileges: tuple[str, ...], erasable: tuple[str, ...]
) -> None:
    connection.execute(
        text(
            f"INSERT INTO {VERSION_SCHEMA}.{PRIVILEGES_TABLE} (table_name, privileges, erasable) "
            "VALUES (:table, :privileges, :erasable) ON CONFLICT (table_name) "
            "DO UPDATE SET privileges = excluded.privileges, erasable = excluded.erasable"
        ),
        {"table": table, "privileges": list(privileges), "erasable": list(erasable)},
    )
