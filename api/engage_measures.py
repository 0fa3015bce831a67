"""What the sync with Engage measures, for Prometheus: by tenant, never by contact.

The one hard idea: it is all about how things stand, so it is asked of the database, for all
replicas together, and only every few seconds however often somebody scrapes.
"""

import math
import time
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final, NamedTuple

import asyncpg
from prometheus_client import CollectorRegistry
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sync.engage import FollowerStatus
from sync.engage.pauses import Direction
from sync.service import JobStatus, Synchronisation

BELIEVED_SECONDS: Final = 15.0

NEVER_YEAR: Final = 1970
"""When accounts were compared that never were."""


class Seen(NamedTuple):
    """How a tenant's Engage stood, and its jobs, at an instant."""

    at: datetime
    status: FollowerStatus
    jobs: Sequence[JobStatus]


class _Plain(NamedTuple):
    """A measure of one number a tenant."""

    name: str
    help: str
    read: Callable[[Seen], float]


def _oldest_unfinished(seen: Seen) -> float:
    created = [found.oldest for found in seen.status.unfinished.values()]
    return (seen.at - min(created)).total_seconds() if created else 0.0


def _oldest_comparison(seen: Seen) -> float:
    oldest = seen.status.drift.oldest
    if oldest is None:
        return 0.0
    return math.inf if oldest.year <= NEVER_YEAR else (seen.at - oldest).total_seconds()


PLAIN: Final = (
    _Plain(
        "pointmaster_engage_untold",
        "Changes of the books that are not on their way to Engage; counted up to a million.",
        lambda seen: seen.status.marked,
    ),
    _Plain(
        "pointmaster_engage_oldest_unfinished_seconds",
        "For how long the oldest request is on its way; 0 where none is.",
        _oldest_unfinished,
    ),
    _Plain(
        "pointmaster_engage_stuck_batches",
        "Requests on their way for longer than `stuck_hours`: somebody should look.",
        lambda seen: seen.status.stuck,
    ),
    _Plain(
        "pointmaster_engage_parked",
        "Totals and movements that Engage does not take.",
        lambda seen: seen.status.parked,
    ),
    _Plain(
        "pointmaster_engage_put_off",
        "1 while sending is put off because Engage is in trouble.",
        lambda seen: seen.status.put_off_until is not None,
    ),
    _Plain(
        "pointmaster_engage_differing_accounts",
        "Accounts of which Engage had something else than the books when last compared.",
        lambda seen: seen.status.drift.differing,
    ),
    _Plain(
        "pointmaster_engage_difference_points",
        "By how many points together.",
        lambda seen: float(seen.status.drift.size),
    ),
    _Plain(
        "pointmaster_engage_oldest_comparison_seconds",
        "How long ago the account that was compared longest ago was; infinite for never.",
        _oldest_comparison,
    ),
)


class EngageMeasures(Collector):
    """The measures of every tenant's Engage."""

    def __init__(self, synchronisation: Synchronisation, registry: CollectorRegistry) -> None:
        self._synchronisation = synchronisation
        self._seen: dict[str, Seen] = {}
        self._looked_at = -math.inf
        registry.register(self)

    async def look(self) -> None:
        """Ask how things stand, unless that was asked a moment ago."""
        if time.monotonic() < self._looked_at + BELIEVED_SECONDS:
            return
        self._looked_at = time.monotonic()
        found: dict[str, Seen] = {}
        try:
            for name, follower in self._synchronisation.followers.items():
                jobs = await self._synchronisation.jobs(name)
                found[name] = Seen(datetime.now(UTC), await follower.status(), jobs)
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # No number is better than an old one.
            found = {}
        self._seen = found

    def collect(self) -> Iterable[Metric]:
        """The measures as they stood when last looked at."""
        yield GaugeMetricFamily(
            "pointmaster_sync_leads",
            "1 on the replica that keeps the schedule of the sync.",
            value=float(self._synchronisation.schedule.leads),
        )
        for plain in PLAIN:
            family = GaugeMetricFamily(plain.name, plain.help, labels=("tenant",))
            for name, seen in self._seen.items():
                family.add_metric((name,), float(plain.read(seen)))
            yield family
        yield from self._by_word()
        yield from self._by_job()

    def _by_word(self) -> Iterable[Metric]:
        batches = GaugeMetricFamily(
            "pointmaster_engage_unfinished_batches",
            "Requests on their way, by state.",
            labels=("tenant", "state"),
        )
        messages = GaugeMetricFamily(
            "pointmaster_engage_messages",
            "Messages that Engage sent, as far as they are kept, by what became of them.",
            labels=("tenant", "state"),
        )
        paused = GaugeMetricFamily(
            "pointmaster_engage_paused",
            "1 for a direction that a person stopped.",
            labels=("tenant", "direction"),
        )
        for name, (_, status, _) in self._seen.items():
            for state, found in status.unfinished.items():
                batches.add_metric((name, state), found.batches)
            for state, number in status.deliveries.items():
                messages.add_metric((name, state), number)
            stopped = {one.direction for one in status.paused}
            for direction in Direction:
                paused.add_metric((name, direction), float(direction in stopped))
        yield batches
        yield messages
        yield paused

    def _by_job(self) -> Iterable[Metric]:
        well = GaugeMetricFamily(
            "pointmaster_sync_job_well_seconds",
            "How long ago the latest run of a job that met no trouble was started.",
            labels=("tenant", "job"),
        )
        late = GaugeMetricFamily(
            "pointmaster_sync_job_late",
            "1 for a job that should have run by now, and that nobody started.",
            labels=("tenant", "job"),
        )
        for name, (at, _, jobs) in self._seen.items():
            for job in jobs:
                if job.well_at is not None:
                    well.add_metric((name, job.kind), (at - job.well_at).total_seconds())
                late.add_metric((name, job.kind), float(job.is_late))
        yield well
        yield late
