"""Processor time, for machines on which somebody else works too.

The one hard idea: elapsed time of ours and of a control suffers differently when processors are
taken away, the time that processes really ran hardly does. So it is shown beside the rates: of this
process, and of the server's sessions in one database.
"""

import os
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from ledger.connection import Pool

_TICKS: Final = os.sysconf("SC_CLK_TCK")

_SESSIONS: Final = "select pid from pg_stat_activity where datname = current_database()"


@dataclass(frozen=True, slots=True)
class Processor:
    """Seconds of processor time used so far, or between two looks.

    Attributes:
        own: Of this process.
        server: Of the database's sessions.
    """

    own: float
    server: float

    @classmethod
    async def now(cls, pool: Pool) -> Self:
        """What was used so far."""
        pids = [row["pid"] for row in await pool.fetch(_SESSIONS)]
        return cls(time.process_time(), sum(seconds_of(pid) for pid in pids))

    def since(self, earlier: "Processor") -> "Processor":
        """What was used since an earlier look; the same sessions must have lived all along."""
        return Processor(self.own - earlier.own, self.server - earlier.server)

    @property
    def both(self) -> float:
        """Of both together."""
        return self.own + self.server


def seconds_of(pid: int) -> float:
    """Processor time of a process; 0 where it is gone."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / _TICKS
