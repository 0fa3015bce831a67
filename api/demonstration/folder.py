"""The demo's folder: all that a demo keeps, so that removing it removes the demo.

    pointmaster.toml   the service's configuration, written anew by every run
    secrets/           made once: what the service and its Engage know of each other
    api-key            the shop's key to the service
    postgres/          the books
    engage.toml        the stand-in Engage's settings, written anew by every run
    engage.state       what the stand-in Engage holds
    engage.kept        there while nobody changes engage.state: the last run saved it to the end
    customers          how many customers the books in here are of
    *.log              what the programs said

The one hard idea: secrets are made here and never leave the folder but by the environment, as the
paths of files. Whatever holds one can be read by its owner only.
"""

import base64
import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from api.configuration.environment import PREFIX, variable_of
from api.configuration.loading import SECRETS
from ledger.postgres.locks import FileLock

TENANT: Final = "demo"
DEFINITION: Final = 1
POINTS_LOG_HEADER: Final = "X-Api-Key"
PRIVATE: Final = 0o600

_MAKE_SECRET: Final[dict[str, Callable[[], str]]] = {
    "api_key": lambda: secrets.token_urlsafe(32),
    # AES-256's key is the text itself: 24 bytes are 32 characters of Base64.
    "encryption_keys": lambda: secrets.token_urlsafe(24),
    "signing_secrets": lambda: f"whsec_{base64.b64encode(secrets.token_bytes(24)).decode()}",
    "points_log": lambda: secrets.token_urlsafe(32),
}

CONFIGURATION: Final = """\
# Written by `pointmaster demo` each time it starts. The secrets that belong to it are in secrets/.

[service]
host = "127.0.0.1"
open_documentation = true

[database]
folder = "postgres"
postgres = {postgres}

[tenants.{tenant}]
time_zone = "Europe/London"

[[tenants.{tenant}.definitions]]
engage_id = {definition}
name = "Points"
returns = "unlimited"

# A stand-in on this machine: it answers at once, so it is asked often and not waited for long.
[tenants.{tenant}.engage]
base_url = "{engage}"
answer_seconds = 10
poll_seconds = [1, 1, 2]
settle_seconds = 10
unknown_status_seconds = 4

[tenants.{tenant}.engage.points_log]
authentication = "header"
header = "{header}"

[tenants.{tenant}.engage.schedule]
push = {{ every_seconds = 5 }}
poll = {{ every_seconds = 1 }}
"""


class FolderInUseError(Exception):
    """Another demo runs in the folder."""


@dataclass(frozen=True, slots=True)
class EngageSecrets:
    """What the stand-in Engage has to know to get along with the service."""

    api_key: str
    encryption_key: str
    signing_secret: str
    points_log: str


