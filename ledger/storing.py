"""Storing what a batch wrote: one statement or stream a table, whatever the batch's size.

The one hard idea: nothing here computes. Facts are inserted as the book wrote them; holders,
accounts and lots are set to the state the book left them in, which their lock makes safe.
"""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ledger import tables
from ledger.book import Entry
from ledger.connection import Connection
from ledger.facts import LotIssue
from ledger.identity import DefinitionId, HolderId
from ledger.inserting import Insertion
from ledger.kinds import LedgerAccount
from ledger.outbox import OutboxRow
from ledger.state import AccountState, HolderState, LotState


class ContactRacedError(Exception):
    """Another posting opened one of the contacts meanwhile: begin again, and find it there."""


class KeyRacedError(Exception):
    """Another posting booked one of the keys for another holder meanwhile: begin again."""


class LostRowError(RuntimeError):
    """A row that was loaded under its holder's lock is gone: nothing of the batch is booked."""


OPEN_CONTACTS = """
    -- Open contacts that are new, in one order; whoever lost a race gets no row back.
    with asked as (
        select * from unnest($1::smallint[], $2::uuid[], $3::uuid[], $4::bytea[])
            as asked (tenant_id, contact_id, holder_id, salt)
        order by tenant_id, contact_id
    ), opened as (
        insert into ledger.contact (tenant_id, contact_id, holder_id)
        select tenant_id, contact_id, holder_id from asked
        on conflict do nothing
        returning holder_id
    )
    insert into ledger.holder (id, tenant_id, salt)
    select asked.holder_id, asked.tenant_id, asked.salt from asked join opened using (holder_id)
"""

INSERT_TRANSACTIONS = Insertion(
    tables.transaction,
    "holder_id number id effective_at recorded_at occurred_at amount net reverses linked "
    "hold_expires_at part whole available_after pending_after held_after debt_after definition_id "
    "kind source texts_hash hash idempotency_key description reference actor",
)

INSERT_TRANSFERS = Insertion(
    tables.transfer,
    "holder_id number amount effective_at recorded_at line definition_id debit credit",
)

INSERT_ALLOCATIONS = Insertion(tables.allocation, "holder_id number amount lot line place")

INSERT_LOTS = Insertion(
    tables.lot,
    "holder_id lot line definition_id number issued remaining lapsed effective_at "
    "first_valid_from first_valid_to valid_from valid_to term active origin_holder origin_lot",
)

UPDATE_LOTS = """
    -- Index: lot_pk; no indexed column changes.
    update ledger.lot set remaining = new.remaining, lapsed = new.lapsed, active = new.active,
        valid_from = new.valid_from, valid_to = new.valid_to, term = new.term
    from unnest(
        $1::uuid[], $2::integer[], $3::bigint[], $4::bigint[], $5::boolean[], $6::timestamptz[],
        $7::timestamptz[], $8::smallint[]
    ) as new (holder_id, lot, remaining, lapsed, active, valid_from, valid_to, term)
    where lot.holder_id = new.holder_id and lot.lot = new.lot
"""

INSERT_ACCOUNTS = Insertion(
    tables.account,
    "holder_id definition_id available pending held debt debt_since last_effective_at next_due_at "
    "closed",
)

UPDATE_ACCOUNTS = """
    -- Index: account_pk.
    update ledger.account set available = new.available, pending = new.pending, held = new.held,
        debt = new.debt, debt_since = new.debt_since, last_effective_at = new.last_effective_at,
        next_due_at = new.next_due_at, closed = new.closed
    from unnest(
        $1::uuid[], $2::smallint[], $3::bigint[], $4::bigint[], $5::bigint[], $6::bigint[],
        $7::timestamptz[], $8::timestamptz[], $9::timestamptz[], $10::boolean[]
    ) as new (
        holder_id, definition_id, available, pending, held, debt, debt_since, last_effective_at,
        next_due_at, closed
    )
    where account.holder_id = new.holder_id and account.definition_id = new.definition_id
"""

UPDATE_HOLDERS = """
    -- Index: holder_pk; no indexed column changes.
    update ledger.holder set number = new.number, head = new.head,
        last_recorded_at = new.last_recorded_at, last_lot = new.last_lot
    from unnest($1::uuid[], $2::bigint[], $3::bytea[], $4::timestamptz[], $5::integer[])
        as new (id, number, head, last_recorded_at, last_lot)
    where holder.id = new.id
"""

