"""All wires of all tenants: what runs by itself, and what is asked for.

The one hard idea: it only puts together. What a push is, who leads and how runs are kept apart are
modules of their own; here are the jobs of the schedule, made of the followers' methods, and the one
way to ask for a run by hand.
"""

import asyncio
import logging
from collections.abc import Iterable
from typing import Final
from uuid import UUID

import msgspec

from ledger.connection import Pool
from ledger.posting import BATCH_MAX, Books
from sync import runs
from sync.clock import Clock
from sync.engage import Follower
from sync.leadership import Connect
from sync.runs import Cause, RunRecord
from sync.schedule import STOP_SECONDS_MAX, Job, Schedule
from sync.timing import Timing, every
from sync.work import Outcome, Work, ask_for, perform_asked, perform_scheduled

SWEEP_BATCHES_MAX: Final = 10_000
WAIT_SECONDS_MAX: Final = 600.0
TURN_SECONDS: Final = 60.0
"""How much longer than its asker a run waits for its turn."""


logger = logging.getLogger(__name__)


class UnknownTenantError(LookupError):
    """No such tenant, or it has no Engage."""


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
    ) -> None:
        """Put the wires together.

        Args:
            books: The books of all tenants.
            followers: One for each tenant that has an Engage.
            connect: Opens a connection of its own, past any pooler, for choosing the leader.
            sweep: When what has fallen due is booked; every minute by default.
            clock: The wires' clock.
        """
        self.followers = {follower.tenant.name: follower for follower in followers}
        self._books = books
        self._clock = clock or Clock()
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

    async def run_now(self, tenant: str, *, wait_seconds: float = 0) -> RunRecord:
        """Push a tenant's totals now, whatever the schedule says, and ask what came of them.

        With `wait_seconds`, at most 600, until Engage has what the books have, or it can be said
        that it won't soon: the record answered is then final. Without, or when time runs out, it
        says how far the run is; the run goes on.

        Raises:
            UnknownTenantError: no such tenant, or it has no Engage.
        """
        follower = self.follower(tenant)
        patience = min(max(wait_seconds, 0.0), WAIT_SECONDS_MAX)

        async def do() -> Outcome:
            report = await follower.sync(wait_seconds=patience, at_once=True)
            trouble = report.push.trouble or report.poll.trouble or report.settle.trouble
            return Outcome(msgspec.json.encode(report), is_quiet=False, trouble=trouble)

        work = Work("push", follower.tenant.id, do)
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
        """A tenant's runs, and those for all tenants, newest first.

        Raises:
            UnknownTenantError: no such tenant, or it has no Engage.
        """
        follower = self.follower(tenant)
        async with self._pool.acquire() as connection:
            return await runs.page(connection, follower.tenant.id, before=before, limit=limit)

    async def sweep(self) -> int:
        """Book everything that has fallen due; answers on how many accounts it was."""
        swept = 0
        for _ in range(SWEEP_BATCHES_MAX):
            accounts = await self._books.sweep(BATCH_MAX)
            swept += accounts
            if accounts < BATCH_MAX:
                break
        return swept

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._asked.discard(task)
        if not task.cancelled() and task.exception() is not None:
            logger.error("run task=%s", task.get_name(), exc_info=task.exception())

    @property
    def _pool(self) -> Pool:
        return self._books.pool

    def _jobs(self, sweep: Timing) -> Iterable[Job]:
        yield self._job("sweep", Work("sweep", None, self._swept), sweep, "UTC")
        for follower in self.followers.values():
            zone = str(follower.tenant.zone)
            name, options = follower.tenant.name, follower.context.options
            push, poll = _push_work(follower), _poll_work(follower)
            yield self._job(f"push {name}", push, options.schedule.push, zone)
            yield self._job(f"poll {name}", poll, options.schedule.poll, zone)

    def _job(self, name: str, work: Work, timing: Timing, time_zone: str) -> Job:
        async def do() -> None:
            await perform_scheduled(self._pool, self._clock, work)

        return Job(name, timing, time_zone, do)

    async def _swept(self) -> Outcome:
        swept = await self.sweep()
        return Outcome(msgspec.json.encode({"accounts": swept}), is_quiet=swept == 0)


def _push_work(follower: Follower) -> Work:
    async def do() -> Outcome:
        report = await follower.push()
        is_quiet = report.sent == 0 and report.stored == 0 and report.trouble is None
        return Outcome(msgspec.json.encode(report), is_quiet, report.trouble)

    return Work("push", follower.tenant.id, do)


def _poll_work(follower: Follower) -> Work:
    async def do() -> Outcome:
        polled = await follower.poll()
        settled = await follower.settle()
        trouble = polled.trouble or settled.trouble
        is_quiet = not (polled.asked or settled.settled or settled.abandoned or trouble)
        summary = msgspec.json.encode({"poll": polled, "settle": settled})
        return Outcome(summary, is_quiet, trouble)

    return Work("poll", follower.tenant.id, do)