@dataclass(frozen=True, slots=True)
class DemoFolder:
    """One demo's folder."""

    path: Path

    @property
    def configuration(self) -> Path:
        """The service's configuration."""
        return self.path / "pointmaster.toml"

    @property
    def books(self) -> Path:
        """Where the service's own PostgreSQL keeps the books."""
        return self.path / "postgres"

    @property
    def engage_settings(self) -> Path:
        """The stand-in Engage's settings."""
        return self.path / "engage.toml"

    @property
    def engage_state(self) -> Path:
        """What the stand-in Engage holds."""
        return self.path / "engage.state"

    @property
    def api_key(self) -> Path:
        """The shop's key."""
        return self.path / "api-key"

    def log(self, program: str) -> Path:
        """What a program said."""
        return self.path / f"{program}.log"

    @contextlib.contextmanager
    def opened(self) -> Iterator[None]:
        """Have the folder to oneself; it and its secrets are made if they aren't there.

        Raises:
            FolderInUseError: another demo has it.
            OSError: it can't be made.
        """
        self.path.mkdir(mode=0o700, parents=True, exist_ok=True)
        with one_at_a_time(self.path / "demo.lock"):
            (self.path / "secrets").mkdir(mode=0o700, exist_ok=True)
            for name, make in _MAKE_SECRET.items():
                if not self._secret(name).exists():
                    write_private(self._secret(name), make())
            yield

    def secrets(self) -> EngageSecrets:
        """The secrets of the stand-in Engage."""
        read = {name: self._secret(name).read_text() for name in SECRETS}
        return EngageSecrets(
            read["api_key"], read["encryption_keys"], read["signing_secrets"], read["points_log"]
        )

    def environment(self, inherited: Mapping[str, str]) -> dict[str, str]:
        """The environment of the service: the folder's secrets, and no other program's database."""
        kept = {
            name: value
            for name, value in inherited.items()
            if not name.startswith((PREFIX, "DATABASE_"))
        }
        for name, what in SECRETS.items():
            kept[f"{variable_of(TENANT, what)}_FILE"] = str(self._secret(name).resolve())
        return kept

    def write_configuration(self, engage: str, postgres: int) -> None:
        """Write the service's configuration.

        Args:
            engage: The address of Engage.
            postgres: The major version of the service's own PostgreSQL, 16 or 18.
        """
        self.configuration.write_text(
            CONFIGURATION.format(
                tenant=TENANT,
                definition=DEFINITION,
                engage=engage,
                header=POINTS_LOG_HEADER,
                postgres=postgres,
            )
        )

    def write_engage_settings(self) -> None:
        """Write the stand-in Engage's settings; they hold its secrets."""
        known = self.secrets()
        write_private(
            self.engage_settings,
            f'tenant = "{TENANT}"\n'
            f'apiKeys = ["{known.api_key}"]\n'
            f'definitions = [{{ id = {DEFINITION}, name = "Points" }}]\n'
            "[webhook]\n"
            f'signingSecrets = ["{known.signing_secret}"]\n'
            f'encryptionKey = "{known.encryption_key}"\n'
            # A service that is being started again shall not miss a message for minutes.
            "retryScale = 0.02\n"
            "[pointsLog]\n"
            'authentication = "header"\n'
            f'headerName = "{POINTS_LOG_HEADER}"\n'
            f'headerValue = "{known.points_log}"\n',
        )

    def engage_is_whole(self) -> bool:
        """Whether the stand-in Engage kept all it held at the end of the run before."""
        return self._kept.exists() and self.engage_state.exists()

    def note_engage(self, *, is_whole: bool) -> None:
        """Note that what the stand-in Engage holds is kept to the end, or that it is in use."""
        if is_whole:
            self._kept.touch()
        else:
            self._kept.unlink(missing_ok=True)

    def customers(self, asked: int) -> int:
        """How many customers the demo is of: as many as are asked for, never less than before."""
        note = self.path / "customers"
        before = int(note.read_text()) if note.exists() else 0
        if asked > before:
            write_private(note, f"{asked}\n")
        return max(asked, before)

    @property
    def _kept(self) -> Path:
        return self.path / "engage.kept"

    def _secret(self, name: str) -> Path:
        return self.path / "secrets" / name.replace("_", "-")


@contextlib.contextmanager
def one_at_a_time(path: Path) -> Iterator[None]:
    """Hold a lock file, which the kernel frees however its holder ends.

    Raises:
        FolderInUseError: somebody else holds it.
    """
    lock = FileLock(path)
    try:
        if not lock.take():
            raise FolderInUseError(f"another demo runs in {path.parent}; end it first")
        yield
    finally:
        lock.close()


def write_private(path: Path, text: str) -> None:
    """Write a file that only its owner can read, whole or not at all."""
    beside = path.with_name(f"{path.name}.new")
    beside.unlink(missing_ok=True)
    with os.fdopen(os.open(beside, os.O_WRONLY | os.O_CREAT | os.O_EXCL, PRIVATE), "w") as file:
        file.write(text)
    beside.replace(path)
