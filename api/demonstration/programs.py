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
        address: Where it answers, without a slash at the end.
    """

    name: str
    address: str
    process: asyncio.subprocess.Process
    log: Path
    listening: "asyncio.Task[None] | None" = None

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
        if self.listening is not None:
            await self.listening
        return status


@contextlib.asynccontextmanager
async def running(
    name: str,
    module: str,
    *arguments: str,
    ready: str,
    log: Path,
    environment: Mapping[str, str],
) -> AsyncIterator[Program]:
    """A Python module run as a program, for as long as the block lasts.

    Args:
        name: What people are told it is.
        module: As in `python -m`.
        arguments: Of its command line.
        ready: What the line says in which it tells its address, as the last word.
        log: Where what it says is kept.
        environment: Its environment.

    Raises:
        ProgramEndedError: it ended instead of being ready.
    """
    with log.open("wb") as said:
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-m", module, *arguments),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=said,
            env=dict(environment),
            start_new_session=True,
        )
        program = Program(name, "", process, log)
        try:
            program.address = await _ready(program, said, ready)
            program.listening = asyncio.create_task(_listen(process, said))
            yield program
        finally:
            await program.stop()


async def while_running(programs: Sequence[Program], work: Coroutine[Any, Any, Result]) -> Result:
    """Do some work, unless one of the programs ends meanwhile.

    Raises:
        ProgramEndedError: one did; the work was cancelled.
    """
    working = asyncio.create_task(work)
    ends = [asyncio.create_task(program.process.wait()) for program in programs]
    try:
        await asyncio.wait([working, *ends], return_when=asyncio.FIRST_COMPLETED)
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


async def _ready(program: Program, said: BinaryIO, ready: str) -> str:
    """Wait until a program is ready; answers its address.

    Raises:
        ProgramEndedError: it ended instead, or takes too long.
    """
    try:
        return await asyncio.wait_for(_address(program.process, said, ready), READY_SECONDS_MAX)
    except EOFError:
        await program.process.wait()
        raise program.ended() from None
    except TimeoutError:
        seconds = f"{READY_SECONDS_MAX:.0f} seconds"
        sentence = f"{program.name} was not ready in {seconds}{said_last(program.log)}"
        raise ProgramEndedError(sentence) from None


async def _address(process: asyncio.subprocess.Process, said: BinaryIO, ready: str) -> str:
    """Wait for the line that tells the address.

    Raises:
        EOFError: the program closed its output before.
    """
    output = process.stdout
    while output is not None and (line := await output.readline()):
        said.write(line)
        said.flush()
        text = line.decode(errors="replace")
        if ready in text:
            return text.split()[-1]
    raise EOFError


async def _listen(process: asyncio.subprocess.Process, said: BinaryIO) -> None:
    """Keep what a program says to its end; one that nobody listens to would get stuck."""
    while process.stdout is not None and (content := await process.stdout.read(OUTPUT_BYTES)):
        said.write(content)
        said.flush()
