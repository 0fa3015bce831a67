import asyncio

from ledger.postgres import Database
from migrations.upgrade import migrate, pending


async def test_services_that_start_together_migrate_once(bare_database: Database) -> None:
    applied = await asyncio.gather(*(migrate(bare_database.dsn_owner) for _ in range(3)))
    assert sum(bool(revisions) for revisions in applied) <= 1
    assert await pending(bare_database.dsn_service) == ()


async def test_a_migrated_database_lacks_nothing(database: Database) -> None:
    assert await pending(database.dsn_service) == ()
    assert await migrate(database.dsn_owner) == ()
