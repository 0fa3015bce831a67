"""What the service counts of itself, for Prometheus.

The one hard idea: labels are few and known (routes as templates, codes of the catalogue), so that
no caller can make the set of series grow. No label ever holds a contact or a key.
"""

from collections.abc import Callable
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


class Measures:
    """The measures of one process, in a registry of their own."""

    media_type: Final = CONTENT_TYPE_LATEST

    def __init__(self, waiting: Callable[[], int] = lambda: 0) -> None:
        self.registry = CollectorRegistry()
        self._requests = Histogram(
            "pointmaster_http_request_seconds",
            "How long requests took to be answered.",
            ("method", "route", "status"),
            buckets=SECONDS,
            registry=self.registry,
        )
        self._postings = Counter(
            "pointmaster_postings",
            "Requests to the books by tenant, kind and outcome.",
            ("tenant", "kind", "outcome"),
            registry=self.registry,
        )

        Gauge(
            "pointmaster_postings_waiting",
            "Requests to the books that wait for their turn to be booked.",
            registry=self.registry,
        ).set_function(waiting)

    def answered(self, method: str, route: str, status: int, seconds: float) -> None:
        """A request was answered; a status of 0 is one that was cut off."""
        word = method if method in METHODS else "OTHER"
        self._requests.labels(word, route, str(status)).observe(seconds)

    def posted(self, tenant: str, kind: str, outcome: str, count: int = 1) -> None:
        """Requests to the books were decided: `booked`, `replayed`, or a refusal's code."""
        self._postings.labels(tenant, kind, outcome).inc(count)

    def exposition(self) -> bytes:
        """All measures in Prometheus's text form."""
        return generate_latest(self.registry)
