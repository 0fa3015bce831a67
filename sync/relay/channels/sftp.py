"""Fetching files of rows from a folder of an SFTP server.

The one hard idea: a file is stored row by row under keys that make storing it again harmless, and
only then moved away. So a crash anywhere costs a second reading and nothing else. A file somebody
is still writing is told by its size and time: it is taken once both have stood still.

A server whose key is not the configured one gets neither our name nor our password.
"""

import hashlib
import io
import logging
import os
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from fnmatch import fnmatchcase
from itertools import islice
from pathlib import PurePosixPath
from typing import IO, Any, Final
from uuid import UUID

import asyncssh
import msgspec

from ledger.connection import Pool
from ledger.identity import uuid7
from sync.clock import Clock
from sync.relay.channels.opening import Accept
from sync.relay.channels.rows import FileTroubleError, Row, rows_of
from sync.relay.fresh import fresh_ids
from sync.relay.intake import Incoming, take_in_document, unreadable
from sync.relay.register import SourceRecord
from sync.relay.vendors.protocol import Arrival
from sync.units import BusyError, unit

ROWS_TOGETHER: Final = 500
CHUNK_BYTES: Final = 256 * 1024
FILES_MAX: Final = 1000
"""Looked at in one go."""

IN_MEMORY_BYTES: Final = 8 * 1024 * 1024

KNOWN: Final = """
    -- What became of this very file. Index: file_source_id_name_idx.
    select trouble from relay.file
    where source_id = $1 and name = $2 and size = $3 and modified_at = $4
    order by taken_at desc limit 1
"""

