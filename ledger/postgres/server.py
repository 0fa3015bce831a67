"""The own server, shared by whoever uses one data folder: the first starts it, the last stops it.

The one idea: being a user is holding a shared lock, which the kernel takes back even from a process
killed with -9. So a server is left behind at most until the next start, which ends what it finds
without a user and starts afresh, and every stop knows whether it is the last. While it lives, each
user also watches, and starts the server again if it dies: callers see broken connections for a
moment, then it works again.

Everything here blocks and belongs in a thread; `database` is the asynchronous side of it.
"""

import contextlib
import logging
import os
import pwd
import subprocess
import threading
import time
from collections.abc import Iterator
from pathlib import Path

from ledger.postgres import binaries, postmaster
from ledger.postgres.cluster import ensure_cluster, require_major
from ledger.postgres.folder import PORT, DataFolder, prepared
from ledger.postgres.locks import FileLock, is_free
from ledger.postgres.memory import memory_of_machine
from ledger.postgres.problems import EmbeddedServerError, StartAbandonedError
from ledger.postgres.settings import (
    DATABASE,
    OWNER_ROLE,
    SERVICE_ROLE,
    SUPERUSER_ROLE,
    Profile,
    configuration,
)

logger = logging.getLogger(__name__)

DEFAULT_MAJOR = 18
WATCH_SECONDS = 0.2
RESTART_SECONDS_MAX = 10.0


