r"""Which holders are right beyond doubt, told by the database itself, some thousands at a time.

The one hard idea: this acquits and never accuses. PostgreSQL recomputes every hash of a chain and
every balance, lot and hold where they lie, and whoever comes out exactly as stored need not be read
by anybody. All others, and all whose case is not plain (debt, a closed account, a value that nobody
knows), are left to `ledger.auditing`, which folds their facts as posting does and says what is
wrong. So a rule that this page lacks costs time and nothing else; a rule that it had wrong would be
found by the tests that tamper with books in every way and look for each.

The canonical form of a transaction is that of `ledger.chain`, field by field.
"""

from typing import Final
from uuid import UUID

import asyncpg

from ledger.connection import Connection
from ledger.identity import HolderId, TenantId

_ABSENT: Final = r"'\x8000000000000000'::bytea"
_NO_UUID: Final = r"'\x00000000000000000000000000000000'::bytea"
_NO_TEXT: Final = r"'\xffffffff'::bytea"
_GENESIS: Final = f"{_NO_UUID} || {_NO_UUID}"
_LEDGER_ACCOUNTS: Final = "(1, 2, 3, 11, 12, 13, 14, 15, 16, 17)"
"""All but debt (4), whose instants take folding."""


def _number(column: str) -> str:
    return f"coalesce(int8send({column}), {_ABSENT})"


def _instant(column: str) -> str:
    """Microseconds since 1970, exactly.

    In floats, which cost a tenth of what numerics do, where they can tell each from the next.
    """
    return _number(
        f"case when {column} between '1900-01-01Z' and '2106-01-01Z'"
        f" then (date_part('epoch', {column}) * 1000000)::bigint"
        f" else (extract(epoch from {column}) * 1000000)::bigint end"
    )


def _uuid(column: str) -> str:
    return f"coalesce(uuid_send({column}), {_NO_UUID})"


def _text(column: str) -> str:
    return f"coalesce(int4send(octet_length({column})) || textsend({column}), {_NO_TEXT})"


_STANDS: Final = """
    -- Accounts as they are stored. Index: account_pk.
    select * from ledger.account where holder_id > $1 and holder_id <= $2
"""

_MOVE: Final = """
    -- Every transfer, read once. Index: transfer_pk.
    select * from ledger.transfer where holder_id > $1 and holder_id <= $2
"""

_LOT: Final = """
    -- Every lot, read once. Index: lot_pk.
    select * from ledger.lot where holder_id > $1 and holder_id <= $2
"""

_SPREAD: Final = """
    -- Which lot each part of a transfer belongs to. Index: allocation_pk.
    select allocation.*, debit, credit, definition_id,
           (credit in (1, 2))::integer - (debit in (1, 2))::integer as sign
    from ledger.allocation join move using (holder_id, number, line)
    where holder_id > $1 and holder_id <= $2
"""

_PARTS: Final = """
    -- The allocations of each transfer, in their form.
    select holder_id, number, line, count(*) as parts,
           string_agg(int4send(lot) || int8send(amount), ''::bytea order by place) as form
    from spread group by holder_id, number, line
"""

_MOVED: Final = f"""
    -- What the transfers of each transaction did, and their form.
    select holder_id, number, count(*) as transfers,
           string_agg(
               int4send(line * 65536 + debit * 256 + credit) || int8send(amount)
               || {_instant("effective_at")} || int2send(coalesce(parts, 0)::smallint)
               || coalesce(form, ''), ''::bytea order by line
           ) as form,
           sum(case 1 when credit then amount when debit then -amount else 0 end)::bigint
               as available,
           sum(case 2 when credit then amount when debit then -amount else 0 end)::bigint
               as pending,
           sum(case 3 when credit then amount when debit then -amount else 0 end)::bigint
               as held,
           max(effective_at) as effective_at,
           min(definition_id) as definition_least, max(definition_id) as definition_most,
           min(recorded_at) as recorded_first, max(recorded_at) as recorded_last,
           bool_and(
               debit in {_LEDGER_ACCOUNTS} and credit in {_LEDGER_ACCOUNTS}
               and least(debit, credit) < 4
           ) as is_plain
    from move left join part using (holder_id, number, line)
    group by holder_id, number
"""

