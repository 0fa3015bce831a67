"""What every revision stands on: schemas, the refusal to change facts, the table of privileges.

Made, or brought up to date, before the revisions run, by statements that may be repeated. It is no
revision itself, because revisions need it from the first one on and it must be the same under all
of them.
"""

from sqlalchemy import Connection, text

SCHEMAS = ("ledger", "engage", "relay", "access")
"""The books, the wires to Engage, the relay to MoEngage, and who may come in."""

VERSION_SCHEMA = "ledger"
VERSION_TABLE = "alembic_version"
PRIVILEGES_TABLE = "service_privileges"
OWN_TABLES = (VERSION_TABLE, PRIVILEGES_TABLE)
"""Tables the migrations need themselves; they are no part of the definitions."""

# The trigger's arguments are the columns that may be erased: set to NULL, and to nothing else.
REFUSE_CHANGE = """
CREATE OR REPLACE FUNCTION ledger.refuse_change() RETURNS trigger
LANGUAGE plpgsql SET search_path = pg_catalog AS $function$
DECLARE
    before jsonb;
    after jsonb;
BEGIN
    IF TG_OP = 'UPDATE' AND TG_NARGS > 0 THEN
        before := to_jsonb(OLD);
        after := to_jsonb(NEW);
        IF after - TG_ARGV = before - TG_ARGV AND NOT EXISTS (
            SELECT FROM unnest(TG_ARGV) AS erasable
            WHERE after ->> erasable IS NOT NULL
              AND after ->> erasable IS DISTINCT FROM before ->> erasable
        ) THEN
            RETURN NEW;
        END IF;
    END IF;
    RAISE EXCEPTION '% on %.% is refused: its rows are facts and stay as they are',
        TG_OP, TG_TABLE_SCHEMA, TG_TABLE_NAME
        USING ERRCODE = 'restrict_violation',
              SCHEMA = TG_TABLE_SCHEMA, TABLE = TG_TABLE_NAME, CONSTRAINT = TG_NAME;
END
$function$
"""

PRIVILEGES = f"""
CREATE TABLE IF NOT EXISTS {VERSION_SCHEMA}.{PRIVILEGES_TABLE} (
    table_name text PRIMARY KEY,
    privileges text[] NOT NULL,
    erasable text[] NOT NULL
)
"""


def prepare(connection: Connection) -> None:
    """Make the ground; the caller commits."""
    for schema in SCHEMAS:
        known = connection.scalar(
            text("SELECT to_regnamespace(:schema) IS NOT NULL"), {"schema": schema}
        )
        if not known:
            connection.execute(text(f"CREATE SCHEMA {schema}"))
    connection.execute(text(REFUSE_CHANGE))
    connection.execute(text(PRIVILEGES))
