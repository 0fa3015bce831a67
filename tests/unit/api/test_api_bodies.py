"""Bodies of transactions: what is read, and what is said of each that can't be."""

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from api.documents.examples import BATCH_EXAMPLES, POSTING_EXAMPLES
from api.documents.requests import NIL, REQUESTS, EarnRequest, ReversesDocument, ToDocument
from api.intake import exact
from api.intake.explaining import CHECKS, NESTED_CHECKS, explain
from api.intake.reading import read_batch, read_transaction
from api.problems.problem import ERRORS_MAX, ProblemError

EARN: dict[str, Any] = {
    "kind": "earn",
    "idempotencyKey": "receipt-1",
    "contactId": "1dfe06cd-a1be-4423-8ed4-afd900d998aa",
    "definitionId": 1,
    "amount": 12,
    "source": "pos",
    "description": "Purchase",
}
RETURN: dict[str, Any] = {
    **{name: value for name, value in EARN.items() if name != "amount"},
    "kind": "return",
    "reverses": {"transactionId": "019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11"},
}


def of_kind(kind: str, **fields: Any) -> dict[str, Any]:
    """A request of a kind, with the fields that every kind has and these."""
    common = {name: value for name, value in EARN.items() if name not in {"kind", "amount"}}
    return {"kind": kind, **common, **fields}


ORIGINAL = {"idempotencyKey": "receipt-1"}
HOLD_ID = "019aa5c9-7e02-7d11-8a0e-2f4c1b7d9e55"
OTHER = "7c2e4b0a-91d3-4f5e-a6b8-30f1d2c4e596"

ONE_OF_EACH: dict[str, dict[str, Any]] = {
    "earn": EARN,
    "redeem": of_kind("redeem", amount=5),
    "hold": of_kind("hold", amount=5, holdExpiresAt="2026-11-21T10:00:00Z"),
    "capture": of_kind("capture", holdId=HOLD_ID, amount=5),
    "release": of_kind("release", holdKey="checkout-1"),
    "return": RETURN,
    "cancel": of_kind("cancel", reverses=ORIGINAL, part=1, whole=2),
    "adjust": of_kind("adjust", amount=-5),
    "move": of_kind("move", to={"contactId": OTHER}, amount=5),
    "activate": of_kind("activate", reverses=ORIGINAL),
    "extend": of_kind("extend", reverses=ORIGINAL, validTo=None),
    "close": of_kind("close"),
}


def written(document: dict[str, Any], **texts: str) -> bytes:
    """A document as JSON, with the text of some values exactly as given."""
    marks = {name: f"mark of {name}" for name in texts}
    text = json.dumps({**document, **marks})
    for name, mark in marks.items():
        text = text.replace(json.dumps(mark), texts[name])
    return text.encode()


def errors_of(raw: bytes) -> list[tuple[str, str]]:
    with pytest.raises(ProblemError) as caught:
        read_transaction(raw)
    return [(error.field, error.code) for error in caught.value.errors]


@pytest.mark.parametrize("example", POSTING_EXAMPLES.values(), ids=list(POSTING_EXAMPLES))
def test_the_examples_can_be_read(example: dict[str, Any]) -> None:
    read_transaction(json.dumps(example).encode())


def test_the_example_of_a_batch_can_be_read() -> None:
    for example in BATCH_EXAMPLES.values():
        batch = read_batch(json.dumps(example).encode())
        for item in batch.items:
            read_transaction(bytes(item))