NOTE: Final = """
    insert into relay.file (
        id, source_id, name, size, modified_at, taken_at, rows, fresh, digest, trouble
    ) values ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)
"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Found:
    """A file on the server."""

    name: str
    size: int
    modified_at: datetime


@dataclass(frozen=True, slots=True)
class Fetched:
    """What fetching came to.

    Attributes:
        waiting: Files that may still be being written.
    """

    files: int = 0
    rows: int = 0
    fresh: int = 0
    waiting: int = 0
    troubled: int = 0

    def __add__(self, other: "Fetched") -> "Fetched":
        return Fetched(
            self.files + other.files,
            self.rows + other.rows,
            self.fresh + other.fresh,
            self.waiting + other.waiting,
            self.troubled + other.troubled,
        )


class PickUp:
    """Fetches the files of one source."""

    def __init__(self, source: SourceRecord, pool: Pool, accept: Accept, clock: Clock) -> None:
        options = source.settings.options.sftp
        if options is None:
            raise ValueError(f"source {source.settings.name} has no folder")
        self.options = options
        self._source = source
        self._pool = pool
        self._accept = accept
        self._clock = clock
        self._looks: dict[str, tuple[Found, float]] = {}

    async def fetch(self) -> Fetched:
        """Fetch what is complete; nothing while another replica is at it.

        Raises:
            OSError, asyncssh.Error: the server can't be reached, or is not who it should be.
        """
        try:
            async with unit(self._pool, f"relay files {self._source.settings.name}"):
                return await self._fetch()
        except BusyError:
            return Fetched()

    async def _fetch(self) -> Fetched:
        done = Fetched()
        async with await self._connect() as connection, connection.start_sftp_client() as sftp:
            for found in await self._listed(sftp):
                if not self._stands_still(found):
                    done += Fetched(waiting=1)
                    continue
                done += await self._take(sftp, found)
        return done

    async def _connect(self) -> asyncssh.SSHClientConnection:
        options = self.options
        secret = self._source.settings.secrets[0].reveal()
        is_key = secret.lstrip().startswith("-----BEGIN")
        return await asyncssh.connect(
            options.host,
            options.port,
            username=options.username,
            password=None if is_key else secret,
            client_keys=[asyncssh.import_private_key(secret)] if is_key else None,
            known_hosts=(
                [asyncssh.import_public_key(one) for one in options.host_key],
                [],
                [],
            ),
            agent_path=None,
            config=None,
            connect_timeout=options.connect_seconds,
            login_timeout=options.connect_seconds,
        )

    async def _listed(self, sftp: asyncssh.SFTPClient) -> list[Found]:
        """The files that may be taken, the oldest first."""
        found: list[Found] = []
        names: set[str] = set()
        for entry in await sftp.readdir(self.options.folder):
            name, attributes = str(entry.filename), entry.attrs
            names.add(name)
            if (
                attributes.type == asyncssh.FILEXFER_TYPE_REGULAR
                and attributes.size is not None
                and attributes.mtime is not None
                and fnmatchcase(name, self.options.pattern)
                and "/" not in name
            ):
                modified_at = datetime.fromtimestamp(attributes.mtime, UTC)
                found.append(Found(name, attributes.size, modified_at))
        suffix = self.options.done_suffix
        if suffix is not None:
            found = [one for one in found if f"{one.name}{suffix}" in names]
        self._looks = {name: look for name, look in self._looks.items() if name in names}
        return sorted(found, key=lambda one: (one.modified_at, one.name))[:FILES_MAX]

    def _stands_still(self, found: Found) -> bool:
        """Whether a file has not changed for long enough, or is said to be complete."""
        if self.options.done_suffix is not None or not self.options.settle_seconds:
            return True
        now = time.monotonic()
        before, since = self._looks.get(found.name, (found, now))
        if before != found:
            since = now
        self._looks[found.name] = (found, since)
        return now - since >= self.options.settle_seconds

    async def _take(self, sftp: asyncssh.SFTPClient, found: Found) -> Fetched:
        """Store a file's rows and move it away; one that can't be read stays where it is."""
        async with self._pool.acquire() as connection:
            known = await connection.fetchrow(
                KNOWN, self._source.id, found.name, found.size, found.modified_at
            )
        if known is not None and known["trouble"] is not None:
            # It has not changed since, so neither has what is wrong with it.
            return Fetched(troubled=1)
        if found.size > self.options.file_bytes_max:
            return await self._troubled(found, f"has more than {self.options.file_bytes_max} bytes")
        rows = fresh = 0
        with tempfile.SpooledTemporaryFile(max_size=IN_MEMORY_BYTES) as content:
            digest = await self._download(sftp, found, content)
            if digest is None:
                return Fetched(waiting=1)
            try:
                for some in _groups(self._rows(content, found)):
                    events = [event for row in some for event in self._events(row)]
                    fresh += len((await self._accept(self._source, events)).states)
                    rows += len(some)
            except FileTroubleError as problem:
                return await self._troubled(found, str(problem), rows, fresh)
        await self._note(found, rows, fresh, digest, None)
        await self._archive(sftp, found)
        logger.info(
            "relay source=%s file rows=%d fresh=%d", self._source.settings.name, rows, fresh
        )
        return Fetched(files=1, rows=rows, fresh=fresh)

    async def _download(
        self, sftp: asyncssh.SFTPClient, found: Found, content: Any
    ) -> bytes | None:
        """The file's content and its hash; `None` where it changed meanwhile."""
        path = str(PurePosixPath(self.options.folder) / found.name)
        running = hashlib.sha256()
        size = 0
        async with sftp.open(path, "rb") as opened:
            remote: Any = opened  # its type says text, whatever the mode
            while chunk := await remote.read(CHUNK_BYTES, size):
                size += len(chunk)
                if size > found.size:
                    return None
                running.update(chunk)
                content.write(chunk)
        attributes = await sftp.stat(path)
        if size != found.size or attributes.size != size:
            return None
        content.seek(0)
        return running.digest()

    def _rows(self, content: IO[bytes], found: Found) -> Iterator[Row]:
        text = io.TextIOWrapper(content, encoding=self.options.encoding, newline="")
        try:
            yield from rows_of(text, found.name, self.options.delimiter)
        finally:
            # The temporary file is closed by whoever opened it.
            text.detach()

    def _events(self, row: Row) -> tuple[Incoming, ...]:
        now = self._clock.here()
        arrival, ids = Arrival(now, row.key), fresh_ids(now)
        if row.document is None:
            body = msgspec.json.encode(row.values)
            return (unreadable(self._source.settings, body, arrival, next(ids), row.trouble or ""),)
        return take_in_document(self._source.settings, row.document, arrival, ids)

    async def _troubled(self, found: Found, trouble: str, rows: int = 0, fresh: int = 0) -> Fetched:
        logger.warning("relay source=%s file trouble=%s", self._source.settings.name, trouble)
        await self._note(found, rows, fresh, None, trouble)
        return Fetched(rows=rows, fresh=fresh, troubled=1)

    async def _note(
        self, found: Found, rows: int, fresh: int, digest: bytes | None, trouble: str | None
    ) -> None:
        async with self._pool.acquire() as connection:
            now = await self._clock.read(connection)
            await connection.execute(
                NOTE,
                _file_id(now),
                self._source.id,
                found.name,
                found.size,
                found.modified_at,
                now,
                rows,
                fresh,
                digest,
                trouble,
            )

    async def _archive(self, sftp: asyncssh.SFTPClient, found: Found) -> None:
        """Move a file away, under a new name where there is one of its name already."""
        folder = PurePosixPath(self.options.folder)
        archive = folder / self.options.archive
        await sftp.makedirs(str(archive), exist_ok=True)
        target = archive / found.name
        if await sftp.exists(str(target)):
            stamp = f"{self._clock.here():%Y%m%dT%H%M%S%f}"
            target = archive / f"{target.stem}-{stamp}{target.suffix}"
        await sftp.rename(str(folder / found.name), str(target))
        suffix = self.options.done_suffix
        if suffix is not None:
            await sftp.rename(str(folder / f"{found.name}{suffix}"), f"{target}{suffix}")


def _groups(rows: Iterator[Row]) -> Iterator[list[Row]]:
    while group := list(islice(rows, ROWS_TOGETHER)):
        yield group


def _file_id(now: datetime) -> UUID:
    return uuid7(now, os.urandom(10))
