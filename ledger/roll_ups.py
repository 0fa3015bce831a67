"""Rolling up: hours are merged, days are added up, and the accounts are counted.

The one hard idea: batches append what they add to each ledger account, by hour of effect and hour
of record, and that stays the record. Everything here only makes it quicker to read, and can be
done at any time, twice, or not at all: rows of one hour become one row, days that are over get rows
of their own (`rollup_day`), and what all accounts hold is compared with what was rolled up for
them (`recount`), so that a trial balance of the past need not add up every account. Readers take
days for what they cover and hours for the rest, so they always see everything exactly once.

Nothing is decided here; `verify` compares all of it with what it was made from.
"""

import logging
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple

from ledger.connection import Connection
from ledger.identity import DefinitionId
from ledger.periods import settled_now

logger = logging.getLogger(__name__)

ROLL_UP_LOCK: Final = 0x504D_0002
"""The class of the advisory lock that lets one at a time roll up."""

EVERY: Final = timedelta(hours=1)
"""How often it is worth doing."""

MARGIN: Final = timedelta(hours=1)
"""How long a day must be over: a server's clock may be set back a little."""

RECOUNT_LASTS: Final = timedelta(days=1)
"""For how long a count speaks for the accounts; after that they are added up again."""

DAYS_MAX: Final = 2_000
"""Days that are rolled up in one go; what is left waits for the next."""

DAY: Final = timedelta(days=1)

_NEVER: Final = datetime(1, 1, 1, tzinfo=UTC)

COUNTED_AT = "select min(counted_at) from ledger.recount"

LOCK = "select pg_advisory_xact_lock($1, 0)"

ROLLED_UNTIL = """
    -- The end of the last day that was rolled up. Index: rollup_day_pk.
    select recorded_day from ledger.rollup_day order by recorded_day desc limit 1
"""

NEXT_HOUR = """
    -- The first hour of record of which anything is left. Index: rollup_recorded_hour_idx.
    select recorded_hour from ledger.rollup where recorded_hour >= $1
    order by recorded_hour limit 1
"""

MERGE_HOURS = """
    -- One row where batches left several. A sum that one row can't hold stays in several.
    -- Index: rollup_recorded_hour_idx.
    with several as (
        select definition_id, account, effective_hour, recorded_hour, sum(amount) as amount
        from ledger.rollup where recorded_hour >= $1 and recorded_hour < $2
        group by definition_id, account, effective_hour, recorded_hour
        having count(*) > 1 and abs(sum(amount)) < 9223372036854775807
    ), gone as (
        delete from ledger.rollup using several
        where rollup.recorded_hour >= $1 and rollup.recorded_hour < $2
          and rollup.recorded_hour = several.recorded_hour
          and rollup.effective_hour = several.effective_hour
          and rollup.definition_id = several.definition_id
          and rollup.account = several.account
    )
    insert into ledger.rollup (definition_id, account, effective_hour, recorded_hour, amount)
    select definition_id, account, effective_hour, recorded_hour, amount from several
    order by recorded_hour, definition_id, account, effective_hour
"""

ROLL_UP_DAY = """
    -- A day of record, by day of effect. Index: rollup_recorded_hour_idx.
    insert into ledger.rollup_day (recorded_day, definition_id, account, effective_day, amount)
    select $1, definition_id, account, date_trunc('day', effective_hour, 'UTC'), sum(amount)
    from ledger.rollup where recorded_hour >= $1 and recorded_hour < $2
    group by definition_id, account, date_trunc('day', effective_hour, 'UTC')
"""

TOTALS: Final = """
    select definition_id, account, sum(amount) as amount from (
        select definition_id, account, amount from ledger.rollup_day
        union all
        select definition_id, account, amount from ledger.rollup
        where recorded_hour >= {since}
    ) as rolled_up
    where {which}
    group by definition_id, account
"""
"""What each ledger account that `{which}` says was ever moved by.

Days, and hours beginning with `{since}`, where the days end.
"""

_WHERE_DAYS_END: Final = """coalesce(
            (select max(recorded_day) + interval '24 hours' from ledger.rollup_day), '-infinity'
        )"""

STORED: Final = """
    select definition_id, account, amount
    from (
        select definition_id, sum(available) as available, sum(pending) as pending,
               sum(held) as held, -sum(debt) as debt
        from ledger.account where {which} group by definition_id
    ) as buckets
    cross join lateral (
        values (1::smallint, available), (2::smallint, pending), (3::smallint, held),
               (4::smallint, debt)
    ) as bucket (account, amount)
"""
"""What all accounts that `{which}` says hold, bucket by bucket, debt below zero.

Each bucket fits a 64-bit integer, but the sum over all holders need not: sums stay `numeric`.
"""

