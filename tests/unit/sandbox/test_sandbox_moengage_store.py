import json
from typing import Any

from sandbox.moengage.elements import Kind, read_single
from sandbox.moengage.store import Store


def add(store: Store, element: dict[str, Any], *processed: bool, at: float = 0) -> None:
    read = read_single(json.dumps(element).encode(), Kind(element["type"]))
    store.add(read, processed or (True,), at, "relay_event_id", keep_body=True)


def event(relay_id: str | None, customer_id: str = "cust-1001") -> dict[str, Any]:
    attributes = {} if relay_id is None else {"relay_event_id": relay_id}
    action = {"action": "points_earned", "attributes": attributes}
    return {"type": "event", "customer_id": customer_id, "actions": [action]}


def customer(**attributes: Any) -> dict[str, Any]:
    return {"type": "customer", "customer_id": "cust-1001", "attributes": attributes}


def test_what_arrives_is_kept_by_customer_in_order_of_arrival() -> None:
    store = Store()
    for relay_id, customer_id in (("a", "cust-1"), ("b", "cust-2"), ("c", "cust-1")):
        add(store, event(relay_id, customer_id))

    assert [entry.relay_event_id for entry in store.by_customer["cust-1"]] == ["a", "c"]
    assert [entry.number for entry in store.entries] == [1, 2, 3]


def test_repeats_are_counted_by_the_relays_own_id() -> None:
    store = Store()
    for relay_id in ("a", "b", "a", "a", None):
        add(store, event(relay_id))

    assert dict(store.repeated_ids()) == {"a": 3}
    assert (store.repeated, store.without_relay_id, len(store.relay_ids)) == (1, 1, 2)


def test_each_event_of_an_element_is_an_entry() -> None:
    store = Store()
    element = event("a")
    element["actions"].append({"action": "points_spent", "attributes": {"relay_event_id": "b"}})

    add(store, element, True, False)

    assert [(entry.name, entry.processed) for entry in store.entries] == [
        ("points_earned", True),
        ("points_spent", False),
    ]
    assert store.ignored == 1


def test_a_profile_is_what_all_processed_updates_made_of_it() -> None:
    store = Store()
    add(store, customer(tier="Silver", points=5))
    add(store, customer(points=7, addValueToArrayField={"tags": ["a", "b"]}))
    add(store, customer(removeValueFromArrayField={"tags": "a"}))
    add(store, customer(points=9), False)

    assert store.profile("cust-1001") == {"tier": "Silver", "points": 7, "tags": ["b"]}


def test_a_customer_is_known_when_something_of_theirs_was_processed() -> None:
    store = Store()
    add(store, event("a", "cust-1"), False)
    assert not store.known("cust-1")

    add(store, event("b", "cust-1"))

    assert store.known("cust-1")


def test_entries_of_one_customer_are_counted_by_the_minute() -> None:
    store = Store()

    assert store.count_minute("cust-1", 0, 3) == 3
    assert store.count_minute("cust-1", 59, 2) == 5
    assert store.count_minute("cust-2", 59, 1) == 1
    assert store.count_minute("cust-1", 60, 1) == 1
