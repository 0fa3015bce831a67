"""Measures of several processes on one port: their counts are summed, what they look up is not."""

from prometheus_client import Gauge
from prometheus_client.parser import text_string_to_metric_families

from api.measures import Measures


def process(waiting: int, looked_up: int) -> Measures:
    measures = Measures(lambda: waiting)
    Gauge("looked_up", "The same for all.", registry=measures.registry).set(looked_up)
    return measures


async def test_counts_of_all_processes_are_summed() -> None:
    one, other = process(waiting=2, looked_up=7), process(waiting=3, looked_up=6)
    one.answered("GET", "/v1", 200, 0.2)
    other.answered("GET", "/v1", 200, 0.003)
    other.answered("GET", "/v1", 503, 0.003)
    other.posted("acme", "earn", "booked", 5)

    async def ask() -> list[str]:
        return [other.exposition().decode()]

    one.ask_siblings = ask
    text = (await one.exposition_of_all()).decode()
    found = {
        (sample.name, *sorted(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }
    assert found["pointmaster_http_request_seconds_count", "/v1", "200", "GET"] == 2
    assert found["pointmaster_http_request_seconds_count", "/v1", "503", "GET"] == 1
    assert found["pointmaster_http_request_seconds_bucket", "/v1", "0.005", "200", "GET"] == 1
    assert found["pointmaster_http_request_seconds_bucket", "+Inf", "/v1", "200", "GET"] == 2
    assert found["pointmaster_postings_total", "acme", "booked", "earn"] == 5
    assert found["pointmaster_postings_waiting",] == 5
    assert found["looked_up",] == 7
    began = "pointmaster_http_request_seconds_created", "/v1", "200", "GET"
    assert 0 < found[began] < 10**10


async def test_a_process_alone_tells_its_own() -> None:
    alone = process(waiting=2, looked_up=7)
    assert await alone.exposition_of_all() == alone.exposition()
