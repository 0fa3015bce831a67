"""Doing a unit of work: alone, written down, and with an outcome that is kept.

The one hard idea: the schedule and a person's request come in by this same path. While a unit (the
push of one tenant, say) is worked on, its advisory lock is held; so the two never collide, and an
outside scheduler can do what ours does.
"""

import logging
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from uuid import UUID

from ledger.connection import Pool
from ledger.identity import TenantId
from sync import runs
from sync.clock import Clock
from sync.engage.context import new_id
from sync.runs import Cause, RunState
from sync.units import LOST, BusyError, unit

logger = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a unit of work answers.

    Attributes:
        summary: A JSON object of numbers by name.
        is_quiet: There was nothing to do.
        trouble: Why it ended early, if it did.
    """

    summary: bytes
    is_quiet: bool
    trouble: str | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """A unit of work: no two of one kind and tenant run at a time.

    Attributes:
        kind: As in `sync.jobs`.
        tenant: Whose; `None` for all tenants together.
    """

    kind: str
    tenant: TenantId | None
    do: Callable[[], Awaitable[Outcome]]

    @property
    def unit(self) -> str:
        """The name it is kept apart by."""
        return f"{self.kind}.{'all' if self.tenant is None else self.tenant}"


async def ask_for(pool: Pool, clock: Clock, work: Work, cause: Cause) -> UUID:
    """Write down that something is to run; answers the run's id."""
    async with pool.acquire() as connection:
        now = await clock.read(connection)
        run = new_id(now)
        await runs.add(connection, run, work.tenant, work.kind, cause, now)
    return run


async def perform_asked(
    pool: Pool, clock: Clock, work: Work, run: UUID, *, wait_seconds: float
) -> None:
    """Do what a person asked for, once nobody else is at it.

    A failure of the work is written down and logged, not raised.

    Args:
        pool: One of its connections is kept meanwhile.
        clock: The wires'.
        work: What to do.
        run: As `ask_for` answered.
        wait_seconds: How long to wait for whoever is at it.
    """
    try:
        async with unit(pool, work.unit, wait_seconds=wait_seconds):
            await _perform(pool, clock, work, run)
    except BusyError as busy:
        await _finish(pool, clock, work, run, RunState.FAILED, None, str(busy))


async def perform_scheduled(pool: Pool, clock: Clock, work: Work) -> None:
    """Do what is due, unless somebody is at it already; then nothing is written down.

    A failure of the work is written down and logged, not raised.
    """
    try:
        async with unit(pool, work.unit):
            run = await ask_for(pool, clock, work, Cause.SCHEDULE)
            await _perform(pool, clock, work, run)
    except BusyError:
        return


async def _perform(pool: Pool, clock: Clock, work: Work, run: UUID) -> None:
    """Do the work; the caller has the unit to itself."""
    async with pool.acquire() as connection:
        now = await clock.read(connection)
        await runs.start(connection, run, work.tenant, work.kind, now)
    state, outcome, error = await _done(work)
    await _finish(pool, clock, work, run, state, outcome, error)


async def _finish(
    pool: Pool,
    clock: Clock,
    work: Work,
    run: UUID,
    state: RunState,
    outcome: Outcome | None,
    error: str | None,
) -> None:
    async with pool.acquire() as connection:
        now = await clock.read(connection)
        await runs.finish(
            connection,
            run,
            work.tenant,
            work.kind,
            state,
            now,
            summary=None if outcome is None else outcome.summary,
            error=error,
            is_quiet=outcome is not None and outcome.is_quiet and error is None,
        )


async def _done(work: Work) -> tuple[RunState, Outcome | None, str | None]:
    try:
        outcome = await work.do()
    except (*LOST, TimeoutError) as error:
        logger.warning("run unit=%s failed=%s", work.unit, type(error).__name__)
        return RunState.FAILED, None, f"the database: {type(error).__name__}: {error}"
    except Exception as error:
        logger.exception("run unit=%s failed=%s", work.unit, type(error).__name__)
        return RunState.FAILED, None, f"{type(error).__name__}: {error}"
    return RunState.DONE, outcome, outcome.trouble
