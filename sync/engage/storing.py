"""Turning marked accounts into stored batches.

The one hard idea: accounts are locked and give up their marks in one statement, totals are read and
body and rows stored in the next, which sees what was committed before it; both are one short
transaction. What a posting commits before that is in the totals; what it commits later leaves a
mark that stays. So whatever step dies, either the marks are still there or the exact bytes are.

Totals never leave the database but as the body: a thousand accounts cost two statements. Only where
something has fallen due and is not booked yet is a total worked out here, by the books' own rules.
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

from ledger import reading
from ledger.connection import Connection
from sync.engage import accounts
from sync.engage.accounts import Claimed
from sync.engage.context import Context, new_id
from sync.engage.marks import MarkedGroup
from sync.engage.totals import rows_of, total_of

TELL: Final = """
    -- Those locked accounts whose total Engage is not known to have are put in flight with a batch;
    -- its stamp is later than any they had. What is due is left to the caller, unless it says the
    -- totals (without any, there are none). An erased holder is nobody Engage could be told of.
    -- Index: account_pk of both, contact_holder_id_idx, contact_former_holder_id_idx.
    with looked as materialized (
        select asked.holder_id, asked.definition_id, followed.confirmed_total, followed.sent_at,
               coalesce(
                   asked.told,
                   booked.available + case when $6 then booked.held else 0 end
                       - case when $7 then booked.debt else 0 end
               ) as total,
               asked.told is null and coalesce(booked.next_due_at <= $5, false) as is_due,
               coalesce(
                   (
                       select contact_id from ledger.contact
                       where holder_id = asked.holder_id and former_holder_id is null
                   ),
                   (
                       select contact_id from ledger.contact
                       where former_holder_id = asked.holder_id
                   )
               ) as contact_id
        from unnest($2::uuid[], $3::smallint[], $4::bigint[])
            as asked (holder_id, definition_id, told)
        cross join lateral (
            select confirmed_total, sent_at from engage.account
            where account.holder_id = asked.holder_id
              and account.definition_id = asked.definition_id
            limit 1
        ) as followed
        cross join lateral (
            select available, held, debt, next_due_at from ledger.account
            where account.holder_id = asked.holder_id
              and account.definition_id = asked.definition_id
            limit 1
        ) as booked
    ), told as materialized (
        select looked.*, (row_number() over () - 1)::smallint as place from looked
        where not is_due and contact_id is not null and total is distinct from confirmed_total
    ), stamp as materialized (
        select greatest($5::timestamptz, max(sent_at) + interval '1 millisecond') as at from told
    ), written as materialized (
        -- What is the same in every line of a definition.
        select id, ('{1,0.1,0.01,0.001,0.0001}'::numeric[])[nullif(scale, 0) + 1] as unit,
               ',"definitionId":' || engage_id || ',"timeStamp":"' || to_char(
                   at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"'
               ) || '"}' as tail
        from ledger.definition cross join stamp where tenant_id = $8
    ), flight as (
        update engage.account set batch_id = $1, sent_total = told.total, sent_at = stamp.at
        from told, stamp
        where account.holder_id = told.holder_id and account.definition_id = told.definition_id
    ), lines as (
        insert into engage.batch_row (batch_id, place, holder_id, definition_id, total)
        select $1, place, holder_id, definition_id, total from told
    ), batch as (
        insert into engage.batch (
            id, tenant_id, kind, state, row_count, created_at, next_action_at, path, body
        )
        select $1, $8, 'balances', 'stored', count(*), $5, $5, $9, convert_to(
            '[' || string_agg(
                '{"contactId":"' || contact_id || '","amount":'
                    || coalesce(trim_scale(total * unit)::text, total::text) || tail,
                ',' order by place
            ) || ']', 'UTF8'
        )
        from told join written on written.id = told.definition_id
        having count(*) > 0
        returning row_count
    )
    select coalesce((select row_count from batch), 0) as told,
           array_agg(holder_id) filter (where is_due) as due_holders,
           array_agg(definition_id) filter (where is_due) as due_definitions
    from looked
"""


class Stored(NamedTuple):
    """What became of a group of marked accounts.

    Attributes:
        batches: Stored, to be sent; usually one.
        unchanged: Accounts of which there is nothing new to tell.
    """

    batches: list[UUID]
    unchanged: int


async def store(context: Context, connection: Connection, group: MarkedGroup) -> Stored:
    """Make batches of some marked accounts, inside the caller's transaction.

    Accounts that somebody else put in flight meanwhile keep their marks.
    """
    claimed = await accounts.claim(connection, group)
    read_at = await context.clock.read(connection)
    batches: list[UUID] = []
    unchanged = 0
    for alike in claimed:
        for part in alike.parts(rows_of(alike.failures, context.options.batch_rows_max)):
            told = 0
            for batch, count in await _tell(context, connection, part, read_at):
                batches.append(batch)
                told += count
            unchanged += len(part.holders) - told
    return Stored(batches, unchanged)


async def _tell(
    context: Context, connection: Connection, part: Claimed, at: datetime
) -> list[tuple[UUID, int]]:
    """Store what changed of some locked accounts; the batches, and how many are in each."""
    first = await _store(context, connection, part, None, at)
    batches = [first.batch] if first.batch[1] else []
    if first.due is not None:
        keys = list(zip(first.due.holders, first.due.definitions, strict=True))
        balances = await reading.totals(connection, keys, at=at)
        totals = [total_of(balances[key], context.options.total) for key in keys]
        second = await _store(context, connection, first.due, totals, at)
        batches += [second.batch] if second.batch[1] else []
    return batches


class _Told(NamedTuple):
    batch: tuple[UUID, int]
    due: Claimed | None


async def _store(
    context: Context,
    connection: Connection,
    part: Claimed,
    totals: Sequence[int] | None,
    at: datetime,
) -> _Told:
    batch = new_id(at)
    options = context.options.total
    row = await connection.fetchrow(
        TELL,
        batch,
        part.holders,
        part.definitions,
        totals,
        at,
        options.count_held,
        options.below_zero,
        context.tenant.id,
        context.client.balances_path,
    )
    if row is None:
        raise RuntimeError("an aggregate always answers")
    due = None
    if row["due_holders"]:
        due = Claimed(part.failures, row["due_holders"], row["due_definitions"])
    return _Told((batch, row["told"]), due)
