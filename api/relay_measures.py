"""What the relay counts, for Prometheus: by source and destination, never by customer.

The one hard idea: what happened is counted by the process and only ever grows; what is the case now
is asked of the database, for all replicas together, and only every few seconds however often
somebody scrapes.
"""

import time
from collections.abc import Iterable
from typing import Final

import asyncpg
from prometheus_client import CollectorRegistry
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from sync.relay.relay import Relay
from sync.relay.status import CONDITIONS, RelayStatus
from sync.relay.tallies import KINDS

BELIEVED_SECONDS: Final = 15.0

WAY: Final = ("source", "destination")


class RelayMeasures(Collector):
    """The relay's measures of one process."""

    def __init__(self, relay: Relay, registry: CollectorRegistry) -> None:
        self._relay = relay
        self._status: RelayStatus | None = None
        self._looked_at = 0.0
        if relay.settings:
            registry.register(self)

    async def look(self) -> None:
        """Ask how the relay stands, unless that was asked a moment ago."""
        if not self._relay.settings or time.monotonic() < self._looked_at + BELIEVED_SECONDS:
            return
        self._looked_at = time.monotonic()
        try:
            self._status = await self._relay.status()
        except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError):
            # Measures of what happened are worth having even while the database is away.
            self._status = None

    def collect(self) -> Iterable[Metric]:
        """The measures as they stand."""
        yield self._counted()
        if self._status is not None:
            yield from self._by_source(self._status)
            yield from self._by_destination(self._status)

    def _counted(self) -> Metric:
        family = CounterMetricFamily(
            "pointmaster_relay_events",
            f"Events of the relay by source, destination and what happened: {', '.join(KINDS)}.",
            labels=(*WAY, "happened"),
        )
        register = self._relay.register
        for (way, kind), number in sorted(self._relay.tally.totals.items()):
            source = register.source_names[way.source][1]
            destination = register.destination_names[way.destination][1]
            family.add_metric((source, destination, kind), number)
        return family

    @staticmethod
    def _by_source(status: RelayStatus) -> Iterable[Metric]:
        troubled = GaugeMetricFamily(
            "pointmaster_relay_troubled_events",
            "Events that are quarantined or dead, by source, state and reason.",
            labels=("source", "state", "reason"),
        )
        repeated = GaugeMetricFamily(
            "pointmaster_relay_possibly_duplicated_events",
            "Events that MoEngage may have twice, by source.",
            labels=("source",),
        )
        for source in status.sources:
            for state, reasons in (("quarantined", source.quarantined), ("dead", source.dead)):
                for reason, number in reasons.items():
                    troubled.add_metric((source.name, state, reason), number)
            repeated.add_metric((source.name,), source.maybe_repeated)
        yield troubled
        yield repeated

    @staticmethod
    def _by_destination(status: RelayStatus) -> Iterable[Metric]:
        waiting = GaugeMetricFamily(
            "pointmaster_relay_waiting_events",
            "Events that wait to be delivered, by destination; counted up to a million.",
            labels=("destination",),
        )
        lag = GaugeMetricFamily(
            "pointmaster_relay_lag_seconds",
            "For how long the oldest waiting event waits, by destination.",
            labels=("destination",),
        )
        condition = GaugeMetricFamily(
            "pointmaster_relay_destination_condition",
            "1 for the condition a destination is in; `paused` needs somebody to look.",
            labels=("destination", "condition"),
        )
        for one in status.destinations:
            waiting.add_metric((one.name,), one.waiting)
            lag.add_metric((one.name,), one.lag_seconds)
            for word in CONDITIONS:
                condition.add_metric((one.name, word), float(word == one.condition))
        yield waiting
        yield lag
        yield condition
