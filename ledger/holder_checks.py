"""Checking holder by holder: chains, numbers, balances, lots and holds, some thousands at a time.

The one hard idea: a chunk of holders is looked at in one snapshot. The database acquits nearly all
of them (`ledger.acquitting`); whoever is left is read and audited by the fold that posting uses.
Several connections may look at chunks at the same time; findings come in the order of the holders'
ids all the same, so that a place to go on from is one id.
"""

import asyncio
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from ledger.acquitting import not_acquitted
from ledger.auditing import Finding, StoredHolder, audit
from ledger.connection import Connection
from ledger.history import recorded_of
from ledger.identity import DefinitionId, HolderId, TenantId
from ledger.loading import account_from, lot_from
from ledger.state import AccountState, LotState

CHUNK_TRANSACTIONS: Final = 20_000
"""How many transactions are looked at in one snapshot; one holder may exceed it."""

CHUNK_HOLDERS_MAX: Final = 5_000

AUDITED_TRANSACTIONS: Final = 5_000
"""How many of them are in memory at once."""

NOBODY: Final = UUID(int=0)
"""Below every holder's id."""

NEXT_HOLDERS: Final = """
    -- The next holders by id, as many as make a chunk; of all tenants, or a chunk of a small one
    -- would reach over all that lie between. Index: holder_pk.
    select id, number, $2::smallint is null or tenant_id = $2 as is_asked from ledger.holder
    where id > $1 order by id limit $3
"""

HOLDERS_BETWEEN: Final = """
    -- Holders above one id up to another. Index: holder_pk.
    select * from ledger.holder
    where id > $1 and id <= $2 and ($3::smallint is null or tenant_id = $3)
    order by id
"""

TRANSACTIONS_TO_AUDIT: Final = """
    select coalesce(sum(number), 0)::bigint from ledger.holder
    where ($1::smallint is null or tenant_id = $1) and id > $2
"""

ACCOUNTS_OF: Final = "select * from ledger.account where holder_id = any($1::uuid[])"
LOTS_OF: Final = "select * from ledger.lot where holder_id = any($1::uuid[])"
HOLDS_OF: Final = "select * from ledger.hold where holder_id = any($1::uuid[])"