class Server:
    """One user's share in the server of a data folder. Make it with `start`."""

    def __init__(self, folder: DataFolder, programs: binaries.Programs, profile: Profile) -> None:
        self.folder = folder
        self.major = programs.major
        self._installed = programs
        self._profile = profile
        self._users = FileLock(folder.users_lock)
        self._process: subprocess.Popen[bytes] | None = None
        self._given_up = threading.Event()
        self._watcher: threading.Thread | None = None
        self._left = False

    @property
    def dsn_owner(self) -> str:
        """Connects as the role that owns and migrates the schemas."""
        return self.dsn(OWNER_ROLE)

    @property
    def dsn_service(self) -> str:
        """Connects as the role the service runs as."""
        return self.dsn(SERVICE_ROLE)

    @property
    def dsn_superuser(self) -> str:
        """Connects as PostgreSQL's superuser, to the maintenance database."""
        return self.dsn(SUPERUSER_ROLE, "postgres")

    def dsn(self, role: str, database: str = DATABASE) -> str:
        """A connection string for one role and one database; it holds no secret."""
        return f"postgresql://{role}@/{database}?host={self.folder.socket_folder}&port={PORT}"

    def enter(self) -> None:
        """Become a user: start the server, or join the one others use. Once only; see `start`."""
        try:
            with self._turn():
                alone = self._users.take()
                if alone and not is_free(self.folder.alive_lock):
                    logger.info("Ending a PostgreSQL that an interrupted process left behind.")
                    postmaster.stop(self.folder, None)
                while not self._users.take(shared=True):
                    self._pause()  # somebody who leaves looks whether it is the last
                self._ensure_running()
        except BaseException:
            self.stop()
            raise
        self._watcher = threading.Thread(target=self._watch, name="postgres-watch", daemon=True)
        self._watcher.start()

    def give_up(self) -> None:
        """Make an `enter` that is under way in another thread end with `StartAbandonedError`."""
        self._given_up.set()

    def stop(self) -> None:
        """Give up this share; the last user to do so stops the server and waits for its end.

        Raises:
            ServerDidNotStopError: something of the server is left even after the last means.
        """
        if self._left:
            return
        self._left = True
        self._given_up.set()
        if self._watcher is not None:
            self._watcher.join()
        try:
            self._leave()
        finally:
            self._users.close()

    def _ensure_running(self) -> None:
        """With the turn: have a server that takes connections, whoever started it."""
        if self._process is not None and self._process.poll() is not None:
            self._process = None
        require_major(self.folder, self.major)
        while (found := postmaster.running(self.folder)) is not None:
            if found.status != "stopping":
                postmaster.wait_until_ready(self.folder, self._process, self._given_up)
                return
            self._pause()
        alive = postmaster.take_alive(self.folder, self._given_up)
        try:
            if self._process is not None:
                self._process.wait()  # it held `alive.lock`, so it has ended: collect it
            self._process = self._start(alive)
        finally:
            alive.close()
        postmaster.wait_until_ready(self.folder, self._process, self._given_up)

    def _start(self, alive: FileLock) -> subprocess.Popen[bytes]:
        """With the turn and `alive.lock`: put everything in place and start a postmaster."""
        folder = self.folder
        programs = binaries.reachable(self._installed, folder.account, folder.identity)
        ensure_cluster(folder, programs, self._profile, alive, self._given_up)
        users = (folder.account.name, pwd.getpwuid(os.geteuid()).pw_name)
        for file in configuration(self._profile, memory_of_machine(), users):
            folder.give_file(folder.cluster, file.name, file.text)
        return postmaster.spawn(folder, programs, alive)

    def _leave(self) -> None:
        """Stop being a user, and stop the server if nobody else is one."""
        while self._users.is_at(self.folder.users_lock):
            self._users.release()
            if not self._users.take():
                self._hand_over()
                return
            turn = FileLock(self.folder.turn_lock)
            try:
                if turn.take():
                    self._end()
                    return
            finally:
                turn.close()
            self._users.release()
            time.sleep(postmaster.STEP_SECONDS)  # whoever has the turn is a user in a moment
        if self._process is not None:
            postmaster.stop_child(self._process)

    def _hand_over(self) -> None:
        """Leave the server to those who still use it: it is no longer our child to wait for."""
        if self._process is not None and self._process.poll() is None:
            self._process.returncode = 0

    def _end(self) -> None:
        """With the turn and nobody else a user: stop the server and remove what its run needed."""
        if not is_free(self.folder.alive_lock):
            postmaster.stop(self.folder, self._process)
        if self._process is not None:
            self._process.wait()
        self.folder.remove_socket()
        if not self.folder.account.is_ours:
            binaries.forget(self.folder.identity)

    def _watch(self) -> None:
        """While this share lasts: start the server again whenever it is gone."""
        pause_seconds = WATCH_SECONDS
        while not self._given_up.wait(pause_seconds):
            if self._process is not None:
                self._process.poll()
            if postmaster.running(self.folder) is not None:
                pause_seconds = WATCH_SECONDS
                continue
            logger.warning("PostgreSQL is gone; starting it again.")
            try:
                with self._turn():
                    self._ensure_running()
            except StartAbandonedError:
                return
            except (EmbeddedServerError, OSError) as problem:
                pause_seconds = min(pause_seconds * 2, RESTART_SECONDS_MAX)
                logger.warning("It did not; next try in %.1f s. %s", pause_seconds, problem)

    @contextlib.contextmanager
    def _turn(self) -> Iterator[None]:
        """Have the turn at starting and stopping."""
        turn = FileLock(self.folder.turn_lock)
        try:
            for _ in postmaster.waiting(self._given_up, "Another process is starting PostgreSQL"):
                if turn.take():
                    break
            yield
        finally:
            turn.close()

    def _pause(self) -> None:
        if self._given_up.wait(postmaster.STEP_SECONDS):
            raise StartAbandonedError("The start of PostgreSQL was abandoned.")


def prepare(
    folder: Path, *, major: int = DEFAULT_MAJOR, profile: Profile = Profile.DURABLE
) -> Server:
    """A share in the server of a data folder, not entered yet; `start` says what may go wrong."""
    return Server(prepared(folder), binaries.installed(major), profile)


def start(
    folder: Path, *, major: int = DEFAULT_MAJOR, profile: Profile = Profile.DURABLE
) -> Server:
    """Start the server of a data folder, or join those who use it. Blocks until it is ready.

    Args:
        folder: where the data lies; made if it isn't there. Nothing else belongs into it.
        major: the major version, 16 or 18.
        profile: durable, or fast for tests.

    Raises:
        UnusableFolderError: the folder is somebody else's or of another major version.
        ServerDidNotStartError: PostgreSQL ended instead; the message carries what it said.
        EmbeddedServerError: this machine or account can't run it.
    """
    server = prepare(folder, major=major, profile=profile)
    server.enter()
    return server