_ISSUED: Final = f"""
    -- The lots of each transaction, in their form.
    select holder_id, number, count(*) as lots,
           string_agg(
               int4send(lot) || int2send(line) || int8send(issued) || {_instant("effective_at")}
               || {_instant("first_valid_from")} || {_instant("first_valid_to")}
               || {_uuid("origin_holder")} || int4send(coalesce(origin_lot, 0)),
               ''::bytea order by lot
           ) as form
    from lot group by holder_id, number
"""

_CHANGED: Final = f"""
    -- The terms of each transaction, in their form. Index: term_pk.
    select holder_id, number, count(*) as terms,
           string_agg(
               int4send(lot) || int2send(term) || {_instant("valid_from")}
               || {_instant("valid_to")}, ''::bytea order by lot
           ) as form
    from ledger.term where holder_id > $1 and holder_id <= $2
    group by holder_id, number
"""

_LINKED: Final = f"""
    -- Each transaction beside its predecessor in the chain and what hangs on it: whether it is as
    -- it was hashed, follows the one before it, and was, if it is the last, the holder's head. The
    -- offset keeps PostgreSQL from carrying all of it through what comes after.
    -- Index: transaction_pk.
    select told.holder_id, told.number, told.definition_id, kind, coalesce(lots, 0) as lots,
           available_after, pending_after, held_after,
           coalesce(moved.available, 0) as available, coalesce(moved.pending, 0) as pending,
           coalesce(moved.held, 0) as held, moved.effective_at as moved_at,
           place = told.number
           and (recorded_before is null or told.recorded_at > recorded_before)
           and told.effective_at <= told.recorded_at
           and (kind between 1 and 11 or kind in (13, 14, 20, 21, 22))
           and (transfers is null or is_plain
               and definition_least = told.definition_id and definition_most = told.definition_id
               and recorded_first = told.recorded_at and recorded_last = told.recorded_at)
           and told.net = coalesce(moved.available + moved.pending + moved.held, 0)
           and debt_after = 0 and available_after >= 0 and pending_after >= 0 and held_after >= 0
           and (not is_last
               or told.hash = asked.head and told.number = asked.number
               and told.recorded_at = asked.last_recorded_at)
           and (salt is null or texts_hash = sha256(
               salt || {_text("idempotency_key")} || {_text("description")}
               || {_text("reference")} || {_text("actor")}
           ))
           and told.hash = sha256(
               '\\x01'::bytea || uuid_send(told.holder_id) || int8send(told.number)
               || coalesce(previous, {_GENESIS}) || uuid_send(told.id)
               || int2send(told.definition_id) || substring(int2send(kind) from 2)
               || int8send(amount) || {_instant("told.effective_at")}
               || {_instant("told.recorded_at")} || {_instant("occurred_at")}
               || {_uuid("reverses")} || {_uuid("linked")} || {_instant("hold_expires_at")}
               || {_number("part")} || {_number("whole")} || texts_hash
               || int2send(octet_length(source)::smallint) || textsend(source)
               || int2send(coalesce(transfers, 0)::smallint)
               || int2send(coalesce(lots, 0)::smallint) || int2send(coalesce(terms, 0)::smallint)
               || coalesce(moved.form, '') || coalesce(issued.form, '')
               || coalesce(changed.form, '')
           ) as is_right
    from (
        select transaction.*, row_number() over chain as place, lag(hash) over chain as previous,
               lag(recorded_at) over chain as recorded_before,
               lead(number) over chain is null as is_last
        from ledger.transaction where holder_id > $1 and holder_id <= $2
        window chain as (partition by holder_id order by number)
    ) as told
    left join moved using (holder_id, number)
    left join issued using (holder_id, number)
    left join changed using (holder_id, number)
    join asked on asked.id = told.holder_id
    offset 0
"""

