"""Cancelling: what a redemption took goes back where it was, the last taken first."""

from uuid import UUID

import pytest

from ledger.amounts import Points
from ledger.facts import Allocation, Origin
from ledger.identity import HolderId
from ledger.kinds import Kind
from ledger.policies import Policy, Span, Validity
from ledger.rules.context import Original
from tests.bookkeeping.paper import DEFINITION, MEMBER, NotBookedError, Paper, definition
from tests.bookkeeping.words import moved, when


def test_points_go_back_to_the_lots_they_came_from_the_last_taken_first() -> None:
    member = Paper()
    member.earn("50 until 1 March")
    member.earn("50 until 1 April")
    spent = member.redeem(80)
    for amount, lots in (
        (20, "40 until 1 April"),
        (20, "10 until 1 March; 50 until 1 April"),
        (40, "50 until 1 March; 50 until 1 April"),
    ):
        told = member.book_it(member.till.cancel(MEMBER, amount, of=spent.id))
        assert moved(told.transfers) == [f"1 January: {amount} redeemed to available"]
        assert member.lots == lots
    with pytest.raises(NotBookedError, match="nothing_left: reverses"):
        member.book_it(member.till.cancel(MEMBER, of=spent.id))


def test_debt_that_is_still_owed_is_forgiven_and_nothing_else_moves() -> None:
    member = Paper()
    member.earn(40)
    spent = member.redeem(60, allow_debt=True)
    told = member.book_it(member.till.cancel(MEMBER, 15, of=spent.id))
    assert moved(told.transfers) == ["1 January: 15 redeemed to debt"]
    assert member.balance == "5 debt"


def test_debt_that_was_repaid_comes_back_as_points_with_a_life_of_their_own() -> None:
    member = Paper(definition(Policy(validity=Validity(span=Span.DAYS, length=30))))
    member.earn("40 until 1 June")
    spent = member.redeem(60, allow_debt=True)
    member.today("3 January")
    member.earn("15 until 1 March")
    member.today("4 January")
    told = member.book_it(member.till.cancel(MEMBER, of=spent.id))
    assert moved(told.transfers) == [
        "4 January: 5 redeemed to debt",
        "4 January: 40 redeemed to available",
        "4 January: 15 redeemed to available",
    ]
    assert member.lots == "40 until 1 June; 15 until 3 February"


def test_forgiveness_takes_effect_no_earlier_than_the_debt() -> None:
    member = Paper()
    spent = member.redeem(60, allow_debt=True)
    member.today("3 January")
    member.redeem(10, allow_debt=True)
    member.today("4 January")
    told = member.book_it(member.till.cancel(MEMBER, of=spent.id, on="2 January"))
    assert moved(told.transfers) == ["3 January: 60 redeemed to debt"]
    assert member.impossible_instants() == []


def test_what_comes_back_repays_other_debt() -> None:
    member = Paper()
    member.earn(50)
    spent = member.redeem(50)
    member.redeem(30, allow_debt=True)
    told = member.book_it(member.till.cancel(MEMBER, of=spent.id))
    assert moved(told.transfers) == [
        "1 January: 50 redeemed to available",
        "1 January: 30 available to debt",
    ]
    assert member.balance == "20 available"


def test_a_capture_is_cancelled_as_a_redemption_is_and_an_earn_is_not() -> None:
    member = Paper()
    earned = member.earn("100 until 1 March")
    member.book_it(member.till.hold(MEMBER, 60, key="checkout"))
    spent = member.book_it(member.till.capture(MEMBER, 50, of="checkout"))
    told = member.book_it(member.till.cancel(MEMBER, of=spent.id))
    assert (told.amount, member.lots) == (50, "100 until 1 March")
    with pytest.raises(NotBookedError, match="original_wrong_kind: reverses"):
        member.book_it(member.till.cancel(MEMBER, of=earned.id))


def test_what_was_taken_before_a_merge_comes_back_as_new_lots_that_end_as_those_did() -> None:
    member = Paper(today="15 January")
    member.redeem(5, allow_debt=True)
    lots = Paper()
    for lot in ("50 until 10 January", "50 until 1 June"):
        lots.earn(lot)
    former = HolderId(UUID(int=9))
    member.book.places[UUID(int=8)] = (former, 3)
    member.book.originals[former, 3] = Original(
        UUID(int=8),
        former,
        3,
        DEFINITION,
        Kind.REDEEM,
        Points(80),
        when("2 January"),
        taken=(Allocation(1, Points(50)), Allocation(2, Points(30))),
        owner=member.holder.id,
        elsewhere=lots.account.lots,
    )
    told = member.book_it(member.till.cancel(MEMBER, of=UUID(int=8)))
    assert moved(told.transfers) == [
        "15 January: 30 redeemed to available",
        "15 January: 50 redeemed to available",
        "15 January: 50 available to expired",
        "15 January: 5 available to debt",
    ]
    assert [(lot.origin, lot.valid_to) for lot in told.lots] == [
        (Origin(former, 2), when("1 June")),
        (Origin(former, 1), when("10 January")),
    ]
    assert member.lots == "25 until 1 June"


def test_what_comes_back_late_lapses_in_the_same_transaction_if_it_has_to_since() -> None:
    member = Paper()
    member.earn("50 until 10 January")
    member.earn(7)
    spent = member.redeem(55)
    member.today("12 January")
    told = member.book_it(member.till.cancel(MEMBER, of=spent.id, on="5 January"))
    assert moved(told.transfers) == [
        "5 January: 55 redeemed to available",
        "10 January: 50 available to expired",
    ]
    assert member.balance == "7 available"
