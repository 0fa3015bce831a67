"""What time it is for the wires: the database's clock, or one that was passed in.

The one hard idea: replicas must agree on what is due, so they ask the one clock they share. A
replay or a test runs at its own now.
"""

from collections.abc import Callable
from datetime import UTC, datetime

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

    def own_time(self) -> datetime | None:
        """What was passed in, if it was: for statements that else read the database's."""
        return None if self._now is None else self._now()

    def here(self) -> datetime:
        """The instant by this process's own clock, where a question to the database is too dear.

        Only for what may be some seconds off.
        """
        return datetime.now(UTC) if self._now is None else self._now()
