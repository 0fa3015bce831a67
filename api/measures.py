"""What the service counts of itself, for Prometheus.

The one hard idea: labels are few and known (routes as templates, codes of the catalogue), so that
no caller can make the set of series grow. No label ever holds a contact or a key.

Of several processes on one port, what each counts of itself must be summed, and what each looks up
in the database, where it is the same for all, must not.
"""

from collections.abc import Awaitable, Callable, Iterator, Sequence
from typing import Final

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Metric
from prometheus_client.exposition import CONTENT_TYPE_LATEST, generate_latest
from prometheus_client.parser import text_string_to_metric_families
from prometheus_client.registry import Collector

SECONDS: Final = (0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0)

EACH_ITS_OWN: Final = frozenset(
    {
        "pointmaster_http_request_seconds",
        "pointmaster_postings",
        "pointmaster_postings_waiting",
        "pointmaster_relay_events",
        "pointmaster_sync_leads",
    }
)
"""What each process counts of itself."""

_SINCE: Final = "_created"
"""The end of the name of what tells since when something is counted."""

METHODS: Final = frozenset({"GET", "POST", "PUT", "PATCH", "DELETE", "HEAD", "OPTIONS"})


async def no_siblings() -> list[str]:
    """What is asked where a process is alone on its port."""
    return []


class Measures:
    """The measures of one process, in a registry of their own.

    Attributes:
        ask_siblings: Answers the measures of other processes on the same port, as text.
    """

    media_type: Final = CONTENT_TYPE_LATEST

    def __init__(self, waiting: Callable[[], int] = lambda: 0) -> None:
        self.registry = CollectorRegistry()
        self.ask_siblings: Callable[[], Awaitable[list[str]]] = no_siblings
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
        """All measures of this process in Prometheus's text form."""
        return generate_latest(self.registry)

    async def exposition_of_all(self) -> bytes:
        """The same, of all processes on the same port."""
        others = await self.ask_siblings()
        if not others:
            return self.exposition()
        summed = CollectorRegistry()
        summed.register(_Sum([self.exposition().decode(), *others]))
        return generate_latest(summed)


class _Sum(Collector):
    """The measures of the first of several processes, with what each counts of itself summed."""

    def __init__(self, texts: Sequence[str]) -> None:
        self._texts = texts

    def collect(self) -> Iterator[Metric]:
        first, *others = [_families(text) for text in self._texts]
        for name in dict.fromkeys([*first, *(one for other in others for one in other)]):
            if name.removesuffix(_SINCE) in EACH_ITS_OWN:
                yield _sum([found[name] for found in (first, *others) if name in found])
            elif name in first:
                yield first[name]


def _families(text: str) -> dict[str, Metric]:
    return {family.name: family for family in text_string_to_metric_families(text)}


def _sum(families: Sequence[Metric]) -> Metric:
    sums: dict[tuple[str, tuple[tuple[str, str], ...]], float] = {}
    for family in families:
        for sample in family.samples:
            place = (sample.name, tuple(sample.labels.items()))
            if place not in sums:
                sums[place] = sample.value
            elif family.name.endswith(_SINCE):
                sums[place] = min(sums[place], sample.value)
            else:
                sums[place] += sample.value
    told = Metric(families[0].name, families[0].documentation, families[0].type)
    for (name, labels), value in sums.items():
        told.add_sample(name, dict(labels), value)
    return told