@pytest.mark.parametrize(
    ("field", "text", "code"),
    [
        # Amounts are plain JSON numbers, read digit by digit.
        ("amount", '"12"', "amount_not_plain"),
        ("amount", "1e3", "amount_not_plain"),
        ("amount", "1E3", "amount_not_plain"),
        ("amount", "1.5e0", "amount_not_plain"),
        ("amount", "NaN", "amount_not_plain"),
        ("amount", "Infinity", "amount_not_plain"),
        ("amount", "-Infinity", "amount_not_plain"),
        ("amount", "null", "amount_not_plain"),
        ("amount", "true", "amount_not_plain"),
        ("amount", "[12]", "amount_not_plain"),
        ("amount", '{"value": 12}', "amount_not_plain"),
        ("amount", "0", "amount_zero"),
        ("amount", "0.00", "amount_zero"),
        ("amount", "-0", "amount_zero"),
        ("amount", "-1", "amount_negative"),
        ("amount", "1000000000000001", "amount_too_large"),
        ("amount", "1" + "0" * 24, "amount_too_large"),
        ("amount", "9" * 5000, "amount_too_large"),
        # Times have an offset and lie where the calendar of the books does.
        ("effectiveAt", '"2026-11-21T10:00:00"', "time_naive"),
        ("effectiveAt", '"2026-11-21 10:00:00"', "time_naive"),
        ("effectiveAt", '"2026-11-21"', "time_invalid"),
        ("effectiveAt", '"2026-13-21T10:00:00Z"', "time_invalid"),
        ("effectiveAt", '"2026-02-29T10:00:00Z"', "time_invalid"),
        ("effectiveAt", '"2026-11-21T24:00:00Z"', "time_invalid"),
        ("effectiveAt", '"yesterday"', "time_invalid"),
        ("effectiveAt", '""', "time_invalid"),
        ("effectiveAt", "1763715600", "wrong_type"),
        ("effectiveAt", "null", "wrong_type"),
        ("effectiveAt", '"1969-12-31T23:59:59Z"', "time_out_of_range"),
        ("effectiveAt", '"0001-01-01T00:00:00+14:00"', "time_out_of_range"),
        ("validTo", '"3000-01-01T00:00:00Z"', "time_out_of_range"),
        ("validTo", '"9999-12-31T23:59:59-14:00"', "time_out_of_range"),
        ("validFrom", "null", "wrong_type"),
        # GUIDs.
        ("contactId", '"1001"', "guid_invalid"),
        ("contactId", '"1dfe06cd-a1be-4423-8ed4-afd900d998ag"', "guid_invalid"),
        ("contactId", '"{1dfe06cd-a1be-4423-8ed4-afd900d998aa}"', "guid_invalid"),
        ("contactId", '"urn:uuid:1dfe06cd-a1be-4423-8ed4-afd900d998aa"', "guid_invalid"),
        ("contactId", '"00000000-0000-0000-0000-000000000000"', "guid_nil"),
        ("contactId", "17", "wrong_type"),
        # Numbers of definitions.
        ("definitionId", "0", "out_of_range"),
        ("definitionId", "-1", "out_of_range"),
        ("definitionId", "2147483648", "out_of_range"),
        ("definitionId", "1" + "0" * 5000, "out_of_range"),
        ("definitionId", "1.0", "wrong_type"),
        ("definitionId", "1e0", "wrong_type"),
        ("definitionId", '"1"', "wrong_type"),
        ("definitionId", "true", "wrong_type"),
        # Texts.
        ("idempotencyKey", '""', "too_short"),
        ("idempotencyKey", json.dumps("k" * 201), "too_long"),
        ("idempotencyKey", r'"a\u0000b"', "control_character"),
        ("idempotencyKey", r'"a\nb"', "control_character"),
        ("idempotencyKey", r'"a\ud800b"', "control_character"),
        ("idempotencyKey", "7", "wrong_type"),
        ("source", json.dumps("s" * 51), "too_long"),
        ("description", json.dumps("d" * 501), "too_long"),
        ("description", "null", "wrong_type"),
        ("reference", '""', "too_short"),
        ("kind", '"gift"', "value_unknown"),
        ("kind", "1", "value_unknown"),
        ("memberNumber", '"1001"', "not_together"),
        ("memberNo", '"1001"', "unknown"),
        ("Amount", "12", "unknown"),
        ("allowDebt", "true", "unknown"),
    ],
)
def test_a_field_that_cannot_be_read_is_named_with_its_rule(
    field: str, text: str, code: str
) -> None:
    assert errors_of(written(EARN, **{field: text})) == [(field, code)]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"reverses": {}}, [("reverses", "missing")]),
        ({"reverses": "receipt-1"}, [("reverses", "wrong_type")]),
        (
            {"reverses": {**RETURN["reverses"], "idempotencyKey": "receipt-1"}},
            [("reverses", "not_together")],
        ),
        (
            {"reverses": {"transactionId": "x"}},
            [("reverses.transactionId", "guid_invalid")],
        ),
        (
            {"reverses": {"idempotencyKey": "a\tb"}},
            [("reverses.idempotencyKey", "control_character")],
        ),
        (
            {"reverses": {**RETURN["reverses"], "key": "x"}},
            [("reverses.key", "unknown")],
        ),
        ({"part": 1}, [("part", "only_together")]),
        ({"whole": 1}, [("whole", "only_together")]),
        ({"part": 1, "whole": 0}, [("whole", "amount_zero")]),
        ({"amount": 1, "part": 1, "whole": 2}, [("amount", "not_together")]),
        ({"amount": -1}, [("amount", "amount_negative")]),
    ],
)
def test_returns_say_what_they_take_back_in_one_way(
    changes: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert errors_of(json.dumps({**RETURN, **changes}).encode()) == expected


@pytest.mark.parametrize("kind", REQUESTS)
def test_one_of_each_kind_can_be_read(kind: str) -> None:
    document = read_transaction(json.dumps(ONE_OF_EACH[kind]).encode()).document
    assert type(document) is REQUESTS[kind]


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        # A hold is named in one way.
        (of_kind("capture"), [("holdId", "missing")]),
        (of_kind("release", holdId=HOLD_ID, holdKey="x"), [("holdKey", "not_together")]),
        (of_kind("capture", holdId="x"), [("holdId", "guid_invalid")]),
        (of_kind("capture", holdId=str(NIL)), [("holdId", "guid_nil")]),
        (of_kind("release", holdKey="x", amount=1), [("amount", "unknown")]),
        (of_kind("hold"), [("amount", "missing")]),
        (of_kind("hold", amount=1, holdExpiresAt=None), [("holdExpiresAt", "wrong_type")]),
        # A cancellation says how much as a return does.
        (of_kind("cancel"), [("reverses", "missing")]),
        (of_kind("cancel", reverses=ORIGINAL, part=1), [("part", "only_together")]),
        (
            of_kind("cancel", reverses=ORIGINAL, amount=1, part=1, whole=1),
            [("amount", "not_together")],
        ),
        # A move leads somewhere, and says how much, or everything and nothing more.
        (of_kind("move", amount=1), [("to", "missing")]),
        (of_kind("move", to={}, amount=1), [("to", "missing")]),
        (of_kind("move", to=OTHER, amount=1), [("to", "wrong_type")]),
        (of_kind("move", to={"contactId": 7}, amount=1), [("to.contactId", "wrong_type")]),
        (of_kind("move", to={"definitionId": 0}, amount=1), [("to.definitionId", "out_of_range")]),
        (of_kind("move", to={"memberNumber": 7}, amount=1), [("to.memberNumber", "wrong_type")]),
        (
            of_kind("move", to={"contactId": OTHER, "memberNumber": "10042"}, amount=1),
            [("to.memberNumber", "not_together")],
        ),
        (
            of_kind(
                "move",
                to={"contactId": OTHER, "memberNumber": "10042", "definitionId": 2},
                amount=1,
            ),
            [("to.memberNumber", "not_together")],
        ),
        (
            of_kind("move", to={"contact": OTHER}, amount=1),
            [("to.contact", "unknown"), ("to", "missing")],
        ),
        (of_kind("move", to={"contactId": OTHER}), [("amount", "missing")]),
        (
            of_kind("move", to={"contactId": OTHER}, amount=1, everything=True),
            [("amount", "not_together")],
        ),
        (
            of_kind("move", to={"contactId": OTHER}, everything=False),
            [("everything", "value_unknown")],
        ),
        (
            of_kind(
                "move",
                to={"contactId": OTHER},
                everything=True,
                effectiveAt="2026-11-21T10:00:00Z",
            ),
            [("effectiveAt", "not_together")],
        ),
        # A change of validity says which.
        (of_kind("activate"), [("reverses", "missing")]),
        (of_kind("extend", reverses=ORIGINAL), [("validTo", "missing")]),
        (of_kind("extend", reverses=ORIGINAL, validFrom=None), [("validFrom", "wrong_type")]),
        # What happens now has no time.
        (
            of_kind("close", effectiveAt="2026-11-21T10:00:00Z", strict=True),
            [("effectiveAt", "unknown"), ("strict", "unknown")],
        ),
        (of_kind("redeem", amount=1, strict="yes"), [("strict", "wrong_type")]),
    ],
)
def test_each_kind_says_what_it_needs_in_one_way(
    document: dict[str, Any], expected: list[tuple[str, str]]
) -> None:
    assert errors_of(json.dumps(document).encode()) == expected


