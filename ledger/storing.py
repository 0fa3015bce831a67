"""Storing what a batch wrote: in one statement or one a table, whatever the batch's size.

The one hard idea: nothing here computes. Facts are inserted as the book wrote them; holders,
accounts and lots are set to the state the book left them in, which their lock makes safe.
"""

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger import tables
from ledger.connection import Connection
from ledger.entries import Entry
from ledger.facts import LotIssue
from ledger.identity import DefinitionId, HolderId
from ledger.kinds import LedgerAccount
from ledger.outbox import OutboxRow
from ledger.state import AccountState, HolderState, LotState
from ledger.writing import Rows, claims, inserts, updates, write

_HOUR: Final = timedelta(hours=1)


class ContactRacedError(Exception):
    """Another posting opened one of the contacts meanwhile: begin again, and find it there."""


class KeyRacedError(Exception):
    """Another posting booked one of the keys for another holder meanwhile: begin again."""


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

TRANSACTIONS = inserts(
    tables.transaction,
    "holder_id number id effective_at recorded_at occurred_at amount net reverses linked "
    "hold_expires_at part whole available_after pending_after held_after debt_after definition_id "
    "kind source texts_hash hash idempotency_key description reference actor",
)

TRANSFERS = inserts(
    tables.transfer,
    "holder_id number amount effective_at recorded_at line definition_id debit credit",
)

ALLOCATIONS = inserts(tables.allocation, "holder_id number amount lot line place")

LOTS = inserts(
    tables.lot,
    "holder_id lot line definition_id number issued remaining lapsed effective_at "
    "first_valid_from first_valid_to valid_from valid_to term active origin_holder origin_lot",
)

LOTS_CHANGED = updates(
    tables.lot,
    "holder_id lot",
    "remaining lapsed active",
    note="Index: lot_pk; no indexed column changes.",
)

LOTS_AMENDED = updates(
    tables.lot,
    "holder_id lot",
    "remaining lapsed active valid_from valid_to term",
    note="Their validity, too. Index: lot_pk; no indexed column changes.",
)

ACCOUNTS = inserts(
    tables.account,
    "holder_id definition_id available pending held debt debt_since last_effective_at next_due_at "
    "closed",
)

ACCOUNTS_CHANGED = updates(
    tables.account,
    "holder_id definition_id",
    "available pending held debt debt_since last_effective_at next_due_at closed",
    note="Index: account_pk.",
)

HEADS = updates(
    tables.holder,
    "id",
    "number head last_recorded_at last_lot",
    note="Index: holder_pk; no indexed column changes.",
)

KEYS = claims(
    tables.idempotency, "key_hash holder_id number fingerprint", "key_hash", KeyRacedError
)

TERMS = inserts(tables.term, "holder_id lot term number valid_from valid_to")

HOLDS = inserts(tables.hold, "holder_id number definition_id expires_at ended_by")

HOLDS_ENDED = updates(
    tables.hold,
    "holder_id number",
    "ended_by",
    note="A trigger refuses a second end. Index: hold_pk.",
)

ROLLUPS = inserts(
    tables.rollup,
    "definition_id account effective_hour recorded_hour amount",
)

OUTBOX = inserts(tables.outbox, "consumer holder_id definition_id number")


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
    transfers, allocations = _transfer_rows(entries)
    issued = _issued_rows(entries, holders)
    changed, amended = _changed_rows(holders)
    placed, ended = _hold_rows(holders)
    opened, standing = _account_rows(holders)
    await write(
        connection,
        (
            (TRANSACTIONS, [_transaction_row(entry) for entry in entries]),
            (TRANSFERS, transfers),
            (ALLOCATIONS, allocations),
            (LOTS, issued),
            (LOTS_CHANGED, changed),
            (LOTS_AMENDED, amended),
            (TERMS, _term_rows(entries)),
            (HOLDS, placed),
            (HOLDS_ENDED, ended),
            (ACCOUNTS, opened),
            (ACCOUNTS_CHANGED, standing),
            (HEADS, _head_rows(holders)),
            (ROLLUPS, [(*place, amount) for place, amount in rollups(entries).items()]),
            (OUTBOX, outbox),
            (KEYS, _key_rows(entries)),
        ),
    )


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


def _transaction_row(entry: Entry) -> tuple[object, ...]:
    told, after, texts = entry.transaction, entry.transaction.after, entry.transaction.texts
    return (
        told.holder, told.number, told.id, told.effective_at, told.recorded_at,
        told.occurred_at, told.amount, told.net, told.reverses, told.linked,
        told.hold_expires_at, told.part, told.whole,
        after.available, after.pending, after.held, after.debt, told.definition, told.kind,
        told.source, entry.texts_hash, entry.hash, texts.idempotency_key, texts.description,
        texts.reference, texts.actor,
    )  # fmt: skip


def _transfer_rows(entries: Sequence[Entry]) -> tuple[Rows, Rows]:
    """Transfers, and which lots their points belong to."""
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
    return transfers, allocations


