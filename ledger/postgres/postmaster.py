"""The server's processes: starting one, recognising it, waiting for it, ending it.

The hard part is telling what is ours. A process number alone proves nothing (numbers are used
again, within minutes in a container), so a process counts as the postmaster only if its command
line carries the cluster's name, and as gone only when `alive.lock` is free, which covers the
backends that outlive a postmaster killed with -9. Only signals are sent; shared memory is
PostgreSQL's own business.
"""

import logging
import os
import re
import signal
import subprocess
import threading
import time
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ledger.postgres.binaries import Programs
from ledger.postgres.cluster import tail
from ledger.postgres.folder import PORT, DataFolder
from ledger.postgres.locks import FileLock, is_free
from ledger.postgres.problems import (
    ServerDidNotStartError,
    ServerDidNotStopError,
    StartAbandonedError,
)
from ledger.postgres.processes import begin

logger = logging.getLogger(__name__)

STEP_SECONDS = 0.02
REPORT_SECONDS = 5.0
STOP_STAGES: tuple[tuple[signal.Signals, float], ...] = (
    (signal.SIGINT, 60.0),  # fast: end every session, write a checkpoint
    (signal.SIGQUIT, 15.0),  # immediate: as after a power cut, recovered at the next start
    (signal.SIGKILL, 15.0),
)
ORPHAN_SECONDS = 1.0
"""How long backends without a postmaster get to notice and leave by themselves."""
STUBBORN_SECONDS = 10.0
"""How long they get before they are killed."""
UNSEEN_SECONDS_MAX = 60.0
"""How long to wait for processes that use the folder and that we can't see."""


@dataclass(frozen=True, slots=True)
class PidFile:
    """What a postmaster writes about itself into `postmaster.pid`."""

    pid: int
    status: str


def read_pid_file(cluster: Path) -> PidFile | None:
    """What the file says; None where there is none or it is only half written."""
    try:
        lines = (cluster / "postmaster.pid").read_text().splitlines()
    except FileNotFoundError:
        return None
    if not lines or not lines[0].strip().isdigit():
        return None
    status_line = 7  # counted from 0; written last
    status = lines[status_line].strip() if len(lines) > status_line else "starting"
    return PidFile(int(lines[0]), status)


def running(folder: DataFolder) -> PidFile | None:
    """The live postmaster of this folder, if there is one we can see."""
    written = read_pid_file(folder.cluster)
    if written is None or folder.cluster_name not in _command_line(written.pid):
        return None
    return written


def spawn(folder: DataFolder, programs: Programs, alive: FileLock) -> subprocess.Popen[bytes]:
    """Start a postmaster. It inherits `alive`, which the caller holds, and may outlive us."""
    _remove_stale_pid_file(folder)
    folder.remove_socket()
    folder.give_folder(folder.socket_folder)
    with (
        folder.entrance(folder.cluster) as cluster,
        folder.entrance(folder.socket_folder) as socket,
        folder.start_log.open("w") as said,
    ):
        return begin(
            [
                *(str(programs.postgres), "-D", cluster.path),
                *("-k", socket.path, "-p", str(PORT)),
                *("-c", f"cluster_name={folder.cluster_name}"),
            ],
            account=folder.account,
            said=said,
            inherited=(*cluster.descriptors, *socket.descriptors, alive.descriptor),
        )


def wait_until_ready(
    folder: DataFolder, process: subprocess.Popen[bytes] | None, given_up: threading.Event
) -> None:
    """Wait until the server takes connections: as long as it lives, for recovery has no limit.

    Args:
        folder: its data folder.
        process: the postmaster, if it is a child of ours; None for somebody else's.
        given_up: ends the waiting when set.

    Raises:
        ServerDidNotStartError: it ended instead; the message carries the last lines of its log.
        StartAbandonedError: `given_up` was set.
    """
    for waited in waiting(given_up, "PostgreSQL is starting, or recovering if it was killed"):
        ended = process is not None and process.poll() is not None
        written = running(folder)
        if written is not None and written.status in {"ready", "standby"}:
            return
        if ended or (process is None and written is None):
            raise ServerDidNotStartError(
                f"PostgreSQL ended {waited:.1f} s after its start in {folder.path}; it said:\n"
                f"{_said(folder)}"
            )


