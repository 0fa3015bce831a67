"""The programs of the demo: each a process of its own, started, listened to, and ended with it.

The one hard idea: none of them outlives the demo, however that ends. Each has the demo's end of a
pipe as its standard input and stops when it is closed, which the kernel does even for a demo that
was killed; each is in a session of its own, so that Ctrl-C reaches the demo alone and it can end
them in order. And the other way round: a program that ends by itself ends the demo, and is named.
"""

import asyncio
import contextlib
import signal
import sys
from collections.abc import AsyncIterator, Coroutine, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, BinaryIO, Final, TypeVar

Result = TypeVar("Result")

READY_SECONDS_MAX: Final = 120.0
"""How long a program may take to be ready; a service may have a database to recover."""

STOP_SECONDS_MAX: Final = 45.0
"""How long it may take to stop before it is killed."""

REASON_SECONDS: Final = 1.0
"""How long after a failure a program's end still counts as its reason."""

SAID_LINES: Final = 12
"""How much of what a program said last is repeated when it ends by itself."""

OUTPUT_BYTES: Final = 64 * 1024


class ProgramEndedError(Exception):
    """A program ended by itself; the message says which, how, and what it said last."""


@dataclass(slots=True)
class Program:
    """A program that runs.

    Attributes:
        name: What people are told it is.
        address: Where it answers, without a slash at the end; known once it is ready.
    """

    name: str
    process: asyncio.subprocess.Process
    log: Path
    address: str = ""
    _keeping: "asyncio.Task[None] | None" = None

    async def ready(self, words: str) -> None:
        """Wait for the line with these words in it; its last word is the address.

        Raises:
            ProgramEndedError: it ended instead, or takes too long.
        """
        try:
            self.address = await asyncio.wait_for(self._address(words), READY_SECONDS_MAX)
        except EOFError:
            await self.process.wait()
            raise self.ended() from None
        except TimeoutError:
            seconds = f"{READY_SECONDS_MAX:.0f} seconds"
            sentence = f"{self.name} was not ready in {seconds}{said_last(self.log)}"
            raise ProgramEndedError(sentence) from None
        self._keeping = asyncio.create_task(self._keep_what_is_said())

    def ended(self) -> ProgramEndedError:
        """What to say of its end."""
        status = self.process.returncode or 0
        how = f"was killed by {signal.Signals(-status).name}" if status < 0 else f"ended ({status})"
        return ProgramEndedError(f"{self.name} {how}{said_last(self.log)}")

    async def stop(self) -> int:
        """Stop it and wait; after 45 seconds it is killed. Answers its exit status."""
        if self.process.returncode is None:
            with contextlib.suppress(ProcessLookupError):
                self.process.terminate()
        try:
            status = await asyncio.wait_for(self.process.wait(), STOP_SECONDS_MAX)
        except TimeoutError:
            self.process.kill()
            status = await self.process.wait()
        if self._keeping is not None:
            await self._keeping
        return status

    async def _address(self, words: str) -> str:
        """The last word of the line with these words in it.

        Raises:
            EOFError: the program closed its output before.
        """
        output = self.process.stdout
        while output is not None and (line := await output.readline()):
            self._keep(line)
            text = line.decode(errors="replace")
            if words in text:
                return text.split()[-1]
        raise EOFError

    async def _keep_what_is_said(self) -> None:
        """Until it says no more; a program that nobody listens to would get stuck."""
        output = self.process.stdout
        while output is not None and (content := await output.read(OUTPUT_BYTES)):
            self._keep(content)

    def _keep(self, content: bytes) -> None:
        with self.log.open("ab") as said:
            said.write(content)


@contextlib.asynccontextmanager
async def started(
    name: str, module: str, *arguments: str, log: Path, environment: Mapping[str, str]
) -> AsyncIterator[Program]:
    """A Python module run as a program for as long as the block lasts; it has yet to get ready.

    Args:
        name: What people are told it is.
        module: As in `python -m`.
        arguments: Of its command line.
        log: Where what it says is kept.
        environment: Its environment.
    """
    with _begun(log) as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            env=dict(environment),
            start_new_session=True,
        )
    program = Program(name, process, log)
    try:
        yield program
    finally:
        await program.stop()


def _begun(log: Path) -> BinaryIO:
    """A log without what an earlier run said, to be written at its end by whoever writes."""
    log.write_bytes(b"")
    return log.open("ab")


async def while_running(programs: Sequence[Program], work: Coroutine[Any, Any, Result]) -> Result:
    """Do some work, unless one of the programs ends meanwhile.

    Raises:
        ProgramEndedError: one did; the work was cancelled.
    """
    working = asyncio.create_task(work)
    ends = [asyncio.create_task(program.process.wait()) for program in programs]
    try:
        await asyncio.wait([working, *ends], return_when=asyncio.FIRST_COMPLETED)
        if working.done() and not working.cancelled() and working.exception() is not None:
            # Where a program's end is the reason, it is said of the program and not of the work.
            await asyncio.wait(ends, timeout=REASON_SECONDS, return_when=asyncio.FIRST_COMPLETED)
        for program, end in zip(programs, ends, strict=True):
            if end.done():
                raise program.ended()
        return await working
    finally:
        for task in (working, *ends):
            task.cancel()
        await asyncio.gather(working, *ends, return_exceptions=True)


def said_last(log: Path) -> str:
    """The last lines of a log, indented, to stand after a sentence."""
    lines = log.read_text(errors="replace").splitlines()[-SAID_LINES:]
    return "".join(f"\n    {line}" for line in lines)
