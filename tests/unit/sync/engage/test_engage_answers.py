"""Engage's answers in every form the documentation leaves open, and in some it doesn't."""

from decimal import Decimal

import pytest

from sync.engage.answers import (
    Standing,
    error_message,
    named_guids,
    read_accounts,
    read_status,
    request_id,
    standing_in,
)

GUID = "8febdbe7-9c47-4766-a811-3340f6851ef7"


@pytest.mark.parametrize(
    ("body", "location", "expected"),
    [
        (f'"{GUID}"', None, GUID),
        (f'{{"id":"{GUID}"}}', None, GUID),
        (f'{{"transactionId":"{GUID}"}}', None, GUID),
        (f'{{"batchId":"{GUID}"}}', None, GUID),
        (f'{{"TransactionID":"{GUID}","status":"Queued"}}', None, GUID),
        ('{"id":4711}', None, "4711"),
        ("4711", None, "4711"),
        (GUID, None, GUID),
        (f"  {GUID}\r\n", None, GUID),
        ("", f"/api/v3/point-accounts/balances/status/{GUID}", GUID),
        ("", f"https://client.voyado.com/api/v2/status/{GUID}?x=1", GUID),
        ("{}", f"/status/{GUID}/", GUID),
        (f'"{GUID}"', "/status/other", GUID),
        ("", None, None),
        ("{}", None, None),
        ("null", "/status/", None),
        ('{"id":null}', None, None),
        ('{"id":["x"]}', None, None),
        ("<html>it works</html>", None, None),
        ('"../../secrets"', None, None),
        ("[1,2]", None, None),
        ("{", None, None),
        ("Accepted", None, None),
        ('"OK"', None, None),
    ],
)
def test_a_requests_id(body: str, location: str | None, expected: str | None) -> None:
    assert request_id(body.encode(), location) == expected


def test_an_id_in_bytes_that_are_no_text_is_none() -> None:
    assert request_id(b"\xff\xfe\x00", None) is None


def test_a_status_with_messages() -> None:
    status = read_status(
        b'{"messages":[{"message":"Contact x was not found",'
        b'"timeStamp":"2023-05-17T11:03:16.947Z"},"bare text",{"other":1},7],'
        b'"id":"1","status":" Completed ","timeStamp":"2023-05-17T11:03:16.947Z","new":{}}'
    )
    assert status is not None
    assert status.status == "Completed"
    assert [message.message for message in status.messages] == [
        "Contact x was not found", "bare text", "7",
    ]  # fmt: skip
    assert status.messages[0].at is not None
    assert status.messages[1].at is None


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[]", b'{"status":null}', b'{"status":{}}', b"<html>", b'{"status":true}'],
)
def test_no_status(body: bytes) -> None:
    assert read_status(body) is None


def test_a_status_may_be_a_number() -> None:
    status = read_status(b'{"Status":2}')
    assert status is not None
    assert status.status == "2"


def test_many_and_long_messages_are_cut() -> None:
    message = b'{"message":"' + b"x" * 10_000 + b'"}'
    status = read_status(b'{"status":"Failed","messages":[' + b",".join([message] * 3000) + b"]}")
    assert status is not None
    assert len(status.messages) == 2000
    assert len(status.messages[0].message) == 500


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"[]", {}),
        (b'[{"balance":12.50,"definitionId":1}]', {1: Decimal("12.50")}),
        (b'{"items":[{"balance":7,"definitionId":1},{"balance":0.1,"definitionId":2}]}',
         {1: Decimal(7), 2: Decimal("0.1")}),
        (b'{"Items":[{"Balance":-7,"PointDefinitionId":"3"}],"totalCount":1}', {3: Decimal(-7)}),
        (b'[{"balance":5}]', {None: Decimal(5)}),
        (b'[{"balance":1e3,"definitionId":1}]', {1: Decimal(1000)}),
        (b'[{"balance":1,"definitionId":1},{"balance":2,"definitionId":1}]', {1: Decimal(3)}),
    ],
)  # fmt: skip
def test_balances(body: bytes, expected: dict[int | None, Decimal]) -> None:
    found = read_accounts(body)
    assert found is not None
    assert {definition: one.balance for definition, one in found.items()} == expected


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"7", b'[{"definitionId":1}]', b'[{"balance":"x"}]', b"[7]", b"<html>",
     b'[{"balance":null}]', b'{"items":{}}'],
)  # fmt: skip
def test_balances_that_cannot_be_read_are_not_known(body: bytes) -> None:
    assert read_accounts(body) is None


def test_a_balance_never_passes_through_a_binary_fraction() -> None:
    body = b'[{"balance":0.1000000000000000055511151231257827,"definitionId":1}]'
    assert read_accounts(body) == {
        1: Standing(Decimal("0.1000000000000000055511151231257827"), None)
    }


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'[{"balance":5,"pendingPoints":2,"definitionId":1}]', Standing(Decimal(5), Decimal(2))),
        (b'[{"balance":5,"definitionId":2}]', Standing(Decimal(), Decimal())),
        (b'[{"balance":5,"pendingPoints":1}]', Standing(Decimal(5), Decimal(1))),
        (b"[]", Standing(Decimal(), Decimal())),
        (b"no", None),
    ],
)  # fmt: skip
def test_what_stands_of_one_definition(body: bytes, expected: Standing | None) -> None:
    assert standing_in(body, 1) == expected


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"message":"Too many items"}', "Too many items"),
        (b'{"Message":"An error\\r\\n has occurred"}', "An error has occurred"),
        (b'{"code":"ContactNotFound"}', "ContactNotFound"),
        (b"<html>Bad</html>", "<html>Bad</html>"),
        (b"", ""),
        (b"x" * 10_000, "x" * 500),
    ],
)
def test_what_an_error_says(body: bytes, expected: str) -> None:
    assert error_message(body) == expected


def test_guids_in_a_text() -> None:
    text = f"Contact {GUID.upper()} and ({GUID}) but not 0{GUID} or {GUID}0"
    assert named_guids(text) == {GUID}
