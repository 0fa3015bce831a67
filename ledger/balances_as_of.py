"""A contact's balances as of any instant, without its whole history where that is not needed.

The one hard idea: what stood at an instant is the sum of transfers up to it, plus what fell due by
then and was not booked. Most often nothing can have fallen due, and the same statement that makes
the sums sees that. Most often, too, nobody has the holder's lock, and it sees that as well. Then it
is all that is asked; otherwise the lock is waited for, and where something was due the chain is
folded (`ledger.reading_as_of`), which gives the same and costs more.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

import asyncpg

from ledger import reading_as_of
from ledger.amounts import Points
from ledger.connection import Connection
from ledger.facts import Balance
from ledger.identity import ContactId, DefinitionId, TenantId
from ledger.kinds import BUCKETS
from ledger.reading_as_of import (
    HOLDERS_KNOWN,
    FutureRecordError,
    accounts_as_of,
    holders_known,
)

Balances = dict[DefinitionId, Balance]

# Waiting for a lock leaves a trace on the row, which nobody needs to survive a crash: without this,
# every such reading would wait for the disk. It holds for the statement's own transaction only.
HOLDERS_KNOWN_UNFLUSHED = HOLDERS_KNOWN.replace(
    "select holder.id, holder.number,",
    "select set_config('synchronous_commit', 'off', true), holder.id, holder.number,",
)

_SUMS: Final = """
    -- What a holder's transfers come to, of those that took effect and were recorded by these
    -- instants; and whether anything can have fallen due by then that is not among them: what is
    -- still to be booked, what was booked since, and, for an instant that lay ahead of what was
    -- known, what had a boundary in between (`ledger.unbooked`).
    -- {indexes}
    with instant as materialized (
        select statement_timestamp() as now, coalesce($1::timestamptz, statement_timestamp()) as at,
               $2::timestamptz as known
    ), who as materialized (
        {who}
    )
    select instant.now as asked_at, who.number, sums.*,
           sums.was_due
           or exists (
               select from ledger.account
               where account.holder_id = who.id and account.next_due_at <= instant.at
           )
           or case when instant.at > instant.known then
               exists (
                   select from ledger.lot
                   where lot.holder_id = who.id
                     and (lot.first_valid_to > instant.known and lot.first_valid_to <= instant.at
                       or lot.first_valid_from > lot.effective_at
                          and lot.first_valid_from > instant.known
                          and lot.first_valid_from <= instant.at)
               )
               or exists (select from ledger.term where term.holder_id = who.id)
               or exists (select from ledger.hold where hold.holder_id = who.id)
           else false end as may_be_due
    from instant cross join who
    left join lateral (
        select definition_id,
               sum(amount * ((credit = 1)::int - (debit = 1)::int)) filter (where by_then)::bigint
                   as available,
               sum(amount * ((credit = 2)::int - (debit = 2)::int)) filter (where by_then)::bigint
                   as pending,
               sum(amount * ((credit = 3)::int - (debit = 3)::int)) filter (where by_then)::bigint
                   as held,
               sum(amount * ((debit = 4)::int - (credit = 4)::int)) filter (where by_then)::bigint
                   as debt,
               bool_or(not by_then and (
                   debit = 1 and credit = 13 or debit = 2 and credit = 1 or debit = 3 and credit = 1
               )) as was_due
        from (
            select transfer.*, instant.known is null or recorded_at <= instant.known as by_then
            from ledger.transfer
            where transfer.holder_id = who.id and transfer.effective_at <= instant.at
        ) as taking_effect
        group by definition_id
    ) as sums on true
"""

SUMS_OF_CONTACT = _SUMS.format(
    who="""
        -- A contact that is one holder whose lock nobody has, or has had since the row was written
        -- (by whoever had the lock then, and left its mark in what it wrote): whoever takes it
        -- later reads the clock later still, so nothing can be recorded any more by the instant at
        -- which this statement began.
        select holder.id, holder.number
        from ledger.contact join ledger.holder on holder.id = contact.holder_id
        where contact.tenant_id = $3 and contact.contact_id = $4
          and contact.former_holder_id is null and holder.merged_into is null
          and holder.xmax in ('0'::xid, holder.xmin)
          and not exists (
              select from ledger.holder as other where other.merged_into = holder.id
          )
    """.strip(),
    indexes="Index: contact_pk, holder_pk, holder_merged_into_idx, account_pk, transfer_pk, "
    "lot_pk, term_pk, hold_pk.",
)

SUMS_OF_HOLDER = _SUMS.format(
    who="select holder.id, holder.number from ledger.holder where holder.id = $3",
    indexes="Index: holder_pk, account_pk, transfer_pk, lot_pk, term_pk, hold_pk.",
)


async def balances_at_once(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
) -> Balances | None:
    """What `balances_as_of` answers, where one statement tells that and waits for nobody.

    `None` where it takes more, or has to be refused.
    """
    rows = await connection.fetch(SUMS_OF_CONTACT, effective_at, recorded_at, tenant, contact)
    if not rows or (recorded_at is not None and recorded_at > rows[0]["asked_at"]):
        return None
    return _summed(rows, None)


async def balances_as_of(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
    definition: DefinitionId | None = None,
) -> Balances:
    """What a contact had at an instant of either axis (default for each: now), where not nothing.

    Raises as `ledger.reading_as_of.told_of` does.
    """
    rows = await connection.fetch(SUMS_OF_CONTACT, effective_at, recorded_at, tenant, contact)
    holders = rows
    if not rows:
        # Waits until no posting that may still be recorded in the past holds the person's locks.
        known = HOLDERS_KNOWN if connection.is_in_transaction() else HOLDERS_KNOWN_UNFLUSHED
        holders = await holders_known(connection, known, tenant, contact, recorded_at)
        if len(holders) == 1:
            of_one = (effective_at, recorded_at, holders[0]["id"])
            rows = await connection.fetch(SUMS_OF_HOLDER, *of_one)
    if rows:
        if recorded_at is not None and recorded_at > holders[0]["asked_at"]:
            raise FutureRecordError("recordedAt must not be in the future")
        summed = _summed(rows, definition)
        if summed is not None:
            return summed
    accounts = await accounts_as_of(
        connection,
        tenant,
        contact,
        effective_at=effective_at,
        recorded_at=recorded_at,
        definition=definition,
    )
    return {one.definition: one.balance for one in accounts}


def _summed(rows: Sequence[asyncpg.Record], definition: DefinitionId | None) -> Balances | None:
    """The sums as balances; `None` where they may lack something that was due."""
    if rows[0]["number"] > reading_as_of.HISTORY_MAX or any(row["may_be_due"] for row in rows):
        return None
    return {
        DefinitionId(row["definition_id"]): Balance(
            *(Points(row[bucket.word]) for bucket in BUCKETS)
        )
        for row in rows
        if row["available"] is not None and definition in {None, row["definition_id"]}
    }
