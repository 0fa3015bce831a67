"""The forms in which Engage's messages come, and those that are none."""

import json
from typing import Any
from uuid import UUID

import pytest

from sync.engage.envelope import UnreadableError, read_adjustment, read_contact, read_envelope

CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"
MANUAL = {
    "ContactId": CONTACT,
    "Amount": 40,
    "Description": "Give points from Engage",
    "Source": "Manual",
    "PointDefinitionId": 1,
    "UserId": "c23f28cb-d62d-42cf-9d11-b919198409ea",
    "UserName": "Back office",
}
AUTOMATION = {
    "ContactId": CONTACT,
    "Amount": 40,
    "Description": "Points awarded",
    "Source": "Automation",
    "PointDefinitionId": 1,
    "Reason": "Voyado",
    "ProcessId": "d6342090-7410-4c00-aa4b-dbd394dac7e6",
    "WorkflowId": "44931e65-e188-46c4-92bd-50e4818fece2",
    "WorkflowName": "",
}


def written(fields: dict[str, Any]) -> bytes:
    return json.dumps(fields).encode()


def camel(fields: dict[str, Any]) -> dict[str, Any]:
    return {name[0].lower() + name[1:]: value for name, value in fields.items()}


def test_an_encrypted_envelope() -> None:
    envelope = read_envelope(
        written(
            {
                "eventType": "loyalty.addPoints",
                "id": "70B84F00-D212-47C0-A56D-FEAAB6294333",
                "payload": "FtaW9DkGDs8yZGxk==",
                "tenant": "pointfollower",
            }
        )
    )
    assert envelope.event_type == "loyalty.addPoints"
    assert envelope.id == "70b84f00-d212-47c0-a56d-feaab6294333", "a GUID in either case is one"
    assert envelope.tenant == "pointfollower"
    assert (envelope.ciphertext, envelope.plain) == ("FtaW9DkGDs8yZGxk==", None)


def test_a_plain_envelope_of_the_newer_kind() -> None:
    envelope = read_envelope(
        written(
            {
                "eventId": "Evt_1",
                "eventType": "point.balance.updated",
                "isEncrypted": False,
                "payload": {"balance": 1.5, "contactId": CONTACT},
                "tenant": None,
                "somethingNew": [1, 2],
            }
        )
    )
    assert envelope.id == "Evt_1", "what is no GUID is kept as it is"
    assert envelope.tenant is None
    assert envelope.ciphertext is None
    assert envelope.plain is not None
    assert read_contact(envelope.plain) == UUID(CONTACT)


def test_a_payload_written_as_text_is_plain() -> None:
    envelope = read_envelope(written({"eventType": "x", "payload": json.dumps(MANUAL)}))
    assert envelope.ciphertext is None
    assert envelope.plain is not None
    assert read_adjustment(envelope.plain).amount == "40"


def test_an_event_may_have_no_payload() -> None:
    envelope = read_envelope(b'{"EVENTTYPE":"contact.created"}')
    assert (envelope.event_type, envelope.ciphertext, envelope.plain) == (
        "contact.created", None, None,
    )  # fmt: skip


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b'"text"',
        b"{",
        b'{"payload":"x"}',
        b'{"eventType":""}',
        b'{"eventType":{}}',
        b'{"eventType":"a","EventType":"b"}',
        b'{"eventType":"\xff"}',
        b'{"eventType":"a","x":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    ],
)
def test_what_is_no_envelope(body: bytes) -> None:
    with pytest.raises(UnreadableError) as unreadable:
        read_envelope(body)
    assert unreadable.value.reason == "envelope_unreadable"


@pytest.mark.parametrize("cased", [dict, camel], ids=["PascalCase", "camelCase"])
def test_a_manual_adjustment(cased: Any) -> None:
    adjustment = read_adjustment(written(cased(MANUAL)))
    assert adjustment.contact == UUID(CONTACT)
    assert (adjustment.definition, adjustment.amount) == (1, "40")
    assert (adjustment.source, adjustment.actor) == ("Manual", "Back office")
    assert adjustment.description == "Give points from Engage"
    assert adjustment.reference is None


