"""What Engage is told a contact has, and in what company."""

from datetime import datetime, timedelta, timezone

import pytest

from ledger.amounts import Points
from ledger.facts import Balance
from sync.engage.total_options import TotalOptions
from sync.engage.totals import rows_of, time_stamp, total_of


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


def test_stamps_are_utc() -> None:
    at = datetime(2023, 5, 16, 14, 20, 3, 5000, tzinfo=timezone(timedelta(hours=2)))
    assert time_stamp(at) == "2023-05-16T12:20:03.005Z"


@pytest.mark.parametrize(
    ("failures", "rows_max", "rows"),
    [(0, 1000, 1000), (1, 1000, 100), (2, 1000, 10), (3, 1000, 1), (9, 1000, 1), (2, 10, 1)],
)
def test_what_failed_travels_in_smaller_company(failures: int, rows_max: int, rows: int) -> None:
    assert rows_of(failures, rows_max) == rows
