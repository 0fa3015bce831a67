"""Timings: when something is due, by when it was last done."""

from datetime import UTC, datetime, timedelta

import pytest

from sync.timing import Timing, TimingError, every

NOW = datetime(2026, 11, 21, 12, 30, tzinfo=UTC)


def test_an_interval_is_counted_from_the_last_run() -> None:
    timing = every(3600, jitter_seconds=60)
    assert timing.next_after(NOW - timedelta(minutes=50), NOW, "UTC") == NOW + timedelta(minutes=10)
    assert timing.next_after(NOW - timedelta(days=2), NOW, "UTC") == NOW - timedelta(hours=47)
    assert timing.next_after(None, NOW, "UTC") == NOW + timedelta(hours=1)


def test_a_cron_line_is_read_in_the_tenants_time_zone() -> None:
    nightly = Timing(cron="0 1 * * *", jitter_seconds=900)
    midnight_utc = datetime(2026, 11, 22, 0, 0, tzinfo=UTC)
    assert nightly.next_after(None, NOW, "Europe/Stockholm") == midnight_utc
    missed = nightly.next_after(NOW - timedelta(days=1), NOW, "Europe/Stockholm")
    assert missed == midnight_utc - timedelta(days=1)


def test_a_day_that_never_comes() -> None:
    assert Timing(cron="0 0 30 2 *").next_after(None, NOW, "UTC") is None


@pytest.mark.parametrize(
    ("timing", "said"),
    [
        (every(5), "every 5 s"),
        (Timing(every_seconds=60, paused=True), "every 60 s, paused"),
        (Timing(cron="0 1 * * *"), "cron 0 1 * * *"),
    ],
)
def test_timings_are_said_in_a_few_words(timing: Timing, said: str) -> None:
    assert timing.said() == said


def test_when_and_how_often_exclude_each_other() -> None:
    with pytest.raises(TimingError, match="either"):
        Timing(cron="0 1 * * *", every_seconds=5).trigger("UTC")
