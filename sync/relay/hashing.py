"""Keys of any length as numbers of 16 bytes.

A key lives long in an index, so it is kept as half of its SHA-256; finding two keys with one such
number takes some 2^64 attempts.
"""

import hashlib
from uuid import UUID


def digest_of(*parts: str | bytes) -> UUID:
    """The number of some parts; each is told apart from its neighbours by its length."""
    running = hashlib.sha256()
    for part in parts:
        raw = part if isinstance(part, bytes) else part.encode("utf-8", "surrogatepass")
        running.update(len(raw).to_bytes(8))
        running.update(raw)
    return UUID(bytes=running.digest()[:16])