def test_every_mistake_is_named_at_once() -> None:
    raw = b'{"kind": "earn", "amount": "12", "contactId": 7, "amounts": 1, "effectiveAt": "now"}'
    assert errors_of(raw) == [
        ("amounts", "unknown"),
        ("idempotencyKey", "missing"),
        ("contactId", "wrong_type"),
        ("definitionId", "missing"),
        ("source", "missing"),
        ("description", "missing"),
        ("effectiveAt", "time_invalid"),
        ("amount", "amount_not_plain"),
    ]


def test_an_answer_repeats_neither_too_many_nor_too_long_names() -> None:
    raw = json.dumps({**EARN, **{f"{'x' * 200}{number}": 1 for number in range(500)}}).encode()
    errors = errors_of(raw)
    assert len(errors) == ERRORS_MAX
    assert all(len(field) <= 100 for field, _ in errors)


def test_names_with_halves_of_characters_can_be_answered() -> None:
    raw = json.dumps({**EARN, "x\ud800": 1}).encode()
    assert errors_of(raw) == [("x?", "unknown")]


def test_a_field_given_twice_is_found_however_it_is_spelt() -> None:
    once = json.dumps(EARN)
    twice = once.replace('"amount": 12', r'"amount": 12, "\u0061mount": 13')
    assert errors_of(twice.encode()) == [("amount", "duplicate")]
    text_that_looks_like_it = {**EARN, "description": '"amount": 13, "kind": "redeem"'}
    read_transaction(json.dumps(text_that_looks_like_it).encode())


