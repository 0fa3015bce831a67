"""A test run that is interrupted leaves no server and no files behind."""

import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ledger.postgres import postmaster
from ledger.postgres.folder import prepared
from ledger.postgres.locks import is_free

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 200.0

LONG = """
import time
from pathlib import Path

import pytest


@pytest.mark.parametrize("number", range(4))
def test_takes_its_time(postgres, number):
    Path({told!r}).write_text(str(postgres.folder.path))
    time.sleep(60)
"""


def environment(tmp_path: Path) -> dict[str, str]:
    """With temporary files of its own, so that no other run cleans up after this one."""
    return {**os.environ, "TMPDIR": str(tmp_path)}


def interrupted(
    tmp_path: Path, how: signal.Signals, workers: int
) -> tuple[subprocess.Popen[str], Path]:
    """Start a run, wait until its server is in use, and send a signal as a terminal would."""
    told = tmp_path / "told"
    test = tmp_path / "test_long.py"
    test.write_text(LONG.format(told=str(told)))
    run = subprocess.Popen(
        [
            *(sys.executable, "-m", "pytest", "-q", "-n", str(workers)),
            *(
                "-c",
                str(ROOT / "pyproject.toml"),
                "-p",
                "no:cacheprovider",
                "-p",
                "no:schemathesis",
            ),
            # The long test lies elsewhere, so that no other run collects it, and borrows ours.
            *("-p", "tests.conftest", str(test)),
        ],
        cwd=ROOT,
        env=environment(tmp_path),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    deadline = time.monotonic() + SECONDS_MAX
    while not (told.exists() and told.read_text()):
        assert time.monotonic() < deadline
        assert run.poll() is None, run.communicate()[0]
        time.sleep(0.05)
    if how is signal.SIGINT:
        os.killpg(run.pid, how)  # a Ctrl-C reaches every process of the terminal's group
    else:
        run.send_signal(how)
    return run, Path(told.read_text())


@pytest.mark.parametrize("workers", [0, 2])
def test_ctrl_c_leaves_nothing_behind(tmp_path: Path, workers: int) -> None:
    run, folder = interrupted(tmp_path, signal.SIGINT, workers)
    run.communicate(timeout=SECONDS_MAX)
    assert run.returncode == pytest.ExitCode.INTERRUPTED
    assert not folder.parent.exists()


def test_a_killed_run_leaves_no_server_behind(tmp_path: Path) -> None:
    """Its workers find their controller gone and leave; the last of them stops the server."""
    run, folder = interrupted(tmp_path, signal.SIGKILL, 2)
    run.communicate(timeout=SECONDS_MAX)
    deadline = time.monotonic() + SECONDS_MAX
    while not is_free(folder / "alive.lock"):
        assert time.monotonic() < deadline, f"still there: {postmaster.running(prepared(folder))}"
        time.sleep(0.1)
    shutil.rmtree(folder.parent)


def test_what_is_killed_with_all_its_workers_is_ended_by_the_next_run(tmp_path: Path) -> None:
    run, folder = interrupted(tmp_path, signal.SIGSTOP, 0)
    os.killpg(run.pid, signal.SIGKILL)
    run.communicate(timeout=SECONDS_MAX)
    assert not is_free(folder / "alive.lock")
    subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", __file__],
        cwd=ROOT,
        env=environment(tmp_path),
        check=True,
        stdout=subprocess.DEVNULL,
        timeout=SECONDS_MAX,
    )
    assert not folder.parent.exists()
