"""All wires of all tenants: what runs by itself, and what is asked for.

The one hard idea: it only puts together. What a push is, who leads and how runs are kept apart are
modules of their own; here the schedule is made of the tenants' jobs, and here is the one way to ask
for a run by hand.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Sequence
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

import msgspec

from ledger.connection import Pool
from ledger.contacts import Eraser
from ledger.posting import Books
from ledger.tenants import TenantRecord
from sync import runs
from sync.clock import Clock
from sync.engage import Follower
from sync.jobs import JobKind, sweep, sweep_work, work_of
from sync.leadership import Connect
from sync.runs import Cause, RunRecord, RunState
from sync.schedule import STOP_SECONDS_MAX, Job, Schedule
from sync.timing import Timing, every
from sync.work import Work, ask_for, perform_asked, perform_scheduled

WAIT_SECONDS_MAX: Final = 600.0
TURN_SECONDS: Final = 60.0
"""How much longer than its asker a run waits for its turn."""

LATE_AFTER: Final = timedelta(minutes=2)
"""How far beyond its time, jitter included, a job may be before nobody seems to start it."""

logger = logging.getLogger(__name__)


class UnknownTenantError(LookupError):
    """No such tenant, or it has no Engage."""


class JobStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How a job of a tenant stands.

    Attributes:
        timing: When it runs, in a few words.
        is_paused: The settings say that it doesn't run by itself.
        latest: Its latest run; `None` if there was none.
        well_at: When the latest run without trouble was started.
        next_due_at: When it is due, but for jitter; `None` if it won't be.
        is_late: It should have run by now, and no run of it is under way: nobody keeps the
            schedule, it seems.
    """

    kind: JobKind
    timing: str
    is_paused: bool
    latest: RunRecord | None
    well_at: datetime | None
    next_due_at: datetime | None
    is_late: bool


