"""What Engage is told, to the byte."""

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

import pytest

from ledger.amounts import Points
from ledger.facts import Balance
from ledger.identity import ContactId
from sync.engage.total_options import TotalOptions
from sync.engage.totals import Total, body_of, split, stamped_at, time_stamp, total_of

CONTACT = ContactId(UUID("00000000-0000-0000-0000-000000000001"))
AT = datetime(2023, 5, 16, 12, 20, 3, 807_999, tzinfo=UTC)


def balance(available: int = 0, pending: int = 0, held: int = 0, debt: int = 0) -> Balance:
    return Balance(Points(available), Points(pending), Points(held), Points(debt))


@pytest.mark.parametrize(
    ("account", "options", "expected"),
    [
        (balance(available=100), TotalOptions(), 100),
        (balance(available=100, pending=7, held=30), TotalOptions(), 100),
        (balance(available=100, held=30), TotalOptions(count_held=True), 130),
        (balance(debt=50), TotalOptions(), 0),
        (balance(debt=50), TotalOptions(below_zero=True), -50),
        (balance(debt=50, held=30), TotalOptions(count_held=True, below_zero=True), -20),
    ],
)
def test_the_total_is_what_can_be_spent_now(
    account: Balance, options: TotalOptions, expected: int
) -> None:
    assert total_of(account, options) == expected


def test_the_documented_example_to_the_byte() -> None:
    assert body_of([Total(CONTACT, 122, 0, 1), Total(CONTACT, 6350, 2, 2)], AT) == (
        b'[{"contactId":"00000000-0000-0000-0000-000000000001","amount":122,"definitionId":1,'
        b'"timeStamp":"2023-05-16T12:20:03.807Z"},'
        b'{"contactId":"00000000-0000-0000-0000-000000000001","amount":63.5,"definitionId":2,'
        b'"timeStamp":"2023-05-16T12:20:03.807Z"}]'
    )


def test_large_and_negative_amounts_are_plain_numbers() -> None:
    body = body_of([Total(CONTACT, 10**17, 4, 1), Total(CONTACT, -1, 4, 1)], AT)
    assert b'"amount":10000000000000,' in body
    assert b'"amount":-0.0001,' in body


def test_stamps_are_utc() -> None:
    at = datetime(2023, 5, 16, 14, 20, 3, 5000, tzinfo=timezone(timedelta(hours=2)))
    assert time_stamp(at) == "2023-05-16T12:20:03.005Z"


def test_a_stamp_is_later_than_any_before() -> None:
    assert stamped_at(AT, []) == AT
    assert stamped_at(AT, [None, AT - timedelta(hours=1)]) == AT
    assert stamped_at(AT, [AT]) == AT + timedelta(milliseconds=1)
    assert stamped_at(AT, [AT + timedelta(hours=1), None]) == AT + timedelta(
        hours=1, milliseconds=1
    )


def test_rows_that_failed_travel_in_smaller_company() -> None:
    rows = [(0, n) for n in range(2500)] + [(1, n) for n in range(250)] + [(3, 1), (3, 2), (9, 3)]
    sizes = [len(request) for request in split(rows, 1000)]
    assert sizes == [1000, 1000, 500, 100, 100, 50, 1, 1, 1]


def test_a_small_limit_is_kept_too() -> None:
    assert [len(r) for r in split([(2, n) for n in range(3)], 10)] == [1, 1, 1]
    assert split([], 1000) == []
