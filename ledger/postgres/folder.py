"""The data folder: what lies where in it, who owns it, and the way into it for the server.

    var/postgres-18/
        cluster/       PostgreSQL's own files, owned by the server's account
        socket/        where it is connected to
        turn.lock      who may start or stop it (see `locks`)
        users.lock     who uses it
        alive.lock     whether anything of it is alive
        start.log      what it said before its own log began

The hard part: the folder may lie where the server's account can't walk (below /root, say), and
opening up the parents is not ours to do. So root opens the folders itself and lets the server
inherit them: `/proc/self/fd/N` leads into an open folder without a step through its parents.
Since that account owns two of the folders, root never follows a link that lies in them.
"""

import hashlib
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ledger.postgres.account import Account, account_for
from ledger.postgres.problems import UnusableFolderError

SOCKET_PATH_MAX = 107
"""Bytes a socket's path may have on Linux."""
PLAIN_PATH = re.compile(r"[A-Za-z0-9_./=-]+")
"""Paths that need no quoting in a connection string, nor in PostgreSQL's list of socket folders."""
PORT = 5432
"""No port is opened; the number is part of the socket's name."""
PRIVATE = 0o700


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a child process reaches a folder: a path, and the descriptors it inherits for it."""

    path: str
    descriptors: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class DataFolder:
    """One data folder and the account its server runs as."""

    path: Path
    account: Account
    identity: str

    @property
    def cluster(self) -> Path:
        """PostgreSQL's own files."""
        return self.path / "cluster"

    @property
    def turn_lock(self) -> Path:
        """Held while the server is started or stopped."""
        return self.path / "turn.lock"

    @property
    def users_lock(self) -> Path:
        """Shared by everyone who uses the server."""
        return self.path / "users.lock"

    @property
    def alive_lock(self) -> Path:
        """Held by the server and all it forked."""
        return self.path / "alive.lock"

    @property
    def start_log(self) -> Path:
        """What the server said before its own log began."""
        return self.path / "start.log"

    @property
    def cluster_name(self) -> str:
        """What the server's processes carry on their command line and in their title."""
        return f"pointmaster-{self.identity}"

    @property
    def socket_folder(self) -> Path:
        """Where the server's socket lies: here, unless the path is too long or peculiar for one.

        The same for every process that looks, whatever its environment.
        """
        here = self.path / "socket"
        short = len(os.fsencode(here / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_MAX
        if short and PLAIN_PATH.fullmatch(str(here)):
            return here
        return Path("/tmp", f"{self.cluster_name}-{self.account.uid}")  # noqa: S108  # private, and checked when made

    def major(self) -> int | None:
        """The major version the cluster was made by; None if there is no cluster yet."""
        try:
            return int((self.cluster / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    def give_folder(self, place: Path) -> None:
        """Make a private folder for the server's account, unless it is there.

        Raises:
            UnusableFolderError: something of somebody else is in the way.
        """
        with suppress(FileExistsError):
            place.mkdir(mode=PRIVATE)
        status = place.lstat()
        ours = status.st_uid in {os.geteuid(), self.account.uid}
        if not (ours and stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == PRIVATE):
            raise UnusableFolderError(f"{place} is in the way and not ours alone; remove it.")
        os.chown(place, self.account.uid, self.account.gid, follow_symlinks=False)

    def give_file(self, place: Path, name: str, text: str) -> None:
        """Put a file into a folder of the server's account, in place of one that may be there."""
        folder = os.open(place, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            written = f"{name}.{secrets.token_hex(4)}"
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
            with os.fdopen(os.open(written, flags, 0o600, dir_fd=folder), "w") as file:
                os.fchown(file.fileno(), self.account.uid, self.account.gid)
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            os.rename(written, name, src_dir_fd=folder, dst_dir_fd=folder)
        finally:
            os.close(folder)

    def remove_socket(self) -> None:
        """After the server's end: remove what a killed one left of its socket, and the folder."""
        for name in (f".s.PGSQL.{PORT}", f".s.PGSQL.{PORT}.lock"):
            with suppress(FileNotFoundError):
                (self.socket_folder / name).unlink()
        with suppress(OSError):
            self.socket_folder.rmdir()

    @contextmanager
    def entrance(self, inside: Path) -> Iterator[Entrance]:
        """A way that the server's account can go to one of its folders in here."""
        if self.account.is_ours:
            yield Entrance(str(inside), ())
            return
        descriptor = os.open(inside, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
        try:
            yield Entrance(f"/proc/self/fd/{descriptor}", (descriptor,))
        finally:
            os.close(descriptor)


def prepared(path: Path) -> DataFolder:
    """The data folder at `path`, made if it isn't there, closed to everyone but its owner.

    Raises:
        UnusableFolderError: it is not a folder, or others may write in it.
        EmbeddedServerError: this process may not run a server for its owner.
    """
    path = path.absolute()
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.mkdir(mode=PRIVATE, exist_ok=True)
    except (FileExistsError, NotADirectoryError):
        raise UnusableFolderError(f"{path} is not a folder; choose another.") from None
    except OSError as problem:
        raise UnusableFolderError(
            f"{path} can't be made ({problem.strerror}); choose another data folder."
        ) from None
    path = path.resolve()
    status = path.stat()
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnusableFolderError(
            f"Others may write in {path}; take that right away (chmod go-w) and start again."
        )
    account = account_for(status.st_uid)
    identity = hashlib.sha256(f"{status.st_dev}:{status.st_ino}".encode()).hexdigest()[:12]
    return DataFolder(path, account, identity)
