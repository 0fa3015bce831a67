"""What time it is for the wires: the database's clock, or one that was passed in.

The one hard idea: replicas must agree on what is due, so they ask the one clock they share. A
replay or a test runs at its own now.
"""

from collections.abc import Callable
from datetime import datetime

from ledger.connection import Connection


class Clock:
    """The clock of the wires."""

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self._now = now

    async def read(self, connection: Connection) -> datetime:
        """The instant, aware."""
        if self._now is not None:
            return self._now()
        now: datetime = await connection.fetchval("select clock_timestamp()")
        return now
