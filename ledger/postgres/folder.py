"""The data folder: what lies where in it, who owns it, and the way into it for the server's account.

    var/postgres-18/
        cluster/       PostgreSQL's own files, owned by the server's account
        turn.lock      (see `locks`)
        users.lock
        alive.lock
        start.log      what the server said before its log began

The hard part: the folder may lie where the server's account can't walk (below /root, say), and opening up the parents
is not ours to do. So root opens `cluster/` itself and lets the server inherit the open folder: `/proc/self/fd/N` leads
into it without a step through its parents.
"""

import hashlib
import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ledger.postgres.account import Account, account_for
from ledger.postgres.problems import UnusableFolderError

SOCKET_PATH_MAX = 107
"""Bytes a socket's path may have on Linux."""
PORT = 5432
"""No port is opened; the number is part of the socket's name."""


@dataclass(frozen=True, slots=True)
class Entrance:
    """How a child process reaches a folder: a path, and the descriptors it has to inherit for it."""

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

    def major(self) -> int | None:
        """The major version the cluster was made by; None if there is no cluster yet."""
        try:
            return int((self.cluster / "PG_VERSION").read_text())
        except FileNotFoundError:
            return None

    @contextmanager
    def entrance(self, inside: Path) -> Iterator[Entrance]:
        """A way to `inside`, a folder in this one, that the server's account can go."""
        if self.account.is_ours:
            yield Entrance(str(inside), ())
            return
        descriptor = os.open(inside, os.O_RDONLY | os.O_DIRECTORY)
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
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        path.mkdir(mode=0o700, exist_ok=True)
    except FileExistsError:
        raise UnusableFolderError(f"{path} is not a folder; choose another for the data.") from None
    path = path.resolve()
    status = path.stat()
    if status.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise UnusableFolderError(
            f"Others may write in {path}; take that right away (chmod go-w) and start again."
        )
    account = account_for(status.st_uid)
    identity = hashlib.sha256(f"{status.st_dev}:{status.st_ino}".encode()).hexdigest()[:12]
    return DataFolder(path, account, identity)


def socket_folder(folder: DataFolder) -> Path:
    """A private folder for the server's socket, made now: short enough for a socket's path, and only its account's.

    Raises:
        UnusableFolderError: the place is taken by somebody else.
    """
    ourselves = os.geteuid()
    personal = os.environ.get("XDG_RUNTIME_DIR", "")
    if ourselves == 0:
        name = folder.cluster_name
        bases = [Path("/run"), Path("/tmp")]  # noqa: S108  # the folder made there is private and checked below
    else:
        name = f"pointmaster-{ourselves}-{folder.identity}"
        bases = [*([Path(personal)] if personal else []), Path("/tmp")]  # noqa: S108  # as above
    base = next(
        (base for base in bases if _fits(base / name) and os.access(base, os.W_OK | os.X_OK)), None
    )
    if base is None:
        places = " or ".join(str(base) for base in bases)
        raise UnusableFolderError(
            f"The server's socket needs a private folder in {places}; none can be made there."
        )
    place = base / name
    try:
        place.mkdir(mode=0o700)
    except FileExistsError:
        pass
    else:
        os.chown(place, folder.account.uid, folder.account.gid)
    status = place.lstat()
    private = (
        stat.S_ISDIR(status.st_mode) and stat.S_IMODE(status.st_mode) == 0o700
    )  # as made above
    if not private or status.st_uid not in {ourselves, folder.account.uid}:
        raise UnusableFolderError(
            f"{place} is somebody else's, and the server's socket was to lie there; remove it."
        )
    os.chown(place, folder.account.uid, folder.account.gid)
    return place


def _fits(place: Path) -> bool:
    return len(os.fsencode(place / f".s.PGSQL.{PORT}")) <= SOCKET_PATH_MAX
