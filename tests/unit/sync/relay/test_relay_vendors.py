"""What makes an event the one it is, whose it is, and what others learn from it."""

import json
from datetime import UTC, datetime
from typing import Any

import msgspec
import pytest

from sync.relay.intake import EventState, Incoming, Reason
from sync.relay.mapping.mapper import Mapped
from sync.relay.mapping.rules import MappingRules, rule_problems
from sync.relay.vendors.protocol import Lesson, Vendor
from tests.relaying.bench import NOW, decoded, received, sent, source, waits


def one(vendor: Vendor, document: Any, channel_key: str | None = None, **options: Any) -> Incoming:
    (event,) = received(source(vendor, **options), json.dumps(document), channel_key)
    return event


def punchh(**more: Any) -> dict[str, Any]:
    return {
        "content_id": "c-1", "timestamp": 1735689600, "business_id": 7, "event_name": "rewards",
        "payload": {"user": {"user_id": 9}}, **more,
    }  # fmt: skip


class TestPunchh:
    def test_the_content_id_is_what_makes_an_event(self) -> None:
        first = one(Vendor.PUNCHH, punchh())
        assert first.key == one(Vendor.PUNCHH, punchh(timestamp=1735689600000)).key
        assert first.key != one(Vendor.PUNCHH, punchh(content_id="c-2")).key
        assert first.fresh_until is None, "a repeat is one for ever"

    def test_without_a_content_id_the_whole_is_for_a_while(self) -> None:
        first = one(Vendor.PUNCHH, punchh(content_id=None))
        assert first.fresh_until is not None
        assert first.key == one(Vendor.PUNCHH, dict(reversed(punchh(content_id=None).items()))).key

    def test_seconds_and_milliseconds(self) -> None:
        at = datetime(2025, 1, 1, tzinfo=UTC)
        assert one(Vendor.PUNCHH, punchh()).occurred_at == at
        assert one(Vendor.PUNCHH, punchh(timestamp=1735689600000)).occurred_at == at
        assert one(Vendor.PUNCHH, punchh(timestamp=None)).occurred_at is None

    def test_an_event_without_the_customer_waits_for_its_user(self) -> None:
        event = one(Vendor.PUNCHH, punchh())
        assert (event.customer, event.learnable) == (None, "user/7/9")

    def test_a_users_event_teaches_whose_the_user_is(self) -> None:
        payload = {"user_id": 9, "external_source_id": " cust-1001 "}
        event = one(Vendor.PUNCHH, punchh(event_name="users", payload=payload))
        assert event.customer == "cust-1001"
        assert event.lessons == (Lesson("user/7/9", "cust-1001", lasts=True),)

    def test_nothing_is_learnt_of_a_customer_who_can_be_none(self) -> None:
        payload = {"user_id": 9, "external_source_id": "guest"}
        event = one(Vendor.PUNCHH, punchh(event_name="users", payload=payload))
        assert (event.reason, event.lessons) == (Reason.CUSTOMER_FORBIDDEN, ())

    def test_the_business_may_have_a_stand_in(self) -> None:
        about = punchh(event_name="redeemables", payload={"name": "Free bun"})
        kept = one(Vendor.PUNCHH, about)
        assert (kept.state, kept.reason) == (EventState.IGNORED, Reason.BUSINESS_LEVEL)
        assert (
            one(Vendor.PUNCHH, about, business_customer="the-business").customer == "the-business"
        )


