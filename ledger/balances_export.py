"""Every account's balance as of any instant of both time axes, a stretch of accounts at a time.

The one hard idea: accounts are walked in the order of their keys, some thousands at once, and each
stretch is one or two set-based statements: the stored buckets where the books are asked as they
stand, else the sums of the transfers that took effect and were recorded by then. What falls due is
added from `ledger.unbooked`, which looks only where something can be due. So nothing is held in
memory, and a walk can be taken up again after any account.

Only accounts that hold or owe something at that instant appear. So an answer as of a past
`recorded_at` never changes, however many accounts are opened later.
"""

from collections import defaultdict
from collections.abc import AsyncIterator, Iterable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from ledger.amounts import Points
from ledger.connection import Connection
from ledger.facts import Balance, Transfer
from ledger.identity import ContactId, DefinitionId, HolderId
from ledger.kinds import LedgerAccount
from ledger.periods import settled_now
from ledger.reading import contacts_of
from ledger.reading_as_of import FutureRecordError
from ledger.unbooked import unbooked_among

STRETCH: Final = 2_000
"""Accounts looked at in one go."""

_EVER: Final = datetime.max.replace(tzinfo=UTC)

AccountKey = tuple[HolderId, DefinitionId]

FIRST: Final[AccountKey] = (HolderId(UUID(int=0)), DefinitionId(-1))
"""Before every account."""


class Instants(NamedTuple):
    """The point on both time axes that is asked about.

    Attributes:
        recorded_at: `None` for as the books know it now.
        is_stored: Whether the stored buckets tell it, but for what falls due.
    """

    effective_at: datetime
    recorded_at: datetime | None
    is_stored: bool


@dataclass(frozen=True, slots=True)
class HolderBalance:
    """What one account holds.

    Attributes:
        contact: Whose it is; `None` where the person was erased.
    """

    holder: HolderId
    contact: ContactId | None
    definition: DefinitionId
    balance: Balance


@dataclass(frozen=True, slots=True)
class Stretch:
    """The balances found in a stretch of accounts, in the order of their keys.

    Attributes:
        last: The last account looked at, to go on after; `None` at the end.
    """

    balances: list[HolderBalance]
    last: AccountKey | None


ACCOUNTS_STORED = """
    -- The next accounts that hold something or on which something is due. Index: account_pk.
    select holder_id, definition_id, available, pending, held, debt, next_due_at
    from ledger.account
    where (holder_id, definition_id) > ($2::uuid, $3::smallint)
      and definition_id = any($1::smallint[])
      and (available + pending + held + debt > 0 or next_due_at <= $5)
    order by holder_id, definition_id limit $4
"""

ACCOUNTS_NEXT = """
    -- The next accounts, whatever they hold now. Index: account_pk.
    select holder_id, definition_id from ledger.account
    where (holder_id, definition_id) > ($2::uuid, $3::smallint)
      and definition_id = any($1::smallint[])
    order by holder_id, definition_id limit $4
"""

SUMS = """
    -- What these accounts held by their transfers alone. Index: transfer_pk.
    select holder_id, definition_id,
           sum(case when credit = 1 then amount when debit = 1 then -amount else 0 end)::bigint
               as available,
           sum(case when credit = 2 then amount when debit = 2 then -amount else 0 end)::bigint
               as pending,
           sum(case when credit = 3 then amount when debit = 3 then -amount else 0 end)::bigint
               as held,
           sum(case when credit = 4 then -amount when debit = 4 then amount else 0 end)::bigint
               as debt
    from unnest($1::uuid[], $2::smallint[]) as asked (holder_id, definition_id)
    join ledger.transfer using (holder_id, definition_id)
    where effective_at <= $3 and recorded_at <= $4
    group by holder_id, definition_id
"""


@asynccontextmanager
async def walking(
    connection: Connection,
    definitions: Sequence[DefinitionId],
    *,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
    now: datetime | None = None,
) -> AsyncIterator["BalanceWalk"]:
    """A walk over all accounts of these definitions, in one snapshot of the books.

    An instant that is left out is now; `now` replaces the database's clock. Not to be called
    inside a transaction. Raises `FutureRecordError` for a `recorded_at` that is still to come.
    """
    if recorded_at is not None and recorded_at > (now or await settled_now(connection)):
        raise FutureRecordError("recordedAt must not be in the future")
    async with connection.transaction(isolation="repeatable_read", readonly=True):
        clock: datetime = now or await connection.fetchval("select clock_timestamp()")
        instant = effective_at or clock
        is_stored = recorded_at is None and instant >= clock
        yield BalanceWalk(connection, definitions, Instants(instant, recorded_at, is_stored))


