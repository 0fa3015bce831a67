"""Which rows of an accepted request were not taken: what is said is attributed, or read back."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import msgspec
import pytest

from sync.engage.transactions.acceptance import (
    NOT_ACCEPTED,
    UNKNOWN_CONTACT,
    RowSent,
    read_acceptance,
)

ONE, OTHER = "11111111-1111-4111-8111-111111111111", "22222222-2222-4222-8222-222222222222"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROWS = (
    RowSent(ONE, 1, Decimal(10), NOON),
    RowSent(ONE, 1, Decimal(10), NOON + timedelta(milliseconds=1)),
    RowSent(OTHER, 2, Decimal("-2.5"), NOON),
)
EVERY = {0, 1, 2}


def echo(row: RowSent, **changed: Any) -> dict[str, Any]:
    """A row as Engage lists it."""
    given: dict[str, Any] = {
        "contactId": row.contact,
        "definitionId": row.definition,
        "amount": float(row.amount),
        "timeStamp": row.stamp.isoformat(),
    }
    return {name: value for name, value in (given | changed).items() if value is not None}


def read(**answer: Any) -> tuple[dict[int, str], set[int]]:
    acceptance = read_acceptance(msgspec.json.encode(answer), ROWS)
    return acceptance.refused, acceptance.doubtful


@pytest.mark.parametrize(
    "body",
    [b"{}", b'{"notAccepted":[],"errorMessages":[]}', b'{"NotAccepted":null}', b'{"new":1}'],
)
def test_all_were_taken(body: bytes) -> None:
    acceptance = read_acceptance(body, ROWS)
    assert (acceptance.refused, acceptance.doubtful) == ({}, set())


@pytest.mark.parametrize("body", [b"", b"[]", b"accepted", b'"x"', b"<html>", b'{"notAccepted":7}'])
def test_an_answer_that_cannot_be_read_leaves_all_open(body: bytes) -> None:
    acceptance = read_acceptance(body, ROWS)
    assert (acceptance.refused, acceptance.doubtful) == ({}, EVERY)


def test_a_row_is_known_by_its_time_stamp() -> None:
    answer = read(notAccepted=[echo(ROWS[1])], errorMessages=["amount is too odd"])
    assert answer == ({1: "amount is too odd"}, set())


def test_a_row_is_known_in_capitals_and_in_another_time_zone() -> None:
    there = (NOON + timedelta(milliseconds=1)).isoformat().replace("+00:00", "Z")
    item = {"ContactId": ONE.upper(), "DefinitionId": "1", "Amount": 10.0, "TimeStamp": there}
    assert read(NotAccepted=[item]) == ({1: NOT_ACCEPTED}, set())


def test_without_a_time_stamp_the_amount_tells_rows_apart_or_leaves_them_open() -> None:
    assert read(notAccepted=[echo(ROWS[2], timeStamp=None)]) == ({2: NOT_ACCEPTED}, set())
    assert read(notAccepted=[echo(ROWS[0], timeStamp=None)]) == ({}, {0, 1})


def test_two_of_one_account_are_told_apart() -> None:
    answer = read(notAccepted=[echo(ROWS[0]), echo(ROWS[1])], errorMessages=["first", "second"])
    assert answer == ({0: "first", 1: "second"}, set())


def test_a_row_nobody_sent_leaves_all_open() -> None:
    assert read(notAccepted=[{"contactId": ONE[::-1]}]) == ({}, EVERY)
    assert read(notAccepted=[{}]) == ({}, EVERY)


def test_all_rows_of_an_unknown_contact_and_of_an_unknown_definition() -> None:
    assert read(missingContactIds=[ONE.upper()]) == (dict.fromkeys([0, 1], UNKNOWN_CONTACT), set())
    refused, doubtful = read(missingDefinitionIds=[2])
    assert refused == {2: "Engage does not know point definition 2"}
    assert not doubtful


def test_a_message_about_nobody_leaves_all_open() -> None:
    assert read(errorMessages=["something went wrong"]) == ({}, EVERY)


def test_of_more_messages_than_rows_those_that_name_the_contact_count() -> None:
    messages = ["summary", f"contact {OTHER.upper()} is odd"]
    refused, _ = read(notAccepted=[echo(ROWS[2])], errorMessages=messages)
    assert refused == {2: messages[1]}
