"""Finding what has fallen due, for the sweep.

The one hard idea: `account.next_due_at` is never later than the truth, so an index over it finds
every account with something due; one that comes up for nothing is put right by looking.
"""

from collections.abc import Sequence
from datetime import datetime
from itertools import groupby
from typing import Final

from ledger.connection import Connection
from ledger.identity import DefinitionId, HolderId
from ledger.state import HolderState

SHARES: Final = 2
"""Connections that a sweep uses."""

SHARE_MIN: Final = 100
"""Accounts that are worth a connection of their own."""

DUE_ACCOUNTS = """
    -- Accounts with something due, the longest overdue first. Index: account_next_due_at_idx.
    select holder_id, definition_id from ledger.account
    where next_due_at <= coalesce($2, clock_timestamp())
      and ($3::smallint[] is null or definition_id = any($3))
    order by next_due_at limit $1
"""

LOCK_DUE_HOLDERS = """
    -- The same lock, in the same order, as a posting's. Index: holder_pk.
    select * from ledger.holder where id = any($1::uuid[]) order by id for no key update
"""


async def due_accounts(
    connection: Connection,
    limit: int,
    at: datetime | None,
    definitions: Sequence[DefinitionId] | None = None,
) -> list[tuple[HolderId, DefinitionId]]:
    """Accounts (of these definitions) on which something is due at an instant, at most `limit`."""
    rows = await connection.fetch(DUE_ACCOUNTS, limit, at, definitions)
    return [(HolderId(row["holder_id"]), DefinitionId(row["definition_id"])) for row in rows]


def shares_of(
    accounts: Sequence[tuple[HolderId, DefinitionId]],
) -> list[list[tuple[HolderId, DefinitionId]]]:
    """Accounts in shares to be swept at the same time: no holder is in two, none is too small."""
    whole = sorted(accounts)
    size = max(SHARE_MIN, -(-len(whole) // SHARES))
    shares: list[list[tuple[HolderId, DefinitionId]]] = [[]]
    for _, of_one in groupby(whole, key=lambda account: account[0]):
        if len(shares[-1]) >= size:
            shares.append([])
        shares[-1].extend(of_one)
    return [share for share in shares if share]


async def lock_due_holders(
    connection: Connection, holders: Sequence[HolderId]
) -> tuple[dict[HolderId, HolderState], datetime]:
    """Lock holders for a sweep; answers them and the database's clock, read afterwards."""
    rows = await connection.fetch(LOCK_DUE_HOLDERS, list(set(holders)))
    states = {
        HolderId(row["id"]): HolderState(
            HolderId(row["id"]),
            row["number"],
            row["head"],
            row["last_recorded_at"],
            row["last_lot"],
            row["salt"],
        )
        for row in rows
    }
    now: datetime = await connection.fetchval("select clock_timestamp()")
    return states, now
