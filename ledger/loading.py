"""Loading what a batch needs: one query a table, holders first and locked.

The one hard idea is the order of locks. Every posting takes them in three classes, each in one
sorted order: holders (by id), contacts that are new (by tenant and contact), keys (by hash). So no
two postings ever wait for each other in a circle. Accounts, lots and keys are read in later
statements than the lock, so that they are seen as the last holder of the lock left them.
"""

import os
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg

from ledger.amounts import Points
from ledger.book import Contact
from ledger.chain import GENESIS, SALT_LENGTH
from ledger.connection import Connection
from ledger.entries import Known
from ledger.facts import Allocation
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId, key_hash
from ledger.requests import Move, Request, refers_to
from ledger.state import AccountState, HolderState, HoldState, LotState

LOCK_HOLDERS = """
    -- Lock the holders of these contacts, in the order of their ids. Index: contact_pk, holder_pk.
    select contact.tenant_id, contact.contact_id, holder.id, holder.number, holder.head,
           holder.last_recorded_at, holder.last_lot, holder.salt
    from unnest((select $1::smallint[]), (select $2::uuid[])) as asked (tenant_id, contact_id)
    join ledger.contact using (tenant_id, contact_id)
    join ledger.holder on holder.id = contact.holder_id
    order by holder.id
    for no key update of holder
"""

FREE_HOLDERS = LOCK_HOLDERS.rstrip() + " skip locked"

KNOWN_CONTACTS = """
    -- Index: contact_pk.
    select contact.tenant_id, contact.contact_id
    from unnest((select $1::smallint[]), (select $2::uuid[])) as asked (tenant_id, contact_id)
    join ledger.contact using (tenant_id, contact_id)
"""

LOAD_ACCOUNTS = """
    -- The accounts that a batch touches. Index: account_pk.
    select holder_id, definition_id, available, pending, held, debt, debt_since, last_effective_at,
           next_due_at, closed
    from unnest((select $1::uuid[]), (select $2::smallint[])) as asked (holder_id, definition_id)
    join ledger.account using (holder_id, definition_id)
"""

LOAD_KEYS = """
    -- Which keys are in the books already, and up to where tenants have closed them; the clock is
    -- read here, after the locks are held. Index: idempotency_pk, holder_pk.
    select clock_timestamp() as now, periods.tenants, periods.closings, idempotency.*, holder.salt
    from (
        select array_agg(tenant_id) as tenants, array_agg(closed_until) as closings
        from (
            select tenant_id, max(closed_until) as closed_until from ledger.period
            where tenant_id = any((select $2::smallint[])::smallint[]) group by tenant_id
        ) as closed
    ) as periods
    left join ledger.idempotency on key_hash = any((select $1::uuid[])::uuid[])
    left join ledger.holder on holder.id = idempotency.holder_id
"""

_LOT: Final = (
    "holder_id", "lot", "definition_id", "number", "issued", "remaining", "lapsed", "active",
    "effective_at", "valid_from", "valid_to", "term",
)  # fmt: skip

LOT: Final = ", ".join(f"lot.{column}" for column in _LOT)
"""Whose a lot is, and then what a `LotState` is made of, in its order."""

LOAD_LOTS = f"""
    -- Lots with points remaining, and those that a debit as early as asked may still reach.
    -- Index: lot_pk.
    select {LOT}
    from unnest((select $1::uuid[]), (select $2::smallint[]), (select $3::timestamptz[]))
        as asked (holder_id, definition_id, late)
    join ledger.lot using (holder_id, definition_id)
    where lot.remaining > 0
       or (asked.late is not null and (lot.valid_to is null or lot.valid_to > asked.late))
"""

LOAD_LOTS_NUMBERED = f"""
    -- Lots by their numbers, whatever remains of them. Index: lot_pk.
    select {LOT}
    from unnest((select $1::uuid[]), (select $2::integer[])) as asked (holder_id, lot)
    join ledger.lot using (holder_id, lot)
"""

LOAD_MOVEMENTS = """
    -- What was taken from and given back to these lots, expiry apart. Index: allocation_pk,
    -- transfer_pk.
    select allocation.holder_id, allocation.lot, transfer.effective_at,
           case when transfer.credit in (1, 2) then allocation.amount else -allocation.amount end
               as change
    from unnest((select $1::uuid[]), (select $2::integer[])) as asked (holder_id, lot)
    join ledger.allocation using (holder_id, lot)
    join ledger.transfer using (holder_id, number, line)
    where 13 not in (transfer.debit, transfer.credit)
      and (transfer.debit in (1, 2)) <> (transfer.credit in (1, 2))
"""

