"""Closing: an account emptied for good, what is owed let go."""

import msgspec
import pytest

from ledger.amounts import Points
from ledger.requests import Move
from tests.bookkeeping.paper import MEMBER, NotBookedError, Paper
from tests.bookkeeping.words import moved, taken, when


def test_what_is_left_goes_lot_by_lot_and_is_told_of_together() -> None:
    member = Paper()
    member.earn(30)
    member.earn("50 until 1 March")
    member.earn("20 from 1 February")
    member.redeem(10)
    told = member.book_it(member.till.close(MEMBER))
    assert told.amount == 90
    assert moved(told.transfers) == [
        "1 January: 20 pending to closed",
        "1 January: 70 available to closed",
    ]
    assert taken(told.transfers[1:]) == "lot 2: 40, lot 1: 30"
    assert (member.balance, member.lots) == ("nothing", "none")


def test_what_is_owed_is_let_go_and_is_nothing_that_was_left() -> None:
    member = Paper()
    member.redeem(10, allow_debt=True)
    member.earn("20 from 1 February")
    told = member.book_it(member.till.close(MEMBER))
    assert told.amount == 20
    assert moved(told.transfers) == [
        "1 January: 20 pending to closed",
        "1 January: 10 closed to debt",
    ]


def test_an_account_with_points_on_hold_stays_open() -> None:
    member = Paper()
    member.earn(30)
    member.book_it(member.till.hold(MEMBER, 1))
    with pytest.raises(NotBookedError, match="points_held: contactId"):
        member.book_it(member.till.close(MEMBER))


def test_a_closed_account_takes_nothing_more_and_what_ahead_of_it_lay_never_comes() -> None:
    member = Paper()
    member.earn("30 from 1 February")
    member.book_it(member.till.close(MEMBER))
    assert member.account.next_due_at is None
    member.sweep("2 February")
    assert len(member.entries) == 2
    for request in (member.till.earn(MEMBER, 10), member.till.close(MEMBER)):
        with pytest.raises(NotBookedError, match="account_closed: contactId"):
            member.book_it(request)


def test_closing_happens_now_whatever_is_asked() -> None:
    member = Paper()
    member.earn(30)
    member.today("5 January")
    request = msgspec.structs.replace(member.till.close(MEMBER), effective_at=when("2 January"))
    assert member.book_it(request).effective_at == when("5 January")


def test_where_there_never_was_an_account_there_is_none_to_close() -> None:
    member = Paper()
    with pytest.raises(NotBookedError, match="no_account: contactId"):
        member.book_it(member.till.close(MEMBER))
    everything = member.till.move(MEMBER, to=MEMBER)
    assert isinstance(everything, Move)
    with pytest.raises(NotBookedError, match="no_account: contactId"):
        member.book_it(everything)
    # Something of it would have been refused for another reason.
    with pytest.raises(NotBookedError, match="move_to_itself: to"):
        member.book_it(member.till.move(MEMBER, Points(1), to=MEMBER))