INSERT_KEYS = """
    -- In one order, so that two postings with the same keys never wait in a circle.
    insert into ledger.idempotency (key_hash, holder_id, number, fingerprint)
    select * from unnest($1::uuid[], $2::uuid[], $3::bigint[], $4::bytea[])
        as new (key_hash, holder_id, number, fingerprint)
    order by key_hash
    on conflict do nothing
"""

INSERT_TERMS = Insertion(tables.term, "holder_id lot term number valid_from valid_to")

INSERT_HOLDS = Insertion(tables.hold, "holder_id number definition_id expires_at ended_by")

END_HOLDS = """
    -- Index: hold_pk. A trigger refuses a second end.
    update ledger.hold set ended_by = new.ended_by
    from unnest($1::uuid[], $2::bigint[], $3::bigint[]) as new (holder_id, number, ended_by)
    where hold.holder_id = new.holder_id and hold.number = new.number
"""

INSERT_ROLLUPS = Insertion(
    tables.rollup,
    "definition_id account effective_hour recorded_hour amount",
)

INSERT_OUTBOX = Insertion(tables.outbox, "consumer holder_id definition_id number")


async def store(
    connection: Connection,
    entries: Sequence[Entry],
    holders: Mapping[HolderId, HolderState],
    outbox: Sequence[OutboxRow],
) -> None:
    """Write a batch.

    Raises `ContactRacedError` or `KeyRacedError` where a contact was opened, or a key taken, by
    another posting meanwhile: the transaction is to be rolled back and begun again.
    """
    await _open_contacts(connection, holders)
    await _store_transactions(connection, entries)
    await _store_transfers(connection, entries)
    await _store_lots(connection, entries, holders)
    await _store_holds(connection, entries, holders)
    await _store_accounts(connection, holders)
    await _store_rollups(connection, entries)
    await INSERT_OUTBOX.insert(connection, outbox)
    await _store_keys(connection, entries)


async def _open_contacts(connection: Connection, holders: Mapping[HolderId, HolderState]) -> None:
    opening = sorted(
        (*holder.opened_for, holder.id, holder.salt)
        for holder in holders.values()
        if holder.opened_for is not None
    )
    if opening:
        opened = await connection.execute(OPEN_CONTACTS, *zip(*opening, strict=True))
        if opened != f"INSERT 0 {len(opening)}":
            raise ContactRacedError


async def _update(connection: Connection, statement: str, rows: Sequence[Sequence[object]]) -> None:
    """Set rows to their new state; every one must be there to be set."""
    status: str = await connection.execute(statement, *zip(*rows, strict=True))
    if status != f"UPDATE {len(rows)}":
        raise LostRowError(f"{status} of {len(rows)} rows: {statement.strip()}")


async def _store_transactions(connection: Connection, entries: Sequence[Entry]) -> None:
    rows = []
    for entry in entries:
        told, after, texts = entry.transaction, entry.transaction.after, entry.transaction.texts
        rows.append((
            told.holder, told.number, told.id, told.effective_at, told.recorded_at,
            told.occurred_at, told.amount, told.net, told.reverses, told.linked,
            told.hold_expires_at, told.part, told.whole,
            after.available, after.pending, after.held, after.debt, told.definition, told.kind,
            told.source, entry.texts_hash, entry.hash, texts.idempotency_key, texts.description,
            texts.reference, texts.actor,
        ))  # fmt: skip
    await INSERT_TRANSACTIONS.insert(connection, rows)


async def _store_transfers(connection: Connection, entries: Sequence[Entry]) -> None:
    transfers: list[tuple[object, ...]] = []
    allocations: list[tuple[object, ...]] = []
    for entry in entries:
        told = entry.transaction
        for line, debit, credit, amount, effective_at, parts in told.transfers:
            transfers.append((
                told.holder, told.number, amount, effective_at, told.recorded_at, line,
                told.definition, debit, credit,
            ))  # fmt: skip
            allocations += [
                (told.holder, told.number, part.amount, part.lot, line, place)
                for place, part in enumerate(parts, start=1)
            ]
    await INSERT_TRANSFERS.insert(connection, transfers)
    await INSERT_ALLOCATIONS.insert(connection, allocations)


async def _store_lots(
    connection: Connection,
    entries: Sequence[Entry],
    holders: Mapping[HolderId, HolderState],
) -> None:
    new: list[tuple[object, ...]] = []
    for entry in entries:
        told = entry.transaction
        for issue in told.lots:
            lot = holders[told.holder].accounts[told.definition].lots[issue.lot]
            new.append(_new_lot(told.holder, told.number, issue, lot))
    changed = [
        (holder.id, lot.lot, lot.remaining, lot.lapsed, lot.active, lot.valid_from, lot.valid_to,
         lot.term)
        for holder in holders.values()
        for account in holder.accounts.values()
        for lot in account.lots.values()
        if lot.changed and not lot.is_new
    ]  # fmt: skip
    await INSERT_LOTS.insert(connection, new)
    if changed:
        await _update(connection, UPDATE_LOTS, changed)


