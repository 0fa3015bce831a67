"""A contact's balances as of any instant, without its whole history where that is not needed.

The one hard idea: what stood at an instant is the sum of transfers up to it, plus what fell due by
then and was not booked. Most often nothing can have fallen due: no lot of the person had reached a
boundary by that instant, no term was ever changed, nothing was ever held. Then the sums, made by
one statement, are the answer; otherwise the chain is folded (`ledger.reading_as_of`), which gives
the same and costs more.
"""

from datetime import datetime

from ledger import reading_as_of
from ledger.amounts import Points
from ledger.connection import Connection
from ledger.facts import Balance
from ledger.identity import ContactId, DefinitionId, TenantId
from ledger.reading_as_of import (
    HOLDERS_KNOWN,
    FutureRecordError,
    accounts_as_of,
    holders_known,
)

# Waiting for a lock leaves a trace on the row, which nobody needs to survive a crash: without this,
# every such reading would wait for the disk. It holds for the statement's own transaction only.
HOLDERS_KNOWN_UNFLUSHED = HOLDERS_KNOWN.replace(
    "select holder.id, holder.number from ledger.holder",
    "select holder.id, holder.number, set_config('synchronous_commit', 'off', true)\n"
    "    from ledger.holder",
)

SUMS_AS_OF = """
    -- What a holder's transfers come to, of those that took effect and were recorded by these
    -- instants; and whether anything can have fallen due by then.
    -- Index: transfer_pk, lot_pk, term_pk, hold_pk.
    select instant.now, sums.*, exists (
               select from ledger.lot
               where lot.holder_id = $1 and (
                   lot.first_valid_to <= instant.at
                   or (lot.first_valid_from > lot.effective_at
                       and lot.first_valid_from <= instant.at)
               )
           )
           or exists (select from ledger.term where term.holder_id = $1)
           or exists (select from ledger.hold where hold.holder_id = $1) as may_be_due
    from (
        select clock_timestamp() as now, coalesce($2::timestamptz, clock_timestamp()) as at
        offset 0
    ) as instant
    left join lateral (
        select definition_id,
               sum(amount * ((credit = 1)::int - (debit = 1)::int))::bigint as available,
               sum(amount * ((credit = 2)::int - (debit = 2)::int))::bigint as pending,
               sum(amount * ((credit = 3)::int - (debit = 3)::int))::bigint as held,
               sum(amount * ((debit = 4)::int - (credit = 4)::int))::bigint as debt
        from ledger.transfer
        where transfer.holder_id = $1 and transfer.effective_at <= instant.at
          and ($3::timestamptz is null or transfer.recorded_at <= $3)
        group by definition_id
    ) as sums on true
"""


async def balances_as_of(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
    definition: DefinitionId | None = None,
) -> dict[DefinitionId, Balance]:
    """What a contact had at an instant of either axis (default for each: now), where not nothing.

    Raises as `ledger.reading_as_of.told_of` does.
    """
    # Waits until no posting that may still be recorded in the past holds the person's locks.
    known = HOLDERS_KNOWN if connection.is_in_transaction() else HOLDERS_KNOWN_UNFLUSHED
    holders = await holders_known(connection, known, tenant, contact, recorded_at)
    if len(holders) == 1 and holders[0]["number"] <= reading_as_of.HISTORY_MAX:
        rows = await connection.fetch(SUMS_AS_OF, holders[0]["id"], effective_at, recorded_at)
        if recorded_at is not None and recorded_at > rows[0]["now"]:
            raise FutureRecordError("recordedAt must not be in the future")
        if not rows[0]["may_be_due"]:
            return {
                DefinitionId(kind): Balance(*(Points(amount) for amount in buckets))
                for _, kind, *buckets, _ in rows
                if kind is not None and definition in {None, kind}
            }
    accounts = await accounts_as_of(
        connection,
        tenant,
        contact,
        effective_at=effective_at,
        recorded_at=recorded_at,
        definition=definition,
    )
    return {one.definition: one.balance for one in accounts}
