"""Begin a new revision: `python -m migrations "what it does"`.

It migrates an empty database of a server made for the purpose, compares it with the table
definitions, and writes the difference down as a draft: to be read, corrected, and completed with
privileges and triggers, which no comparison finds.
"""

import asyncio
import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory
from sqlalchemy import Connection

from ledger.postgres import Profile, engine, open_database
from migrations.upgrade import configuration, migrate


def draft(connection: Connection, message: str) -> None:
    """Write the draft of the next revision."""
    config = configuration()
    config.attributes["connection"] = connection
    config.set_main_option("file_template", "%%(rev)s_%%(slug)s")
    numbers = [
        int(revision.revision) for revision in ScriptDirectory.from_config(config).walk_revisions()
    ]
    command.revision(
        config, message, autogenerate=True, rev_id=f"{max(numbers, default=0) + 1:04d}"
    )


async def main(message: str) -> None:
    """Migrate an empty database and draft the next revision from what is missing."""
    with tempfile.TemporaryDirectory() as folder:
        async with open_database(folder=Path(folder) / "data", profile=Profile.TESTS) as database:
            await migrate(database.dsn_owner)
            comparing = engine(database.dsn_owner, connections_max=1)
            async with comparing.connect() as connection:
                await connection.run_sync(draft, message)
            await comparing.dispose()


if __name__ == "__main__":
    if len(sys.argv) != 2:  # the program and the message
        sys.exit('Usage: python -m migrations "what the revision does"')
    asyncio.run(main(sys.argv[1]))
