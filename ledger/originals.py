"""Loading the transactions that requests refer to: what is returned, cancelled, captured, changed.

The one hard idea: a transaction stays with the holder it was booked for, even when that holder was
merged into another one later. What its lots have become is found by following origins, so a return
or a cancellation still reaches the very points it is about.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from uuid import UUID

import asyncpg

from ledger.amounts import Points
from ledger.book import Place
from ledger.connection import Connection
from ledger.entries import Known
from ledger.facts import Allocation
from ledger.identity import DefinitionId, HolderId, key_hash
from ledger.kinds import Kind
from ledger.loading import LOAD_LOTS_NUMBERED, LOT, Reach, load_numbered, lot_from, take_in
from ledger.requests import Request, refers_to
from ledger.rules.context import Original
from ledger.state import HolderState

LOAD_LOTS_OF = f"""
    -- The lots that these transactions issued. Index: lot_pk.
    select {LOT}
    from unnest((select $1::uuid[]), (select $2::bigint[])) as asked (holder_id, number)
    join ledger.lot using (holder_id, number)
"""

LOAD_TAKEN = """
    -- Which lots these redemptions took (12 is `redeemed`). Index: transfer_pk, allocation_pk.
    select allocation.holder_id, allocation.number, allocation.lot, allocation.amount
    from unnest((select $1::uuid[]), (select $2::bigint[])) as asked (holder_id, number)
    join ledger.transfer using (holder_id, number)
    join ledger.allocation using (holder_id, number, line)
    where transfer.credit = 12
    order by allocation.line, allocation.place
"""

LOAD_ORIGINALS = """
    -- Transactions that others refer to, the holders they were merged into one after the other, and
    -- what was taken back of them before (kinds 6 and 7; 11 is `issued`).
    -- Index: transaction_id_idx, transaction_pk, transaction_reverses_idx, holder_pk.
    with original as (
        select holder_id, number, id, definition_id, kind, amount, effective_at
        from ledger.transaction where id = any((select $1::uuid[])::uuid[])
        union
        select holder_id, number, id, definition_id, kind, amount, effective_at
        from unnest((select $2::uuid[]), (select $3::bigint[])) as asked (holder_id, number)
        join ledger.transaction using (holder_id, number)
    )
    select original.*, owners.path, earlier.returned, earlier.part, earlier.whole, earlier.reversed
    from original
    cross join lateral (
        with recursive owner as (
            select holder.id, holder.merged_into, 1 as step from ledger.holder
            where holder.id = original.holder_id
            union all
            select holder.id, holder.merged_into, owner.step + 1
            from owner join ledger.holder on holder.id = owner.merged_into
        )
        select array_agg(owner.id order by owner.step) as path from owner
    ) as owners
    cross join lateral (
        select coalesce(sum(later.amount), 0)::bigint as returned,
               coalesce(sum(later.part), 0)::bigint as part,
               max(later.whole) as whole,
               coalesce(sum((
                   select sum(transfer.amount) from ledger.transfer
                   where transfer.holder_id = later.holder_id
                     and transfer.number = later.number and transfer.credit = 11
               )), 0)::bigint as reversed
        from ledger.transaction later
        where later.holder_id = any(owners.path) and later.reverses = original.id
          and later.kind in (6, 7)
    ) as earlier
"""

LOAD_DESCENDANTS = f"""
    -- The lots that moved lots have become with the holder they were merged into.
    -- Index: lot_origin_idx, lot_pk.
    with recursive descendant as (
        select holder_id, lot, holder_id as first_holder, lot as first_lot
        from unnest((select $1::uuid[]), (select $2::integer[])) as asked (holder_id, lot)
        union all
        select lot.holder_id, lot.lot, descendant.first_holder, descendant.first_lot
        from descendant
        join ledger.lot on lot.origin_holder = descendant.holder_id
            and lot.origin_lot = descendant.lot
    )
    select {LOT}, descendant.first_holder, descendant.first_lot
    from descendant join ledger.lot using (holder_id, lot)
    where descendant.holder_id <> descendant.first_holder
