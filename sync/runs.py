"""What ran: each unit of work that was due or asked for, with its outcome.

The one hard idea: a run is written down before it starts, so that one whose process died is seen
for what it is by whoever next has the same unit to itself. Runs of the schedule that found nothing
to do would bury the others, so only the latest of those is kept.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NamedTuple
from uuid import UUID

import asyncpg
import msgspec

from ledger.connection import Connection
from ledger.identity import TenantId

LIST_MAX: Final = 1000
ERROR_LENGTH_MAX: Final = 500
WAITING_MAX: Final = timedelta(hours=1)
"""How long a run may have waited for its turn; older ones have lost their process."""

ADD = """
    insert into engage.run (id, tenant_id, kind, cause, state, asked_at)
    values ($1, $2, $3, $4, 'waiting', $5)
"""

ABANDON = """
    -- Runs of the unit whose process died: ours is the only one now. Index: run_kind_idx.
    update engage.run set state = 'abandoned', finished_at = $4
    where kind = $2 and tenant_id is not distinct from $3 and id <> $1
      and (state = 'running' or state = 'waiting' and asked_at < $5)
"""

START = """
    update engage.run set state = 'running', started_at = $2 where id = $1
"""

FINISH = """
    update engage.run set state = $2, finished_at = $3, summary = $4::jsonb, error = $5,
        is_quiet = $6
    where id = $1
"""

FORGET_QUIET = """
    -- Earlier runs that found nothing to do. Index: run_kind_idx.
    delete from engage.run
    where kind = $2 and tenant_id is not distinct from $3 and id < $1 and is_quiet
"""

COLUMNS = """
    id, kind, cause, state, asked_at, started_at, finished_at, summary::text, error
"""

LIST = f"""
    -- The latest runs, of a tenant and of none.
    select {COLUMNS} from engage.run
    where (tenant_id = $1 or tenant_id is null) and ($2::uuid is null or id < $2)
    order by id desc limit $3
"""

ONE = f"select {COLUMNS} from engage.run where id = $1 and tenant_id is not distinct from $2"


LATEST = f"""
    -- The latest run of a tenant of each kind, and the latest that met no trouble.
    -- Index: run_kind_idx.
    select latest.*, (
        select max(started_at) from (
            select started_at from engage.run
            where kind = asked.kind and tenant_id = $1 and state = 'done' and error is null
            order by id desc limit 1
        ) as well
    ) as well_at
    from unnest($2::text[]) as asked (kind)
    cross join lateral (
        select {COLUMNS} from engage.run
        where run.kind = asked.kind and run.tenant_id = $1
        order by run.id desc limit 1
    ) as latest
"""

LAST_BEGUN = """
    -- Index: run_kind_idx.
    select asked_at from engage.run where kind = $1 and tenant_id = $2 order by id desc limit 1
"""


class Cause(StrEnum):
    """Why something runs."""

    SCHEDULE = "schedule"
    REQUEST = "request"


class RunState(StrEnum):
    """How far a run is."""

    WAITING = "waiting"
    RUNNING = "running"
    DONE = "done"
    FAILED = "failed"
    ABANDONED = "abandoned"
    """Its process died."""


class RunRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A run as people look at it.

    Attributes:
        kind: As in `sync.jobs`.
        summary: What it did, in numbers, by name.
        error: Why it failed, or what trouble it met.
    """

    id: UUID
    kind: str
    cause: Cause
    state: RunState
    asked_at: datetime
    started_at: datetime | None
    finished_at: datetime | None
    summary: dict[str, Any] | None
    error: str | None


async def add(
    connection: Connection,
    run: UUID,
    tenant: TenantId | None,
    kind: str,
    cause: Cause,
    at: datetime,
) -> None:
    """Write down a run that is to be."""
    await connection.execute(ADD, run, tenant, kind, cause.value, at)


async def start(
    connection: Connection, run: UUID, tenant: TenantId | None, kind: str, at: datetime
) -> None:
    """Note that a run has its unit to itself, and what that says of earlier ones."""
    await connection.execute(ABANDON, run, kind, tenant, at, at - WAITING_MAX)
    await connection.execute(START, run, at)


async def finish(
    connection: Connection,
    run: UUID,
    tenant: TenantId | None,
    kind: str,
    state: RunState,
    at: datetime,
    *,
    summary: bytes | None = None,
    error: str | None = None,
    is_quiet: bool = False,
) -> None:
    """Note how a run ended. `summary` is a JSON object."""
    text = None if summary is None else summary.decode()
    said = None if error is None else error[:ERROR_LENGTH_MAX]
    await connection.execute(FINISH, run, state.value, at, text, said, is_quiet)
    if is_quiet:
        await connection.execute(FORGET_QUIET, run, kind, tenant)


async def one(connection: Connection, tenant: TenantId | None, run: UUID) -> RunRecord | None:
    """A tenant's run by its id."""
    row = await connection.fetchrow(ONE, run, tenant)
    return None if row is None else _record(row)


class LatestRun(NamedTuple):
    """The latest run of a kind.

    Attributes:
        well_at: When the latest that met no trouble was started.
    """

    run: RunRecord
    well_at: datetime | None


async def latest(
    connection: Connection, tenant: TenantId, kinds: Sequence[str]
) -> dict[str, LatestRun]:
    """The latest run of each of these kinds, where there was one."""
    rows = await connection.fetch(LATEST, tenant, list(kinds))
    return {row["kind"]: LatestRun(_record(row), row["well_at"]) for row in rows}


async def last_begun(connection: Connection, tenant: TenantId, kind: str) -> datetime | None:
    """When a run of a kind was last begun or asked for."""
    begun: datetime | None = await connection.fetchval(LAST_BEGUN, kind, tenant)
    return begun


async def page(
    connection: Connection, tenant: TenantId, *, before: UUID | None = None, limit: int = 100
) -> list[RunRecord]:
    """A tenant's runs and those for all tenants, newest first."""
    rows = await connection.fetch(LIST, tenant, before, min(limit, LIST_MAX))
    return [_record(row) for row in rows]


def _record(row: asyncpg.Record) -> RunRecord:
    return RunRecord(
        id=row["id"],
        kind=row["kind"],
        cause=Cause(row["cause"]),
        state=RunState(row["state"]),
        asked_at=row["asked_at"],
        started_at=row["started_at"],
        finished_at=row["finished_at"],
        summary=None if row["summary"] is None else msgspec.json.decode(row["summary"]),
        error=row["error"],
    )
