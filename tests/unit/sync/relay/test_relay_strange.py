"""Documents that a program stumbles over: each is kept for people to see, and soon."""

from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import pytest

from sync.relay.documents import DEPTH_MAX, hash_of, read_document
from sync.relay.events import first_id
from sync.relay.intake import EVENTS_MAX, EventState, Reason
from sync.relay.teaching import Whose, judged
from sync.relay.vendors.protocol import Vendor
from tests.relaying.bench import received, source

VENDORS = (Vendor.PUNCHH, Vendor.PASSKIT, Vendor.OPEN_LOYALTY, Vendor.PERX)


@pytest.mark.parametrize("vendor", VENDORS)
@pytest.mark.parametrize("depth", [DEPTH_MAX - 4, DEPTH_MAX + 4, 700, 900, 100_000])
def test_a_document_of_any_depth_is_kept(vendor: Vendor, depth: int) -> None:
    for begin, end in (("[" * depth, "]" * depth), ('[{"a":' * (depth // 2), "}]" * (depth // 2))):
        body = f'{{"data":{begin}1{end}}}'
        (event,) = received(source(vendor), body)
        assert event.payload is not None
        assert (event.reason is Reason.UNREADABLE) is (depth > DEPTH_MAX)


@pytest.mark.parametrize("number", ["1e999999999", "-1e-999999999", "1e9999999999999999999"])
def test_a_number_that_nobody_reckons_with_is_no_time(number: str) -> None:
    payload = '"payload": {"user": {"external_source_id": "cust-1001"}}'
    body = f'{{"content_id": "c", "event_name": "x", "timestamp": {number}, {payload}}}'
    (event,) = received(source(Vendor.PUNCHH), body)
    assert event.state is EventState.WAITING
    assert event.occurred_at is None or event.occurred_at.year == 1970


def test_a_number_that_nobody_can_hold_is_nothing() -> None:
    assert read_document(b'{"a": 1e9999999999999999999, "b": 0.10}')["a"] is None


@pytest.mark.parametrize("vendor", VENDORS)
def test_no_more_is_read_of_a_message_than_it_may_hold(
    vendor: Vendor, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[Any] = []

    def counted(document: Any) -> UUID:
        asked.append(document)
        return hash_of(document)

    monkeypatch.setattr(f"sync.relay.vendors.{vendor.value}.hash_of", counted)
    (event,) = received(source(vendor), "[" + "1," * 20_000 + "1]")
    assert event.reason is Reason.TOO_MANY
    assert len(asked) == EVENTS_MAX + 1


def test_what_is_too_much_for_each_of_many_events_is_kept_once() -> None:
    data = ",".join("1" for _ in range(2000))
    body = f'{{"type": "customer.updated", "data": [{data}], "x": "{"x" * 10_000}"}}'
    (event,) = received(source(Vendor.OPEN_LOYALTY), body)
    assert (event.reason, len(event.payload or b"") < 20_000) == (Reason.TOO_MANY, True)


@pytest.mark.parametrize(
    ("told", "field"),
    [
        (Whose(f"user/7/{'x' * 1000}", "cust-1001"), "waits_for"),
        (Whose("user/7/ 1001", "cust-1001"), "waits_for"),
        (Whose("user/7/10\x0001", "cust-1001"), "waits_for"),
        (Whose("user/7/1001", " cust-1001"), "customer"),
        (Whose("user/7/1000", "cust-1001"), "waits_for"),
    ],
)
def test_what_no_event_would_say_is_not_told(told: Whose, field: str) -> None:
    before = [Whose("user/7/1000", "cust-1000"), Whose("user//1000", "cust-1000")]
    troubles = [one for _, one in judged(source(Vendor.PUNCHH), [*before, *before, told])]
    assert [one and one[0] for one in troubles] == [None] * 4 + [field]


def test_everything_was_received_after_the_year_one() -> None:
    assert first_id(datetime(1, 1, 1, tzinfo=UTC)) < first_id(datetime(2026, 11, 21, tzinfo=UTC))


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_list_that_a_channel_knows_by_one_name_is_several_events(vendor: Vendor) -> None:
    body = '[{"data": {"a": 1}}, {"data": {"a": 1}}, [{"data": {"a": 1}}]]'
    events = received(source(vendor), body, "kafka/visits/0/1")
    assert len({one.key for one in events}) == 3