"""


async def load_originals(
    connection: Connection,
    holders: dict[HolderId, HolderState],
    requests: Sequence[Request],
    known: dict[UUID, Known],
    reach: Reach,
) -> tuple[dict[Place, Original], dict[UUID, Place]]:
    """Load the transactions that requests refer to, and the lots those issued or took."""
    ids: set[UUID] = set()
    by_key: set[Place] = set()
    for request in requests:
        referred = refers_to(request)
        if referred is None:
            continue
        if referred.transaction_id is not None:
            ids.add(referred.transaction_id)
        elif referred.idempotency_key is not None:
            found = known.get(key_hash(request.tenant, referred.idempotency_key))
            if found is not None:
                by_key.add((found.holder, found.number))
    if not ids and not by_key:
        return {}, {}
    rows = await connection.fetch(
        LOAD_ORIGINALS,
        list(ids),
        [holder for holder, _ in by_key],
        [number for _, number in by_key],
    )
    originals: dict[Place, Original] = {}
    for row in rows:
        owner = HolderId(row["path"][-1])
        if owner in holders:
            originals[HolderId(row["holder_id"]), row["number"]] = _original_from(row, owner)
    own = {place: one for place, one in originals.items() if one.owner == one.holder}
    merged = {place: one for place, one in originals.items() if one.owner != one.holder}
    former = {(HolderId(row["holder_id"]), row["number"]): row["path"][:-1] for row in rows}
    await _load_lots_of(connection, holders, own, reach)
    await _load_taken(connection, holders, own, reach)
    if merged:
        await _load_merged(connection, holders, merged, former, reach)
    return originals, {original.id: place for place, original in originals.items()}


async def _load_merged(
    connection: Connection,
    holders: dict[HolderId, HolderState],
    originals: dict[Place, Original],
    former: Mapping[Place, Sequence[UUID]],
    reach: Reach,
) -> None:
    """Find what lots of merged holders have become, and keep them as they were beside it.

    `former` says whose each original was, one merge after the other, before it was its owner's.
    """
    places = ([holder for holder, _ in originals], [number for _, number in originals])
    for row in await connection.fetch(LOAD_TAKEN, *places):
        original = originals[HolderId(row["holder_id"]), row["number"]]
        original.taken = (*original.taken, Allocation(row["lot"], Points(row["amount"])))
    issued = {
        (HolderId(row["holder_id"]), row["lot"]): originals[
            HolderId(row["holder_id"]), row["number"]
        ]
        for row in await connection.fetch(LOAD_LOTS_OF, *places)
    }
    lots = defaultdict(list, {place: [original] for place, original in issued.items()})
    for original in originals.values():
        for part in original.taken:
            lots[original.holder, part.lot].append(original)
    asked = ([holder for holder, _ in lots], [lot for _, lot in lots])
    for row in await connection.fetch(LOAD_LOTS_NUMBERED, *asked):
        for original in lots[HolderId(row["holder_id"]), row["lot"]]:
            original.elsewhere = {**original.elsewhere, row["lot"]: lot_from(row)}
    for (_, lot), original in issued.items():
        original.lapsed_elsewhere += original.elsewhere[lot].lapsed
    await _load_descendants(connection, holders, issued, former, reach)


async def _load_descendants(
    connection: Connection,
    holders: dict[HolderId, HolderState],
    issued: Mapping[tuple[HolderId, int], Original],
    former: Mapping[Place, Sequence[UUID]],
    reach: Reach,
) -> None:
    """Load what lots have become with their owner, and count what lapsed on the way there."""
    asked = ([holder for holder, _ in issued], [lot for _, lot in issued])
    became = await connection.fetch(LOAD_DESCENDANTS, *asked)
    here = [row for row in became if row["holder_id"] in holders]
    await take_in(connection, holders, reach, here)
    for row in became:
        original = issued[HolderId(row["first_holder"]), row["first_lot"]]
        # What was passed on to another definition has become other points.
        if row["definition_id"] != original.definition:
            continue
        if row["holder_id"] == original.owner:
            original.lots = (*original.lots, row["lot"])
        elif row["holder_id"] in former[original.holder, original.number]:
            original.lapsed_elsewhere += row["lapsed"]


def _original_from(row: asyncpg.Record, owner: HolderId) -> Original:
    return Original(
        id=row["id"],
        holder=HolderId(row["holder_id"]),
        number=row["number"],
        definition=DefinitionId(row["definition_id"]),
        kind=Kind(row["kind"]),
        amount=Points(row["amount"]),
        effective_at=row["effective_at"],
        owner=owner,
        returned=row["returned"],
        reversed=row["reversed"],
        part=row["part"],
        whole=row["whole"],
    )


async def _load_lots_of(
    connection: Connection,
    holders: dict[HolderId, HolderState],
    originals: dict[Place, Original],
    reach: Reach,
) -> None:
    if not originals:
        return
    rows = await connection.fetch(
        LOAD_LOTS_OF,
        [holder for holder, _ in originals],
        [number for _, number in originals],
    )
    await take_in(connection, holders, reach, rows)
    for row in rows:
        original = originals[HolderId(row["holder_id"]), row["number"]]
        original.lots = (*original.lots, row["lot"])


async def _load_taken(
    connection: Connection,
    holders: dict[HolderId, HolderState],
    originals: dict[Place, Original],
    reach: Reach,
) -> None:
    redeemed = [
        place
        for place, original in originals.items()
        if original.kind in (Kind.REDEEM, Kind.CAPTURE)
    ]
    if not redeemed:
        return
    rows = await connection.fetch(
        LOAD_TAKEN, [holder for holder, _ in redeemed], [number for _, number in redeemed]
    )
    for row in rows:
        original = originals[HolderId(row["holder_id"]), row["number"]]
        original.taken = (*original.taken, Allocation(row["lot"], Points(row["amount"])))
    lots = {(HolderId(row["holder_id"]), row["lot"]) for row in rows}
    await load_numbered(connection, holders, reach, lots)
