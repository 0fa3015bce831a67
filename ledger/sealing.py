"""Sealing the books: one published number from which any later rewriting can be found.

The one hard idea: each chain proves its own order, but whoever owns the database could rewrite a
whole chain, or cut one, consistently; not so that all chains together give the root that was
published elsewhere. The tree itself is `ledger.merkle`.
"""

from collections.abc import AsyncIterator
from datetime import datetime

from ledger.auditing import Finding
from ledger.connection import Connection
from ledger.identity import HolderId
from ledger.merkle import Head, Seal, Tree, differences
from ledger.periods import settled_now

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
    tree = Tree(with_heads=with_heads)
    async for head in heads_at(connection, sealed_at):
        tree.add(head)
    return tree.sealed(sealed_at)


async def heads_at(connection: Connection, instant: datetime) -> AsyncIterator[Head]:
    """Every chain's head as of an instant of record, by holder."""
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        async for row in connection.cursor(HEADS_AT, instant, prefetch=5_000):
            yield Head(HolderId(row["id"]), row["number"], row["hash"].hex())


async def check_seal(connection: Connection, published: Seal) -> list[Finding]:
    """Compare the books with a seal; an empty list means nothing under it was touched."""
    again = await seal(connection, published.sealed_at, with_heads=published.heads is not None)
    return differences(published, again)
