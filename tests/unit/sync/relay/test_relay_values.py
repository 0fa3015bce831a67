"""What a value becomes, and what it can't be turned into."""

import re
from datetime import UTC, datetime
from decimal import Decimal
from typing import Any
from zoneinfo import ZoneInfo

import msgspec
import pytest

from sync.relay.documents import masked, read_document
from sync.relay.instants import read_instant, write_instant
from sync.relay.mapping.flattening import leaves
from sync.relay.mapping.lexicon import Learner, Lexicon, NameKind
from sync.relay.mapping.names import (
    attribute_name,
    customer_trouble,
    event_name,
    snake_case,
    user_attribute_name,
)
from sync.relay.mapping.values import Dropped, Value, ValueType, cast, forced, value_of
from sync.relay.pointers import PointerError, find, parse_pointer

T = ValueType


def written(value: Value | Dropped | None) -> tuple[ValueType, Any] | str | None:
    if not isinstance(value, Value):
        return None if value is None else value.reason
    return value.type, msgspec.json.decode(msgspec.json.encode(value.json))


@pytest.mark.parametrize(
    ("raw", "wanted"),
    [
        (20, (T.NUMBER, 20)),
        (9007199254740993, (T.NUMBER, 9007199254740993)),
        (2**63, (T.TEXT, str(2**63))),
        (Decimal("12.50"), (T.NUMBER, 12.5)),
        (Decimal("1E+5"), (T.NUMBER, 100000)),
        (Decimal("1E+400"), (T.TEXT, "1E+400")),
        (True, (T.BOOLEAN, True)),
        (None, None),
        ("", None),
        ("  ", None),
        (" padded ", (T.TEXT, "padded")),
        ("x" * 600, (T.TEXT, "x" * 512)),
        ("https://e.example/" + "x" * 600, "is an address of more than 512 characters"),
        ("(masked)", "is masked"),
        ("2025-02-28", (T.DATETIME, "2025-02-28")),
        ("2025-02-30", (T.TEXT, "2025-02-30")),
        ("2025-01-01T10:00:00+02:00", (T.DATETIME, "2025-01-01T08:00:00Z")),
        ("2025-01-01 10:00:00 UTC", (T.DATETIME, "2025-01-01T10:00:00Z")),
        ("2025-01-01T10:00:00.123456Z", (T.DATETIME, "2025-01-01T10:00:00.123Z")),
        ("2025-02-30T10:00:00Z", (T.TEXT, "text: 2025-02-30T10:00:00Z")),
        ([], None),
        ([None, ""], None),
        ([4455, 39450], (T.NUMBERS, [4455, 39450])),
        ([1, "a", True, None], (T.TEXTS, ["1", "a", "true"])),
        (list(range(60)), (T.NUMBERS, list(range(50)))),
        (["2025-01-01", "a"], (T.TEXTS, ["2025-01-01", "a"])),
    ],
)
def test_a_value_as_moengage_takes_it(raw: Any, wanted: Any) -> None:
    assert written(value_of(raw)) == wanted


@pytest.mark.parametrize(
    ("raw", "type_", "wanted"),
    [
        ("12.50", T.NUMBER, (T.NUMBER, 12.5)),
        ("twelve", T.NUMBER, None),
        ("0123", T.NUMBER, None),
        (12, T.TEXT, (T.TEXT, "12")),
        (True, T.TEXT, (T.TEXT, "true")),
        ("true", T.BOOLEAN, (T.BOOLEAN, True)),
        (1, T.BOOLEAN, None),
        ("2025-01-01", T.TEXT, None),
        ("a", T.DATETIME, None),
        ([1, 2], T.TEXTS, (T.TEXTS, ["1", "2"])),
        ("a", T.TEXTS, (T.TEXTS, ["a"])),
        (["a"], T.TEXT, None),
        ([True], T.NUMBERS, None),
    ],
)
def test_a_type_changes_exactly_or_not_at_all(raw: Any, type_: ValueType, wanted: Any) -> None:
    value = value_of(raw)
    assert isinstance(value, Value)
    assert written(cast(value, type_)) == wanted


@pytest.mark.parametrize(
    ("raw", "type_", "wanted"),
    [
        ("100.000000", T.NUMBER, (T.NUMBER, 100)),
        ("0.50", T.NUMBER, (T.NUMBER, 0.5)),
        (1563363348, T.DATETIME, (T.DATETIME, "2019-07-17T11:35:48Z")),
        ("1990-02-28", T.DATETIME, (T.DATETIME, "1990-02-28")),
        ("soon", T.DATETIME, (T.TEXT, "soon")),
        (5550100, T.TEXT, (T.TEXT, "5550100")),
    ],
)
def test_a_type_that_somebody_knows(raw: Any, type_: ValueType, wanted: Any) -> None:
    assert written(forced(raw, type_)) == wanted


