"""Beginning one of PostgreSQL's programs: as the server's account, cut off from our own process.

It sees nothing of our environment, has a session of its own, so that a Ctrl-C meant for the service
does not reach it, and inherits only the descriptors it is given.
"""

import subprocess
from pathlib import Path
from typing import IO

from ledger.postgres.account import Account
from ledger.postgres.problems import EmbeddedServerError

ENVIRONMENT = {"LC_ALL": "C", "TZ": "UTC", "PATH": "/usr/bin:/bin"}


def begin(
    command: list[str],
    *,
    account: Account,
    said: IO[str],
    inherited: tuple[int, ...],
    stdin: int = subprocess.DEVNULL,
) -> subprocess.Popen[bytes]:
    """Begin a program.

    Args:
        command: its full path and its arguments.
        account: whom it runs as.
        said: the file for all it says.
        inherited: descriptors it keeps, under the same numbers.
        stdin: where it reads from.

    Raises:
        EmbeddedServerError: it can't be run, or not as that account.
    """
    try:
        return subprocess.Popen(
            command,
            stdin=stdin,
            stdout=said,
            stderr=subprocess.STDOUT,
            pass_fds=inherited,
            cwd="/",
            env=ENVIRONMENT,
            umask=0o077,
            start_new_session=True,
            **account.credentials(),
        )
    except OSError as problem:
        raise EmbeddedServerError(
            f"{Path(command[0]).name} could not be run as {account.name}: {problem.strerror}. "
            "Run Pointmaster as an ordinary user, or set DATABASE_URL to a PostgreSQL server."
        ) from problem
