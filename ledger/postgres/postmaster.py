"""The server's processes: starting one, recognising it, waiting for it, ending it.

The hard part is telling what is ours. A process number alone proves nothing (numbers are used again, and within minutes
in a container), so a process counts as the postmaster only if its command line carries the cluster's name, and as gone
only when `alive.lock` is free, which also covers backends that outlive a postmaster killed with -9. Only signals are
sent; shared memory and pid files are PostgreSQL's own business.
"""

import logging
import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ledger.postgres.binaries import Programs
from ledger.postgres.cluster import ENVIRONMENT, tail
from ledger.postgres.folder import PORT, DataFolder
from ledger.postgres.locks import FileLock, is_free
from ledger.postgres.problems import (
    ServerDidNotStartError,
    ServerDidNotStopError,
    StartAbandonedError,
)

logger = logging.getLogger(__name__)

STEP_SECONDS = 0.02
REPORT_SECONDS = 5.0
STOP_STAGES: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGINT, 60.0),  # fast: end every session, write a checkpoint
    (signal.SIGQUIT, 15.0),  # immediate: as after a power cut, recovered at the next start
    (signal.SIGKILL, 15.0),
)


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a running postmaster writes about itself into `postmaster.pid`."""

    pid: int
    socket_folder: Path | None
    status: str


def read_pid_file(cluster: Path) -> PidFile | None:
    """What the file says; None where there is none or it is only half written."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].strip().isdigit():
        return None
    socket_folder = lines[4].strip() if len(lines) > 4 else ""  # the file's fifth line
    status = lines[7].strip() if len(lines) > 7 else "starting"  # the file's eighth line
    return PidFile(int(lines[0]), Path(socket_folder) if socket_folder else None, status)


def running(folder: DataFolder) -> PidFile | None:
    """The live postmaster of this folder, if there is one we can see."""
    written = read_pid_file(folder.cluster)
    if written is None or folder.cluster_name not in _command_line(written.pid):
        return None
    return written


def spawn(
    folder: DataFolder, programs: Programs, socket_folder: Path, alive: FileLock
) -> subprocess.Popen[bytes]:
    """Start a postmaster. It inherits `alive`, which the caller holds, and outlives this process.

    It gets a session of its own, so that a Ctrl-C meant for the service does not reach it.
    """
    _remove_misleading_pid_file(folder)
    with folder.entrance(folder.cluster) as entrance, folder.start_log.open("w") as said:
        return subprocess.Popen(
            [
                str(programs.postgres),
                *("-D", entrance.path),
                *("-k", str(socket_folder)),
                *("-p", str(PORT)),
                *("-c", f"cluster_name={folder.cluster_name}"),
            ],
            stdin=subprocess.DEVNULL,
            stdout=said,
            stderr=subprocess.STDOUT,
            pass_fds=(*entrance.descriptors, alive.descriptor),
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            **folder.account.credentials(),
        )


def wait_until_ready(
    folder: DataFolder, process: subprocess.Popen[bytes] | None, given_up: threading.Event
) -> PidFile:
    """Wait until the server takes connections: as long as it lives, since recovery takes what it takes.

    Raises:
        ServerDidNotStartError: it ended instead; the message carries the last lines of its log.
        StartAbandonedError: `given_up` was set.
    """
    for waited in waiting(given_up, "PostgreSQL is starting (recovering, if it was killed)"):
        ended = process is not None and process.poll() is not None
        written = running(folder)
        if written is not None and written.status in {"ready", "standby"}:
            return written
        if ended or (process is None and written is None):
            raise ServerDidNotStartError(
                f"PostgreSQL ended {waited:.1f} s after its start in {folder.path}; it said:\n{_said(folder)}"
            )
    raise AssertionError("waiting ends by an answer or an error")