RECOUNT = f"""
    -- Every account is read: this is the one statement that compares what is stored with what was
    -- rolled up, as of one instant.
    insert into ledger.recount (definition_id, account, counted_at, stored, rolled_up)
    select definition.id, bucket.account, coalesce($1, clock_timestamp()),
           coalesce(stored.amount, 0), coalesce(rolled_up.amount, 0)
    from ledger.definition
    cross join unnest('{{1,2,3,4}}'::smallint[]) as bucket (account)
    left join ({STORED.format(which="true")}) as stored
        on stored.definition_id = definition.id and stored.account = bucket.account
    left join ({TOTALS.format(which="account < 11", since=_WHERE_DAYS_END)}) as rolled_up
        on rolled_up.definition_id = definition.id and rolled_up.account = bucket.account
    on conflict (definition_id, account) do update set
        counted_at = excluded.counted_at, stored = excluded.stored, rolled_up = excluded.rolled_up
"""

SURPLUS_COUNTED = """
    -- What accounts hold beyond what was rolled up for them, as counted since an instant.
    -- Index: recount_pk.
    select definition_id, account, stored - rolled_up as amount from ledger.recount
    where definition_id = any($1::smallint[]) and counted_at >= $2
"""

SURPLUS = f"""
    -- The same, counted now: every account is read.
    select definition_id, account,
           coalesce(stored.amount, 0) - coalesce(rolled_up.amount, 0) as amount
    from ({STORED.format(which="definition_id = any($1::smallint[])")}) as stored
    full join (
        {TOTALS.format(which="definition_id = any($1) and account < 11", since=_WHERE_DAYS_END)}
    ) as rolled_up using (definition_id, account)
"""


class RolledUp(NamedTuple):
    """What was done.

    Attributes:
        days: Days that now have rows of their own.
        until: Up to where days do; `None` where none does.
    """

    days: int
    until: datetime | None


async def roll_up(connection: Connection, *, at: datetime | None = None) -> RolledUp:
    """Merge hours, add up days that are over, and count the accounts.

    Not to be called inside a transaction; each day is one of its own. `at` replaces the database's
    clock. Raises `TimeoutError` where postings under way don't end.
    """
    now = at or await settled_now(connection)
    last_day = _day_of(now - MARGIN)
    days = 0
    while days < DAYS_MAX and await _roll_up_next(connection, last_day):
        days += 1
    async with connection.transaction():
        await connection.execute(LOCK, ROLL_UP_LOCK)
        until = await rolled_until(connection)
        hour = now.replace(minute=0, second=0, microsecond=0)
        await connection.execute(MERGE_HOURS, until or last_day, hour)
        counted_at = await connection.fetchval(COUNTED_AT)
        if counted_at is None or counted_at < now:  # else somebody else has done it meanwhile
            await connection.execute(RECOUNT, at)
    return RolledUp(days, until)


async def roll_up_when_worth_it(connection: Connection, *, at: datetime | None = None) -> None:
    """The same, unless it was done within the hour; gives up where postings don't end."""
    counted_at = await connection.fetchval(COUNTED_AT)
    now = at or await connection.fetchval("select clock_timestamp()")
    if counted_at is None or counted_at <= now - EVERY:
        try:
            await roll_up(connection, at=at)
        except TimeoutError:
            # Trial balances stay right without it, and become slower by the hour.
            logger.warning("roll-ups were not added up in time; the next sweep tries again")


async def rolled_until(connection: Connection) -> datetime | None:
    """The end of the last day of record that was rolled up; hours before it need not be read."""
    last: datetime | None = await connection.fetchval(ROLLED_UNTIL)
    return None if last is None else last + DAY


async def surplus_of(
    connection: Connection, definitions: list[DefinitionId], now: datetime
) -> dict[tuple[DefinitionId, int], int]:
    """What accounts hold beyond what was rolled up for them, bucket by bucket; zero where right.

    By a count of the last day, or else counted now. Debt is below zero.
    """
    rows = await connection.fetch(SURPLUS_COUNTED, definitions, now - RECOUNT_LASTS)
    if len(rows) < len(definitions) * 4:
        rows = await connection.fetch(SURPLUS, definitions)
    return {(row["definition_id"], row["account"]): int(row["amount"]) for row in rows}


async def _roll_up_next(connection: Connection, before: datetime) -> bool:
    """Merge and add up the next day that has anything and ends by then; false if there is none."""
    async with connection.transaction():
        await connection.execute(LOCK, ROLL_UP_LOCK)
        hour = await connection.fetchval(NEXT_HOUR, await rolled_until(connection) or _NEVER)
        if hour is None or _day_of(hour) >= before:
            return False
        day = _day_of(hour)
        await connection.execute(MERGE_HOURS, day, day + DAY)
        await connection.execute(ROLL_UP_DAY, day, day + DAY)
    return True


def _day_of(instant: datetime) -> datetime:
    """The beginning of a day of UTC."""
    return instant.astimezone(UTC).replace(hour=0, minute=0, second=0, microsecond=0)
