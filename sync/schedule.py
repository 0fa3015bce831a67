"""The schedule: what runs by itself in the running service, when, and on which replica.

The one hard idea: APScheduler only says when; it runs on the leader alone, and each job it starts
is refused while the same job still runs. So nothing overlaps itself, however long it takes, and
nothing is missed for longer than it takes another replica to lead.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final

from apscheduler.schedulers.asyncio import (  # type: ignore[import-untyped] # it has no types
    AsyncIOScheduler,
)

from sync.leadership import Connect, Leadership
from sync.timing import Timing
from sync.units import LOST

LEADERSHIP: Final = "schedule"
STOP_SECONDS_MAX: Final = 30.0

logger = logging.getLogger(__name__)
# It would say every few seconds what was started.
logging.getLogger("apscheduler").setLevel(logging.WARNING)


@dataclass(frozen=True, slots=True)
class Job:
    """Something to do again and again.

    Attributes:
        name: As shown, and unique.
        time_zone: Of its cron line.
        last: When it last began, on whichever replica; what was missed since is done at once.
    """

    name: str
    timing: Timing
    time_zone: str
    do: Callable[[], Awaitable[object]]
    last: Callable[[], Awaitable[datetime | None]] | None = None


class Schedule:
    """The jobs of the service, on whichever replica leads."""

    def __init__(
        self, jobs: Sequence[Job], connect: Connect, *, leadership: str = LEADERSHIP
    ) -> None:
        """Make a schedule.

        Args:
            jobs: What is done again and again.
            connect: Opens a connection of its own, past any pooler, for choosing the leader.
            leadership: What is led; schedules of different names have leaders of their own.
        """
        self._jobs = tuple(jobs)
        self._leadership = Leadership(connect, leadership, on_gain=self._begin, on_loss=self._end)
        self._scheduler: Any = None
        self._running: dict[str, asyncio.Task[None]] = {}

    @property
    def leads(self) -> bool:
        """Whether this replica keeps the schedule."""
        return self._leadership.leads

    def start(self) -> None:
        """Keep the schedule whenever no other replica does."""
        self._leadership.start()

    async def stop(self) -> None:
        """Start nothing more, and wait for what runs; after 30 seconds it is cut off."""
        await self._leadership.stop()
        running = list(self._running.values())
        if running:
            _, late = await asyncio.wait(running, timeout=STOP_SECONDS_MAX)
            for task in late:
                task.cancel()
            await asyncio.gather(*late, return_exceptions=True)

    def next_runs(self) -> dict[str, datetime]:
        """When each job is due next; nothing where this replica doesn't lead."""
        if self._scheduler is None:
            return {}
        return {
            job.id: job.next_run_time.astimezone(UTC)
            for job in self._scheduler.get_jobs()
            if job.next_run_time is not None
        }

    async def _begin(self) -> None:
        scheduler = AsyncIOScheduler(timezone=UTC)
        now = datetime.now(UTC)
        for job in self._jobs:
            if not job.timing.paused:
                last = None if job.last is None else await job.last()
                due = None if last is None else job.timing.next_after(last, now, job.time_zone)
                scheduler.add_job(
                    self._start,
                    trigger=job.timing.trigger(job.time_zone),
                    args=[job],
                    id=job.name,
                    coalesce=True,
                    misfire_grace_time=None,
                    # Intervals go on from the last run, or one that is long would never end on a
                    # service that is often started anew.
                    **({} if due is None else {"next_run_time": max(now, due)}),
                )
        scheduler.start()
        self._scheduler = scheduler

    async def _end(self) -> None:
        if self._scheduler is not None:
            self._scheduler.remove_all_jobs()
            # What it has begun to start is started; cut off, it would be logged as a failure.
            await asyncio.sleep(0)
            self._scheduler.shutdown(wait=False)
            self._scheduler = None

    async def _start(self, job: Job) -> None:
        """Start a job as a task of its own, unless it still runs."""
        if job.name in self._running:
            return
        task = asyncio.create_task(self._run(job), name=job.name)
        self._running[job.name] = task
        task.add_done_callback(lambda _: self._running.pop(job.name, None))

    @staticmethod
    async def _run(job: Job) -> None:
        try:
            await job.do()
        except (*LOST, TimeoutError) as error:
            # The database is away; the next time comes anyway.
            logger.warning("schedule job=%s failed=%s", job.name, type(error).__name__)
        except Exception as error:
            # What failed is said here, as nobody waits for it.
            logger.exception("schedule job=%s failed=%s", job.name, type(error).__name__)
