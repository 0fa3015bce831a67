"""What is done for a tenant again and again, or when somebody asks for it: one work a kind.

The one hard idea: what runs by schedule and what is asked for is the same work under the same
name, so that it is kept apart from itself whoever starts it. They differ in one point: a push that
somebody waits for goes on until Engage has everything, one of the schedule leaves that to the
questions that are asked anyway.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from enum import StrEnum
from typing import Final

import msgspec

from ledger.contacts import Eraser
from ledger.posting import Books
from ledger.roll_ups import roll_up_when_worth_it
from ledger.tenants import TenantRecord
from sync.engage import Follower
from sync.work import Outcome, Work

SWEPT_MAX: Final = 10_000_000
"""Accounts of one run; what is left is due in the next."""

logger = logging.getLogger(__name__)


class JobKind(StrEnum):
    """What is done. Each but the sweep is for tenants with an Engage."""

    SWEEP = "sweep"
    """Book what has fallen due: points that become valid, points that lapse, holds that end."""
    PUSH = "push"
    """Tell Engage what changed: totals, or movements, by the tenant's mode."""
    POLL = "poll"
    """Ask what became of what was sent, settle what is unclear, book what waited to be booked."""
    DRIFT_SAMPLE = "drift_sample"
    """Compare some accounts at random, and those that differed before."""
    DRIFT_SHARE = "drift_share"
    """Compare the accounts that were compared longest ago."""
    CONTACTS = "contacts"
    """Look for contacts that Engage created, deleted or merged."""
    CLEAR_UP = "clear_up"
    """Clear away what is over and old."""


async def sweep(books: Books, tenant: TenantRecord) -> int:
    """Book everything of a tenant that has fallen due; answers on how many accounts it was."""
    definitions = [one.id for one in books.catalogue.definitions_of(tenant.id)]
    return await books.sweep(SWEPT_MAX, definitions)


async def _say_stuck(follower: Follower) -> None:
    """Requests that should long be over are said in the log again and again, until they are."""
    stuck = await follower.stuck()
    if stuck:
        logger.warning(
            "engage stuck tenant=%s batches=%d hours=%g",
            follower.tenant.name,
            stuck,
            follower.context.options.stuck_hours,
        )


def sweep_work(books: Books, tenant: TenantRecord) -> Work:
    """The sweep of a tenant; every hour, what batches added to ledger accounts is rolled up."""

    async def do() -> Outcome:
        swept = await sweep(books, tenant)
        async with books.pool.acquire() as connection:
            await roll_up_when_worth_it(connection, at=books.own_time())
        return Outcome(msgspec.json.encode({"accounts": swept}), is_quiet=swept == 0)

    return Work(JobKind.SWEEP, tenant.id, do)


def work_of(
    kind: JobKind,
    follower: Follower,
    erasers: Sequence[Eraser],
    *,
    patience_seconds: float | None = None,
) -> Work:
    """A piece of work for a tenant's Engage.

    Args:
        kind: Which.
        follower: Whose.
        erasers: Of everything outside the books, for contacts that are gone.
        patience_seconds: How long somebody waits who asked for it; `None` for the schedule.
    """

    async def asked_push() -> Outcome:
        report = await follower.sync(wait_seconds=patience_seconds or 0, at_once=True)
        trouble = report.push.trouble or report.poll.trouble or report.settle.trouble
        return Outcome(msgspec.json.encode(report), is_quiet=False, trouble=trouble)

    async def push() -> Outcome:
        report = await follower.push()
        await _say_stuck(follower)
        is_quiet = report.sent == 0 and report.stored == 0
        return Outcome(msgspec.json.encode(report), is_quiet, report.trouble)

    async def poll() -> Outcome:
        polled = await follower.poll()
        settled = await follower.settle()
        booked = await follower.catch_up()
        is_quiet = not (polled.asked or settled.settled or settled.abandoned or booked)
        summary = {"poll": polled, "settle": settled, "adjustments": booked}
        return Outcome(msgspec.json.encode(summary), is_quiet, polled.trouble or settled.trouble)

    async def sample() -> Outcome:
        report = await follower.compare(sample=True)
        is_quiet = not (report.differing or report.closed)
        return Outcome(msgspec.json.encode(report), is_quiet, report.trouble)

    async def share() -> Outcome:
        report = await follower.compare()
        return Outcome(msgspec.json.encode(report), report.compared == 0, report.trouble)

    async def contacts() -> Outcome:
        report = await follower.notice(erasers)
        is_quiet = not (report.deleted or report.retried or report.returned)
        return Outcome(msgspec.json.encode(report), is_quiet, report.trouble)

    async def clear_up() -> Outcome:
        cleared = await follower.clear_up()
        return Outcome(msgspec.json.encode(cleared), not any(msgspec.structs.astuple(cleared)))

    async def swept() -> Outcome:
        return await sweep_work(follower.context.books, follower.tenant).do()

    ways: dict[JobKind, Callable[[], Awaitable[Outcome]]] = {
        JobKind.SWEEP: swept,
        JobKind.PUSH: push if patience_seconds is None else asked_push,
        JobKind.POLL: poll,
        JobKind.DRIFT_SAMPLE: sample,
        JobKind.DRIFT_SHARE: share,
        JobKind.CONTACTS: contacts,
        JobKind.CLEAR_UP: clear_up,
    }
    return Work(kind, follower.tenant.id, ways[kind])