def _issued_rows(entries: Sequence[Entry], holders: Mapping[HolderId, HolderState]) -> Rows:
    """Lots that were issued."""
    issued = []
    for entry in entries:
        told = entry.transaction
        for issue in told.lots:
            lot = holders[told.holder].accounts[told.definition].lots[issue.lot]
            issued.append(_new_lot(told.holder, told.number, issue, lot))
    return issued


def _accounts(
    holders: Mapping[HolderId, HolderState],
) -> Iterator[tuple[HolderState, AccountState]]:
    for holder in holders.values():
        for account in holder.accounts.values():
            yield holder, account


def _changed_rows(holders: Mapping[HolderId, HolderState]) -> tuple[Rows, Rows]:
    """Older lots that changed; those whose validity did apart, so that each is written once."""
    changed: list[tuple[object, ...]] = []
    amended: list[tuple[object, ...]] = []
    for holder, account in _accounts(holders):
        for lot in account.lots.values():
            if not lot.changed or lot.is_new:
                continue
            row = (holder.id, lot.lot, lot.remaining, lot.lapsed, lot.active)
            if lot.amended:
                amended.append((*row, lot.valid_from, lot.valid_to, lot.term))
            else:
                changed.append(row)
    return changed, amended


def _new_lot(holder: HolderId, number: int, issue: LotIssue, lot: LotState) -> tuple[object, ...]:
    origin_holder, origin_lot = issue.origin or (None, None)
    return (
        holder, issue.lot, issue.line, lot.definition, number, issue.amount, lot.remaining,
        lot.lapsed, issue.effective_at, issue.valid_from, issue.valid_to, lot.valid_from,
        lot.valid_to, lot.term, lot.active, origin_holder, origin_lot,
    )  # fmt: skip


def _term_rows(entries: Sequence[Entry]) -> Rows:
    return [
        (entry.transaction.holder, term.lot, term.term, entry.transaction.number, term.valid_from,
         term.valid_to)
        for entry in entries
        for term in entry.transaction.terms
    ]  # fmt: skip


def _hold_rows(holders: Mapping[HolderId, HolderState]) -> tuple[Rows, Rows]:
    """Holds that were placed, and older ones that ended."""
    placed: list[tuple[object, ...]] = []
    ended: list[tuple[object, ...]] = []
    for holder, account in _accounts(holders):
        for hold in account.holds.values():
            if hold.is_new:
                placed.append((
                    holder.id, hold.number, account.definition, hold.expires_at, hold.ended_by,
                ))  # fmt: skip
            elif hold.changed:
                ended.append((holder.id, hold.number, hold.ended_by))
    return placed, ended


def _account_rows(holders: Mapping[HolderId, HolderState]) -> tuple[Rows, Rows]:
    """Accounts that were opened, and older ones that changed."""
    opened: list[tuple[object, ...]] = []
    changed: list[tuple[object, ...]] = []
    for holder, account in _accounts(holders):
        if account.changed:
            (opened if account.is_new else changed).append((
                holder.id, account.definition, account.available, account.pending, account.held,
                account.debt, account.debt_since, account.last_effective_at, account.next_due_at,
                account.closed,
            ))  # fmt: skip
    return opened, changed


def _head_rows(holders: Mapping[HolderId, HolderState]) -> Rows:
    return [
        (holder.id, holder.number, holder.head, holder.last_recorded_at, holder.last_lot)
        for holder in holders.values()
    ]


def _key_rows(entries: Sequence[Entry]) -> Rows:
    return [
        (entry.key, entry.transaction.holder, entry.transaction.number, entry.fingerprint)
        for entry in entries
        if entry.key is not None
    ]


RollupPlace = tuple[DefinitionId, LedgerAccount, datetime, datetime]


def rollups(entries: Iterable[Entry]) -> dict[RollupPlace, int]:
    """What a batch adds to each ledger account, by hour of effect and hour of record."""
    recorded_in, effective_in = _Hours(), _Hours()
    moved: dict[tuple[DefinitionId, LedgerAccount, LedgerAccount, datetime, datetime], int] = {}
    for entry in entries:
        told = entry.transaction
        recorded_hour = recorded_in.of(told.recorded_at)
        for _, debit, credit, amount, effective_at, _ in told.transfers:
            effective_hour = effective_in.of(effective_at)
            move = (told.definition, debit, credit, effective_hour, recorded_hour)
            moved[move] = moved.get(move, 0) + amount
    totals: defaultdict[RollupPlace, int] = defaultdict(int)
    for (definition, debit, credit, effective_hour, recorded_hour), together in moved.items():
        totals[definition, debit, effective_hour, recorded_hour] -= together
        totals[definition, credit, effective_hour, recorded_hour] += together
    return totals


class _Hours:
    """The beginnings of hours; most instants of a batch lie in one and the same."""

    def __init__(self) -> None:
        self._hour = self._next = datetime.min.replace(tzinfo=UTC)

    def of(self, moment: datetime) -> datetime:
        if not self._hour <= moment < self._next:
            self._hour = moment.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
            self._next = self._hour + _HOUR
        return self._hour