class TestPassKit:
    def document(self, **more: Any) -> dict[str, Any]:
        return {
            "event": 2,
            "pass": {
                "id": "p-1",
                "externalId": "cust-1001",
                "metadata": {"lastInstalledAt": "2025-01-01T00:00:00Z"},
                **more,
            },
        }

    def test_event_pass_and_time_make_an_event(self) -> None:
        first = one(Vendor.PASSKIT, self.document())
        again = one(Vendor.PASSKIT, self.document(recordData={"members.member.points": "7"}))
        later = self.document(metadata={"lastInstalledAt": {"seconds": 1735689601}})
        assert first.key == again.key
        assert first.key != one(Vendor.PASSKIT, later).key
        assert first.fresh_until is None

    def test_without_a_time_the_body_does_for_a_while(self) -> None:
        event = one(Vendor.PASSKIT, self.document(metadata={}))
        assert event.fresh_until is not None
        assert event.occurred_at is None

    def test_the_customer_is_looked_for_in_the_configured_order(self) -> None:
        document = self.document(personDetails={"externalId": "person-1"})
        assert one(Vendor.PASSKIT, document).customer == "cust-1001"
        rules = MappingRules(customer=("/pass/personDetails/externalId", "/pass/externalId"))
        assert one(Vendor.PASSKIT, document, rules=rules).customer == "person-1"
        assert one(Vendor.PASSKIT, self.document(), rules=rules).customer == "cust-1001"


class TestOpenLoyalty:
    def test_what_has_an_id_is_a_repeat_for_ever_and_what_has_none_for_seconds(self) -> None:
        def about(kind: str, **data: Any) -> Incoming:
            return one(Vendor.OPEN_LOYALTY, {"type": kind, "data": {"customerId": "c-1", **data}})

        changed = "account.available_points_amount_changed"
        assert about("customer.updated").fresh_until is not None
        first = about(changed, pointsTransferId="pt-1", amount=10)
        assert first.fresh_until is None
        assert first.key != about(changed, pointsTransferId="pt-1", amount=0).key, "its expiry"

    def test_equal_elements_of_a_list_are_events_of_their_own(self) -> None:
        element = {"customerId": "c-1", "points": 10}
        document = {"type": "account.expiring_points_notification", "data": [element, element]}
        events = received(source(Vendor.OPEN_LOYALTY), json.dumps(document))
        assert len({event.key for event in events}) == 2
        again = received(source(Vendor.OPEN_LOYALTY), json.dumps(document))
        assert [event.key for event in events] == [event.key for event in again]

    def test_a_list_of_a_thousand(self) -> None:
        data = [{"customerId": f"c-{number}", "points": number} for number in range(1000)]
        document = {"type": "account.expiring_points_notification", "data": data}
        events = received(source(Vendor.OPEN_LOYALTY), json.dumps(document))
        assert [event.customer for event in events] == [f"c-{number}" for number in range(1000)]

    def test_a_purchase_waits_for_its_assignment(self) -> None:
        bought = {"type": "transaction.registered", "data": {"transactionId": "t-1"}}
        assigned = {
            "type": "transaction.assigned_to_customer",
            "data": {"transactionId": "t-1", "customerId": "c-1"},
        }
        assert one(Vendor.OPEN_LOYALTY, bought).learnable == "transaction/t-1"
        assert one(Vendor.OPEN_LOYALTY, assigned).lessons == (
            Lesson("transaction/t-1", "c-1", lasts=False),
        )


class TestPerx:
    def test_the_places_are_configured(self) -> None:
        rules = MappingRules(customer=("/who",), family=("/what/0",), time=("/when",))
        document = {"who": 1001, "what": ["reward"], "when": "2025-01-01T00:00:00Z", "key": "k-1"}
        event = one(Vendor.PERX, document, rules=rules, identifier=("/key",))
        assert (event.customer, event.family) == ("1001", "reward")
        assert event.occurred_at == datetime(2025, 1, 1, tzinfo=UTC)
        assert event.fresh_until is None

    def test_the_channel_names_what_has_no_id(self) -> None:
        first = one(Vendor.PERX, {"user_id": "u-1"}, "topic/0/17/1")
        assert first.key == one(Vendor.PERX, {"user_id": "u-2"}, "topic/0/17/1").key
        assert first.key != one(Vendor.PERX, {"user_id": "u-1"}, "topic/0/18/1").key
        assert first.fresh_until is None

    def test_its_own_id_is_the_same_through_every_channel(self) -> None:
        document = {"user_id": "u-1", "event_id": "e-1"}
        assert one(Vendor.PERX, document).key == one(Vendor.PERX, document, "topic/0/17/1").key


