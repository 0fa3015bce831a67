"""Identifiers: what things are called inside the books, and how keys become fixed-size ones.

The one hard idea: a client's idempotency key lives for ever in an index, so it is stored as 16
bytes of its SHA-256 with the tenant mixed in; finding two keys with one such hash takes some 2^64
attempts. This module draws no randomness of its own: it is handed in.
"""

import hashlib
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import NewType
from uuid import UUID

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
    return UUID(bytes=digest[:16])


def uuid7(moment: datetime, randomness: bytes) -> UUID:
    """A UUIDv7 (RFC 9562): `moment` to the millisecond, then 74 of the 80 random bits given."""
    milliseconds = (moment - _EPOCH) // _MILLISECOND
    value = (milliseconds & 0xFFFF_FFFF_FFFF) << 80 | int.from_bytes(randomness[:10])
    value = value & ~(0xF << 76) | 0x7 << 76
    value = value & ~(0x3 << 62) | 0x2 << 62
    return UUID(int=value)


def uuid7_stream(moment: datetime, randomness: bytes) -> Iterator[UUID]:
    """As many UUIDv7 of one moment as `randomness` has runs of ten bytes."""
    for start in range(0, len(randomness) - 9, 10):
        yield uuid7(moment, randomness[start : start + 10])