_TOLD: Final = """
    -- Each of them beside its predecessor on the account.
    select linked.*, lag(available_after, 1, 0::bigint) over account as available_before,
           lag(pending_after, 1, 0::bigint) over account as pending_before,
           lag(held_after, 1, 0::bigint) over account as held_before,
           max(moved_at) over account as last_effective_at,
           lead(number) over account is null as is_last_of_account
    from linked window account as (partition by holder_id, definition_id order by number)
"""

_CHAINED: Final = """
    -- Chain by chain: whether every transaction is right by itself, left what it says, and the last
    -- one is the account's head.
    select told.holder_id, count(*) as transactions, sum(lots) as lots,
           count(*) filter (where is_last_of_account) as accounts,
           count(*) filter (where kind = 3) as holds,
           bool_and(coalesce(
               is_right
               and available_after = available_before + told.available
               and pending_after = pending_before + told.pending
               and held_after = held_before + told.held
               and (not is_last_of_account
                   or account.available = available_after and account.pending = pending_after
                   and account.held = held_after and account.debt = 0 and not account.closed
                   and account.debt_since is null
                   and account.last_effective_at is not distinct from told.last_effective_at),
               false)) as is_right
    from told
    left join stands as account using (holder_id, definition_id)
    group by told.holder_id
"""

_TAKEN: Final = """
    -- What became of each lot by the allocations of its points (13 is `expired`).
    select holder_id, lot, sum(sign * amount)::bigint as change,
           sum(case when 13 in (debit, credit) then -sign * amount else 0 end)::bigint as lapsed,
           bool_or(debit = 2 and credit = 1) as is_activated,
           min(number * 32768 + line) as first_taken,
           min(definition_id) as definition_least, max(definition_id) as definition_most
    from spread group by holder_id, lot
"""

_STANDING: Final = """
    -- Account by account: whether each lot is what was issued and taken, what they hold together,
    -- and when the next of them becomes valid or lapses. Index: term_pk.
    select lot.holder_id, lot.definition_id, count(*) as lots, count(taken.lot) as lots_taken,
           sum(remaining) as remaining,
           min(case when remaining > 0 then case when active then valid_to else valid_from end end)
               as boundary,
           bool_and(coalesce(
               lot.remaining = issued + coalesce(taken.change, 0)
               and lot.lapsed = coalesce(taken.lapsed, 0)
               and lot.active = (issuing.credit = 1 or coalesce(is_activated, false))
               and issuing.definition_id = lot.definition_id
               and (taken.lot is null
                   or first_taken > lot.number * 32768 + lot.line
                   and definition_least = lot.definition_id
                   and definition_most = lot.definition_id)
               and valid_from = coalesce(latest_from, first_valid_from)
               and valid_to is not distinct from
                   case when latest is null then first_valid_to else latest_to end
               and lot.term = coalesce(latest, 0), false)) as is_right
    from lot
    left join move as issuing using (holder_id, number, line)
    left join taken using (holder_id, lot)
    left join (
        select distinct on (holder_id, lot) holder_id, lot, term as latest,
               valid_from as latest_from, valid_to as latest_to
        from ledger.term where holder_id > $1 and holder_id <= $2
        order by holder_id, lot, number desc
    ) as termed using (holder_id, lot)
    group by lot.holder_id, lot.definition_id
"""

_SET_ASIDE: Final = """
    -- Account by account: whether each hold is what was placed and ended, what open ones have set
    -- aside (3 is `held`), and when the next of them times out. Index: hold_pk, transaction_pk,
    -- transaction_reverses_idx.
    select hold.holder_id, hold.definition_id, count(*) as holds,
           sum(case when ended_by is null then coalesce(points, 0) else 0 end) as held,
           min(case when ended_by is null then expires_at end) as boundary,
           bool_and(coalesce(
               placed.kind = 3 and placed.definition_id = hold.definition_id
               and hold.expires_at is not distinct from placed.hold_expires_at
               and hold.ended_by is not distinct from ended, false)) as is_right
    from ledger.hold
    left join (
        select * from ledger.transaction where holder_id > $1 and holder_id <= $2
    ) as placed using (holder_id, number)
    cross join lateral (
        select max(number) as ended from ledger.transaction as ending
        where ending.holder_id = hold.holder_id and ending.reverses = placed.id
          and ending.kind in (4, 5, 22) and ending.definition_id = placed.definition_id
    ) as ending
    left join (
        select holder_id, number, sum(amount) as points from spread where credit = 3
        group by holder_id, number
    ) as set_aside using (holder_id, number)
    where hold.holder_id > $1 and hold.holder_id <= $2
    group by hold.holder_id, hold.definition_id
"""

