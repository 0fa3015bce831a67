"""Which accounts are compared: those that were compared longest ago, or some at random.

The one hard idea: an account is only compared while nothing is on its way to Engage and nothing is
due, since then both sides would rightly differ. It keeps its place in the row until it can be. An
instant kept with each account is all there is of a schedule: a run that ends early, or dies, is
continued by the next. Whoever is to be compared soon is given an instant before all others.
"""

import os
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg

from ledger.connection import Connection
from ledger.identity import DefinitionId, HolderId
from sync.engage.marks import AccountKey

QUIET: Final = """
    account.batch_id is null and (booked.next_due_at is null or booked.next_due_at > $1)
"""

OLDEST: Final = f"""
    -- Accounts of a definition, longest not compared first.
    -- Index: account_compared_idx, account_pk.
    select account.holder_id, account.definition_id, account.compared_at
    from engage.account join ledger.account as booked using (holder_id, definition_id)
    where account.definition_id = $2 and account.compared_at < $3
      and (account.compared_at, account.holder_id) > ($4, $5) and {QUIET}
    order by account.compared_at, account.holder_id limit $6
"""

DRAWN: Final = f"""
    -- The account behind each of some random points among all; holders' ids are random too.
    -- Index: account_pk.
    select distinct found.* from unnest($3::uuid[]) as point (id)
    cross join lateral (
        select account.holder_id, account.definition_id
        from engage.account join ledger.account as booked using (holder_id, definition_id)
        where account.holder_id >= point.id and account.definition_id = any($2::smallint[])
          and {QUIET}
        order by account.holder_id limit 1
    ) as found
"""

OPEN: Final = f"""
    -- What differed before, the longest ago first. Index: difference_open_idx, account_pk.
    select account.holder_id, account.definition_id
    from engage.difference
    join engage.account using (holder_id, definition_id)
    join ledger.account as booked using (holder_id, definition_id)
    where difference.closed_at is null and account.definition_id = any($2::smallint[]) and {QUIET}
    order by account.compared_at limit $3
"""

ASKED_FOR: Final = f"""
    -- What is to be compared soon. Index: account_compared_idx, account_pk.
    select account.holder_id, account.definition_id
    from unnest($2::smallint[]) as one (definition)
    cross join lateral (
        select account.holder_id, account.definition_id
        from engage.account join ledger.account as booked using (holder_id, definition_id)
        where account.definition_id = one.definition and account.compared_at = $4 and {QUIET}
        limit $3
    ) as account
    limit $3
"""

ASK_FOR: Final = """
    -- Index: account_pk.
    insert into engage.account (holder_id, definition_id, compared_at) values ($1, $2, $3)
    on conflict (holder_id, definition_id) do update set compared_at = $3
"""

BEGIN_FOLLOWING: Final = """
    -- Accounts that Engage was never told of are compared too.
    insert into engage.account (holder_id, definition_id)
    select holder_id, definition_id from ledger.account
    where definition_id = any($1::smallint[]) and not exists (
        select from engage.account as known
        where known.holder_id = account.holder_id and known.definition_id = account.definition_id
    )
    on conflict do nothing
"""

STAMP: Final = """
    -- Index: account_pk.
    update engage.account set compared_at = $3
    from unnest($1::uuid[], $2::smallint[]) as seen (holder_id, definition_id)
    where account.holder_id = seen.holder_id and account.definition_id = seen.definition_id
"""


NEVER: Final = datetime(1970, 1, 1, tzinfo=UTC) - timedelta(days=1)
"""Before any comparison, those that never were included."""

SOON: Final = datetime(1970, 1, 1, tzinfo=UTC) - timedelta(hours=12)
"""The instant of accounts that are to be compared soon: before those that never were."""


async def begin(connection: Connection, definitions: Sequence[DefinitionId]) -> None:
    """See that every account of the books is among those to be compared."""
    await connection.execute(BEGIN_FOLLOWING, list(definitions))


class OldestFirst:
    """A walk over a tenant's accounts in one run, longest not compared first, each once."""

    def __init__(self, definitions: Sequence[DefinitionId], started: datetime) -> None:
        self._started = started
        self._seen = dict.fromkeys(definitions, (NEVER, UUID(int=0)))

    async def next(self, connection: Connection, now: datetime, most: int) -> list[AccountKey]:
        """The next accounts, all of the definition whose turn it is: the one that waits longest."""
        turns: list[list[asyncpg.Record]] = []
        for definition, (compared_at, holder) in self._seen.items():
            rows = await connection.fetch(
                OLDEST, now, definition, self._started, compared_at, holder, most
            )
            if rows:
                turns.append(rows)
        if not turns:
            return []
        chosen = min(turns, key=lambda rows: rows[0]["compared_at"])
        last = chosen[-1]
        self._seen[DefinitionId(last["definition_id"])] = (last["compared_at"], last["holder_id"])
        return _keys(chosen)


async def drawn(
    connection: Connection, definitions: Sequence[DefinitionId], now: datetime, count: int
) -> list[AccountKey]:
    """Accounts drawn at random, at most so many."""
    points = [UUID(bytes=os.urandom(16)) for _ in range(count)]
    return _keys(await connection.fetch(DRAWN, now, list(definitions), points))


async def differing(
    connection: Connection, definitions: Sequence[DefinitionId], now: datetime, most: int
) -> list[AccountKey]:
    """Accounts that differed when last compared."""
    return _keys(await connection.fetch(OPEN, now, list(definitions), most))


async def asked_for(
    connection: Connection, definitions: Sequence[DefinitionId], now: datetime, most: int
) -> list[AccountKey]:
    """Accounts that are to be compared soon."""
    return _keys(await connection.fetch(ASKED_FOR, now, list(definitions), most, SOON))


async def ask_for(connection: Connection, key: AccountKey) -> None:
    """Have an account of the books compared soon."""
    await connection.execute(ASK_FOR, *key, SOON)


async def stamp(connection: Connection, keys: Sequence[AccountKey], at: datetime) -> None:
    """Note that accounts were compared."""
    await connection.execute(
        STAMP, [holder for holder, _ in keys], [definition for _, definition in keys], at
    )


def _keys(rows: Sequence[asyncpg.Record]) -> list[AccountKey]:
    return [(HolderId(row["holder_id"]), DefinitionId(row["definition_id"])) for row in rows]