def test_what_may_be_read_is_read_exactly() -> None:
    raw = written(
        EARN,
        amount="0.10",
        contactId='"1DFE06CD-A1BE-4423-8ED4-AFD900D998AA"',
        effectiveAt='"2026-11-21T10:00:00.123456+05:30"',
        validTo="null",
        description=json.dumps("Ćafé \U0001f980"),
    )
    document = read_transaction(raw).document
    assert isinstance(document, EarnRequest)
    assert bytes(document.amount) == b"0.10"
    assert str(document.contact_id) == EARN["contactId"]
    assert document.valid_to is None
    assert document.valid_from is msgspec.UNSET


def test_every_field_of_every_kind_has_a_check() -> None:
    names = {
        field.encode_name for kind in REQUESTS.values() for field in msgspec.structs.fields(kind)
    }
    nested: dict[str, type[msgspec.Struct]] = {"reverses": ReversesDocument, "to": ToDocument}
    assert names - set(nested) == set(CHECKS)
    for name, struct in nested.items():
        inner = {field.encode_name for field in msgspec.structs.fields(struct)}
        assert inner == set(NESTED_CHECKS[name])


VALUES = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-(10**30), 10**30),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=8),
    st.sampled_from(
        [
            *EARN.values(),
            "2026-11-21T10:00:00Z",
            "2026-11-21T10:00:00",
            "1969-12-31T23:59:60Z",
            "3000-01-01T00:00:00+00:01",
            "2026-11-21t10:00:00z",
            "1dfe06cda1be44238ed4afd900d998aa",
            "1dfe06cd-a1be-44238ed4-afd900d998aa",
            "00000000-0000-0000-0000-000000000000",
            {"transactionId": EARN["contactId"]},
            {"idempotencyKey": "k"},
            {"idempotencyKey": "k", "transactionId": EARN["contactId"]},
            {"contactId": EARN["contactId"]},
            {"memberNumber": "10042"},
            {"memberNumber": "10042", "contactId": EARN["contactId"]},
            {"memberNumber": "10042", "definitionId": 1},
            {"definitionId": 1},
            {"contactId": str(NIL), "definitionId": 0},
            {},
            [],
            "a" * 201,
            "\x7f",
            0.1,
            12.5,
        ]
    ),
)
NAMES = st.sampled_from([*CHECKS, "reverses", "to", "kind", "unheardOf"])
KINDS = st.sampled_from(list(REQUESTS))


@settings(max_examples=1500, deadline=None)
@given(
    base=st.sampled_from(list(ONE_OF_EACH.values())),
    kind=st.none() | KINDS,
    changes=st.dictionaries(NAMES, VALUES, max_size=4),
    left_out=st.sets(NAMES, max_size=1),
)
def test_the_fast_and_the_thorough_reading_agree(
    base: dict[str, Any], kind: str | None, changes: dict[str, Any], left_out: set[str]
) -> None:
    document = {**base, "kind": kind or base["kind"], **changes}
    raw = json.dumps({k: v for k, v in document.items() if k not in left_out}).encode()
    errors = explain(exact.parse(raw))
    if errors:
        with pytest.raises(ProblemError) as caught:
            read_transaction(raw)
        assert list(caught.value.errors) == errors[:ERRORS_MAX]
    else:
        read_transaction(raw)


def test_a_batch_that_says_atomic_twice_is_refused_however_it_is_spelt() -> None:
    for twin in (b'"atomic":false', b'"\\u0061tomic":false'):
        with pytest.raises(ProblemError):
            read_batch(b'{"transactions":[{}],"atomic":true,' + twin + b"}")