def take_alive(folder: DataFolder, given_up: threading.Event) -> FileLock:
    """Take `alive.lock` as soon as nothing of an earlier server is left, ending what no postmaster looks after."""
    alive = FileLock(folder.alive_lock)
    try:
        for waited in waiting(given_up, "Waiting for what is left of an earlier PostgreSQL"):
            if alive.take():
                return alive
            if running(folder) is None and waited > 1.0:
                for orphan in orphans(folder):
                    _signal(orphan, signal.SIGQUIT if waited < 10.0 else signal.SIGKILL)  # seconds
            if waited > 120.0:  # seconds
                raise ServerDidNotStartError(
                    f"Processes that can't be seen from here use {folder.path}: a server in another container, "
                    "or on another machine. Stop it there first."
                )
    except BaseException:
        alive.close()
        raise
    raise AssertionError("waiting ends by an answer or an error")


def stop(folder: DataFolder, process: subprocess.Popen[bytes] | None) -> None:
    """End the server and wait until nothing of it is left.

    Raises:
        ServerDidNotStopError: something is left even after the last means.
    """
    for means, seconds in STOP_STAGES:
        deadline = time.monotonic() + seconds
        signalled: int | None = None
        while time.monotonic() < deadline:
            if process is not None:
                process.poll()  # collects the child, so that it does not stay as a zombie
            if is_free(folder.alive_lock):
                return
            written = running(folder)
            if written is not None and written.pid != signalled:
                _signal(written.pid, means)
                signalled = written.pid
            elif written is None:
                for orphan in orphans(folder):
                    _signal(orphan, signal.SIGQUIT if means is not signal.SIGKILL else means)
            time.sleep(STEP_SECONDS)
        logger.warning(
            "PostgreSQL in %s did not end within %d s of %s.", folder.path, seconds, means.name
        )
    raise ServerDidNotStopError(
        f"Processes of the server in {folder.path} are still there; look with: ps -ef"
    )


def orphans(folder: DataFolder) -> list[int]:
    """Backends of this folder's server whose postmaster is gone, by the title PostgreSQL gives its processes."""
    title = f"postgres: {folder.cluster_name}"
    numbers = [int(entry.name) for entry in Path("/proc").iterdir() if entry.name.isdigit()]
    return [number for number in numbers if _command_line(number).startswith(title)]


def waiting(given_up: threading.Event, what: str) -> Iterator[float]:
    """Steps of waiting, as seconds waited so far; says what it waits for every few seconds.

    Raises:
        StartAbandonedError: `given_up` was set.
    """
    begun = time.monotonic()
    reported = begun
    while True:
        now = time.monotonic()
        if given_up.is_set():
            raise StartAbandonedError("The start of PostgreSQL was abandoned.")
        if now - reported >= REPORT_SECONDS:
            logger.info("%s: %d s so far.", what, now - begun)
            reported = now
        yield now - begun
        time.sleep(STEP_SECONDS)


def _remove_misleading_pid_file(folder: DataFolder) -> None:
    """Remove a pid file whose number another program has got meanwhile.

    PostgreSQL takes any live process of its own account under that number for a postmaster and refuses to start. We
    know better, for we hold `alive.lock`; only a PostgreSQL somebody started by hand is left for it to judge.
    """
    written = read_pid_file(folder.cluster)
    if written is None:
        return
    command_line = _command_line(written.pid)
    if command_line and "postgres" not in command_line:
        (folder.cluster / "postmaster.pid").unlink(missing_ok=True)


def _command_line(pid: int) -> str:
    """A process's command line or title; empty for one that is gone or only waits to be collected."""
    try:
        return (
            Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        )
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def _signal(pid: int, means: signal.Signals) -> None:
    try:
        os.kill(pid, means)
    except ProcessLookupError:
        return


def _said(folder: DataFolder) -> str:
    logs = sorted((folder.cluster / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
    texts = [tail(folder.start_log), *(tail(log) for log in logs[-1:])]
    return "\n".join(texts)