def test_an_attribute_keeps_its_type_and_the_rest_goes_beside_it() -> None:
    learner = Learner(Lexicon())

    def placed(raw: Any) -> tuple[str, Any] | None:
        value = value_of(raw)
        assert isinstance(value, Value)
        found = learner.place(NameKind.EVENT_ATTRIBUTE, "amount", value, value.type)
        return (
            None
            if found is None
            else (found[0], msgspec.json.decode(msgspec.json.encode(found[1].json)))
        )

    assert placed(20) == ("amount", 20)
    assert placed("30") == ("amount", 30)
    assert placed("plenty") == ("amount_text", "plenty")
    assert placed(["plenty"]) == ("amount_texts", ["plenty"])
    assert placed(True) == ("amount_boolean", True)
    assert placed("2025-01-01") == ("amount_datetime", "2025-01-01")


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["punchh", "checkins", "loyalty"], "punchh_checkins_loyalty"),
        (["openloyalty", "customer.registered"], "openloyalty_customer_registered"),
        (["x", "Überraschung!"], "x_uberraschung"),
        (["moengage", "x"], "event_moengage_x"),
        (["a"], "a_event"),
        ([], "event"),
        (["a" * 300], "a" * 200),
    ],
)
def test_a_name_of_an_event(words: list[str], name: str) -> None:
    assert event_name(words) == name


def test_names_in_other_letters_stay_apart() -> None:
    names = {event_name(["perx", word]) for word in ("привет", "пока", "привет ")}
    assert len(names) == 3
    assert all(re.fullmatch(r"perx_[0-9a-f]{8}", name) for name in names)


def test_names_of_attributes() -> None:
    assert attribute_name("x.y z", "v") == "x_y_z"
    assert attribute_name("привет", "v") == "привет"
    assert attribute_name("moe_x", "v") == "v_moe_x"
    assert attribute_name("relay_event_id", "v") == "v_relay_event_id"
    assert attribute_name("***", "v") == "value"
    assert attribute_name("status", "v") == "status"
    for reserved in (
        "status",
        "user_id",
        "id",
        "_id",
        "source",
        "UPDATE",
        "USER_ATTRIBUTE_X",
        "platforms",
    ):
        assert user_attribute_name(reserved, "v").startswith("v_")
    assert snake_case("amountChangeType") == "amount_change_type"
    assert snake_case("HTTPServer") == "http_server"


@pytest.mark.parametrize(
    "customer", ["", "a", "guest", "GUEST", "null", "-1", "N/A", "a\nb", "x" * 513]
)
def test_who_can_be_no_customer(customer: str) -> None:
    assert customer_trouble(customer) is not None


NOON = datetime(2025, 1, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    "value",
    [
        1735732800,
        1735732800000,
        1735732800000000,
        1735732800000000000,
        "1735732800",
        "1735732800000",
        Decimal("1735732800.0"),
        "2025-01-01T12:00:00Z",
        "2025-01-01T13:00:00+01:00",
        "2025-01-01T13:00:00+0100",
        "2025-01-01 12:00:00 UTC",
        "2025-01-01T12:00",
        {"seconds": 1735732800, "nanos": 0},
        {"seconds": "1735732800"},
    ],
)
def test_an_instant_in_every_way_it_is_written(value: Any) -> None:
    assert read_instant(value) == NOON


@pytest.mark.parametrize(
    "value",
    [
        True,
        None,
        [],
        {},
        "",
        "soon",
        "2025-13-01",
        -1,
        10**30,
        "9999-12-31T23:59:59Z",
        Decimal("NaN"),
    ],
)
def test_what_is_no_instant(value: Any) -> None:
    assert read_instant(value) is None


def test_an_instant_without_offset_is_meant_in_the_zone_of_its_source() -> None:
    assert read_instant("2025-01-01T13:00:00", ZoneInfo("Europe/Paris")) == NOON
    assert write_instant(NOON.replace(microsecond=999)) == "2025-01-01T12:00:00Z"


def test_lists_of_objects_become_lists_for_each_of_their_fields() -> None:
    document = {
        "items": [{"name": "a", "tags": ["x", "y"]}, {"name": "b", "deep": {"er": 1}}],
        "n": [1],
    }
    assert dict(leaves(document)) == {
        "items_count": 2,
        "items_name": ["a", "b"],
        "items_tags": ["x", "y"],
        "items_deep_er": [1],
        "n": [1],
    }


def test_hidden_is_hidden_at_any_depth_and_nothing_else() -> None:
    document = {"a": [{"Token": "x", "keep": 1}], "token": {"inner": 2}, "list": {"token": [1, 2]}}
    assert masked(document, {"token"}) == {
        "a": [{"Token": "(masked)", "keep": 1}],
        "token": {"inner": 2},
        "list": {"token": "(masked)"},
    }
    assert masked(document, {"other"}) is document


def test_numbers_stay_what_they_were() -> None:
    found = read_document(b'{"a": 9007199254740993, "b": 0.10, "c": 1e400}')
    assert found == {"a": 9007199254740993, "b": Decimal("0.10"), "c": Decimal("1E+400")}
    assert str(found["b"]) == "0.10"


def test_pointers() -> None:
    document = {"a": {"b/c": [{"x.y": 1}]}, "~": 2}
    assert find(document, parse_pointer("/a/b~1c/0/x.y")) == 1
    assert find(document, parse_pointer("/~0")) == 2
    assert find(document, parse_pointer("/a/b~1c/7")) is None
    assert find(document, parse_pointer("")) is document
    for wrong in ("a", "/a~2", "/" * 30):
        with pytest.raises(PointerError):
            parse_pointer(wrong)
