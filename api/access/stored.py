"""API keys in the database: made, found, listed, revoked, rotated.

The one hard idea: a rotation makes a new key with the same name and scopes and lets the old one run
out after an overlap, so that a till can change keys without a moment in which none of them works.
"""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import asyncpg

from api.access.keys import ID_BYTES, SECRET_BYTES, KeyText, make_key
from api.access.scopes import Scope
from ledger.connection import Connection
from ledger.identity import TenantId

NAME_LENGTH_MAX = 100
"""Characters of a key's name."""

OVERLAP_MAX = timedelta(days=90)
"""The longest that a rotated key may live on beside its successor."""


_SCOPE_WORDS = frozenset(Scope)


class KeyUnknownError(LookupError):
    """No such key, or none that still works."""


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """A key as the table holds it; the hash doesn't show in its repr."""

    id: str
    tenant: TenantId
    name: str
    scopes: frozenset[Scope]
    secret_hash: bytes = field(repr=False)
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    successor: str | None

    def works_at(self, moment: datetime) -> bool:
        """Whether the key opens anything at this instant."""
        return self.revoked_at is None and (self.expires_at is None or moment < self.expires_at)


COLUMNS = """
    id, tenant_id, name, scopes, secret_hash, created_at, expires_at, revoked_at, last_used_at,
    successor
"""

ADD_KEY = f"""
    insert into access.api_key (id, tenant_id, name, scopes, secret_hash, expires_at)
    values ($1, $2, $3, $4, $5, $6)
    returning {COLUMNS}
"""

FIND_KEY = f"select {COLUMNS} from access.api_key where id = $1"

LOCK_KEY = f"{FIND_KEY} for update"

LIST_KEYS = f"""
    select {COLUMNS} from access.api_key
    where $1::smallint is null or tenant_id = $1
    order by tenant_id, created_at, id
"""

REVOKE_KEY = f"""
    update access.api_key set revoked_at = coalesce(revoked_at, clock_timestamp())
    where id = $1
    returning {COLUMNS}
"""

RUN_OUT = """
    update access.api_key
    set expires_at = least(expires_at, clock_timestamp() + $2::interval), successor = $3
    where id = $1
"""

# Several replicas may have seen the same key; the latest use counts.
MARK_USED = """
    update access.api_key set last_used_at = seen.at
    from unnest($1::text[], $2::timestamptz[]) as seen (id, at)
    where api_key.id = seen.id
      and (api_key.last_used_at is null or api_key.last_used_at < seen.at)
"""


async def create_key(
    connection: Connection,
    tenant: TenantId,
    name: str,
    scopes: frozenset[Scope],
    *,
    expires_at: datetime | None = None,
) -> tuple[KeyText, KeyRecord]:
    """Make a key. Its text is nowhere but in the answer: it can't be shown a second time.

    Raises:
        ValueError: the name is empty or too long, or there are no scopes.
    """
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise ValueError(f"a key's name has 1 to {NAME_LENGTH_MAX} characters")
    if not scopes:
        raise ValueError("a key needs at least one scope")
    key = make_key(secrets.token_bytes(ID_BYTES + SECRET_BYTES))
    row = await connection.fetchrow(
        ADD_KEY, key.id, tenant, name, sorted(scopes), key.secret_hash, expires_at
    )
    if row is None:
        raise RuntimeError("an insert that returns its row returned none")
    return key, _record(row)


async def find_key(connection: Connection, key_id: str) -> KeyRecord | None:
    """The key of this public part, working or not."""
    row = await connection.fetchrow(FIND_KEY, key_id)
    return None if row is None else _record(row)


async def list_keys(connection: Connection, tenant: TenantId | None = None) -> list[KeyRecord]:
    """All keys, or a tenant's, those that no longer work included; oldest first."""
    return [_record(row) for row in await connection.fetch(LIST_KEYS, tenant)]


async def revoke_key(connection: Connection, key_id: str) -> KeyRecord:
    """Close a key for good; closing it again changes nothing.

    Raises:
        KeyUnknownError: there is no such key.
    """
    row = await connection.fetchrow(REVOKE_KEY, key_id)
    if row is None:
        raise KeyUnknownError(f"there is no key {key_id}")
    return _record(row)


async def rotate_key(
    connection: Connection, key_id: str, overlap: timedelta
) -> tuple[KeyText, KeyRecord]:
    """Make a key's successor, with its name and scopes; the old one works for `overlap` more.

    Raises:
        KeyUnknownError: there is no such key, or it no longer works.
        ValueError: the overlap is negative or longer than `OVERLAP_MAX`.
    """
    if not timedelta() <= overlap <= OVERLAP_MAX:
        raise ValueError(f"the overlap is between nothing and {OVERLAP_MAX.days} days")
    async with connection.transaction():
        row = await connection.fetchrow(LOCK_KEY, key_id)
        now = await connection.fetchval("select clock_timestamp()")
        if row is None or not _record(row).works_at(now):
            raise KeyUnknownError(f"there is no key {key_id} that still works")
        old = _record(row)
        key, record = await create_key(connection, old.tenant, old.name, old.scopes)
        await connection.execute(RUN_OUT, key_id, overlap, key.id)
        return key, record


async def mark_used(connection: Connection, seen: Mapping[str, datetime]) -> None:
    """Note when keys were last used."""
    if seen:
        await connection.execute(MARK_USED, list(seen), list(seen.values()))


def _record(row: asyncpg.Record) -> KeyRecord:
    return KeyRecord(
        id=row["id"],
        tenant=TenantId(row["tenant_id"]),
        name=row["name"],
        # A scope that a newer release wrote opens nothing here.
        scopes=frozenset(Scope(word) for word in row["scopes"] if word in _SCOPE_WORDS),
        secret_hash=row["secret_hash"],
        created_at=row["created_at"],
        expires_at=row["expires_at"],
        revoked_at=row["revoked_at"],
        last_used_at=row["last_used_at"],
        successor=row["successor"],
    )
