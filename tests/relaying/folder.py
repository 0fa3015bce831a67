"""An SFTP server for tests: asyncssh's own, over a folder of the test's."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import asyncssh

USER = "perx"
PASSWORD = "files-secret"


@dataclass
class Folder:
    """A folder that is served.

    Attributes:
        path: Where it really is.
        host_key: What the server's key is, as a configuration states it.
        logins: How many tried to come in.
    """

    path: Path
    port: int
    host_key: str
    logins: list[str]

    def write(self, name: str, *lines: str) -> Path:
        """Put a file there."""
        file = self.path / name
        file.write_text("".join(f"{line}\n" for line in lines))
        return file

    def names(self, below: str = "") -> list[str]:
        return sorted(one.name for one in (self.path / below).iterdir() if one.is_file())


class _Server(asyncssh.SSHServer):
    def __init__(self, logins: list[str], client_key: asyncssh.SSHKey | None) -> None:
        self._logins = logins
        self._client_key = client_key

    def begin_auth(self, username: str) -> bool:
        self._logins.append(username)
        return True

    def password_auth_supported(self) -> bool:
        return self._client_key is None

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return self._client_key is not None

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        known = self._client_key
        return username == USER and known is not None and known.convert_to_public() == key


@asynccontextmanager
async def served(path: Path, client_key: asyncssh.SSHKey | None = None) -> AsyncIterator[Folder]:
    """A folder behind SFTP, open to one user with a password or a key."""
    host_key = asyncssh.generate_private_key("ssh-ed25519")
    logins: list[str] = []

    def factory(channel: Any) -> asyncssh.SFTPServer:
        return asyncssh.SFTPServer(channel, chroot=str(path).encode())

    server = await asyncssh.create_server(
        lambda: _Server(logins, client_key),
        "127.0.0.1",
        0,
        server_host_keys=[host_key],
        sftp_factory=factory,
    )
    async with server:
        public = host_key.export_public_key().decode().strip()
        yield Folder(path, server.sockets[0].getsockname()[1], public, logins)