LOAD_HOLDS = """
    -- Open holds of these accounts and what they took of which lot (3 is `held`).
    -- Index: hold_open_idx, transaction_pk, transfer_pk, allocation_pk.
    select hold.holder_id, hold.definition_id, hold.number, hold.expires_at, transaction.id,
           allocation.lot, allocation.amount
    from unnest((select $1::uuid[]), (select $2::smallint[])) as asked (holder_id, definition_id)
    join ledger.hold using (holder_id, definition_id)
    join ledger.transaction using (holder_id, number)
    join ledger.transfer using (holder_id, number)
    join ledger.allocation using (holder_id, number, line)
    where hold.ended_by is null and transfer.credit = 3
    order by hold.holder_id, hold.number, allocation.line, allocation.place
"""


async def lock_holders(
    connection: Connection, contacts: Collection[Contact]
) -> dict[Contact, HolderState]:
    """Lock the holders of different contacts.

    A contact that is new gets an empty state in memory: whatever is booked for it opens it when it
    is stored, and what is refused leaves no trace.
    """
    rows = await connection.fetch(
        LOCK_HOLDERS, [tenant for tenant, _ in contacts], [contact for _, contact in contacts]
    )
    states: dict[HolderId, HolderState] = {}
    holders: dict[Contact, HolderState] = {}
    for tenant, contact, holder, number, head, last_recorded_at, last_lot, salt in rows:
        state = states.get(holder)
        if state is None:
            state = HolderState(holder, number, head, last_recorded_at, last_lot, salt)
            states[holder] = state
        holders[tenant, contact] = state
    for new in contacts:
        if new not in holders:
            identifier, salt = HolderId(_random_uuid()), os.urandom(SALT_LENGTH)
            holders[new] = HolderState(identifier, 0, GENESIS, None, 0, salt, opened_for=new)
    return holders


async def locked_contacts(connection: Connection, contacts: Iterable[Contact]) -> set[Contact]:
    """Those of these contacts whose holder somebody else has locked right now."""
    asked = sorted(contacts)
    async with connection.transaction():
        rows = await connection.fetch(
            FREE_HOLDERS, [tenant for tenant, _ in asked], [contact for _, contact in asked]
        )
    known = await connection.fetch(
        KNOWN_CONTACTS, [tenant for tenant, _ in asked], [contact for _, contact in asked]
    )
    found = {(TenantId(row["tenant_id"]), ContactId(row["contact_id"])) for row in known}
    return found - {(TenantId(row["tenant_id"]), ContactId(row["contact_id"])) for row in rows}


def contacts_in(request: Request) -> tuple[Contact, ...]:
    """Whom a request touches: its contact and, of a move, the one who receives."""
    own = (request.tenant, request.contact)
    if isinstance(request, Move) and request.to_contact != request.contact:
        return (own, (request.tenant, request.to_contact))
    return (own,)


def _random_uuid() -> UUID:
    return UUID(bytes=os.urandom(16), version=4)


async def load_keys(
    connection: Connection,
    tenants: Collection[TenantId],
    requests: Sequence[Request],
    keys: Sequence[UUID],
) -> tuple[datetime, dict[TenantId, datetime], dict[UUID, Known]]:
    """The database's clock, up to where the tenants have closed their books, and known keys.

    Of the keys of a batch (`keys`) and those it refers to. To be asked under the periods' locks.
    """
    wanted = set(keys)
    for request in requests:
        referred = refers_to(request)
        if referred is not None and referred.idempotency_key is not None:
            wanted.add(key_hash(request.tenant, referred.idempotency_key))
    rows = await connection.fetch(LOAD_KEYS, list(wanted), list(tenants))
    known = {
        row["key_hash"]: Known(
            HolderId(row["holder_id"]), row["number"], row["fingerprint"], row["salt"]
        )
        for row in rows
        if row["key_hash"] is not None
    }
    closed = zip(rows[0]["tenants"] or (), rows[0]["closings"] or (), strict=True)
    return rows[0]["now"], dict(closed), known


async def load_accounts(
    connection: Connection, accounts: Iterable[tuple[HolderState, DefinitionId]]
) -> None:
    """Load the accounts of holders, where they exist; marked as not complete in lots."""
    wanted = {(holder.id, definition): holder for holder, definition in accounts}
    rows = await connection.fetch(
        LOAD_ACCOUNTS,
        [holder for holder, _ in wanted],
        [definition for _, definition in wanted],
    )
    for row in rows:
        account = account_from(row)
        wanted[HolderId(row["holder_id"]), account.definition].accounts[account.definition] = (
            account
        )


