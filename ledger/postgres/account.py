"""Which account of the operating system the own server runs as.

PostgreSQL refuses to run as root, rightly. So root hands the server to an ordinary account: the one
that owns the data folder, else one called `pointmaster` if the machine has it, else `nobody`.
Anyone else runs the server as themselves. Permissions of folders that are not ours are never
touched; what the account can't reach is handed to it in other ways (see `binaries` and `cluster`).
"""

import os
import pwd
import stat
from dataclasses import dataclass
from pathlib import Path
from typing import TypedDict

from ledger.postgres.problems import EmbeddedServerError

PREFERRED_ACCOUNTS = ("pointmaster", "nobody")


class Credentials(TypedDict, total=False):
    """The arguments of `subprocess.Popen` that change who a process is."""

    user: int
    group: int
    extra_groups: list[int]


@dataclass(frozen=True, slots=True)
class Account:
    """An account of the operating system, by number and by the name peer authentication knows."""

    uid: int
    gid: int
    name: str

    @property
    def is_ours(self) -> bool:
        """Whether it is the account this process already runs as."""
        return self.uid == os.geteuid()

    def credentials(self) -> Credentials:
        """What `subprocess.Popen` needs to run a process as this account, with no other group."""
        if self.is_ours:
            return {}
        return {"user": self.uid, "group": self.gid, "extra_groups": []}

    def may(self, wanted: int, status: os.stat_result) -> bool:
        """Whether the mode bits of a file grant `wanted` (4 read, 1 enter or run) to this account.

        Access lists are not looked at: where one grants more, the answer is needlessly careful,
        nothing worse.
        """
        if self.uid == 0:
            return True
        if status.st_uid == self.uid:
            shift = 6
        elif status.st_gid == self.gid:
            shift = 3
        else:
            shift = 0
        return (status.st_mode >> shift) & wanted == wanted


def account_of(uid: int) -> Account:
    """The account with this number.

    Raises:
        EmbeddedServerError: the number has no name; PostgreSQL can't set up its files without one.
    """
    try:
        entry = pwd.getpwuid(uid)
    except KeyError:
        raise EmbeddedServerError(
            f"The user id {uid} has no name on this machine, and PostgreSQL needs one. "
            "Run as a named user, or set DATABASE_URL to a PostgreSQL server."
        ) from None
    return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)


def account_for(folder_owner: int) -> Account:
    """The account the server of a data folder runs as.

    Args:
        folder_owner: the number of the account that owns the data folder.

    Raises:
        EmbeddedServerError: this process may not act for that account, or root finds none to hand
            the server to.
    """
    ourselves = os.geteuid()
    if ourselves != 0:
        if folder_owner != ourselves:
            raise EmbeddedServerError(
                f"The data folder belongs to user id {folder_owner} and this process runs as "
                f"{ourselves}. Run as the owner, or choose another data folder."
            )
        return account_of(ourselves)
    if folder_owner != 0:
        return account_of(folder_owner)
    for name in PREFERRED_ACCOUNTS:
        try:
            entry = pwd.getpwnam(name)
        except KeyError:
            continue
        if entry.pw_uid != 0:
            return Account(entry.pw_uid, entry.pw_gid, entry.pw_name)
    raise EmbeddedServerError(
        "PostgreSQL does not run as root, and this machine has no account called "
        f"{' or '.join(PREFERRED_ACCOUNTS)} to run it as. "
        "Run as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
    )


def can_reach(account: Account, folder: Path) -> bool:
    """Whether the account may walk down to the folder and read all that is in it."""
    resolved = folder.resolve()
    if not all(account.may(1, ancestor.stat()) for ancestor in resolved.parents):
        return False
    for inside, folders, files in os.walk(resolved):
        if not account.may(5, Path(inside).stat()):
            return False
        for name in files:
            status = Path(inside, name).stat()
            runnable = bool(status.st_mode & stat.S_IXUSR)
            if not account.may(5 if runnable else 4, status):
                return False
        folders.sort()
    return True
