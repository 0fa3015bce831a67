"""Making an empty cluster: all of it, or nothing.

The files, the roles and the database are made in a folder beside the final one, which is renamed when it is complete.
Whoever is interrupted leaves a folder nobody looks at, and the next start removes it. The programs inherit
`alive.lock`, so a start that follows a killed one waits until its left-over programs have ended.
"""

import os
import secrets
import shutil
import subprocess
import threading
from collections.abc import Callable
from pathlib import Path

from ledger.postgres.binaries import Programs
from ledger.postgres.folder import DataFolder, Entrance
from ledger.postgres.locks import FileLock
from ledger.postgres.problems import (
    ServerDidNotStartError,
    StartAbandonedError,
    UnusableFolderError,
)
from ledger.postgres.settings import ROLES_AND_DATABASE, SUPERUSER_ROLE, Profile

UNFINISHED = "cluster.unfinished-"
PROGRAM_SECONDS_MAX = 300
ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}
"""All the server's programs get to see of the environment: nothing that could change what they do."""


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
        UnusableFolderError: there is a cluster of another major version, or a file of another account.
        ServerDidNotStartError: PostgreSQL could not make a cluster; the message carries what it said.
    """
    for left_over in folder.path.glob(f"{UNFINISHED}*"):
        shutil.rmtree(left_over)
    major = folder.major()
    if major is None:
        _make(folder, programs, profile, alive, given_up)
    elif major != programs.major:
        raise UnusableFolderError(
            f"{folder.path} holds data of PostgreSQL {major}, and PostgreSQL {programs.major} was asked for. "
            f"Choose another folder, or bring the data over with pg_dump and pg_restore."
        )
    elif folder.cluster.stat().st_uid != folder.account.uid:
        raise UnusableFolderError(
            f"{folder.cluster} belongs to user id {folder.cluster.stat().st_uid}, and the server would run as "
            f"{folder.account.name}. Give the files to {folder.account.name}, or run as their owner."
        )


def _make(
    folder: DataFolder,
    programs: Programs,
    profile: Profile,
    alive: FileLock,
    given_up: threading.Event,
) -> None:
    unfinished = folder.path / f"{UNFINISHED}{secrets.token_hex(4)}"
    unfinished.mkdir(mode=0o700)
    os.chown(unfinished, folder.account.uid, folder.account.gid)

    def run(command: Callable[[Entrance], list[str]], statements: str = "") -> None:
        with folder.entrance(unfinished) as entrance:
            _run(
                folder,
                command(entrance),
                statements,
                (*entrance.descriptors, alive.descriptor),
                given_up,
            )

    run(
        lambda entrance: [
            str(programs.initdb),
            "-D",
            entrance.path,
            *_initdb_options(programs.major, profile),
        ]
    )
    run(
        lambda entrance: [
            str(programs.postgres),
            "--single",
            "-D",
            entrance.path,
            "-c",
            "exit_on_error=on",
            # Statements end with a blank line instead of a line break.
            "-j",
            SUPERUSER_ROLE,
        ],
        ROLES_AND_DATABASE,
    )
    unfinished.rename(folder.cluster)
    _sync(folder.path)


def _initdb_options(major: int, profile: Profile) -> list[str]:
    """One encoding and one order of text everywhere: UTF-8 by code point, whatever the machine's language."""
    built_in = 17  # the first major version with a provider of its own
    locale = (
        ["--locale-provider=builtin", "--builtin-locale=C.UTF-8", "--locale=C"]
        if major >= built_in
        else ["--locale-provider=libc", "--locale=C.UTF-8", "--lc-messages=C"]
    )
    durable = [] if profile is Profile.DURABLE else ["--no-sync"]
    return [
        "-U",
        SUPERUSER_ROLE,
        "-E",
        "UTF8",
        "--auth=peer",
        "--data-checksums",
        *locale,
        *durable,
    ]


def _run(
    folder: DataFolder,
    command: list[str],
    statements: str,
    descriptors: tuple[int, ...],
    given_up: threading.Event,
) -> None:
    with (
        folder.start_log.open("w+") as said,
        subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=said,
            stderr=subprocess.STDOUT,
            pass_fds=descriptors,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            **folder.account.credentials(),
        ) as process,
    ):
        try:
            _feed(process, statements, given_up)
        except BaseException:
            process.kill()
            raise
        if process.returncode != 0:
            raise ServerDidNotStartError(
                f"{Path(command[0]).name} could not set up {folder.path}; it said:\n{tail(folder.start_log)}"
            )


def _feed(process: subprocess.Popen[bytes], statements: str, given_up: threading.Event) -> None:
    """Give the program its input and wait for its end."""
    remaining: bytes | None = statements.encode()
    steps = PROGRAM_SECONDS_MAX * 10
    for _ in range(steps):
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