def take_alive(folder: DataFolder, given_up: threading.Event) -> FileLock:
    """Take `alive.lock` once nothing of an earlier server is left; ends what a dead one left.

    Raises:
        ServerDidNotStartError: what uses the folder can't be seen from here.
        StartAbandonedError: `given_up` was set.
    """
    alive = FileLock(folder.alive_lock)
    try:
        for waited in waiting(given_up, "Waiting for what is left of an earlier PostgreSQL"):
            if alive.take():
                break
            if running(folder) is None and waited > ORPHAN_SECONDS:
                means = signal.SIGQUIT if waited < STUBBORN_SECONDS else signal.SIGKILL
                _signal_all(folder, means)
            _require_seen(folder, waited)
    except BaseException:
        alive.close()
        raise
    return alive


def stop(folder: DataFolder, process: subprocess.Popen[bytes] | None) -> None:
    """End the server and wait until nothing of it is left.

    Args:
        folder: its data folder.
        process: the postmaster, if it is a child of ours.

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
            found = running(folder)
            if found is None:
                _signal_all(folder, max(means, signal.SIGQUIT))
            elif found.pid != signalled:
                _signal(found.pid, means)
                signalled = found.pid
            time.sleep(STEP_SECONDS)
        logger.warning("PostgreSQL in %s did not end %d s after %s.", folder.path, seconds, means)
    raise ServerDidNotStopError(
        f"Something of the server in {folder.path} is still there; ps -ef may show what."
    )


def stop_child(process: subprocess.Popen[bytes]) -> None:
    """End a server of which nothing but the process is left: its folder was taken away."""
    for means, seconds in STOP_STAGES:
        process.send_signal(means)
        with suppress(subprocess.TimeoutExpired):
            process.wait(seconds)
            return


def waiting(given_up: threading.Event, what: str) -> Iterator[float]:
    """Steps of waiting, as seconds waited so far; says what it waits for every few seconds.

    Never ends by itself.

    Raises:
        StartAbandonedError: `given_up` was set.
    """
    begun = reported = time.monotonic()
    while True:
        now = time.monotonic()
        if now - reported >= REPORT_SECONDS:
            logger.info("%s: %d s so far.", what, now - begun)
            reported = now
        yield now - begun
        if given_up.wait(STEP_SECONDS):
            raise StartAbandonedError("The start of PostgreSQL was abandoned.")


def _remove_stale_pid_file(folder: DataFolder) -> None:
    """Remove the pid file of a server that is gone.

    We hold `alive.lock`, so no server of ours wrote it. Left there, it could mislead PostgreSQL,
    which takes any process of its account that got the number meanwhile for a postmaster, and us,
    if the new postmaster got it. Only a server somebody started by hand may keep it: PostgreSQL
    then refuses to start a second one.
    """
    written = read_pid_file(folder.cluster)
    if written is None or "postgres" not in _command_line(written.pid):
        (folder.cluster / "postmaster.pid").unlink(missing_ok=True)


def _signal_all(folder: DataFolder, means: signal.Signals) -> None:
    """Signal what is left when no postmaster can be named by its pid file.

    Either it was killed, and backends are left, known by the title PostgreSQL gives them; or its
    files were taken away, and it is left too, known by how it was started.
    """
    title = f"postgres: {folder.cluster_name}"
    started = f"bin/postgres -D .*cluster_name={folder.cluster_name} "
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        command_line = _command_line(int(entry.name))
        if command_line.startswith(title) or re.search(started, command_line):
            _signal(int(entry.name), means)


def _command_line(pid: int) -> str:
    """A process's command line or title; empty for one that is gone or waits to be collected."""
    try:
        return Path(f"/proc/{pid}/cmdline").read_text(errors="replace").replace("\0", " ")
    except (FileNotFoundError, ProcessLookupError, PermissionError):
        return ""


def _signal(pid: int, means: signal.Signals) -> None:
    with suppress(ProcessLookupError):
        os.kill(pid, means)


def _require_seen(folder: DataFolder, waited: float) -> None:
    if waited > UNSEEN_SECONDS_MAX:
        raise ServerDidNotStartError(
            f"Processes that can't be seen from here use {folder.path}: a server in another "
            "container, or on another machine. Stop it there first."
        )


def _said(folder: DataFolder) -> str:
    logs = sorted((folder.cluster / "log").glob("*.log"), key=lambda log: log.stat().st_mtime)
    return "\n".join([tail(folder.start_log), *(tail(log) for log in logs[-1:])])