class Synchronisation:
    """The followers, their schedule, and runs asked for by hand."""

    def __init__(
        self,
        books: Books,
        followers: Iterable[Follower],
        *,
        connect: Connect,
        sweep: Timing | None = None,
        clock: Clock | None = None,
        erasers: Sequence[Eraser] = (),
    ) -> None:
        """Put the wires together.

        Args:
            books: The books of all tenants.
            followers: One for each tenant that has an Engage.
            connect: Opens a connection of its own, past any pooler, for choosing the leader.
            sweep: When what has fallen due is booked for tenants that have no Engage, and so no
                schedule of their own; every minute by default.
            clock: The wires' clock.
            erasers: Of everything outside the books, for contacts that Engage deleted.
        """
        self.followers = {follower.tenant.name: follower for follower in followers}
        self._books = books
        self._clock = clock or Clock()
        self._erasers = tuple(erasers)
        self._asked: set[asyncio.Task[None]] = set()
        self.schedule = Schedule(list(self._jobs(sweep or every(60))), connect)

    async def close(self) -> None:
        """Stop the schedule, finish what was asked for, and let go of Engage."""
        await self.schedule.stop()
        if self._asked:
            _, late = await asyncio.wait(self._asked, timeout=STOP_SECONDS_MAX)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)
        for follower in self.followers.values():
            await follower.close()

    def follower(self, tenant: str) -> Follower:
        """A tenant's Engage.

        Raises:
            UnknownTenantError: no such tenant, or it has none.
        """
        try:
            return self.followers[tenant]
        except KeyError:
            raise UnknownTenantError(f"tenant {tenant} has no Engage") from None

    async def run_now(
        self, tenant: str, kind: JobKind = JobKind.PUSH, *, wait_seconds: float = 0
    ) -> RunRecord:
        """Do something for a tenant now, whatever the schedule says.

        With `wait_seconds`, at most 600, until it is done; a push, until Engage has what the books
        have, or it can be said that it won't soon. The record answered is then final. Without, or
        when time runs out, it says how far the run is; the run goes on.

        Raises:
            UnknownTenantError: no such tenant, or it has no Engage.
        """
        follower = self.follower(tenant)
        patience = min(max(wait_seconds, 0.0), WAIT_SECONDS_MAX)
        work = work_of(kind, follower, self._erasers, patience_seconds=patience)
        run = await ask_for(self._pool, self._clock, work, Cause.REQUEST)
        turn = perform_asked(
            self._pool, self._clock, work, run, wait_seconds=patience + TURN_SECONDS
        )
        task = asyncio.create_task(turn, name=f"run {run}")
        self._asked.add(task)
        task.add_done_callback(self._ended)
        if patience:
            # A little more than the run's own patience, so that its outcome is what ends the wait.
            await asyncio.wait([task], timeout=patience + 1)
        record = await self.run(tenant, run)
        if record is None:
            raise RuntimeError("a run that was written down is not there")
        return record

    async def run(self, tenant: str, run: UUID) -> RunRecord | None:
        """A tenant's run by its id.

        Raises:
            UnknownTenantError: no such tenant, or it has no Engage.
        """
        follower = self.follower(tenant)
        async with self._pool.acquire() as connection:
            return await runs.one(connection, follower.tenant.id, run)

    async def runs(
        self, tenant: str, *, before: UUID | None = None, limit: int = 100
    ) -> list[RunRecord]:
        """A tenant's runs, newest first.

        Raises:
            UnknownTenantError: no such tenant, or it has no Engage.
        """
        follower = self.follower(tenant)
        async with self._pool.acquire() as connection:
            return await runs.page(connection, follower.tenant.id, before=before, limit=limit)

    async def jobs(self, tenant: str) -> list[JobStatus]:
        """What ran last for a tenant, what is due, and what failed and why.

        Raises:
            UnknownTenantError: no such tenant, or it has no Engage.
        """
        follower = self.follower(tenant)
        async with self._pool.acquire() as connection:
            now = await self._clock.read(connection)
            latest = await runs.latest(connection, follower.tenant.id, list(JobKind))
        zone, schedule = str(follower.tenant.zone), follower.context.options.schedule
        found = []
        for kind in JobKind:
            timing: Timing = getattr(schedule, kind)
            run, well_at = latest.get(kind, (None, None))
            due = None
            if not timing.paused:
                due = timing.next_after(None if run is None else run.asked_at, now, zone)
            is_under_way = run is not None and run.state in {RunState.WAITING, RunState.RUNNING}
            patience = LATE_AFTER + timedelta(seconds=timing.jitter_seconds)
            found.append(
                JobStatus(
                    kind=kind,
                    timing=timing.said(),
                    is_paused=timing.paused,
                    latest=run,
                    well_at=well_at,
                    next_due_at=due,
                    is_late=due is not None and not is_under_way and now > due + patience,
                )
            )
        return found

    async def sweep(self) -> int:
        """Book everything that has fallen due; answers on how many accounts it was."""
        tenants = self._books.catalogue.tenants.values()
        return sum([await sweep(self._books, tenant) for tenant in tenants])

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._asked.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("run task=%s", task.get_name(), exc_info=task.exception())

    @property
    def _pool(self) -> Pool:
        return self._books.pool

    def _jobs(self, sweep: Timing) -> Iterable[Job]:
        for tenant in self._books.catalogue.tenants.values():
            follower = self.followers.get(tenant.name)
            if follower is None:
                yield self._job(tenant, sweep_work(self._books, tenant), sweep)
                continue
            for kind in JobKind:
                timing = getattr(follower.context.options.schedule, kind)
                yield self._job(tenant, work_of(kind, follower, self._erasers), timing)

    def _job(self, tenant: TenantRecord, work: Work, timing: Timing) -> Job:
        async def do() -> None:
            await perform_scheduled(self._pool, self._clock, work)

        return Job(f"{work.kind} {tenant.name}", timing, str(tenant.zone), do, self._last(work))

    def _last(self, work: Work) -> Callable[[], Awaitable[datetime | None]]:
        async def last() -> datetime | None:
            if work.tenant is None:
                return None
            async with self._pool.acquire() as connection:
                return await runs.last_begun(connection, work.tenant, work.kind)

        return last
