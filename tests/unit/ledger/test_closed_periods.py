"""What comes to light of a closed period: booked at the start of the open one."""

from datetime import timedelta

from tests.bookkeeping.paper import TENANT, Paper
from tests.bookkeeping.words import MOMENT, when


def member_of_closed_books() -> Paper:
    """It is 4 February, and January is closed."""
    member = Paper(today="4 February")
    member.book.closed_until = {TENANT: when("1 February")}
    return member


def test_what_happened_in_a_closed_period_remembers_when() -> None:
    told = member_of_closed_books().earn(5, on="20 January")
    assert told.effective_at == when("1 February")
    assert told.occurred_at == when("20 January")


def test_what_happened_in_the_open_period_happened_when_it_did() -> None:
    member = member_of_closed_books()
    for day in ("1 February", "3 February"):
        told = member.earn(5, on=day)
        assert (told.effective_at, told.occurred_at) == (when(day), None)


def test_points_over_before_the_open_period_live_in_it_for_a_moment() -> None:
    member = member_of_closed_books()
    told = member.earn("8 until 25 January", on="20 January")
    [lot] = told.lots
    assert lot.valid_from == when("1 February")
    assert lot.valid_to == when("1 February") + MOMENT
    assert [one.effective_at for one in told.transfers] == [lot.valid_from, lot.valid_to]
    assert member.balance == "nothing"


def test_points_that_end_with_the_closed_period_live_for_a_moment_too() -> None:
    member = member_of_closed_books()
    [lot] = member.earn("8 until 1 February", on="20 January").lots
    assert lot.valid_to == when("1 February") + MOMENT
    assert timedelta(microseconds=1) == MOMENT
