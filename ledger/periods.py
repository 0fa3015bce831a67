"""Closing periods: what was reported once stays as it was reported.

The one hard idea: every posting holds its tenants' period locks shared, and closing takes one
exclusively. So closing waits for postings under way, books what falls due up to the boundary, and
from then on no transfer takes effect before it. A fact that comes later is booked at the start of
the open period and remembers when it truly happened.
"""

import asyncio
from collections.abc import Iterable
from datetime import datetime
from typing import Final, NamedTuple

from ledger.connection import Connection
from ledger.identity import TenantId

PERIOD_LOCK: Final = 0x504D_0001
"""The class of the advisory locks of periods; the tenant is the object."""

SETTLE_SECONDS_MAX: Final = 60
_POLL_SECONDS: Final = 0.02

SHARE_PERIODS = """
    -- Held to the end of the transaction, taken in the order of tenants.
    select pg_advisory_xact_lock_shared($1, tenant) from (
        select distinct tenant from unnest($2::integer[]) as tenant order by tenant
    ) as tenants
"""

CLOSED_UNTIL = """
    -- Index: period_pk.
    select tenant_id, max(closed_until) as closed_until from ledger.period
    where tenant_id = any($1::smallint[]) group by tenant_id
"""

INSERT_PERIOD = """
    insert into ledger.period (tenant_id, closed_until, closed_at) values ($1, $2, $3)
"""


PERIODS = """
    -- What a tenant has closed, the latest first. Index: period_pk.
    select closed_until, closed_at from ledger.period where tenant_id = $1
    order by closed_until desc
"""


class Period(NamedTuple):
    """A closing: up to where, and when."""

    closed_until: datetime
    closed_at: datetime


class PeriodError(ValueError):
    """A period that can't be closed as asked."""


async def share_periods(connection: Connection, tenants: Iterable[TenantId]) -> None:
    """Keep periods of these tenants from being closed until the transaction ends."""
    await connection.execute(SHARE_PERIODS, PERIOD_LOCK, list(tenants))


async def own_period(connection: Connection, tenant: TenantId) -> None:
    """Wait until no posting of a tenant is under way, and let none begin, to the end."""
    await connection.execute("select pg_advisory_xact_lock($1, $2)", PERIOD_LOCK, tenant)


async def closed_until(
    connection: Connection, tenants: Iterable[TenantId]
) -> dict[TenantId, datetime]:
    """Up to where the books of these tenants are closed; to be asked under their locks."""
    rows = await connection.fetch(CLOSED_UNTIL, list(tenants))
    return {TenantId(row["tenant_id"]): row["closed_until"] for row in rows}


async def periods_of(connection: Connection, tenant: TenantId) -> list[Period]:
    """Every closing of a tenant's books, the latest first."""
    rows = await connection.fetch(PERIODS, tenant)
    return [Period(row["closed_until"], row["closed_at"]) for row in rows]


async def close_until(
    connection: Connection, tenant: TenantId, boundary: datetime, now: datetime
) -> None:
    """Close a tenant's books up to a boundary; under its lock, with nothing due before it left.

    Raises `PeriodError` where the boundary lies ahead or is closed already.
    """
    before = (await closed_until(connection, [tenant])).get(tenant)
    if boundary > now:
        raise PeriodError("a period can be closed once it is over")
    if before is not None and boundary <= before:
        raise PeriodError(f"the books are closed up to {before.isoformat()} already")
    await connection.execute(INSERT_PERIOD, tenant, boundary, now)


POSTINGS_UNDER_WAY = """
    -- Which transactions hold a period lock, as every posting does from its beginning on.
    select distinct virtualtransaction from pg_locks
    where locktype = 'advisory' and classid = $1::bigint::oid and granted
      and database = (select oid from pg_database where datname = current_database())
"""


async def settled_now(connection: Connection) -> datetime:
    """The database's clock, answered once nothing can be recorded any more at or before it.

    A posting reads its clock while it holds its period's lock; so waiting for those that hold one
    now is enough. Raises `TimeoutError` where one is still under way after `SETTLE_SECONDS_MAX`.
    """
    now: datetime = await connection.fetchval("select clock_timestamp()")
    rows = await connection.fetch(POSTINGS_UNDER_WAY, PERIOD_LOCK)
    under_way = {row["virtualtransaction"] for row in rows}
    async with asyncio.timeout(SETTLE_SECONDS_MAX):
        while under_way:
            await asyncio.sleep(_POLL_SECONDS)
            rows = await connection.fetch(POSTINGS_UNDER_WAY, PERIOD_LOCK)
            under_way &= {row["virtualtransaction"] for row in rows}
    return now
