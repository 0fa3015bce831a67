"""The tree under a seal: how chain heads become one number, and how two seals are compared.

The one hard idea: the tree is laid out by the first byte of the holders' ids, and the seal carries
the roots of those branches. So a mismatch names the few holders among which it lies, or the holder
itself where the seal carries the heads.
"""

import hashlib
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from ledger.auditing import Finding

VERSION: Final = 1

BRANCHES: Final = 256
"""Holders are laid out by the first byte of their id, so that a branch can be named."""

_LEAF, _NODE = b"\x00", b"\x01"
_EMPTY: Final = hashlib.sha256(b"").digest()


class Head(msgspec.Struct, frozen=True, array_like=True):
    """Where a holder's chain ended when the seal was made."""

    holder: UUID
    number: int
    hash: str


class Seal(msgspec.Struct, frozen=True, rename="camel"):
    """What is published.

    Attributes:
        sealed_at: Every transaction recorded up to then is under the seal.
        root: Hexadecimal, over all heads.
        branches: Hexadecimal roots of the holders whose id begins with each byte.
        heads: Every head, where the seal was asked to carry them.
    """

    version: int
    sealed_at: datetime
    holders: int
    transactions: int
    root: str
    branches: list[str]
    heads: list[Head] | None = None


class Tree:
    """Grows by chain heads, which come in the order of their holders; then it is sealed.

    Only the branch that is growing is in memory, and the heads where they are to be in the seal.
    """

    def __init__(self, *, with_heads: bool) -> None:
        self._roots: list[bytes] = []
        self._leaves: list[bytes] = []
        self._heads: list[Head] | None = [] if with_heads else None
        self._holders = 0
        self._transactions = 0

    def add(self, head: Head) -> None:
        """Take in the next head."""
        self._end_branches_before(head.holder.bytes[0])
        self._leaves.append(leaf(head))
        self._holders += 1
        self._transactions += head.number
        if self._heads is not None:
            self._heads.append(head)

    def sealed(self, sealed_at: datetime) -> Seal:
        """The seal over all that was taken in."""
        self._end_branches_before(BRANCHES)
        return Seal(
            VERSION,
            sealed_at,
            self._holders,
            self._transactions,
            merkle_root(self._roots).hex(),
            [root.hex() for root in self._roots],
            self._heads,
        )

    def _end_branches_before(self, number: int) -> None:
        while len(self._roots) < number:
            self._roots.append(merkle_root(self._leaves))
            self._leaves = []


def differences(published: Seal, again: Seal) -> list[Finding]:
    """What the books no longer give of a seal; empty where nothing under it was touched."""
    if again.root == published.root:
        return []
    findings = list(_by_head(published.heads or (), again.heads or ()))
    if findings:
        return findings
    return [
        Finding(9, f"holders {byte:02x}…", "do not give the branch that was sealed")
        for byte, (before, now) in enumerate(zip(published.branches, again.branches, strict=True))
        if before != now
    ] or [Finding(9, "seal", "is not the root of its own branches")]


def _by_head(published: Sequence[Head], now: Sequence[Head]) -> Iterator[Finding]:
    standing = {head.holder: head for head in now}
    for head in published:
        found = standing.pop(head.holder, None)
        place = f"holder {head.holder}"
        if found is None:
            yield Finding(9, place, f"had {head.number} transactions under the seal, now none")
        elif found != head:
            yield Finding(
                9,
                place,
                f"ended at transaction {head.number} when it was sealed; "
                f"what is there now ends at {found.number} or has another hash",
            )
    for holder in standing:
        yield Finding(9, f"holder {holder}", "has transactions from before the seal, unsealed")


def leaf(head: Head) -> bytes:
    """The hash of one chain's head."""
    form = head.holder.bytes + head.number.to_bytes(8) + bytes.fromhex(head.hash)
    return hashlib.sha256(_LEAF + form).digest()


def merkle_root(hashes: Sequence[bytes]) -> bytes:
    """The root over hashes in their order; an odd one out goes up as it is (RFC 6962's tree)."""
    if not hashes:
        return _EMPTY
    level = list(hashes)
    while len(level) > 1:
        above = [
            hashlib.sha256(_NODE + left + right).digest()
            for left, right in zip(level[::2], level[1::2], strict=False)
        ]
        if len(level) % 2:
            above.append(level[-1])
        level = above
    return level[0]