class BalanceWalk:
    """Goes from account to account in the order of their keys."""

    def __init__(
        self, connection: Connection, definitions: Sequence[DefinitionId], instants: Instants
    ) -> None:
        self.instants = instants
        self._connection = connection
        self._definitions = list(definitions)

    async def every(self) -> AsyncIterator[list[HolderBalance]]:
        """All of them, a stretch at a time."""
        after: AccountKey | None = FIRST
        while after is not None:
            stretch = await self.after(after)
            if stretch.balances:
                yield stretch.balances
            after = stretch.last

    async def after(self, key: AccountKey, limit: int = STRETCH) -> Stretch:
        """The balances among the next `limit` accounts, at most `STRETCH`, after one.

        Fewer than `limit`, even none, need not be the end: empty accounts are passed over.
        """
        limit = min(limit, STRETCH)
        instants, asked = self.instants, (self._definitions, *key, limit)
        if instants.is_stored:
            rows = await self._connection.fetch(ACCOUNTS_STORED, *asked, instants.effective_at)
            held = {_key(row): _balance(row) for row in rows}
            due = [_key(row)[0] for row in rows if _is_due(row, instants.effective_at)]
        else:
            rows = await self._connection.fetch(ACCOUNTS_NEXT, *asked)
            held = await _sums(self._connection, [_key(row) for row in rows], instants)
            due = [_key(row)[0] for row in rows]
        keys = [_key(row) for row in rows]
        await _add_due(self._connection, keys, due, instants, held)
        found = [one for one in keys if any(held.get(one, ()))]
        contacts = await contacts_of(self._connection, [holder for holder, _ in found])
        balances = [
            HolderBalance(holder, contacts.get(holder), definition, held[holder, definition])
            for holder, definition in found
        ]
        return Stretch(balances, keys[-1] if len(keys) == limit else None)


async def _sums(
    connection: Connection, keys: Sequence[AccountKey], instants: Instants
) -> dict[AccountKey, Balance]:
    rows = await connection.fetch(
        SUMS,
        [holder for holder, _ in keys],
        [definition for _, definition in keys],
        instants.effective_at,
        instants.recorded_at or _EVER,
    )
    return {_key(row): _balance(row) for row in rows}


async def _add_due(
    connection: Connection,
    keys: Iterable[AccountKey],
    holders: Iterable[HolderId],
    instants: Instants,
    held: dict[AccountKey, Balance],
) -> None:
    """Count what falls due on accounts of these holders, of those asked about."""
    wanted, among = set(keys), sorted(set(holders))
    if not among:
        return
    due = unbooked_among(connection, among, instants.effective_at, instants.recorded_at)
    async for found in due:
        key = (found.holder, found.account.definition)
        if key in wanted and found.transfers:
            held[key] = _after(held.get(key), found.transfers)


def _after(balance: Balance | None, transfers: Iterable[Transfer]) -> Balance:
    """A balance after more transfers."""
    moved: dict[LedgerAccount, int] = defaultdict(int)
    for transfer in transfers:
        moved[transfer.debit] -= transfer.amount
        moved[transfer.credit] += transfer.amount
    before = balance or Balance(*[Points(0)] * 4)
    return Balance(
        Points(before.available + moved[LedgerAccount.AVAILABLE]),
        Points(before.pending + moved[LedgerAccount.PENDING]),
        Points(before.held + moved[LedgerAccount.HELD]),
        Points(before.debt - moved[LedgerAccount.DEBT]),
    )


def _is_due(row: asyncpg.Record, effective_at: datetime) -> bool:
    return row["next_due_at"] is not None and row["next_due_at"] <= effective_at


def _key(row: asyncpg.Record) -> AccountKey:
    return HolderId(row["holder_id"]), DefinitionId(row["definition_id"])


def _balance(row: asyncpg.Record) -> Balance:
    return Balance(
        Points(row["available"]), Points(row["pending"]), Points(row["held"]), Points(row["debt"])
    )
