"""Changing validity: pending points released early or later, living ones extended."""

import pytest

from ledger.outcomes import Booked, Refused
from ledger.requests import Request
from tests.bookkeeping.asking import Till
from tests.bookkeeping.paper import (
    DEFINITION,
    MEMBER,
    TENANT,
    NotBookedError,
    Paper,
    definition,
)
from tests.bookkeeping.words import MOMENT, moved, said, standing, when
from tests.simulation.history import CONTACTS
from tests.simulation.sheet import Sheet


def refusal(member: Paper, request: Request) -> str:
    """Why a request is refused, and the field that it is about."""
    with pytest.raises(NotBookedError) as refused:
        member.book_it(request)
    return f"{refused.value.refused.code} {refused.value.refused.field}"


def test_points_released_early_are_available_from_that_instant() -> None:
    member = Paper()
    member.earn("100 from 10 January until 20 January", key="purchase")
    member.today("5 January")
    told = member.book_it(member.till.activate(MEMBER, of="purchase", on="3 January"))
    assert told.amount == 100
    assert moved(told.transfers) == ["3 January: 100 pending to available"]
    [term] = told.terms
    assert (term.term, term.valid_from, term.valid_to) == (1, when("3 January"), when("20 January"))
    assert member.balance == "100 available"
    assert refusal(member, member.till.activate(MEMBER, of="purchase")) == (
        "nothing_pending reverses"
    )


def test_pending_points_that_were_taken_back_cannot_be_released() -> None:
    member = Paper()
    member.earn("100 from 10 January", key="purchase")
    member.give_back()
    assert refusal(member, member.till.activate(MEMBER, of="purchase")) == (
        "nothing_pending reverses"
    )


def test_released_points_repay_debt() -> None:
    member = Paper()
    member.redeem(30, allow_debt=True)
    member.earn("100 from 10 January", key="purchase")
    told = member.book_it(member.till.activate(MEMBER, of="purchase"))
    assert (told.amount, member.balance) == (100, "70 available")


def test_points_are_not_released_before_they_were_earned() -> None:
    member = Paper(today="5 January")
    member.earn("100 from 10 January", key="purchase", on="3 January")
    early = member.till.activate(MEMBER, of="purchase", on="2 January")
    assert refusal(member, early) == "effective_at_before_original effectiveAt"
    member.book_it(member.till.activate(MEMBER, of="purchase", on="3 January"))


def test_only_what_issued_points_can_be_extended() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    spent = member.redeem(30)
    request = member.till.extend(MEMBER, of=spent.id, end="1 April")
    assert refusal(member, request) == "original_wrong_kind reverses"


def test_what_was_spent_of_extended_points_stays_spent() -> None:
    member = Paper()
    member.earn("100 until 1 March", key="purchase")
    member.redeem(30)
    told = member.book_it(member.till.extend(MEMBER, of="purchase", end="1 April"))
    assert (told.amount, told.transfers) == (70, ())
    assert member.lots == "70 until 1 April"
    member.sweep("1 March")
    assert member.balance == "70 available"
    member.sweep("1 April")
    assert member.balance == "nothing"


@pytest.mark.parametrize(
    ("lot", "start", "end", "becomes"),
    [
        # a later end, or none of the two changed
        ("50 until 20 January", None, "21 January", "50 until 21 January"),
        ("50 until 20 January", None, "20 January", "not_extended validTo"),
        ("50 until 20 January", None, "19 January", "not_extended validTo"),
        # or no end any more
        ("50 until 20 January", None, "never", "50"),
        ("50 from 10 January until 20 January", "25 January", "never", "50 from 25 January"),
        ("50", None, "never", "not_extended validTo"),
        # without an end there is no later one
        ("50", None, "20 January", "not_extended validTo"),
        # a later beginning, with the end said as it is, or changed too
        ("50 from 10 January until 20 January", "12 January", None,
         "50 until 20 January from 12 January"),
        ("50 from 10 January until 20 January", "12 January", "20 January",
         "50 until 20 January from 12 January"),
        ("50 from 10 January until 20 January", "25 January", "1 February",
         "50 until 1 February from 25 January"),
        # an earlier one, if it still lies ahead
        ("50 from 10 January", "6 January", None, "50 from 6 January"),
        ("50 from 10 January", "5 January", None, "nothing_pending validFrom"),
        ("50 from 10 January", "10 January", None, "not_extended validTo"),
        # points must live
        ("50 from 10 January until 20 January", "20 January", None, "validity_empty validTo"),
        ("50 from 10 January until 20 January", "21 January", None, "validity_empty validTo"),
        # what is available has begun
        ("50 until 20 January", "12 January", None, "nothing_pending validFrom"),
    ],
)  # fmt: skip
def test_a_new_term_begins_ahead_and_ends_later(
    lot: str, start: str | None, end: str | None, becomes: str
) -> None:
    member = Paper()
    member.earn(lot, key="purchase")
    member.today("5 January")
    request = member.till.extend(MEMBER, of="purchase", start=start, end=end)
    if "_" in becomes:
        assert refusal(member, request) == becomes
    else:
        member.book_it(request)
        assert member.lots == becomes


def test_at_the_very_instant_they_lapse_points_can_no_longer_be_extended() -> None:
    member = Paper()
    member.earn("50 until 20 January", key="purchase")
    member.today(said(when("20 January") - MOMENT))
    member.book_it(member.till.extend(MEMBER, of="purchase", end="25 January"))
    member.today("25 January")
    late = member.till.extend(MEMBER, of="purchase", end="1 February", on="24 January")
    assert refusal(member, late) == "points_lapsed reverses"


def test_what_is_left_of_several_lots_is_extended_where_it_can_be() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    giver, friend = CONTACTS[:2]
    till = Till(TENANT, DEFINITION)
    for lot in ("10 until 1 February", "20 until 1 May", "30"):
        sheet.post([till.earn(giver, lot)], when("1 January"))
    sheet.post([till.move(giver, 60, to=friend)], when("2 January"))
    received = sheet.chain(friend)[0].id
    [outcome] = sheet.post([till.extend(friend, of=received, end="1 March")], when("3 January"))
    assert isinstance(outcome, Booked)
    assert outcome.transaction.amount == 10
    lots = sheet.book.holders[TENANT, friend].account(DEFINITION).lots
    assert standing(lots.values()) == "10 until 1 March; 20 until 1 May; 30"
    [refused] = sheet.post([till.extend(friend, of=received, end="1 March")], when("3 March"))
    assert isinstance(refused, Refused)
    # The first lot says why: it has lapsed.
    assert (refused.code, refused.field) == ("points_lapsed", "reverses")


def test_pending_points_that_were_taken_back_get_no_other_beginning() -> None:
    member = Paper()
    member.earn("100 from 10 January", key="purchase")
    member.give_back()
    request = member.till.extend(MEMBER, of="purchase", start="12 January")
    assert refusal(member, request) == "nothing_pending validFrom"


def test_what_ends_now_has_ended_though_nothing_was_left_to_lapse() -> None:
    member = Paper()
    member.earn("50 until 20 January", key="purchase")
    member.redeem(50)
    member.today("20 January")
    request = member.till.extend(MEMBER, of="purchase", end="25 January")
    assert refusal(member, request) == "points_lapsed reverses"