ALONE: Final = "set local max_parallel_workers_per_gather = 0"
"""Chunks are small, and the server has others to serve."""


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Holders above one id up to another.

    Attributes:
        transactions: How many they have, those of other tenants than the one asked for left out.
        is_empty: Whether all are other tenants'.
    """

    after: UUID
    until: HolderId
    transactions: int
    is_empty: bool = False


async def check_holders(
    connection: Connection,
    *,
    beside: Sequence[Connection] = (),
    tenant: TenantId | None = None,
    after: HolderId | None = None,
    progress: Callable[[int, int], None] | None = None,
    reached: Callable[[HolderId], bool] | None = None,
) -> AsyncIterator[Finding]:
    """Check every holder (after a given one, by id), chunk by chunk.

    `beside` are more connections of one's own to look through. `progress` is told how many
    transactions were looked at, of how many. `reached` is told the last holder of each chunk, once
    its findings were told, and answers whether to go on. Not to be called inside a transaction.
    """
    last: UUID = after or NOBODY
    total: int = await connection.fetchval(TRANSACTIONS_TO_AUDIT, tenant, last)
    looked_at = 0
    free = [connection, *beside]
    under_way: deque[tuple[_Chunk, Connection, asyncio.Task[list[Finding]]]] = deque()
    is_end = False
    try:
        while not is_end or under_way:
            while free and not is_end:
                mine = free.pop()
                chunk = await _next_chunk(mine, last, tenant)
                if chunk is None:
                    is_end = True
                    break
                last = chunk.until
                task = asyncio.create_task(_check_chunk(mine, chunk, tenant))
                under_way.append((chunk, mine, task))
            if not under_way:
                return
            chunk, mine, task = under_way.popleft()
            findings = await task
            free.append(mine)
            for finding in findings:
                yield finding
            looked_at += chunk.transactions
            if progress is not None:
                progress(looked_at, max(total, looked_at))
            if reached is not None and not reached(chunk.until):
                return
    finally:
        for _, _, task in under_way:
            task.cancel()
            with suppress(asyncio.CancelledError, Exception):
                await task


async def _next_chunk(connection: Connection, last: UUID, tenant: TenantId | None) -> _Chunk | None:
    until, transactions, asked, is_empty = None, 0, 0, True
    for row in await connection.fetch(NEXT_HOLDERS, last, tenant, CHUNK_HOLDERS_MAX):
        if until is not None and transactions + row["number"] > CHUNK_TRANSACTIONS:
            break
        until = HolderId(row["id"])
        transactions += row["number"]
        if row["is_asked"]:
            asked += row["number"]
            is_empty = False
    return None if until is None else _Chunk(last, until, asked, is_empty)


async def _check_chunk(
    connection: Connection, chunk: _Chunk, tenant: TenantId | None
) -> list[Finding]:
    if chunk.is_empty:
        return []
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        await connection.execute(ALONE)
        suspects = await not_acquitted(connection, chunk.after, chunk.until, tenant)
        if suspects is not None:
            return await _audit_suspects(connection, chunk, tenant, suspects)
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        return await _audit_suspects(connection, chunk, tenant, None)


async def _audit_suspects(
    connection: Connection, chunk: _Chunk, tenant: TenantId | None, suspects: set[HolderId] | None
) -> list[Finding]:
    """Audit these holders of a chunk, or all, some thousands of transactions at a time."""
    if suspects is not None and not suspects:
        return []
    rows = await connection.fetch(HOLDERS_BETWEEN, chunk.after, chunk.until, tenant)
    holders = [
        StoredHolder(
            HolderId(row["id"]),
            row["number"],
            row["head"],
            row["last_recorded_at"],
            row["last_lot"],
            row["salt"],
            {},
            (),
            {},
        )
        for row in rows
        if suspects is None or row["id"] in suspects
    ]
    findings: list[Finding] = []
    for some in _in_portions(holders):
        findings += await _audit_some(connection, some)
    return findings


def _in_portions(holders: Sequence[StoredHolder]) -> Iterator[list[StoredHolder]]:
    portion: list[StoredHolder] = []
    transactions = 0
    for holder in holders:
        if portion and transactions + holder.number > AUDITED_TRANSACTIONS:
            yield portion
            portion, transactions = [], 0
        portion.append(holder)
        transactions += holder.number
    if portion:
        yield portion


async def _audit_some(connection: Connection, holders: Sequence[StoredHolder]) -> list[Finding]:
    """Audit holders together; where a row can't even be read, find out whose, by halves."""
    try:
        return await _audit_together(connection, holders)
    except ValueError as unreadable:
        if len(holders) == 1:
            return [Finding(9, f"holder {holders[0].id}", f"can't be read: {unreadable}")]
    half = len(holders) // 2
    findings = await _audit_some(connection, holders[:half])
    return findings + await _audit_some(connection, holders[half:])


async def _audit_together(connection: Connection, holders: Sequence[StoredHolder]) -> list[Finding]:
    ids = [holder.id for holder in holders]
    chains = await recorded_of(connection, ids)
    accounts: dict[HolderId, dict[DefinitionId, AccountState]] = defaultdict(dict)
    for row in await connection.fetch(ACCOUNTS_OF, ids):
        account = account_from(row)
        accounts[HolderId(row["holder_id"])][account.definition] = account
    lots: dict[HolderId, list[LotState]] = defaultdict(list)
    for row in await connection.fetch(LOTS_OF, ids):
        lots[HolderId(row["holder_id"])].append(lot_from(row))
    holds: dict[HolderId, dict[int, tuple[datetime | None, int | None]]] = defaultdict(dict)
    for row in await connection.fetch(HOLDS_OF, ids):
        holds[HolderId(row["holder_id"])][row["number"]] = (row["expires_at"], row["ended_by"])
    findings: list[Finding] = []
    for holder in holders:
        whole = StoredHolder(
            holder.id,
            holder.number,
            holder.head,
            holder.last_recorded_at,
            holder.last_lot,
            holder.salt,
            accounts.get(holder.id, {}),
            lots.get(holder.id, ()),
            holds.get(holder.id, {}),
        )
        findings += audit(whole, chains[holder.id])
    return findings
