"""Whatever JSON comes in, only what MoEngage takes goes out, in requests of the right size."""

from typing import Any

import msgspec
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from sandbox.moengage.elements import read_bulk
from sync.relay.intake import EventState
from sync.relay.mapping.elements import Element
from sync.relay.mapping.lexicon import Learner, Lexicon, Limits
from sync.relay.mapping.mapper import Mapped
from sync.relay.mapping.packing import Piece, Room, bulk_body, packed
from sync.relay.vendors.protocol import Vendor
from tests.relaying.bench import DESTINATION, Inspection, elements_of, received, sent, source, waits

VENDORS = (Vendor.PUNCHH, Vendor.PASSKIT, Vendor.OPEN_LOYALTY, Vendor.PERX)

# Words that mean something to MoEngage, to a vendor's module, or to the relay itself.
TREACHEROUS = st.sampled_from(
    [
        "", " ", "id", "_id", "user_id", "status", "source", "moe_x", "MOE_GAID", "moengage",
        "USER_ATTRIBUTE_USER_NAME", "relay_event_id", "relay_time_clamped", "platforms", "a.b c",
        "2025-02-30T10:00:00Z", "2025-01-01", "2025-01-01 10:00", "2025-01-01T10:00:00+02:00",
        "9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00", "2025-01-01T10:00 tomorrow",
        "guest", "0", "http://e.example/" + "x" * 600, "x" * 600, "\x00", "😀", "é" * 300, "true",
        "12.50", "1e5", "(masked)", "addValueToArrayField", "data", "pass", "payload", "user",
    ]
)  # fmt: skip
TEXTS = TREACHEROUS | st.text(max_size=20) | st.text(alphabet="é😀a", min_size=500, max_size=520)
NUMBERS = (
    st.integers()
    | st.integers(min_value=-(10**40), max_value=10**40)
    | st.floats(allow_nan=False, allow_infinity=False)
)
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXTS,
    lambda inner: st.lists(inner, max_size=6) | st.dictionaries(TEXTS, inner, max_size=8),
    max_leaves=25,
)
SETTINGS = settings(max_examples=60, suppress_health_check=list(HealthCheck))


def in_form(vendor: Vendor, value: Any, customer: Any) -> Any:
    """Anything, where the vendor would put it."""
    match vendor:
        case Vendor.PUNCHH:
            return {"event_name": "rewards", "timestamp": 1735689600, "payload": value}
        case Vendor.PASSKIT:
            return {
                "event": 2,
                "pass": {"externalId": customer, "recordData": value, "metadata": value},
            }
        case Vendor.OPEN_LOYALTY:
            return {"type": "customer.updated", "data": value}
        case _:
            return {"event_type": "x", "customer_id": customer, "payload": value}


def with_customer(document: Any, vendor: Vendor) -> Any:
    """The same with somebody in it, so that it is sent."""
    if vendor is Vendor.PUNCHH and isinstance(document.get("payload"), dict):
        document["payload"]["external_source_id"] = "cust-1001"
    if vendor is Vendor.OPEN_LOYALTY and isinstance(document.get("data"), dict):
        document["data"]["customerId"] = "cust-1001"
    return document


@SETTINGS
@given(
    vendor=st.sampled_from(VENDORS), values=st.lists(VALUES, min_size=1, max_size=4), customer=TEXTS
)
def test_only_valid_elements_go_out(vendor: Vendor, values: list[Any], customer: str) -> None:
    its_source, learner, inspection = source(vendor), Learner(Lexicon()), Inspection()
    for value in values:
        document = with_customer(in_form(vendor, value, customer), vendor)
        for event in received(its_source, msgspec.json.encode(document)):
            if not waits(event):
                assert event.reason is not None or event.learnable is not None
                continue
            found = sent(its_source, event, learner)
            assert isinstance(found, Mapped)
            elements = elements_of(event, found)
            assert inspection.of(elements) == {}
            assert all(len(one.body) <= DESTINATION.element_bytes_max for one in elements)