_HELD: Final = """
    -- Holder by holder: whether each account stores what its lots and holds come to, and would not
    -- miss what falls due next.
    select account.holder_id, count(*) as accounts, sum(coalesce(standing.lots, 0)) as lots,
           sum(coalesce(standing.lots_taken, 0)) as lots_taken,
           sum(coalesce(set_aside.holds, 0)) as holds,
           bool_and(coalesce(
               coalesce(standing.remaining, 0) = available + pending
               and coalesce(set_aside.held, 0) = account.held
               and coalesce(standing.is_right, true) and coalesce(set_aside.is_right, true)
               and coalesce(next_due_at <= least(standing.boundary, set_aside.boundary),
                   standing.boundary is null and set_aside.boundary is null), false)) as is_right
    from stands as account
    left join standing using (holder_id, definition_id)
    left join set_aside using (holder_id, definition_id)
    group by account.holder_id
"""

NOT_ACQUITTED: Final = f"""
    -- The holders above $1 up to $2, of the tenant $3 or of all, who have to be looked at.
    -- Index: holder_pk.
    with asked as (
        select * from ledger.holder
        where id > $1 and id <= $2 and ($3::smallint is null or tenant_id = $3)
    ), stands as materialized ({_STANDS}), move as materialized ({_MOVE}),
    lot as materialized ({_LOT}), spread as materialized ({_SPREAD}), part as ({_PARTS}),
    moved as ({_MOVED}), issued as ({_ISSUED}), changed as ({_CHANGED}), linked as ({_LINKED}),
    told as ({_TOLD}), chained as ({_CHAINED}), taken as ({_TAKEN}), standing as ({_STANDING}),
    set_aside as ({_SET_ASIDE}), held as ({_HELD})
    select asked.id from asked
    left join chained on chained.holder_id = asked.id
    left join held on held.holder_id = asked.id
    left join (
        select holder_id, count(*) as lots_taken from taken group by holder_id
    ) as named on named.holder_id = asked.id
    where not coalesce(
        chained.is_right and held.is_right and chained.accounts = held.accounts
        and chained.transactions = asked.number
        and chained.lots = asked.last_lot and held.lots = asked.last_lot
        and chained.holds = held.holds
        and held.lots_taken = coalesce(named.lots_taken, 0), false)
"""


CHUNK_BY_CHUNK: Final = """
    -- Of large books, statistics say that next to nothing lies between two ids. Where they are
    -- believed, rows are joined by comparing each with each: of a chunk, or of a holder that has
    -- many. So all are joined by hash. And pages that are not in memory are fetched many at a time
    -- for a bitmap, one after the other for an index.
    set local enable_nestloop = off; set local enable_mergejoin = off;
    set local enable_indexscan = off
"""

AS_EVER: Final = """
    set local enable_nestloop to default; set local enable_mergejoin to default;
    set local enable_indexscan to default
"""


async def not_acquitted(
    connection: Connection, after: UUID, until: UUID, tenant: TenantId | None
) -> set[HolderId] | None:
    """Holders above one id up to another who have to be audited; `None` for all of them.

    To be called inside a transaction of one snapshot, which is over where the answer is `None`:
    somewhere lay a value with which PostgreSQL can't even reckon.
    """
    await connection.execute(CHUNK_BY_CHUNK)
    try:
        rows = await connection.fetch(NOT_ACQUITTED, after, until, tenant)
    except asyncpg.DataError:
        return None
    await connection.execute(AS_EVER)
    return {HolderId(row["id"]) for row in rows}
