"""Facts read back: whole transactions as they were written, by place or by holder.

The one hard idea: a transaction read back is the very value that was booked, transfers, allocations
and lots included, so that an answer given twice is the same and a chain can be recomputed. Nothing
here looks at balances; those are state, and `ledger.reading` answers for them.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from datetime import datetime
from typing import TypeVar

import asyncpg

from ledger.amounts import Points
from ledger.book import Place
from ledger.connection import Connection
from ledger.facts import (
    Allocation,
    Balance,
    LotIssue,
    Origin,
    Recorded,
    Term,
    Texts,
    Transaction,
    Transfer,
)
from ledger.identity import DefinitionId, HolderId
from ledger.kinds import Kind, LedgerAccount

Fact = TypeVar("Fact")


TRANSACTIONS_AT = """
    -- Index: transaction_pk.
    select transaction.* from unnest($1::uuid[], $2::bigint[]) as asked (holder_id, number)
    join ledger.transaction using (holder_id, number)
"""

TRANSFERS_AT = """
    -- Index: transfer_pk.
    select transfer.* from unnest($1::uuid[], $2::bigint[]) as asked (holder_id, number)
    join ledger.transfer using (holder_id, number) order by line
"""

ALLOCATIONS_AT = """
    -- In the order in which the lots were taken, which is that of their row. Index: allocation_pk.
    select allocation.* from unnest($1::uuid[], $2::bigint[]) as asked (holder_id, number)
    join ledger.allocation using (holder_id, number) order by line, place
"""

TERMS_AT = """
    -- Index: term_pk.
    select term.* from unnest($1::uuid[], $2::bigint[]) as asked (holder_id, number)
    join ledger.term using (holder_id, number) order by lot
"""

LOTS_AT = """
    -- Index: lot_pk.
    select lot.* from unnest($1::uuid[], $2::bigint[]) as asked (holder_id, number)
    join ledger.lot using (holder_id, number) order by lot
"""

TRANSACTIONS_OF = """
    -- Index: transaction_pk.
    select * from ledger.transaction where holder_id = any($1::uuid[]) order by holder_id, number
"""

TRANSFERS_OF = """
    -- Index: transfer_pk.
    select * from ledger.transfer where holder_id = any($1::uuid[]) order by holder_id, number, line
"""

ALLOCATIONS_OF = """
    -- Index: allocation_pk.
    select * from ledger.allocation where holder_id = any($1::uuid[])
    order by holder_id, number, line, place
"""

TERMS_OF = """
    -- Index: term_pk.
    select * from ledger.term where holder_id = any($1::uuid[]) order by holder_id, number, lot
"""

LOTS_OF = """
    -- Index: lot_pk.
    select * from ledger.lot where holder_id = any($1::uuid[]) order by holder_id, lot
