from datetime import UTC, datetime, timedelta

import pytest

from sandbox.clock import Clock, ClockChange

NEW_YEAR = datetime(2027, 1, 1, tzinfo=UTC)


def test_a_clock_shows_real_time_until_it_is_told_otherwise() -> None:
    assert abs(Clock().now() - datetime.now(UTC)) < timedelta(seconds=1)


def test_a_frozen_clock_stands_still_and_can_be_advanced() -> None:
    clock = Clock()

    clock.change(ClockChange(set=NEW_YEAR, frozen=True))
    assert clock.now() == NEW_YEAR
    clock.change(ClockChange(advance_seconds=86_400))
    assert clock.now() == NEW_YEAR + timedelta(days=1)
    assert clock.frozen


def test_a_moved_clock_runs_on_from_there() -> None:
    clock = Clock()

    clock.change(ClockChange(set=NEW_YEAR))

    assert timedelta() <= clock.now() - NEW_YEAR < timedelta(seconds=1)
    clock.change(ClockChange(advance_seconds=3600))
    assert timedelta(hours=1) <= clock.now() - NEW_YEAR < timedelta(hours=1, seconds=1)


def test_a_released_clock_runs_on_from_where_it_stood() -> None:
    clock = Clock()
    clock.change(ClockChange(set=NEW_YEAR, frozen=True))

    clock.change(ClockChange(frozen=False))

    assert timedelta() <= clock.now() - NEW_YEAR < timedelta(seconds=1)


def test_a_clock_goes_back_to_real_time() -> None:
    clock = Clock()
    clock.change(ClockChange(set=NEW_YEAR, frozen=True))

    clock.change(ClockChange(real=True))

    assert abs(clock.now() - datetime.now(UTC)) < timedelta(seconds=1)
    assert not clock.frozen


def test_a_time_without_a_zone_is_refused() -> None:
    with pytest.raises(ValueError, match="time zone"):
        Clock().change(ClockChange(set=datetime(2027, 1, 1)))  # noqa: DTZ001 - that is the point


def test_the_calendar_ends_somewhere() -> None:
    with pytest.raises(ValueError, match="leave the calendar"):
        Clock().change(ClockChange(advance_seconds=1e12))
