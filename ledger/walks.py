"""Walks through everything a tenant has in the books: transactions, lots, holds, contacts.

The one hard idea: a walk goes in the order of a key, some thousands of rows at once, so it holds
little in memory whatever the size of the books. Facts are told as they were written; of state, lots
and holds, what has fallen due and is not booked yet is counted as if it were.

Each walk is to be taken inside a transaction of one snapshot, so that several agree.
"""

from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from ledger.amounts import Points
from ledger.book import Place
from ledger.connection import Connection
from ledger.facts import Origin, Recorded
from ledger.history import recorded_at_places
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.state import AccountState
from ledger.unbooked import unbooked_among

STRETCH: Final = 2_000
"""Rows looked at in one go."""

_NOBODY: Final = UUID(int=0)


@dataclass(frozen=True, slots=True)
class LotStanding:
    """A lot as it stands.

    Attributes:
        active: Whether what remains can be spent; else it is pending.
        origin: Where moved points came from.
    """

    holder: HolderId
    definition: DefinitionId
    lot: int
    number: int
    issued: Points
    remaining: Points
    lapsed: Points
    active: bool
    effective_at: datetime
    valid_from: datetime
    valid_to: datetime | None
    origin: Origin | None


@dataclass(frozen=True, slots=True)
class HoldStanding:
    """A hold as it stands.

    Attributes:
        ended_by: The number of the transaction that ended it; `None` too where it has timed out
            and that is not booked yet.
    """

    holder: HolderId
    definition: DefinitionId
    number: int
    id: UUID
    amount: Points
    effective_at: datetime
    expires_at: datetime | None
    is_open: bool
    ended_by: int | None


TRANSACTIONS = """
    -- The next transactions, of all holders. Index: transaction_pk.
    select holder_id, number from ledger.transaction
    where (holder_id, number) > ($2::uuid, $3::bigint) and definition_id = any($1::smallint[])
    order by holder_id, number limit $4
"""

LOTS = """
    -- The next lots, of all holders. Index: lot_pk.
    select * from ledger.lot
    where (holder_id, lot) > ($2::uuid, $3::integer) and definition_id = any($1::smallint[])
    order by holder_id, lot limit $4
"""

HOLDS = """
    -- The next holds, of all holders, with what each set aside (3 is `held`).
    -- Index: hold_pk, transaction_pk, transfer_pk.
    select hold.*, transaction.id, transaction.effective_at, set_aside.amount
    from ledger.hold join ledger.transaction using (holder_id, number)
    cross join lateral (
        select coalesce(sum(amount), 0)::bigint as amount from ledger.transfer
        where transfer.holder_id = hold.holder_id and transfer.number = hold.number
          and transfer.credit = 3
    ) as set_aside
    where (hold.holder_id, hold.number) > ($2::uuid, $3::bigint)
      and hold.definition_id = any($1::smallint[])
    order by hold.holder_id, hold.number limit $4
"""

CONTACTS = """
    -- The next contacts of a tenant. Index: contact_pk.
    select contact_id, holder_id from ledger.contact
    where tenant_id = $1 and contact_id > $2 order by contact_id limit $3
"""


async def every_transaction(
    connection: Connection, definitions: Sequence[DefinitionId]
) -> AsyncIterator[list[Recorded]]:
    """All transactions, holder by holder, in the order of their numbers."""
    after: tuple[UUID, int] = (_NOBODY, 0)
    while True:
        rows = await connection.fetch(TRANSACTIONS, list(definitions), *after, STRETCH)
        if not rows:
            return
        places: list[Place] = [(HolderId(row["holder_id"]), row["number"]) for row in rows]
        found = await recorded_at_places(connection, places)
        yield [found[place] for place in places]
        after = places[-1]


async def every_lot(
    connection: Connection, definitions: Sequence[DefinitionId], at: datetime
) -> AsyncIterator[list[LotStanding]]:
    """All lots, holder by holder, as they stand at an instant, by what is known now."""
    after: tuple[UUID, int] = (_NOBODY, 0)
    while True:
        rows = await connection.fetch(LOTS, list(definitions), *after, STRETCH)
        if not rows:
            return
        due = await _due(connection, [HolderId(row["holder_id"]) for row in rows], at)
        yield [_lot(row, due) for row in rows]
        after = (rows[-1]["holder_id"], rows[-1]["lot"])


async def every_hold(
    connection: Connection, definitions: Sequence[DefinitionId], at: datetime
) -> AsyncIterator[list[HoldStanding]]:
    """All holds ever placed, holder by holder, as they stand at an instant."""
    after: tuple[UUID, int] = (_NOBODY, 0)
    while True:
        rows = await connection.fetch(HOLDS, list(definitions), *after, STRETCH)
        if not rows:
            return
        due = await _due(connection, [HolderId(row["holder_id"]) for row in rows], at)
        yield [_hold(row, due) for row in rows]
        after = (rows[-1]["holder_id"], rows[-1]["number"])


async def every_contact(
    connection: Connection, tenant: TenantId
) -> AsyncIterator[list[tuple[ContactId, HolderId]]]:
    """All contacts who have, or had, points."""
    after = _NOBODY
    while True:
        rows = await connection.fetch(CONTACTS, tenant, after, STRETCH)
        if not rows:
            return
        yield [(ContactId(row["contact_id"]), HolderId(row["holder_id"])) for row in rows]
        after = rows[-1]["contact_id"]


_Due = dict[tuple[HolderId, DefinitionId], AccountState]


async def _due(connection: Connection, holders: Sequence[HolderId], at: datetime) -> _Due:
    """Accounts on which something is due, as they are once it is booked."""
    among = sorted(set(holders))
    return {
        (found.holder, found.account.definition): found.account
        async for found in unbooked_among(connection, among, at, None)
    }


def _lot(row: asyncpg.Record, due: _Due) -> LotStanding:
    holder, definition = HolderId(row["holder_id"]), DefinitionId(row["definition_id"])
    account = due.get((holder, definition))
    settled = None if account is None else account.lots.get(row["lot"])
    origin = None
    if row["origin_holder"] is not None:
        origin = Origin(HolderId(row["origin_holder"]), row["origin_lot"])
    return LotStanding(
        holder=holder,
        definition=definition,
        lot=row["lot"],
        number=row["number"],
        issued=Points(row["issued"]),
        remaining=Points(row["remaining"]) if settled is None else settled.remaining,
        lapsed=Points(row["lapsed"]) if settled is None else settled.lapsed,
        active=row["active"] if settled is None else settled.active,
        effective_at=row["effective_at"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        origin=origin,
    )


def _hold(row: asyncpg.Record, due: _Due) -> HoldStanding:
    holder, definition = HolderId(row["holder_id"]), DefinitionId(row["definition_id"])
    account = due.get((holder, definition))
    settled = None if account is None else account.holds.get(row["number"])
    has_timed_out = settled is not None and settled.ended_by is not None
    return HoldStanding(
        holder=holder,
        definition=definition,
        number=row["number"],
        id=row["id"],
        amount=Points(row["amount"]),
        effective_at=row["effective_at"],
        expires_at=row["expires_at"],
        is_open=row["ended_by"] is None and not has_timed_out,
        ended_by=row["ended_by"],
    )
