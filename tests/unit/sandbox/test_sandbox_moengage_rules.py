import json
from datetime import UTC, datetime
from typing import Any

import pytest

from sandbox.findings import Findings
from sandbox.moengage.elements import Kind, read_single
from sandbox.moengage.rules import Inspector, read_time
from sandbox.moengage.settings import RuleSettings

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def event(attributes: dict[str, Any] | None = None, **action: Any) -> dict[str, Any]:
    return {
        "type": "event",
        "customer_id": "cust-1001",
        "actions": [{"action": "points_earned", "attributes": attributes or {}, **action}],
    }


def customer(attributes: dict[str, Any]) -> dict[str, Any]:
    return {"type": "customer", "customer_id": "cust-1001", "attributes": attributes}


class Judged:
    """What is found about some elements of one workspace."""

    def __init__(self, *elements: dict[str, Any], settings: RuleSettings | None = None) -> None:
        self.findings = Findings()
        inspector = Inspector(self.findings)
        self.processed = [
            inspector.inspect(
                read_single(json.dumps(element).encode(), Kind(element["type"].lower())),
                NOW,
                settings or RuleSettings(),
            )
            for element in elements
        ]

    @property
    def counts(self) -> dict[str, int]:
        return dict(self.findings.counts)


def test_what_is_as_documented_leaves_no_findings() -> None:
    judged = Judged(
        event(
            {"points": 20, "amount": 20.5, "store": "123", "first": True, "tags": ["a", "b"]},
            current_time="2025-12-31T23:59:59Z",
            platform="unknown",
            user_timezone_offset=19800,
        ),
        event({"points": 5, "on": "2025-01-01"}, current_time=1735689600),
        customer({"tier": "Silver", "points_expire_at": "2026-01-30T22:59:59Z"}),
        customer({"addValueToArrayField": {"tags": "a"}, "platforms": [{"platform": "web"}]}),
    )

    assert judged.counts == {}
    assert judged.processed == [(True,), (True,), (True,), (True,)]


@pytest.mark.parametrize(
    ("element", "finding"),
    [
        (event(action="customer.registered"), "prohibited-event-name"),
        (event(action="points earned"), "prohibited-event-name"),
        (event(action="points/earned"), "prohibited-event-name"),
        (event(action="points_🎉"), "prohibited-event-name"),
        (event(action="x" * 201), "long-name"),
        (event(action="moe_points"), "reserved-prefix"),
        (event({"moe_points": 1}), "reserved-prefix"),
        (event({"x" * 201: 1}), "long-name"),
        (event({f"a{number}": 1 for number in range(101)}), "too-many-attributes"),
        (event({"text": "x" * 513}), "long-value"),
        (event({"link": "https://example.com/" + "x" * 500}), "long-url"),
        (event({"many": [1] * 51}), "long-array"),
        (event({"mixed": [1, "a"]}), "mixed-array"),
        (event({"items": ["x" * 513]}), "long-value"),
        (event({"nothing": None}), "null-value"),
        (event({"nested": {"a": 1}}), "object-value"),
        (event({"on": "2025-01-01T00:00:00+02:00"}), "datetime-becomes-text"),
        (event({"on": "2025-02-30"}), "datetime-becomes-text"),
        (event(current_time="yesterday"), "unreadable-time"),
        (event(current_time="2026-01-01T00:00:01Z"), "future-time"),
        (event(platform="fridge"), "unknown-platform"),
        (event(user_timezone_offset=60_000), "bad-time-zone-offset"),
        (customer({"status": "active"}), "reserved-user-attribute"),
        (customer({"id": 7}), "reserved-user-attribute"),
        (customer({"": 7}), "reserved-user-attribute"),
    ],
)
def test_what_would_be_lost_in_silence_is_found(element: dict[str, Any], finding: str) -> None:
    assert Judged(element).counts == {finding: 1}


@pytest.mark.parametrize("customer_id", ["unknown", "GUEST", "0", "-1", "n/a", "''", "a", ""])
def test_customers_that_are_none_are_not_processed(customer_id: str) -> None:
    judged = Judged({**event(), "customer_id": customer_id})

    assert judged.counts == {"forbidden-customer-id": 1}
    assert judged.processed == [(False,)]


def test_of_several_events_only_those_of_the_future_are_not_processed() -> None:
    element = event()
    element["actions"] = [
        {"action": "points_earned", "current_time": "2025-01-01T00:00:00Z"},
        {"action": "points_earned", "current_time": "2027-01-01T00:00:00Z"},
    ]

    assert Judged(element).processed == [(True, False)]


def test_how_far_the_future_may_be_is_a_setting() -> None:
    soon = event(current_time="2026-01-01T00:00:05Z")

    assert Judged(soon, settings=RuleSettings(future_seconds=5)).counts == {}
    assert Judged(soon, settings=RuleSettings(future_seconds=4)).counts == {"future-time": 1}


def test_a_type_in_another_letter_case_is_ignored() -> None:
    judged = Judged({**event(), "type": "Event"})

    assert judged.counts == {"wrong-case-type": 1}
    assert judged.processed == [(False,)]


def test_an_attribute_keeps_the_type_it_had_first() -> None:
    judged = Judged(
        event({"store": "123"}),
        event({"store": 123}),
        event({"store": "2025-01-01"}),
        customer({"store": 123}),
    )

    assert judged.counts == {"changed-type": 2}


def test_a_workspace_has_room_for_so_many_names() -> None:
    events = [event(action=f"event_{number}") for number in range(513)]
    users = [customer({f"attribute_{number}": 1}) for number in range(257)]

    assert Judged(*events, *users).counts == {
        "too-many-event-names": 1,
        "too-many-user-attributes": 1,
    }


def test_objects_are_taken_where_moengage_was_asked_to() -> None:
    assert Judged(event({"a": {}}), settings=RuleSettings(objects_allowed=True)).counts == {}


@pytest.mark.parametrize(
    ("written", "moment"),
    [
        ("2026-01-01T00:00:00Z", NOW),
        ("2026-01-01T00:00:00.000000Z", NOW),
        ("2026-01-01", NOW),
        (1767225600, NOW),
        ("1767225600", NOW),
        ("1767225600000", NOW),
        (1767225600000, NOW),
        ("2026-01-01T00:00:00+00:00", None),
        ("now", None),
        (True, None),
        (10**20, None),
        ({}, None),
    ],
)
def test_times_are_read_in_every_form_the_pages_show(written: Any, moment: datetime | None) -> None:
    assert read_time(written) == moment
