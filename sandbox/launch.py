"""Starting a stand-in from another program: the process, its address, and its end.

The child listens on a free port and tells it in its one line of output; its standard input is held
open, and it stops when that closes. So it never outlives whoever started it, not even one that was
killed.
"""

import contextlib
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

STOP_SECONDS_MAX: Final = 15.0


class LaunchError(Exception):
    """The stand-in ended before it was ready; the message is what it said."""


@dataclass(frozen=True, slots=True)
class Launched:
    """A stand-in that runs."""

    address: str
    """Such as `http://127.0.0.1:7801`, without a slash at the end."""
    process: subprocess.Popen[str]

    def stop(self) -> int:
        """Stop it and wait; after 15 seconds it is killed. Returns its exit status."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            status = self.process.wait(STOP_SECONDS_MAX)
        except subprocess.TimeoutExpired:
            self.process.kill()
            status = self.process.wait()
        for pipe in (self.process.stdin, self.process.stdout):
            if pipe is not None:
                pipe.close()
        return status


def launch(platform: Literal["engage", "moengage"], *arguments: str) -> Launched:
    """Start a stand-in and wait until it is ready.

    Args:
        platform: which one.
        arguments: of its command line; the port is a free one unless they say otherwise.

    Raises:
        LaunchError: it ended instead.
    """
    process = subprocess.Popen(  # noqa: S603 - our own module, our own interpreter
        [sys.executable, "-m", f"sandbox.{platform}", "--with-parent", *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        start_new_session=True,  # an interrupt of the parent's terminal is the parent's to handle
    )
    line = process.stdout.readline() if process.stdout is not None else ""
    if " ready at " not in line:
        launched = Launched("", process)
        message = (
            f"the stand-in {platform} did not start (exit status {launched.stop()}); see above"
        )
        raise LaunchError(message)
    return Launched(line.split()[-1], process)


@contextlib.contextmanager
def launched(platform: Literal["engage", "moengage"], *arguments: str) -> Iterator[Launched]:
    """A stand-in that runs as long as the context."""
    stand_in = launch(platform, *arguments)
    try:
        yield stand_in
    finally:
        stand_in.stop()