def account_from(row: asyncpg.Record) -> AccountState:
    """An account as stored, its lots not loaded."""
    return AccountState(
        definition=DefinitionId(row["definition_id"]),
        available=row["available"],
        pending=row["pending"],
        held=row["held"],
        debt=row["debt"],
        debt_since=row["debt_since"],
        last_effective_at=row["last_effective_at"],
        next_due_at=row["next_due_at"],
        closed=row["closed"],
        complete=False,
        is_new=False,
    )


def lot_from(row: asyncpg.Record) -> LotState:
    """A lot as stored, its movements not loaded."""
    return LotState(
        lot=row["lot"],
        definition=DefinitionId(row["definition_id"]),
        number=row["number"],
        issued=Points(row["issued"]),
        remaining=Points(row["remaining"]),
        lapsed=Points(row["lapsed"]),
        active=row["active"],
        effective_at=row["effective_at"],
        valid_from=row["valid_from"],
        valid_to=row["valid_to"],
        term=row["term"],
    )


Reach = dict[tuple[HolderId, DefinitionId], datetime | None]
"""Accounts whose lots are needed, each with the earliest instant a late debit may go back to."""


async def load_lots(
    connection: Connection, holders: dict[HolderId, HolderState], reach: Reach
) -> None:
    """Load what lots and holds a batch may touch, with the lots' movements where it is late."""
    if not reach:
        return
    rows = await connection.fetch(
        LOAD_LOTS,
        [holder for holder, _ in reach],
        [definition for _, definition in reach],
        list(reach.values()),
    )
    await take_in(connection, holders, reach, rows)
    await _load_holds(connection, holders, reach)
    for holder, definition in reach:
        holders[holder].accounts[definition].complete = True


async def take_in(
    connection: Connection,
    holders: dict[HolderId, HolderState],
    reach: Reach,
    rows: Iterable[asyncpg.Record],
) -> None:
    """Put lots that are not there yet into their accounts, with their movements where late.

    The rows begin with the columns of `LOT`.
    """
    late: list[tuple[HolderId, LotState]] = []
    for row in rows:
        holder, lot = row[0], LotState(*row[1 : len(_LOT)])
        account = holders[holder].account(lot.definition)
        if lot.lot not in account.lots:
            account.lots[lot.lot] = lot
            if reach.get((holder, lot.definition)) is not None:
                late.append((holder, lot))
    await load_movements(connection, late)


async def _load_holds(
    connection: Connection, holders: dict[HolderId, HolderState], reach: Reach
) -> None:
    holding = [
        (holder, definition)
        for holder, definition in reach
        if holders[holder].accounts[definition].held
    ]
    if not holding:
        return
    rows = await connection.fetch(
        LOAD_HOLDS, [holder for holder, _ in holding], [definition for _, definition in holding]
    )
    for row in rows:
        account = holders[HolderId(row["holder_id"])].accounts[DefinitionId(row["definition_id"])]
        found = account.holds.get(row["number"])
        part = Allocation(row["lot"], Points(row["amount"]))
        parts = (part,) if found is None else (*found.parts, part)
        account.holds[row["number"]] = HoldState(
            row["id"], row["number"], parts, row["expires_at"], is_new=False
        )
    await load_numbered(
        connection, holders, reach, {(HolderId(row["holder_id"]), row["lot"]) for row in rows}
    )


async def load_numbered(
    connection: Connection,
    holders: dict[HolderId, HolderState],
    reach: Reach,
    lots: set[tuple[HolderId, int]],
) -> None:
    """Load lots by their numbers, whatever remains of them."""
    if lots:
        rows = await connection.fetch(
            LOAD_LOTS_NUMBERED, [holder for holder, _ in lots], [lot for _, lot in lots]
        )
        await take_in(connection, holders, reach, rows)


async def load_movements(connection: Connection, lots: Sequence[tuple[HolderId, LotState]]) -> None:
    """Load every change of these lots by effective time, expiry apart."""
    if not lots:
        return
    by_place = {}
    for holder, lot in lots:
        lot.movements = [(lot.effective_at, lot.issued)]
        by_place[holder, lot.lot] = lot.movements
    rows = await connection.fetch(
        LOAD_MOVEMENTS, [holder for holder, _ in lots], [lot.lot for _, lot in lots]
    )
    for row in rows:
        by_place[HolderId(row["holder_id"]), row["lot"]].append(
            (row["effective_at"], row["change"])
        )
