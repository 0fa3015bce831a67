"""Sealing the books: one published number from which any later rewriting can be found.

The one hard idea: a seal is the Merkle root over the chain heads of all holders as they were when
it was made. Each chain proves its own order, but whoever owns the database could rewrite a whole
chain, or cut one, consistently; not so that it gives the root that was published elsewhere.
The seal file also carries the roots of the tree's first branches, so that a mismatch names the few
holders among which it lies, and the heads themselves where asked for.
"""

import hashlib
from collections.abc import AsyncIterator, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import msgspec

from ledger.auditing import Finding
from ledger.connection import Connection
from ledger.identity import HolderId
from ledger.periods import settled_now

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


HEADS_AT = """
    -- Every chain's last transaction recorded by an instant. Index: transaction_pk.
    select holder.id, last.number, last.hash
    from ledger.holder
    cross join lateral (
        select number, hash from ledger.transaction
        where transaction.holder_id = holder.id and transaction.recorded_at <= $1
        order by number desc limit 1
    ) as last
    order by holder.id
"""

INSERT_SEAL = """
    insert into ledger.seal (sealed_at, holders, transactions, root, branches)
    values ($1, $2, $3, $4, $5)
"""


async def make_seal(
    connection: Connection, *, with_heads: bool = False, now: datetime | None = None
) -> Seal:
    """Seal the books as they are now, and keep the seal. Waits for postings under way.

    `now` replaces the database's clock where the books run at another.
    """
    settled_at = await settled_now(connection)
    made = await seal(connection, now or settled_at, with_heads=with_heads)
    await connection.execute(
        INSERT_SEAL,
        made.sealed_at,
        made.holders,
        made.transactions,
        bytes.fromhex(made.root),
        b"".join(bytes.fromhex(branch) for branch in made.branches),
    )
    return made


async def seal(connection: Connection, sealed_at: datetime, *, with_heads: bool) -> Seal:
    """Seal all that was recorded up to an instant; no posting begun before it may be under way."""
    branches: list[list[bytes]] = [[] for _ in range(BRANCHES)]
    heads: list[Head] = []
    holders = transactions = 0
    async for head in heads_at(connection, sealed_at):
        branches[head.holder.bytes[0]].append(leaf(head))
        holders += 1
        transactions += head.number
        if with_heads:
            heads.append(head)
    roots = [merkle_root(leaves) for leaves in branches]
    return Seal(
        VERSION,
        sealed_at,
        holders,
        transactions,
        merkle_root(roots).hex(),
        [root.hex() for root in roots],
        heads if with_heads else None,
    )


async def heads_at(connection: Connection, instant: datetime) -> AsyncIterator[Head]:
    """Every chain's head as of an instant of record, by holder."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for row in connection.cursor(HEADS_AT, instant, prefetch=5_000):
            yield Head(HolderId(row["id"]), row["number"], row["hash"].hex())


async def check_seal(connection: Connection, published: Seal) -> list[Finding]:
    """Compare the books with a seal; an empty list means nothing under it was touched."""
    again = await seal(connection, published.sealed_at, with_heads=published.heads is not None)
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


def _by_head(published: Sequence[Head], now: Sequence[Head]) -> Iterable[Finding]:
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
