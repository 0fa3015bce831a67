"""What an answer means, and what follows for the destination: the whole table."""

from datetime import UTC, datetime, timedelta

import msgspec
import pytest

from sync.relay.breaker import Standing, after, backoff, jittered
from sync.relay.exchange import Exchange, Verdict, verdict_of, wait_of
from sync.relay.options import DestinationOptions

NOW = datetime(2026, 11, 21, 9, 30, tzinfo=UTC)
OPTIONS = DestinationOptions(workspace="w", data_centre="02")


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.ACCEPTED),
        (202, Verdict.ACCEPTED),
        (400, Verdict.REFUSED),
        (413, Verdict.REFUSED),
        (422, Verdict.REFUSED),
        (429, Verdict.LIMITED),
        (401, Verdict.DENIED),
        (403, Verdict.DENIED),
        (404, Verdict.DENIED),
        (409, Verdict.DENIED),
        (415, Verdict.DENIED),
        (302, Verdict.DENIED),
        (408, Verdict.UNCLEAR),
        (500, Verdict.UNCLEAR),
        (503, Verdict.UNCLEAR),
    ],
)
def test_a_status_means_one_thing(status: int, verdict: Verdict) -> None:
    assert verdict_of(status, is_failure=False) is verdict


def test_a_200_that_says_it_failed_is_a_refusal() -> None:
    assert verdict_of(200, is_failure=True) is Verdict.REFUSED


@pytest.mark.parametrize(
    ("reset", "retry_after", "seconds"),
    [
        (None, None, None),
        ("30", None, 31),
        ("0", None, 1),
        (str(int(NOW.timestamp()) + 40), None, 40),
        (str(int(NOW.timestamp()) - 40), None, 0),
        (None, "12", 12),
        ("5", "12", 12),
        (None, "Sat, 21 Nov 2026 09:31:00 GMT", None),
        ("soon", None, None),
        ("99999999999999999999", None, None),
        (str(int(NOW.timestamp()) + 10**6), None, 3600),
    ],
)
def test_how_long_moengage_asks_to_wait(
    reset: str | None, retry_after: str | None, seconds: float | None
) -> None:
    assert wait_of(reset, retry_after, NOW.timestamp()) == seconds


def follow(standing: Standing, *verdicts: Verdict, wait: float | None = None) -> Standing:
    for verdict in verdicts:
        exchange = Exchange(verdict, trouble="said", wait_seconds=wait)
        standing = after(standing, exchange, OPTIONS, NOW, 0.5)
    return standing


def test_five_failures_in_a_row_break_and_each_further_one_for_twice_as_long() -> None:
    standing = follow(Standing(), *[Verdict.UNCLEAR] * 4)
    assert standing.closed_until is None
    assert not standing.tries(OPTIONS)
    standing = follow(standing, Verdict.UNREACHED)
    assert standing.tries(OPTIONS)
    assert standing.closed_until == NOW + timedelta(seconds=70), "past the minute that counts"
    standing = follow(standing, Verdict.UNREACHED)
    assert standing.closed_until == NOW + timedelta(seconds=140)
    standing = follow(standing, *[Verdict.UNREACHED] * 50)
    assert standing.closed_until == NOW + timedelta(seconds=1800)
    sooner = msgspec.structs.replace(OPTIONS, breaker_seconds_max=100)
    standing = after(standing, Exchange(Verdict.UNREACHED), sooner, NOW, 0.5)
    assert standing.closed_until == NOW + timedelta(seconds=100)


@pytest.mark.parametrize("verdict", [Verdict.ACCEPTED, Verdict.REFUSED, Verdict.LIMITED])
def test_any_answer_mends_what_was_broken(verdict: Verdict) -> None:
    standing = follow(Standing(), *[Verdict.UNCLEAR] * 6, verdict)
    assert (standing.failures, standing.broken_until) == (0, None)


def test_refused_credentials_pause_until_somebody_or_time_mends_them() -> None:
    standing = follow(Standing(), Verdict.DENIED)
    assert standing.paused_until == NOW + timedelta(seconds=300)
    assert standing.tries(OPTIONS), "then one request tries"
    assert follow(standing, Verdict.ACCEPTED).closed_until is None


def test_a_limit_is_waited_for_as_asked_and_by_default_for_a_minute() -> None:
    asked = follow(Standing(), Verdict.LIMITED, wait=20).limited_until
    assert asked is not None
    assert timedelta(seconds=20) <= asked - NOW <= timedelta(seconds=22)
    unasked = follow(Standing(), Verdict.LIMITED).limited_until
    assert unasked is not None
    assert timedelta(seconds=60) <= unasked - NOW <= timedelta(seconds=61)


def test_what_was_accepted_is_remembered_and_trouble_forgotten() -> None:
    standing = follow(Standing(), Verdict.UNCLEAR, Verdict.ACCEPTED)
    assert (standing.accepted_at, standing.trouble) == (NOW, None)


def test_pauses_outlive_the_minute_and_have_an_end() -> None:
    pauses = [backoff(attempts, OPTIONS, 0.5).total_seconds() for attempts in range(1, 8)]
    assert pauses == [5, 15, 45, 135, 405, 600, 600]
    assert (jittered(100, 0), jittered(100, 1)) == (75, 125)