def attributes(rules: MappingRules, document: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    its_source = source(Vendor.PERX, rules)
    (event,) = received(its_source, json.dumps(document))
    assert waits(event)
    found = sent(its_source, event)
    assert isinstance(found, Mapped)
    (action,) = decoded(found.event)["actions"]
    del action["attributes"]["relay_event_id"]
    return action["action"], action["attributes"]


DOCUMENT = {"event_type": "visit/store", "user_id": "u-1", "a": {"b": 1, "c": "2"}, "d": "x"}


@pytest.mark.parametrize(
    ("rules", "name", "wanted"),
    [
        ({}, "perx_visit_store", {"user_id": "u-1", "d": "x", "a_b": 1, "a_c": "2"}),
        ({"drop": ("a",)}, "perx_visit_store", {"user_id": "u-1", "d": "x"}),
        ({"keep": ("a_b", "d")}, "perx_visit_store", {"d": "x", "a_b": 1}),
        (
            {"rename": {"a_b": "visits"}, "keep": ("a",)},
            "perx_visit_store",
            {"visits": 1, "a_c": "2"},
        ),
        ({"types": {"a_c": "number"}, "keep": ("a_c",)}, "perx_visit_store", {"a_c": 2}),
        ({"add": {"deep": "/a/c"}, "keep": ("d",)}, "perx_visit_store", {"deep": "2", "d": "x"}),
        ({"prefix": "shop", "keep": ("d",)}, "shop_visit_store", {"d": "x"}),
        ({"names": {"visit/store": "Store Visit"}, "keep": ("d",)}, "store_visit", {"d": "x"}),
        ({"names": {"visit": "any_visit"}, "keep": ("d",)}, "any_visit", {"d": "x"}),
        ({"mask": ("D",), "keep": ("a_b", "d")}, "perx_visit_store", {"a_b": 1}),
    ],
)
def test_a_mapping_is_adjusted_by_configuration(
    rules: dict[str, Any], name: str, wanted: dict[str, Any]
) -> None:
    assert attributes(msgspec.convert(rules, MappingRules), DOCUMENT) == (name, wanted)


def test_families_are_ignored_and_profiles_written_by_configuration() -> None:
    ignoring = MappingRules(ignore=("visit",))
    (event,) = received(source(Vendor.PERX, ignoring), json.dumps(DOCUMENT))
    assert (event.state, event.reason) == (EventState.IGNORED, Reason.NOT_WANTED)
    its_source = source(Vendor.PERX, MappingRules(profile={"visits": "/a/b", "status": "/d"}))
    (event,) = received(its_source, json.dumps(DOCUMENT))
    found = sent(its_source, event)
    assert isinstance(found, Mapped)
    assert [name for name, _ in found.profile] == ["visits", "perx_status"]


def test_a_time_to_come_is_now_and_says_so() -> None:
    its_source = source(Vendor.PERX)
    (event,) = received(its_source, json.dumps({**DOCUMENT, "timestamp": "2999-01-01T00:00:00Z"}))
    found = sent(its_source, event)
    assert isinstance(found, Mapped)
    (action,) = decoded(found.event)["actions"]
    assert action["current_time"] == f"{NOW:%Y-%m-%dT%H:%M:%SZ}"
    assert action["attributes"]["relay_time_clamped"] is True


def test_wrong_rules_are_found_by_their_keys() -> None:
    rules = MappingRules(
        customer=("pass/id",), add={"x": "y"}, prefix="moe", names={"visit": "MOE_visit"}
    )
    assert [key for key, _ in rule_problems(rules)] == [
        ("customer[0]",), ("add", "x"), ("prefix",), ("names", "visit"),
    ]  # fmt: skip
