"""Identifiers: what things are called inside the books, and how keys become fixed-size ones.

The one hard idea: a client's idempotency key lives for ever in an index, so it is stored as 16
bytes of its SHA-256 with the tenant mixed in; finding two keys with one such hash takes some 2^64
attempts. This module draws no randomness of its own: it is handed in.

`pgproto.UUID` is the driver's own kind of `uuid.UUID`, ten times as quick to make.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NewType
from uuid import UUID

from asyncpg.pgproto import pgproto

TenantId = NewType("TenantId", int)
DefinitionId = NewType("DefinitionId", int)
HolderId = NewType("HolderId", UUID)
ContactId = NewType("ContactId", UUID)

KEY_LENGTH_MAX = 200
"""Characters of an idempotency key."""


_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MILLISECOND = timedelta(milliseconds=1)


def key_hash(tenant: TenantId, idempotency_key: str) -> UUID:
    """The fixed-size form of an idempotency key, unique per tenant."""
    digest = hashlib.sha256(f"{tenant}\x00{idempotency_key}".encode()).digest()
    return pgproto.UUID(digest[:16])


def contact_id(written: UUID) -> ContactId:
    """A contact's identifier in the driver's kind, ten times as quick to look up by and to send."""
    return ContactId(pgproto.UUID(written.bytes))


def uuid7(moment: datetime, randomness: bytes) -> UUID:
    """A UUIDv7 (RFC 9562): `moment` to the millisecond, then 74 of the 80 random bits given."""
    return next(uuid7_stream(moment, randomness[:10]))


def uuid7_stream(moment: datetime, randomness: bytes) -> Iterator[UUID]:
    """As many UUIDv7 of one moment as `randomness` has runs of ten bytes."""
    milliseconds = ((moment - _EPOCH) // _MILLISECOND & 0xFFFF_FFFF_FFFF).to_bytes(6)
    for start in range(0, len(randomness) - 9, 10):
        version = randomness[start] & 0x0F | 0x70
        variant = randomness[start + 2] & 0x3F | 0x80
        middle = bytes((version, randomness[start + 1], variant))
        yield pgproto.UUID(milliseconds + middle + randomness[start + 3 : start + 10])
