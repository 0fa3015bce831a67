"""Locks between processes that end with their holder, however it ends.

Three files lie in a data folder, each with one meaning:

* `turn.lock`: whoever starts or stops the server holds it alone, so no two do it at once;
* `users.lock`: everyone who uses the server shares it; whoever gets it alone at the end is the last
  user;
* `alive.lock`: inherited by the server and everything it forks, so it is free exactly when nothing
  of a server is left, not even a backend that outlived a killed postmaster.

The one idea: the kernel drops a `flock` when the last copy of its descriptor closes, so none of
this can go stale and no process number has to be believed.
"""

import fcntl
import os
from pathlib import Path


class FileLock:
    """One holder's end of a lock file. Not for several threads at once."""

    def __init__(self, path: Path) -> None:
        """Open the file, making it if need be; nothing is locked yet."""
        self._descriptor: int | None = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    @property
    def descriptor(self) -> int:
        """The open file, to be inherited by a child that shall hold the lock too."""
        if self._descriptor is None:
            raise ValueError("This lock was closed.")
        return self._descriptor

    def take(self, *, shared: bool = False) -> bool:
        """Take the lock if that is possible at once, and say whether it was."""
        kind = fcntl.LOCK_SH if shared else fcntl.LOCK_EX
        try:
            fcntl.flock(self.descriptor, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def is_at(self, path: Path) -> bool:
        """Whether the file is still the one that lies at `path`."""
        try:
            there = path.stat()
        except FileNotFoundError:
            return False
        opened = os.fstat(self.descriptor)
        return (opened.st_dev, opened.st_ino) == (there.st_dev, there.st_ino)

    def release(self) -> None:
        """Give the lock up for every holder of this descriptor."""
        fcntl.flock(self.descriptor, fcntl.LOCK_UN)

    def close(self) -> None:
        """Close this end. A child that inherited the descriptor goes on holding the lock."""
        if self._descriptor is not None:
            os.close(self._descriptor)
            self._descriptor = None


def is_free(path: Path) -> bool:
    """Whether nobody holds the lock at this moment."""
    lock = FileLock(path)
    try:
        return lock.take()
    finally:
        lock.close()
