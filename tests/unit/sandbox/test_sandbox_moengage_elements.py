import json
from typing import Any

import pytest

from sandbox.moengage.elements import Kind, RequestRefusedError, read_bulk, read_single

EVENT: dict[str, Any] = {
    "type": "event",
    "customer_id": "cust-1001",
    "actions": [{"action": "points_earned", "attributes": {"points": 20}}],
}
CUSTOMER: dict[str, Any] = {
    "type": "customer",
    "customer_id": "cust-1001",
    "attributes": {"tier": "Silver"},
}


def without(element: dict[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in element.items() if key != name}


def test_an_event_and_a_user_are_read_with_their_bytes() -> None:
    raw = json.dumps(EVENT).encode()

    event = read_single(raw, Kind.EVENT)
    customer = read_single(json.dumps(CUSTOMER).encode(), Kind.CUSTOMER)

    assert (event.kind, event.customer_id, event.right_case) == (Kind.EVENT, "cust-1001", True)
    assert event.raw == raw
    assert event.actions[0]["action"] == "points_earned"
    assert customer.content["attributes"] == {"tier": "Silver"}


@pytest.mark.parametrize(
    ("element", "kind", "attribute"),
    [
        (without(EVENT, "type"), "MissingAttributeError", "type"),
        (without(EVENT, "customer_id"), "MissingAttributeError", "customer_id"),
        (without(EVENT, "actions"), "MissingAttributeError", "actions"),
        ({**EVENT, "actions": []}, "InvalidParams", "actions"),
        ({**EVENT, "actions": ["x"]}, "InvalidParams", "actions"),
        ({**EVENT, "actions": [{"attributes": {}}]}, "MissingAttributeError", "action"),
        ({**EVENT, "actions": [{"action": ""}]}, "MissingAttributeError", "action"),
        ({**EVENT, "actions": [{"action": 5}]}, "InvalidParams", "action"),
        ({**EVENT, "actions": [{"action": "a", "attributes": []}]}, "InvalidParams", "attributes"),
        ({**EVENT, "customer_id": 1001}, "InvalidParams", "customer_id"),
        ({**EVENT, "type": "events"}, "InvalidParams", "type"),
        ({**EVENT, "type": 1}, "InvalidParams", "type"),
        (CUSTOMER, "InvalidParams", "type"),
    ],
)
def test_what_is_no_event_is_refused_with_its_type_and_attribute(
    element: dict[str, Any], kind: str, attribute: str
) -> None:
    with pytest.raises(RequestRefusedError) as error:
        read_single(json.dumps(element).encode(), Kind.EVENT)

    assert (error.value.kind, error.value.attribute) == (kind, attribute)


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'"event"', b"\xff"])
def test_what_is_no_json_object_is_malformed(body: bytes) -> None:
    for read in (lambda: read_single(body, Kind.EVENT), lambda: read_bulk(body)):
        with pytest.raises(RequestRefusedError) as error:
            read()
        assert error.value.kind == "Malformed JSON"


def test_values_cannot_be_added_to_and_removed_from_one_field() -> None:
    attributes = {
        "addValueToArrayField": {"tags": "a", "colours": "red"},
        "removeValueFromArrayField": {"tags": "b"},
    }

    with pytest.raises(RequestRefusedError) as error:
        read_single(json.dumps({**CUSTOMER, "attributes": attributes}).encode(), Kind.CUSTOMER)

    assert (error.value.kind, error.value.attribute) == ("ArrayFieldError", "tags")


def test_a_bulk_is_read_in_order_and_each_element_keeps_its_own_bytes() -> None:
    body = json.dumps({"type": "transition", "elements": [CUSTOMER, EVENT]}).encode()

    elements = read_bulk(body)

    assert [element.kind for element in elements] == [Kind.CUSTOMER, Kind.EVENT]
    assert json.loads(elements[1].raw) == EVENT


@pytest.mark.parametrize(
    ("bulk", "kind"),
    [
        ({"type": "transition", "elements": []}, "InvalidParams"),
        ({"type": "transition"}, "MissingAttributeError"),
        ({"type": "bulk", "elements": [EVENT]}, "InvalidParams"),
        ({"elements": [EVENT]}, "InvalidParams"),
        ({"type": "transition", "elements": {"a": 1}}, "InvalidParams"),
        ({"type": "transition", "elements": [EVENT, without(EVENT, "customer_id")]}, "Missing"),
    ],
)
def test_a_bulk_with_one_wrong_element_is_refused_whole(bulk: dict[str, Any], kind: str) -> None:
    with pytest.raises(RequestRefusedError) as error:
        read_bulk(json.dumps(bulk).encode())

    assert error.value.kind.startswith(kind)


def test_a_type_in_another_letter_case_is_taken_and_marked() -> None:
    single = read_single(json.dumps({**EVENT, "type": "Event"}).encode(), Kind.EVENT)
    in_bulk = read_bulk(
        json.dumps({"type": "Transition", "elements": [EVENT, {**EVENT, "type": "EVENT"}]}).encode()
    )

    assert not single.right_case
    assert [element.right_case for element in in_bulk] == [False, False]
