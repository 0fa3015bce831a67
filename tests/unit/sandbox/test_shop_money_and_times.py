"""Money and times are read exactly, or refused."""

from datetime import UTC, datetime

import pytest

from sandbox.shop.money import exact_pence, mills, nearest_pence, written_pounds
from sandbox.shop.times import london_to_utc, utc, written_utc


@pytest.mark.parametrize(
    ("written", "thousandths"),
    [("2.55", 2550), ("27.5", 27_500), ("0.001", 1), ("-4.65", -4650), ("0", 0)],
)
def test_pounds_are_read_as_thousandths(written: str, thousandths: int) -> None:
    assert mills(written) == thousandths


@pytest.mark.parametrize("written", ["", "two", "0.0001", "NaN", "Infinity"])
def test_what_is_no_amount_in_thousandths_is_refused(written: str) -> None:
    with pytest.raises(ValueError, match="is not an amount"):
        mills(written)


@pytest.mark.parametrize(
    ("thousandths", "written"),
    [(2550, "2.55"), (2_042_761, "2042.761"), (-50, "-0.05"), (0, "0.00")],
)
def test_pounds_are_written_with_two_decimals_or_three(thousandths: int, written: str) -> None:
    assert written_pounds(thousandths) == written
    assert mills(written) == thousandths


@pytest.mark.parametrize(
    ("thousandths", "pence"),
    [(2_042_761, 204_276), (15, 2), (25, 2), (26, 3), (-15, -2), (-2550, -255)],
)
def test_pence_are_the_nearest_and_of_two_the_even(thousandths: int, pence: int) -> None:
    assert nearest_pence(thousandths) == pence


def test_a_refund_of_tenths_of_a_penny_is_refused() -> None:
    assert exact_pence(2550) == 255
    with pytest.raises(ValueError, match=r"£0\.001 is not a whole number of pence"):
        exact_pence(1)


@pytest.mark.parametrize(
    ("london", "hour_utc"),
    [
        ("2010-12-01 08:26:00", "2010-12-01T08:26Z"),  # winter: London is UTC
        ("2011-03-27 00:59:00", "2011-03-27T00:59Z"),  # the last minute of winter
        ("2011-03-27 02:00:00", "2011-03-27T01:00Z"),  # the first of summer, an hour ahead
        ("2011-06-15 12:00:00", "2011-06-15T11:00Z"),
        ("2011-10-30 01:30:00", "2011-10-30T00:30Z"),  # happened twice: the first
        ("2011-10-30 02:00:00", "2011-10-30T02:00Z"),
    ],
)
def test_london_time_in_utc(london: str, hour_utc: str) -> None:
    assert written_utc(london_to_utc(london)) == hour_utc
    assert utc(hour_utc) == london_to_utc(london)


def test_an_hour_the_clock_skipped_is_refused() -> None:
    with pytest.raises(ValueError, match="never was"):
        london_to_utc("2011-03-27 01:30:00")


def test_london_times_have_no_offset_and_carried_ones_are_utc() -> None:
    with pytest.raises(ValueError, match="has an offset"):
        london_to_utc("2011-03-01 09:00:00+00:00")
    for naive_or_elsewhere in ("2011-03-01T09:00", "2011-03-01T09:00+01:00"):
        with pytest.raises(ValueError, match="not a time in UTC"):
            utc(naive_or_elsewhere)


def test_only_whole_minutes_are_written() -> None:
    with pytest.raises(ValueError, match="not a whole minute"):
        written_utc(datetime(2011, 3, 1, 9, 0, 1, tzinfo=UTC))
