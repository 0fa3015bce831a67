"""`pointmaster migrate`: bring the database to the newest revision."""

import click

from api.command_line.context import OUT, Told, run
from api.configuration import Configuration
from api.service import database_of
from migrations import upgrade


@click.command()
@click.pass_obj
def migrate(told: Told) -> None:
    """Bring the database to the revision this release expects."""
    applied = run(_migrate(told.configuration()))
    if applied:
        OUT.print(f"Applied {', '.join(applied)}.", highlight=False)
    else:
        OUT.print("Nothing to do: the database is as this release expects.")


async def _migrate(configuration: Configuration) -> tuple[str, ...]:
    async with database_of(configuration.database) as database:
        return await upgrade.migrate(database.dsn_owner, service_role=database.service_role)
