"""Those who work in a simulation, and what they are handed: clerks, and a server, all mortal."""

import os
import pickle
import signal
import subprocess
import sys
import threading
from datetime import datetime
from pathlib import Path
from typing import Final, NamedTuple, Self

from ledger.outcomes import Outcome
from ledger.postgres import Server
from ledger.postgres.postmaster import running
from ledger.requests import Request

ROOT: Final = Path(__file__).parents[2]


class Batch(NamedTuple):
    """Requests posted together, after a sweep or not."""

    requests: tuple[Request, ...]
    atomic: bool
    sweep: bool


class Work(NamedTuple):
    """What a clerk is to post, one batch after the other, at one instant of the books' clock.

    Attributes:
        dies_at: At which step it dies: odd ones before a statement, even ones after it.
    """

    now: datetime
    batches: tuple[Batch, ...]
    dies_at: int | None = None


class Done(NamedTuple):
    """What came of each batch, and how often the connection was lost meanwhile."""

    outcomes: list[list[Outcome]]
    lost: int


class Died(NamedTuple):
    """A clerk that was killed; what it had booked, it took to its grave."""

    of: int


class ClerkError(Exception):
    """A clerk met with something nobody had planned."""


class Clerk:
    """A process that posts; dead ones are replaced."""

    def __init__(self, dsn: str) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.simulation.clerk", dsn],
            cwd=ROOT,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
        )
        self.deaths = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        self._process.communicate()

    def work(self, work: Work) -> Done:
        """Have work done, once by a clerk that dies of it if it says so; blocks."""
        while True:
            answer = self._hand(work)
            if isinstance(answer, Done):
                return answer
            if not isinstance(answer, Died) or answer.of != signal.SIGKILL:
                raise ClerkError(str(answer))
            self.deaths += 1
            work = work._replace(dies_at=None)

    def _hand(self, work: Work) -> Done | Died | str:
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        pickle.dump(work, self._process.stdin)
        self._process.stdin.flush()
        answer: Done | Died | str = pickle.load(self._process.stdout)
        return answer


def kill_server_after(server: Server, seconds: float) -> threading.Timer:
    """Kill the server's first process without warning, a little later; it is started again."""

    def kill() -> None:
        found = running(server.folder)
        if found is not None:
            os.kill(found.pid, signal.SIGKILL)

    timer = threading.Timer(seconds, kill)
    timer.start()
    return timer
