"""Where points that were moved came from in the first place, and who stood at a move's other end.

The one hard idea: a lot that a move brought names the lot it came from, which may itself have been
brought by a move; followed to its end, that leads to the earn. The numbers of the way are facts of
other holders' chains, so they are looked up and not found in the chain that is explained.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from ledger.connection import Connection
from ledger.facts import Origin
from ledger.identity import DefinitionId, HolderId
from ledger.kinds import Kind

FIRST_ISSUES = """
    -- What first issued the points of these lots. Index: lot_pk, transaction_pk.
    with recursive way as (
        select lot.holder_id as asked_holder, lot.lot as asked_lot,
               lot.holder_id, lot.lot, lot.number, lot.origin_holder, lot.origin_lot
        from unnest($1::uuid[], $2::integer[]) as asked (holder_id, lot)
        join ledger.lot using (holder_id, lot)
        union all
        select way.asked_holder, way.asked_lot,
               lot.holder_id, lot.lot, lot.number, lot.origin_holder, lot.origin_lot
        from way
        join ledger.lot on lot.holder_id = way.origin_holder and lot.lot = way.origin_lot
    )
    select way.asked_holder, way.asked_lot, way.holder_id, transaction.id,
           transaction.definition_id, transaction.kind, transaction.effective_at
    from way join ledger.transaction using (holder_id, number)
    where way.origin_holder is null
"""

HOLDERS_OF = """
    -- Index: transaction_id_idx.
    select id, holder_id from ledger.transaction where id = any($1::uuid[])
"""


@dataclass(frozen=True, slots=True)
class FirstIssue:
    """The transaction that first issued points, and whose they were then."""

    transaction: UUID
    holder: HolderId
    definition: DefinitionId
    kind: Kind
    effective_at: datetime


async def first_issues(connection: Connection, lots: Iterable[Origin]) -> dict[Origin, FirstIssue]:
    """What first issued the points of each of these lots."""
    asked = list(set(lots))
    if not asked:
        return {}
    rows = await connection.fetch(
        FIRST_ISSUES, [holder for holder, _ in asked], [lot for _, lot in asked]
    )
    return {
        Origin(HolderId(row["asked_holder"]), row["asked_lot"]): FirstIssue(
            row["id"],
            HolderId(row["holder_id"]),
            DefinitionId(row["definition_id"]),
            Kind(row["kind"]),
            row["effective_at"],
        )
        for row in rows
    }


async def holders_of(connection: Connection, transactions: Iterable[UUID]) -> dict[UUID, HolderId]:
    """Whose these transactions are."""
    rows = await connection.fetch(HOLDERS_OF, list(transactions))
    return {row["id"]: HolderId(row["holder_id"]) for row in rows}