def _new_lot(holder: HolderId, number: int, issue: LotIssue, lot: LotState) -> tuple[object, ...]:
    origin_holder, origin_lot = issue.origin or (None, None)
    return (
        holder, issue.lot, issue.line, lot.definition, number, issue.amount, lot.remaining,
        lot.lapsed, issue.effective_at, issue.valid_from, issue.valid_to, lot.valid_from,
        lot.valid_to, lot.term, lot.active, origin_holder, origin_lot,
    )  # fmt: skip


async def _store_holds(
    connection: Connection,
    entries: Sequence[Entry],
    holders: Mapping[HolderId, HolderState],
) -> None:
    terms = [
        (entry.transaction.holder, term.lot, term.term, entry.transaction.number, term.valid_from,
         term.valid_to)
        for entry in entries
        for term in entry.transaction.terms
    ]  # fmt: skip
    await INSERT_TERMS.insert(connection, terms)
    placed: list[tuple[object, ...]] = []
    ended: list[tuple[object, ...]] = []
    for holder in holders.values():
        for account in holder.accounts.values():
            for hold in account.holds.values():
                if hold.is_new:
                    placed.append((
                        holder.id, hold.number, account.definition, hold.expires_at, hold.ended_by,
                    ))  # fmt: skip
                elif hold.changed:
                    ended.append((holder.id, hold.number, hold.ended_by))
    await INSERT_HOLDS.insert(connection, placed)
    if ended:
        await _update(connection, END_HOLDS, ended)


async def _store_accounts(connection: Connection, holders: Mapping[HolderId, HolderState]) -> None:
    opened: list[tuple[object, ...]] = []
    changed: list[tuple[object, ...]] = []
    for holder in holders.values():
        for account in holder.accounts.values():
            if account.changed:
                (opened if account.is_new else changed).append(_account_row(holder.id, account))
    await INSERT_ACCOUNTS.insert(connection, opened)
    if changed:
        await _update(connection, UPDATE_ACCOUNTS, changed)
    heads = [
        (holder.id, holder.number, holder.head, holder.last_recorded_at, holder.last_lot)
        for holder in holders.values()
    ]
    await _update(connection, UPDATE_HOLDERS, heads)


def _account_row(holder: HolderId, account: AccountState) -> tuple[object, ...]:
    return (
        holder, account.definition, account.available, account.pending, account.held, account.debt,
        account.debt_since, account.last_effective_at, account.next_due_at, account.closed,
    )  # fmt: skip


async def _store_keys(connection: Connection, entries: Sequence[Entry]) -> None:
    keys = [
        (entry.key, entry.transaction.holder, entry.transaction.number, entry.fingerprint)
        for entry in entries
        if entry.key is not None
    ]
    if not keys:
        return
    if await connection.execute(INSERT_KEYS, *zip(*keys, strict=True)) != f"INSERT 0 {len(keys)}":
        raise KeyRacedError


async def _store_rollups(connection: Connection, entries: Sequence[Entry]) -> None:
    rows = [(*place, amount) for place, amount in rollups(entries).items()]
    await INSERT_ROLLUPS.insert(connection, rows)


RollupPlace = tuple[DefinitionId, LedgerAccount, datetime, datetime]


def rollups(entries: Iterable[Entry]) -> dict[RollupPlace, int]:
    """What a batch adds to each ledger account, by hour of effect and hour of record."""
    totals: dict[RollupPlace, int] = {}
    hours = _Hours()
    for entry in entries:
        told = entry.transaction
        recorded_hour = hours.of(told.recorded_at)
        for transfer in told.transfers:
            effective_hour = hours.of(transfer.effective_at)
            debit = (told.definition, transfer.debit, effective_hour, recorded_hour)
            credit = (told.definition, transfer.credit, effective_hour, recorded_hour)
            totals[debit] = totals.get(debit, 0) - transfer.amount
            totals[credit] = totals.get(credit, 0) + transfer.amount
    return totals


class _Hours:
    """The beginnings of hours; most instants of a batch are one and the same object."""

    def __init__(self) -> None:
        self._moment: datetime | None = None
        self._hour: datetime | None = None

    def of(self, moment: datetime) -> datetime:
        if self._hour is None or moment is not self._moment:
            self._moment, self._hour = moment, moment.replace(minute=0, second=0, microsecond=0)
        return self._hour
