"""Policies: how long points live, counted in the program's own calendar and written on the lot."""

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.policies import Policy, RoundUp, Span, Start, Validity, add_months
from tests.bookkeeping.paper import Paper, definition
from tests.bookkeeping.words import MOMENT, said, when

STOCKHOLM = ZoneInfo("Europe/Stockholm")
NEW_YORK = ZoneInfo("America/New_York")
GMT = ZoneInfo("UTC")


def months(length: int, round_up: RoundUp = RoundUp.NONE, start: Start = Start.EARNING) -> Validity:
    return Validity(span=Span.MONTHS, length=length, round_up=round_up, start=start)


def days(length: int, round_up: RoundUp = RoundUp.NONE, start: Start = Start.EARNING) -> Validity:
    return Validity(span=Span.DAYS, length=length, round_up=round_up, start=start)


def end(validity: Validity, earned: str, zone: ZoneInfo = GMT, starting: str | None = None) -> str:
    lapses = validity.end(when(earned), when(starting or earned), zone)
    return "never" if lapses is None else said(lapses)


@pytest.mark.parametrize(
    ("earned", "length", "lapses"),
    [
        ("31 January", 1, "28 February"),
        ("30 January", 1, "28 February"),
        ("29 January", 1, "28 February"),
        ("28 January", 1, "28 February"),
        ("31 January 2028", 1, "29 February 2028"),
        ("31 January 2076", 1, "29 February 2076"),
        ("31 January 2100", 1, "28 February 2100"),
        ("31 March", 1, "30 April"),
        ("31 January", 2, "31 March"),
        ("30 November", 3, "28 February 2027"),
        ("31 December", 12, "31 December 2027"),
        ("29 February 2028", 12, "28 February 2029"),
        ("29 February 2028", 48, "29 February 2032"),
        ("15 June 14:30", 12, "15 June 2027 14:30"),
        ("15 June 14:30:05.25", 1, "15 July 14:30:05.25"),
    ],
)
def test_months_end_on_the_same_day_or_the_month_s_last(
    earned: str, length: int, lapses: str
) -> None:
    assert end(months(length), earned) == lapses


@pytest.mark.parametrize(
    ("validity", "earned", "lapses"),
    [
        # 10 January + 30 days is 9 February
        (days(30), "10 January 08:00", "9 February 08:00"),
        (days(30, RoundUp.MONTH), "10 January 08:00", "1 March"),
        (days(30, RoundUp.QUARTER), "10 January 08:00", "1 April"),
        (days(30, RoundUp.YEAR), "10 January 08:00", "1 January 2027"),
        # 10 January + 12 months is 10 January 2027
        (months(12, RoundUp.MONTH), "10 January", "1 February 2027"),
        (months(12, RoundUp.QUARTER), "10 January", "1 April 2027"),
        (months(12, RoundUp.YEAR), "10 January", "1 January 2028"),
        # quarters begin in January, April, July, October
        (months(1, RoundUp.QUARTER), "31 May", "1 July"),
        (months(1, RoundUp.QUARTER), "1 June", "1 July"),
        (months(1, RoundUp.QUARTER), "1 June 00:00:01", "1 October"),
        (months(1, RoundUp.QUARTER), "2 September", "1 January 2027"),
        # an end on a period's own boundary is that boundary, not the next one
        (months(1, RoundUp.MONTH), "1 January", "1 February"),
        (months(1, RoundUp.MONTH), "1 January 00:00:00.000001", "1 March"),
        (months(12, RoundUp.YEAR), "1 January", "1 January 2027"),
        (days(31, RoundUp.YEAR), "1 December", "1 January 2027"),
    ],
)
def test_an_end_is_rounded_up_to_its_month_quarter_or_year(
    validity: Validity, earned: str, lapses: str
) -> None:
    assert end(validity, earned) == lapses


def test_without_a_span_points_never_lapse() -> None:
    assert end(Validity(), "1 January") == "never"
    assert end(Validity(round_up=RoundUp.YEAR), "1 January") == "never"