"""


async def recorded_at_places(
    connection: Connection, places: Sequence[Place]
) -> dict[Place, Recorded]:
    """The transactions at these places, those that exist."""
    if not places:
        return {}
    columns = ([holder for holder, _ in places], [number for _, number in places])
    return _assemble(
        await connection.fetch(TRANSACTIONS_AT, *columns),
        await connection.fetch(TRANSFERS_AT, *columns),
        await connection.fetch(ALLOCATIONS_AT, *columns),
        await connection.fetch(LOTS_AT, *columns),
        await connection.fetch(TERMS_AT, *columns),
    )


async def recorded_of(
    connection: Connection, holders: Sequence[HolderId]
) -> dict[HolderId, list[Recorded]]:
    """Every transaction of these holders, in the order of their chains."""
    asked = list(holders)
    assembled = _assemble(
        await connection.fetch(TRANSACTIONS_OF, asked),
        await connection.fetch(TRANSFERS_OF, asked),
        await connection.fetch(ALLOCATIONS_OF, asked),
        await connection.fetch(LOTS_OF, asked),
        await connection.fetch(TERMS_OF, asked),
    )
    chains: dict[HolderId, list[Recorded]] = {holder: [] for holder in holders}
    for (holder, _), recorded in assembled.items():
        chains[holder].append(recorded)
    return chains


def _assemble(
    transactions: Iterable[asyncpg.Record],
    transfers: Iterable[asyncpg.Record],
    allocations: Iterable[asyncpg.Record],
    lots: Iterable[asyncpg.Record],
    terms: Iterable[asyncpg.Record],
) -> dict[Place, Recorded]:
    parts: dict[tuple[HolderId, int, int], list[Allocation]] = defaultdict(list)
    for row in allocations:
        key = (HolderId(row["holder_id"]), row["number"], row["line"])
        parts[key].append(Allocation(row["lot"], Points(row["amount"])))
    lines: dict[Place, list[Transfer]] = defaultdict(list)
    repeated: dict[Place, set[tuple[int, datetime]]] = defaultdict(set)
    for row in transfers:
        holder, number, line = HolderId(row["holder_id"]), row["number"], row["line"]
        transfer = Transfer(
            line,
            LedgerAccount(row["debit"]),
            LedgerAccount(row["credit"]),
            Points(row["amount"]),
            row["effective_at"],
            tuple(parts.get((holder, number, line), ())),
        )
        lines[holder, number].append(transfer)
        repeated[holder, number].add((row["definition_id"], row["recorded_at"]))
    issues: dict[Place, list[LotIssue]] = defaultdict(list)
    for row in lots:
        issues[HolderId(row["holder_id"]), row["number"]].append(issue_from(row))
    changes: dict[Place, list[Term]] = defaultdict(list)
    for row in terms:
        term = Term(row["lot"], row["term"], row["valid_from"], row["valid_to"])
        changes[HolderId(row["holder_id"]), row["number"]].append(term)
    found: dict[Place, Recorded] = {}
    for row in transactions:
        place = (HolderId(row["holder_id"]), row["number"])
        transaction = _transaction_from(
            row, lines.get(place, ()), issues.get(place, ()), changes.get(place, ())
        )
        strays = _strays(transaction, row["net"], repeated.get(place, ()))
        found[place] = Recorded(transaction, row["texts_hash"], row["hash"], strays)
    return found


def _strays(
    transaction: Transaction, net: int, repeated: Iterable[tuple[int, datetime]]
) -> tuple[str, ...]:
    strays = [] if net == transaction.net else ["net"]
    for definition, recorded_at in repeated:
        if definition != transaction.definition:
            strays.append("definition_id of a transfer")
        if recorded_at != transaction.recorded_at:
            strays.append("recorded_at of a transfer")
    return tuple(strays)


def issue_from(row: asyncpg.Record) -> LotIssue:
    """A lot as it was issued, whatever has become of it."""
    origin = None
    if row["origin_holder"] is not None:
        origin = Origin(HolderId(row["origin_holder"]), row["origin_lot"])
    return LotIssue(
        row["lot"],
        row["line"],
        Points(row["issued"]),
        row["effective_at"],
        row["first_valid_from"],
        row["first_valid_to"],
        origin,
    )


def _transaction_from(
    row: asyncpg.Record,
    transfers: Iterable[Transfer],
    lots: Iterable[LotIssue],
    terms: Iterable[Term],
) -> Transaction:
    return Transaction(
        holder=HolderId(row["holder_id"]),
        number=row["number"],
        id=row["id"],
        definition=DefinitionId(row["definition_id"]),
        kind=Kind(row["kind"]),
        amount=Points(row["amount"]),
        effective_at=row["effective_at"],
        recorded_at=row["recorded_at"],
        occurred_at=row["occurred_at"],
        source=row["source"],
        reverses=row["reverses"],
        linked=row["linked"],
        hold_expires_at=row["hold_expires_at"],
        part=row["part"],
        whole=row["whole"],
        texts=Texts(row["idempotency_key"], row["description"], row["reference"], row["actor"]),
        transfers=tuple(transfers),
        lots=tuple(lots),
        terms=tuple(terms),
        after=Balance(
            Points(row["available_after"]),
            Points(row["pending_after"]),
            Points(row["held_after"]),
            Points(row["debt_after"]),
        ),
    )
