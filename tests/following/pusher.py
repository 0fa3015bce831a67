"""A replica that pushes, asks and settles until it is killed: `python -m tests.following.pusher`.

Its time runs faster than the world's, so that a lease of half a minute ends within a second.
"""

import asyncio
import sys
from contextlib import AsyncExitStack
from datetime import UTC, datetime

from ledger.postgres import Database
from sync.engage.settings import Mode
from tests.following.program import Program, open_program

SPEED = 40


def fast_clock(base: datetime) -> datetime:
    """An instant of a time that is the same in all processes, and runs faster."""
    return base + (datetime.now(UTC) - base) * SPEED


async def replica(program: Program) -> None:
    """Follow until killed."""
    follower = await program.follower(batch_rows_max=5, poll_seconds=(1.0,), answer_seconds=2.0)
    print("ready", flush=True)  # noqa: T201 - whoever started it waits for this line
    while True:
        try:
            await follower.push()
            await follower.poll()
            await follower.settle()
        except Exception as error:  # noqa: BLE001 - whatever a cut session leads to
            # As the service does: say it, and go on with what the database then holds.
            print(type(error).__name__, flush=True)  # noqa: T201 - the same


async def main(dsn: str, address: str, base: datetime, mode: Mode) -> None:
    database = Database(
        dsn_owner=dsn,
        dsn_service=dsn,
        service_role="",
        major=18,
        embedded=True,
        single_role=False,
    )
    async with AsyncExitStack() as stack:
        program = await open_program(database, address, stack, lambda: fast_clock(base), mode)
        await replica(program)


if __name__ == "__main__":
    asyncio.run(
        main(sys.argv[1], sys.argv[2], datetime.fromisoformat(sys.argv[3]), Mode(sys.argv[4]))
    )
