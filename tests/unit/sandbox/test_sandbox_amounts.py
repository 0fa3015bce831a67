from decimal import Decimal

import pytest

from sandbox.amounts import AmountRefusedError, read_amount
from sandbox.answers import write_json


@pytest.mark.parametrize(
    ("written", "amount", "answered"),
    [
        (b"122", Decimal(122), b"122"),
        (b"-40", Decimal(-40), b"-40"),
        (b"123.45", Decimal("123.45"), b"123.45"),
        (b"250.0000", Decimal("250.0000"), b"250.0000"),
        (b"1e3", Decimal(1000), b"1000"),
        (b"0.000001", Decimal("0.000001"), b"0.000001"),
        (b"0e5", Decimal(0), b"0"),
        (b"-0", Decimal(0), b"0"),
    ],
)
def test_a_number_is_kept_to_its_last_digit_and_answered_without_exponent(
    written: bytes, amount: Decimal, answered: bytes
) -> None:
    assert read_amount(written) == amount
    assert write_json(read_amount(written)) == answered


@pytest.mark.parametrize(
    "written",
    [
        b'"122"',
        b"NaN",
        b"null",
        b"true",
        b"1e400",
        b"1e15",
        b"1234567890123456",
        b"0.0000001",
        b"1e-7",
        b"01",
        b"1.",
        b"+1",
        b"",
        b"9" * 1000,
    ],
)
def test_what_is_no_number_or_no_possible_amount_is_refused(written: bytes) -> None:
    with pytest.raises(AmountRefusedError):
        read_amount(written)


def test_a_tenth_ten_times_is_one() -> None:
    assert sum((read_amount(b"0.1") for _ in range(10)), Decimal(0)) == 1
