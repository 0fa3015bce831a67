"""Where Alembic begins: on the connection it was handed, each revision in its own transaction.

There is no way in from Alembic's own command line, because an upgrade here is more than running
revisions: one at a time over all processes, on prepared ground, and with the service's privileges
granted at the end.
"""

from alembic import context
from sqlalchemy import Connection

from migrations.definitions import all_metadata, is_compared
from migrations.ground import VERSION_SCHEMA, VERSION_TABLE

connection = context.config.attributes.get("connection")
if not isinstance(connection, Connection):
    raise TypeError('Run `pointmaster migrate`, or `python -m migrations "…"` for a new revision.')

context.configure(
    connection=connection,
    target_metadata=all_metadata(),
    version_table=VERSION_TABLE,
    version_table_schema=VERSION_SCHEMA,
    include_schemas=True,
    include_name=is_compared,
    compare_server_default=True,
    transaction_per_migration=True,
)
with context.begin_transaction():
    context.run_migrations()
