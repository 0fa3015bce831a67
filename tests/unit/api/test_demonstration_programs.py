"""The demo's programs: listened to, ended with it, and named when they end by themselves."""

import asyncio
import os
import signal
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from api.demonstration.programs import Program, ProgramEndedError, started, while_running

WELL = """
import sys
print("hello")
print("ready at http://127.0.0.1:7", flush=True)
sys.stdin.read()
"""

TALKATIVE = """
print("ready at http://127.0.0.1:7", flush=True)
print("x" * 300_000, flush=True)
"""

BADLY = """
import sys
print("the port is taken", file=sys.stderr)
sys.exit(3)
"""


@asynccontextmanager
async def playing(folder: Path, script: str) -> AsyncIterator[Program]:
    (folder / "some_program.py").write_text(script)
    variables = {**os.environ, "PYTHONPATH": str(folder)}
    async with started(
        "Somebody", "some_program", log=folder / "log", environment=variables
    ) as program:
        yield program


async def test_a_program_tells_its_address_and_is_stopped_in_the_end(tmp_path: Path) -> None:
    async with playing(tmp_path, WELL) as program:
        await program.ready("ready at ")
        assert program.address == "http://127.0.0.1:7"
    assert program.process.returncode == -signal.SIGTERM
    assert (tmp_path / "log").read_text().startswith("hello\nready at ")


async def test_a_program_that_says_a_lot_does_not_get_stuck(tmp_path: Path) -> None:
    async with playing(tmp_path, TALKATIVE) as program:
        await program.ready("ready at ")
        assert await asyncio.wait_for(program.process.wait(), 30) == 0
    assert "x" * 300_000 in (tmp_path / "log").read_text()


async def test_a_program_that_does_not_get_ready_says_why(tmp_path: Path) -> None:
    async with playing(tmp_path, BADLY) as program:
        with pytest.raises(ProgramEndedError, match=r"Somebody ended \(3\)\s+the port is taken"):
            await program.ready("ready at ")


async def test_work_ends_when_a_program_does(tmp_path: Path) -> None:
    async with playing(tmp_path, WELL) as program:
        await program.ready("ready at ")

        async def work() -> None:
            program.process.kill()
            await asyncio.sleep(60)

        with pytest.raises(ProgramEndedError, match="Somebody was killed by SIGKILL"):
            await while_running([program], work())


async def test_a_failure_that_a_programs_end_explains_is_told_as_that(tmp_path: Path) -> None:
    async with playing(tmp_path, WELL) as program:
        await program.ready("ready at ")

        async def work() -> None:
            program.process.kill()
            raise ConnectionResetError

        with pytest.raises(ProgramEndedError, match="SIGKILL"):
            await while_running([program], work())


async def test_work_that_fails_by_itself_says_so_itself(tmp_path: Path) -> None:
    async with playing(tmp_path, WELL) as program:
        await program.ready("ready at ")

        async def fail() -> None:
            raise ValueError("its own")

        async def succeed() -> int:
            return 7

        with pytest.raises(ValueError, match="its own"):
            await while_running([program], fail())
        assert await while_running([program], succeed()) == 7


def test_a_program_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    (tmp_path / "some_program.py").write_text(
        f"{WELL}\nopen({str(tmp_path / 'over')!r}, 'w').close()\n"
    )
    parent = f"""
import asyncio, os, signal, sys
sys.path.insert(0, {str(Path(__file__).parents[3])!r})
from pathlib import Path
from api.demonstration.programs import started

async def main():
    variables = {{**os.environ, "PYTHONPATH": {str(tmp_path)!r}}}
    log = Path({str(tmp_path / "log")!r})
    async with started("Somebody", "some_program", log=log, environment=variables) as program:
        await program.ready("ready at ")
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""
    status = os.spawnve(os.P_WAIT, sys.executable, [sys.executable, "-c", parent], dict(os.environ))
    assert status == -signal.SIGKILL
    deadline = time.monotonic() + 30
    over = tmp_path / "over"
    while not over.exists():
        assert time.monotonic() < deadline
        time.sleep(0.02)
