"""Making an empty cluster: all of it, or nothing.

The files, the roles and the database are made in a folder beside the final one, which is renamed
when it is complete. Whoever is interrupted leaves a folder nobody looks at, and the next start
removes it. The programs inherit `alive.lock`, so a start that follows a killed one waits until its
left-over programs have ended.
"""

import os
import secrets
import shutil
import subprocess
import threading
from pathlib import Path

from ledger.postgres.binaries import Programs
from ledger.postgres.folder import DataFolder
from ledger.postgres.locks import FileLock
from ledger.postgres.problems import (
    ServerDidNotStartError,
    StartAbandonedError,
    UnusableFolderError,
)
from ledger.postgres.processes import begin
from ledger.postgres.settings import ROLES_AND_DATABASE, SUPERUSER_ROLE, Profile

UNFINISHED = "cluster.unfinished-"
PROGRAM_SECONDS_MAX = 300


def ensure_cluster(
    folder: DataFolder,
    programs: Programs,
    profile: Profile,
    alive: FileLock,
    given_up: threading.Event,
) -> None:
    """Make the cluster if there is none yet.

    Args:
        folder: the data folder; the caller has its turn.
        programs: the programs, where the server's account can run them.
        profile: under `tests`, nothing waits for the disk.
        alive: the lock the programs inherit; the caller holds it.
        given_up: ends the work early when set.

    Raises:
        UnusableFolderError: there is a cluster of another account.
        ServerDidNotStartError: PostgreSQL could not make one; the message carries what it said.
    """
    for left_over in folder.path.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left_over)
    if folder.major() is None:
        _make(folder, programs, profile, alive, given_up)
        return
    owner = folder.cluster.stat().st_uid
    if owner != folder.account.uid:
        raise UnusableFolderError(
            f"{folder.cluster} belongs to user id {owner}, and the server would run as "
            f"{folder.account.name}. Give the files to that account, or run as their owner."
        )


def require_major(folder: DataFolder, major: int) -> None:
    """Refuse a cluster made by another major version.

    Raises:
        UnusableFolderError: it is one.
    """
    found = folder.major()
    if found not in {None, major}:
        raise UnusableFolderError(
            f"{folder.path} holds data of PostgreSQL {found}, and {major} was asked for. "
            "Choose another folder, or bring the data over with pg_dump and pg_restore."
        )


def _make(
    folder: DataFolder,
    programs: Programs,
    profile: Profile,
    alive: FileLock,
    given_up: threading.Event,
) -> None:
    unfinished = folder.path / f"{UNFINISHED}{secrets.token_hex(4)}"
    folder.give_folder(unfinished)
    with folder.entrance(unfinished) as entrance:
        inherited = (*entrance.descriptors, alive.descriptor)
        make_files = [
            *(str(programs.initdb), "-D", entrance.path),
            *_initdb_options(programs.major, profile),
        ]
        _run(folder, make_files, "", inherited, given_up)
        make_roles = [
            *(str(programs.postgres), "--single", "-D", entrance.path),
            *("-c", "exit_on_error=on"),
            "-j",  # statements end with a blank line, not with each line
            SUPERUSER_ROLE,
        ]
        _run(folder, make_roles, ROLES_AND_DATABASE, inherited, given_up)
    unfinished.rename(folder.cluster)
    _sync(folder.path)


def _initdb_options(major: int, profile: Profile) -> list[str]:
    """One encoding and one order of text everywhere: UTF-8 by code point, in no language."""
    built_in = 17  # the first major version with a locale provider of its own
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if major >= built_in
        else ["--locale-provider=libc", "--locale=C.UTF-8", "--lc-messages=C"]
    )
    hasty = ["--no-sync"] if profile is Profile.TESTS else []
    return ["-U", SUPERUSER_ROLE, "-E", "UTF8", "--auth=peer", "--data-checksums", *locale, *hasty]


def _run(
    folder: DataFolder,
    command: list[str],
    statements: str,
    inherited: tuple[int, ...],
    given_up: threading.Event,
) -> None:
    with (
        folder.start_log.open("w") as said,
        begin(
            command,
            account=folder.account,
            said=said,
            inherited=inherited,
            stdin=subprocess.PIPE,
        ) as process,
    ):
        try:
            _feed(process, statements, given_up)
        except BaseException:
            process.kill()
            raise
    if process.returncode != 0:
        raise ServerDidNotStartError(
            f"{Path(command[0]).name} could not set up {folder.path}; it said:\n"
            f"{tail(folder.start_log)}"
        )


def _feed(process: subprocess.Popen[bytes], statements: str, given_up: threading.Event) -> None:
    """Give the program its input and wait for its end."""
    remaining: bytes | None = statements.encode()
    for _ in range(PROGRAM_SECONDS_MAX * 10):
        try:
            process.communicate(remaining, timeout=0.1)
        except subprocess.TimeoutExpired:
            remaining = None
            if given_up.is_set():
                raise StartAbandonedError(
                    "The start was abandoned while the data folder was being set up."
                ) from None
        else:
            return
    raise ServerDidNotStartError(
        f"Setting up the data folder took more than {PROGRAM_SECONDS_MAX} s."
    )


def _sync(path: Path) -> None:
    """Make a rename in this folder last."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def tail(log: Path, lines: int = 20) -> str:
    """The last lines of a log, for a person."""
    try:
        text = log.read_text(errors="replace")
    except FileNotFoundError:
        return "(nothing)"
    return "\n".join(text.splitlines()[-lines:]) or "(nothing)"
