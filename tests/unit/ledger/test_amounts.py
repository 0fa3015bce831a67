"""Amounts: read from text exactly as written, or refused; written back the one plain way."""

from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ledger.amounts import (
    AMOUNT_MAX,
    SCALE_MAX,
    SPEND_SCALE,
    AmountError,
    Points,
    format_amount,
    parse_amount,
)


@pytest.mark.parametrize(
    ("text", "scale", "minor"),
    [
        ("0", 0, 0),
        ("12", 0, 12),
        ("-12", 0, -12),
        ("12", 2, 1200),
        ("12.5", 2, 1250),
        ("12.50", 2, 1250),
        ("0.01", 2, 1),
        ("-0.01", 2, -1),
        ("0.1", 1, 1),
        ("0.0001", 4, 1),
        ("-0", 0, 0),
        ("1000000000000000", 0, AMOUNT_MAX),
        ("100000000000.0000", 4, AMOUNT_MAX),
        ("-1000000000000000", 0, -AMOUNT_MAX),
    ],
)
def test_an_amount_is_read_in_minor_units(text: str, scale: int, minor: int) -> None:
    assert parse_amount(text, scale) == minor


@pytest.mark.parametrize(
    ("text", "scale", "code"),
    [
        ("", 0, "amount_not_plain"),
        ("0" * 24, 0, "amount_not_plain"),
        ("1e3", 0, "amount_not_plain"),
        ("1E3", 0, "amount_not_plain"),
        ("+1", 0, "amount_not_plain"),
        ("01", 0, "amount_not_plain"),
        ("-01", 0, "amount_not_plain"),
        (".5", 1, "amount_not_plain"),
        ("5.", 1, "amount_not_plain"),
        ("1,000", 0, "amount_not_plain"),
        ("1_000", 0, "amount_not_plain"),
        (" 1", 0, "amount_not_plain"),
        ("1\n", 0, "amount_not_plain"),
        ("--1", 0, "amount_not_plain"),
        ("0x10", 0, "amount_not_plain"),
        ("NaN", 0, "amount_not_plain"),
        ("Infinity", 0, "amount_not_plain"),
        ("true", 0, "amount_not_plain"),
        ('"12"', 0, "amount_not_plain"),
        ("\u0661\u0662", 0, "amount_not_plain"),  # Arabic digits, which Python's int() would take
        ("1.5", 0, "amount_beyond_scale"),
        ("1.0", 0, "amount_beyond_scale"),
        ("1.50", 1, "amount_beyond_scale"),
        ("0.00001", 4, "amount_beyond_scale"),
        ("1000000000000001", 0, "amount_too_large"),
        ("-1000000000000001", 0, "amount_too_large"),
        ("100000000000.0001", 4, "amount_too_large"),
        ("9" * 24, 0, "amount_too_large"),
        ("9" * 12, 4, "amount_too_large"),
        ("1.1." + "1" * 30, 4, "amount_not_plain"),
        ("9" * 25, 0, "amount_too_large"),
        ("9" * 100_000, 0, "amount_too_large"),
        ("1." + "0" * 100_000, 4, "amount_beyond_scale"),
        ("0.30000000000000004", 2, "amount_beyond_scale"),
        ("0.3000000000000000000000004", 4, "amount_beyond_scale"),
        ("1e" + "9" * 100_000, 0, "amount_not_plain"),
    ],
)
def test_what_is_no_plain_number_within_scale_and_bounds_is_refused(
    text: str, scale: int, code: str
) -> None:
    with pytest.raises(AmountError) as refusal:
        parse_amount(text, scale)
    assert refusal.value.code == code


def test_a_refusal_says_the_rule_in_the_definition_s_own_units() -> None:
    with pytest.raises(AmountError, match=r"has 3 decimals, the definition allows 2"):
        parse_amount("1.005", 2)
    with pytest.raises(AmountError, match=r"exceeds the largest amount, 10000000000000"):
        parse_amount("10000000000000.01", 2)


@pytest.mark.parametrize(
    ("minor", "scale", "text"),
    [
        (0, 0, "0"),
        (0, 4, "0"),
        (12, 0, "12"),
        (1250, 2, "12.5"),
        (1200, 2, "12"),
        (1, 4, "0.0001"),
        (-1, 4, "-0.0001"),
        (-1250, 2, "-12.5"),
        (-5, 1, "-0.5"),
        (AMOUNT_MAX, 4, "100000000000"),
        (10**18 + 1, 4, "100000000000000.0001"),
    ],
)
def test_an_amount_is_written_plainly(minor: int, scale: int, text: str) -> None:
    assert format_amount(minor, scale) == text


@given(st.integers(-AMOUNT_MAX, AMOUNT_MAX), st.integers(0, SCALE_MAX))
def test_what_is_written_is_read_back_the_same(minor: int, scale: int) -> None:
    assert parse_amount(format_amount(Points(minor), scale), scale) == minor


@given(
    st.decimals(-(10**11), 10**11, places=4, allow_nan=False, allow_infinity=False),
    st.integers(0, SCALE_MAX),
)
@example(Decimal("0.1"), 1)
@example(Decimal("1.10"), 1)
def test_reading_agrees_with_exact_decimals_and_never_rounds(number: Decimal, scale: int) -> None:
    text = f"{number:f}"
    decimals = len(text.partition(".")[2])
    if decimals > scale:
        with pytest.raises(AmountError):
            parse_amount(text, scale)
    else:
        assert parse_amount(text, scale) == number.scaleb(scale)


@given(st.text(alphabet="0123456789.-+eE", max_size=12), st.integers(0, SCALE_MAX))
def test_a_text_is_an_amount_or_an_amount_error(text: str, scale: int) -> None:
    try:
        parsed = parse_amount(text, scale)
    except AmountError:
        return
    assert Decimal(text).scaleb(scale) == parsed


def test_of_the_money_spent_ten_thousandths_are_kept() -> None:
    assert parse_amount("1250.0001", SPEND_SCALE) == 12_500_001
    with pytest.raises(AmountError, match="has 5 decimals, the definition allows 4"):
        parse_amount("1250.00001", SPEND_SCALE)