@pytest.mark.parametrize("cased", [dict, camel], ids=["PascalCase", "camelCase"])
def test_an_automations_adjustment(cased: Any) -> None:
    adjustment = read_adjustment(written(cased(AUTOMATION)))
    assert (adjustment.source, adjustment.actor) == ("Automation", None)
    assert adjustment.reference == "d6342090-7410-4c00-aa4b-dbd394dac7e6"


def test_all_but_three_fields_are_optional() -> None:
    adjustment = read_adjustment(
        written({"contactId": CONTACT.upper(), "amount": 1, "pointDefinitionId": "2"})
    )
    assert (adjustment.contact, adjustment.definition) == (UUID(CONTACT), 2)
    assert adjustment.source is None


@pytest.mark.parametrize(
    ("number", "amount"),
    [
        (b"40", "40"),
        (b"-40", "-40"),
        (b"40.0", "40"),
        (b"40.00", "40"),
        (b"12.50", "12.5"),
        (b"0.0", "0"),
        (b"-0.25", "-0.25"),
        (b'"40.5"', "40.5"),
        (b"100", "100"),
        (b"4e1", "4e1"),
        (b"0.1000000000000000055511151231257827", "0.1000000000000000055511151231257827"),
    ],
)
def test_amounts_are_kept_digit_by_digit(number: bytes, amount: str) -> None:
    body = b'{"ContactId":"%s","PointDefinitionId":1,"Amount":%s}' % (CONTACT.encode(), number)
    assert read_adjustment(body).amount == amount


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"ContactId": None}, "contact_unreadable"),
        ({"ContactId": "1001"}, "contact_unreadable"),
        ({"ContactId": CONTACT + "0"}, "contact_unreadable"),
        ({"ContactId": [CONTACT]}, "contact_unreadable"),
        ({"ContactId": "00000000-0000-0000-0000-000000000000"}, "contact_unreadable"),
        ({"Amount": None}, "amount_unreadable"),
        ({"Amount": "forty"}, "amount_unreadable"),
        ({"Amount": True}, "amount_unreadable"),
        ({"Amount": {"value": 1}}, "amount_unreadable"),
        ({"PointDefinitionId": None}, "definition_unreadable"),
        ({"PointDefinitionId": -1}, "definition_unreadable"),
        ({"PointDefinitionId": 1.5}, "definition_unreadable"),
        ({"PointDefinitionId": 2**31}, "definition_unreadable"),
        ({"contactid": CONTACT}, "payload_unreadable"),
    ],
)
def test_what_is_no_adjustment(change: dict[str, Any], reason: str) -> None:
    with pytest.raises(UnreadableError) as unreadable:
        read_adjustment(written(MANUAL | change))
    assert unreadable.value.reason == reason


def test_texts_are_cut_and_can_be_stored() -> None:
    adjustment = read_adjustment(
        written(MANUAL | {"Description": "a\x00b" + "c" * 1000, "UserName": "  \x00 "})
    )
    assert adjustment.description is not None
    assert len(adjustment.description) == 500
    assert "\x00" not in adjustment.description
    assert adjustment.actor == MANUAL["UserId"], "a name of nothing is no name"


def test_a_field_that_comes_twice_is_read_neither_way() -> None:
    start = f'{{"contactId":"{CONTACT}","pointDefinitionId":1,"amount":1,'.encode()
    for twin in (b'"amount":500}', b'"Amount":500}', b'"\\u0061mount":500}'):
        with pytest.raises(UnreadableError) as refused:
            read_adjustment(start + twin)
        assert refused.value.reason == "payload_unreadable"


def test_what_terminals_would_obey_is_left_out_of_texts() -> None:
    envelope = read_envelope(rb'{"eventType":"con\u001b[2Jtact\u009b","id":"a\u0000b\r\nc"}')
    assert (envelope.event_type, envelope.id) == ("con [2Jtact", "ab  c")