@pytest.mark.parametrize(
    ("validity", "earned", "zone", "lapses"),
    [
        # Stockholm moves to summer time on 29 March 2026 at 02:00 (+01:00 to +02:00) ...
        # earned 09:00 local in winter, lapses 09:00 local in summer: an hour earlier in UTC
        (days(30), "15 March 08:00", STOCKHOLM, "14 April 07:00"),
        (months(1), "15 March 08:00", STOCKHOLM, "15 April 07:00"),
        # ... and back on 25 October at 03:00: an hour later in UTC
        (days(30), "15 October 07:00", STOCKHOLM, "14 November 08:00"),
        # New York's summer begins on 8 March (-05:00 to -04:00) and ends on 1 November
        (days(1), "7 March 17:00", NEW_YORK, "8 March 16:00"),
        (months(1), "10 October 16:00", NEW_YORK, "10 November 17:00"),
        # a day by the program's clock may have 23 or 25 hours
        (days(1), "28 March 12:00", STOCKHOLM, "29 March 11:00"),
        (days(1), "24 October 12:00", STOCKHOLM, "25 October 13:00"),
        # 02:30 does not exist on 29 March: the same instant counted on, 03:30 summer time
        (days(1), "28 March 01:30", STOCKHOLM, "29 March 01:30"),
        # 02:30 comes twice on 25 October: the first of the two
        (days(1), "24 October 00:30", STOCKHOLM, "25 October 00:30"),
        # days and periods are the program's: 23:30 UTC is the next day in Stockholm,
        # the day before in New York
        (months(1), "30 January 23:30", STOCKHOLM, "27 February 23:30"),
        (months(1), "1 February 02:00", NEW_YORK, "1 March 02:00"),
        (months(12, RoundUp.YEAR), "31 December 23:30", STOCKHOLM, "31 December 2028 23:00"),
        (months(12, RoundUp.YEAR), "31 December 22:30", STOCKHOLM, "31 December 2027 23:00"),
        (months(12, RoundUp.YEAR), "1 January 2027 04:59", NEW_YORK, "1 January 2028 05:00"),
        (months(1, RoundUp.QUARTER), "15 January 12:00", STOCKHOLM, "31 March 22:00"),
        (months(1, RoundUp.MONTH), "15 September 12:00", NEW_YORK, "1 November 04:00"),
        (months(1, RoundUp.MONTH), "15 October 12:00", NEW_YORK, "1 December 05:00"),
    ],
)
def test_spans_and_periods_are_counted_by_the_program_s_clock(
    validity: Validity, earned: str, zone: ZoneInfo, lapses: str
) -> None:
    assert end(validity, earned, zone) == lapses


def test_a_validity_may_be_counted_from_activation() -> None:
    earning, activation = months(1), months(1, start=Start.ACTIVATION)
    assert end(earning, "10 January", starting="24 January") == "10 February"
    assert end(activation, "10 January", starting="24 January") == "24 February"


def test_points_that_start_after_their_counted_end_live_for_a_moment() -> None:
    # 7 days from 1 January is the 8th, but they can only be used from the 15th
    start = when("15 January")
    assert days(7).end(when("1 January"), start, GMT) == start + MOMENT


@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)),  # noqa: DTZ001 — hypothesis adds the zone itself
    st.integers(1, 400),
    st.sampled_from(RoundUp),
    st.sampled_from([Span.DAYS, Span.MONTHS]),
    st.sampled_from([STOCKHOLM, NEW_YORK, GMT, ZoneInfo("Asia/Kathmandu")]),
)
def test_rounding_up_never_shortens_a_life_nor_ends_within_a_period(
    earned: datetime, length: int, round_up: RoundUp, span: Span, zone: ZoneInfo
) -> None:
    exact = Validity(span=span, length=length).end(earned, earned, zone)
    rounded = Validity(span=span, length=length, round_up=round_up).end(earned, earned, zone)
    assert exact is not None
    assert rounded is not None
    assert rounded >= exact > earned - timedelta(hours=1)
    assert rounded > earned
    if round_up is not RoundUp.NONE and length:
        local = rounded.astimezone(zone)
        assert local.day == 1
        assert local.month in {
            RoundUp.MONTH: range(1, 13),
            RoundUp.QUARTER: (1, 4, 7, 10),
            RoundUp.YEAR: (1,),
        }.get(round_up, ())


@given(st.dates(date(1970, 1, 1), date(2999, 1, 1)), st.integers(0, 1200), st.integers(0, 1200))
def test_adding_months_keeps_the_day_or_takes_the_last(day: date, one: int, other: int) -> None:
    later = add_months(day, one)
    assert later.day <= day.day
    assert (later.day == day.day) or (later + timedelta(days=1)).day == 1
    assert (later.year * 12 + later.month) - (day.year * 12 + day.month) == one
    assert add_months(day, one) <= add_months(day, one + other)


def test_a_changed_policy_is_never_retroactive() -> None:
    one_month, one_year = Policy(validity=months(1)), Policy(validity=months(12))
    member = Paper(definition(one_month, ("1 March", one_year)))
    member.earn_by_policy(10, on="1 January")
    member.today("10 March")
    member.earn_by_policy(20, on="20 February")  # known late, but earned under the old policy
    member.earn_by_policy(30, on="1 March")  # the very instant the new one begins
    member.earn_by_policy(40, on="10 March")
    # the first 10 lapsed on 1 February
    assert member.lots == "20 until 20 March; 30 until 1 March 2027; 40 until 10 March 2027"


def test_a_policy_before_the_first_is_the_first() -> None:
    kept = definition(Policy(debt_limit=5), ("1 March", Policy(debt_limit=7)))
    assert kept.policy_at(datetime(1, 1, 1, tzinfo=UTC)).debt_limit == 5
    assert kept.policy_at(when("1 March") - MOMENT).debt_limit == 5
    assert kept.policy_at(when("1 March")).debt_limit == 7


@pytest.mark.parametrize(
    ("limit", "debt", "room"), [(None, 10**9, None), (50, 0, 50), (50, 20, 30), (50, 70, 0)]
)
def test_the_room_for_debt_is_what_the_limit_leaves(
    limit: int | None, debt: int, room: int | None
) -> None:
    assert definition(Policy(debt_limit=limit)).debt_room(when("1 January"), debt) == room


def test_adjusted_points_live_as_long_as_earned_ones() -> None:
    member = Paper(definition(Policy(validity=months(1))))
    member.adjust(15)
    assert member.lots == "15 until 1 February"