@SETTINGS
@given(
    vendor=st.sampled_from(VENDORS), body=VALUES.map(msgspec.json.encode) | st.binary(max_size=200)
)
@example(vendor=Vendor.PUNCHH, body=b"[" * 100_000)
@example(vendor=Vendor.PERX, body=b'{"a": "\\ud800", "user_id": "cust-1001"}')
@example(vendor=Vendor.PERX, body=b'\xef\xbb\xbf{"user_id": "cust-1001"}')
@example(vendor=Vendor.PERX, body=b'{"user_id": "cust-1001", "n": 1e999999, "m": NaN}')
@example(vendor=Vendor.OPEN_LOYALTY, body=b'{"type": "x", "data": \xe2\x80\x9c3\xe2\x80\x9d,}')
def test_whatever_comes_is_kept(vendor: Vendor, body: bytes) -> None:
    events = received(source(vendor), body)
    assert all(event.payload is not None for event in events)
    for event in events:
        assert event.state in {EventState.WAITING, EventState.QUARANTINED}
        if waits(event):
            found = sent(source(vendor), event)
            assert isinstance(found, Mapped)
            assert Inspection().of(elements_of(event, found)) == {}


@SETTINGS
@given(
    sizes=st.lists(st.lists(st.integers(1, 400), max_size=8), max_size=12),
    portions=st.lists(st.none() | st.integers(1, 5), min_size=96, max_size=96),
    room=st.builds(Room, st.integers(440, 3000), st.integers(1, 20)),
)
def test_a_request_is_filled_by_exact_size_and_in_order(
    sizes: list[list[int]], portions: list[int | None], room: Room
) -> None:
    given_portions = iter(portions)
    queues = [
        [
            Piece((customer, number), Element("event", b"x" * size), next(given_portions))  # type: ignore[arg-type]  # only its size matters
            for number, size in enumerate(queue)
        ]
        for customer, queue in enumerate(sizes)
    ]
    chosen = packed(queues, room)
    assert bool(chosen) == any(queues)
    assert len(bulk_body([piece.element for piece in chosen])) <= room.bytes_max
    assert len(chosen) <= min([room.elements_max, *(one.portion or 10**6 for one in chosen)])
    for customer, queue in enumerate(queues):
        taken = [piece for piece in chosen if piece.owner[0] == customer]
        assert taken == queue[: len(taken)]


def test_names_run_out_and_nothing_breaks() -> None:
    learner = Learner(Lexicon(limits=Limits(event_names=2, user_attributes=2, event_attributes=3)))
    its_source = source(Vendor.PERX)
    outcomes = []
    for number in range(4):
        (event,) = received(
            its_source,
            msgspec.json.encode(
                {"event_type": f"kind {number}", "customer_id": "cust-1001", f"field{number}": 1}
            ),
        )
        outcomes.append(sent(its_source, event, learner))
    assert [isinstance(one, Mapped) for one in outcomes] == [True, True, False, False]
    assert len(learner.learned) == 5
    first = outcomes[0]
    assert isinstance(first, Mapped)
    assert len(read_bulk(bulk_body([first.event]))) == 1


def test_an_element_too_large_for_any_request_loses_its_last_attributes() -> None:
    its_source = source(Vendor.PERX)
    document = {"event_type": "big", "customer_id": "cust-1001"} | {
        f"list{number}": ["é" * 500] * 50 for number in range(20)
    }
    (event,) = received(its_source, msgspec.json.encode(document))
    found = sent(its_source, event)
    assert isinstance(found, Mapped)
    assert 50_000 < len(found.event.body) <= DESTINATION.element_bytes_max
    kept = msgspec.json.decode(found.event.body)["actions"][0]["attributes"]
    assert list(kept)[:3] == ["relay_event_id", "customer_id", "list0"]
