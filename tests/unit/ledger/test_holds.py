"""Holds: points set aside, then spent, given up or timed out; each ends once."""

from uuid import UUID

import pytest

from ledger.amounts import Points
from ledger.identity import HolderId
from ledger.kinds import Kind
from ledger.requests import Request
from ledger.rules.context import Original
from tests.bookkeeping.paper import DEFINITION, MEMBER, NotBookedError, Paper
from tests.bookkeeping.words import MOMENT, moved, said, taken, when


def refusal(member: Paper, request: Request) -> str:
    """Why a request is refused, and the field that it is about."""
    with pytest.raises(NotBookedError) as refused:
        member.book_it(request)
    return f"{refused.value.refused.code} {refused.value.refused.field}"


def test_what_is_held_is_no_longer_there_for_others() -> None:
    member = Paper()
    member.earn("50 until 1 March")
    member.earn(50)
    held = member.book_it(member.till.hold(MEMBER, 80, key="checkout", until="2 January"))
    assert held.hold_expires_at == when("2 January")
    assert member.balance == "20 available, 80 held"
    assert refusal(member, member.till.redeem(MEMBER, 21)) == "insufficient_points amount"
    assert refusal(member, member.till.hold(MEMBER, 21)) == "insufficient_points amount"
    spent = member.book_it(member.till.capture(MEMBER, of="checkout"))
    assert (spent.amount, spent.reverses) == (80, held.id)
    assert moved(spent.transfers) == ["1 January: 80 held to redeemed"]
    assert member.balance == "20 available"


def test_a_partial_capture_spends_what_expires_soonest_as_it_is_by_then() -> None:
    member = Paper()
    member.earn("50 until 1 March", key="first")
    member.earn("50 until 1 April")
    member.book_it(member.till.hold(MEMBER, 100, key="checkout"))
    member.book_it(member.till.extend(MEMBER, of="first", end="1 May"))
    spent = member.book_it(member.till.capture(MEMBER, 60, of="checkout"))
    assert moved(spent.transfers) == [
        "1 January: 60 held to redeemed",
        "1 January: 40 held to available",
    ]
    assert [part.amount for part in spent.transfers[0].allocations] == [50, 10]
    assert member.lots == "40 until 1 May"


def test_a_hold_gives_no_more_than_it_holds() -> None:
    member = Paper()
    member.earn(100)
    member.book_it(member.till.hold(MEMBER, 60, key="checkout"))
    request = member.till.capture(MEMBER, 61, of="checkout")
    assert refusal(member, request) == "capture_exceeds_hold amount"
    assert member.book_it(member.till.capture(MEMBER, 60, of="checkout")).amount == 60


@pytest.mark.parametrize("end", ["capture", "release", "time"])
def test_a_hold_ends_once(end: str) -> None:
    member = Paper()
    member.earn(100)
    member.book_it(member.till.hold(MEMBER, 60, key="checkout", until="5 January"))
    if end == "capture":
        member.book_it(member.till.capture(MEMBER, of="checkout"))
    elif end == "release":
        assert member.book_it(member.till.release(MEMBER, of="checkout")).amount == 60
    else:
        member.today("5 January")
    balance = "40 available" if end == "capture" else "100 available"
    for request in (
        member.till.capture(MEMBER, of="checkout", on="1 January"),
        member.till.release(MEMBER, of="checkout"),
    ):
        assert refusal(member, request) == "hold_ended holdId"
        assert member.balance == balance


def test_a_hold_that_would_be_over_is_none() -> None:
    member = Paper(today="5 January")
    member.earn(100)
    over = member.till.hold(MEMBER, 60, on="2 January", until="5 January")
    # The earn was recorded at midnight, so this is recorded a microsecond later.
    assert refusal(member, over) == "hold_over holdExpiresAt"
    last = member.till.hold(MEMBER, 60, until=said(when("5 January") + MOMENT))
    assert refusal(member, last) == "hold_over holdExpiresAt"
    member.book_it(member.till.hold(MEMBER, 60, until=said(when("5 January") + 2 * MOMENT)))


def test_a_hold_is_named_by_the_transaction_that_placed_it() -> None:
    member = Paper()
    earned = member.earn(100)
    member.book_it(member.till.hold(MEMBER, 60, key="checkout"))
    request = member.till.release(MEMBER, of=earned.id)
    assert refusal(member, request) == "original_wrong_kind holdId"


def test_a_hold_does_not_end_before_it_began() -> None:
    member = Paper(today="5 January")
    member.earn(100, on="1 January")
    member.book_it(member.till.hold(MEMBER, 60, key="checkout", on="3 January"))
    early = member.till.release(MEMBER, of="checkout", on="2 January")
    assert refusal(member, early) == "effective_at_before_original effectiveAt"
    member.book_it(member.till.release(MEMBER, of="checkout", on="3 January"))


def test_released_points_whose_life_is_over_lapse_and_others_repay_debt() -> None:
    member = Paper()
    member.earn("50 until 10 January")
    member.earn("50 until 1 June")
    member.book_it(member.till.hold(MEMBER, 100, key="checkout"))
    member.redeem(20, allow_debt=True)
    assert member.balance == "100 held, 20 debt"
    member.today("10 January")
    told = member.book_it(member.till.release(MEMBER, of="checkout"))
    assert moved(told.transfers) == [
        "10 January: 100 held to available",
        "10 January: 50 available to expired",
        "10 January: 20 available to debt",
    ]
    assert member.balance == "30 available"


def test_two_holds_that_time_out_at_one_instant_are_two_transactions() -> None:
    member = Paper()
    member.earn(100)
    for amount in (30, 20):
        member.book_it(member.till.hold(MEMBER, amount, until="5 January"))
    member.sweep("6 January")
    ends = [entry.transaction for entry in member.entries[-2:]]
    assert [(one.kind.word, one.amount) for one in ends] == [("timeout", 30), ("timeout", 20)]
    assert {one.effective_at for one in ends} == {when("5 January")}
    assert member.balance == "100 available"


def test_a_hold_of_before_a_merge_is_not_the_one_of_the_same_number() -> None:
    member = Paper()
    member.earn(100)
    held = member.book_it(member.till.hold(MEMBER, 60))
    former = HolderId(UUID(int=9))
    member.book.places[UUID(int=8)] = (former, held.number)
    member.book.originals[former, held.number] = Original(
        UUID(int=8),
        former,
        held.number,
        DEFINITION,
        Kind.HOLD,
        Points(60),
        when("1 January"),
        owner=member.holder.id,
    )
    request = member.till.release(MEMBER, of=UUID(int=8))
    assert refusal(member, request) == "hold_ended holdId"
    member.book_it(member.till.release(MEMBER, of=held.id))


def test_what_is_released_late_lapses_in_the_same_transaction_if_it_has_to_since() -> None:
    member = Paper()
    member.earn("50 until 10 January")
    member.book_it(member.till.hold(MEMBER, 50, key="checkout"))
    member.today("12 January")
    told = member.book_it(member.till.release(MEMBER, of="checkout", on="5 January"))
    assert moved(told.transfers) == [
        "5 January: 50 held to available",
        "10 January: 50 available to expired",
    ]
    assert member.balance == "nothing"


def test_of_what_is_released_together_that_repays_debt_which_expires_soonest_by_then() -> None:
    member = Paper()
    member.earn("50 until 1 March", key="first")
    member.earn("50 until 1 April")
    member.book_it(member.till.hold(MEMBER, 100, key="checkout"))
    member.book_it(member.till.extend(MEMBER, of="first", end="1 May"))
    member.redeem(60, allow_debt=True)
    told = member.book_it(member.till.release(MEMBER, of="checkout"))
    assert moved(told.transfers)[-1] == "1 January: 60 available to debt"
    assert taken(told.transfers[-1:]) == "lot 2: 50, lot 1: 10"
    assert member.lots == "40 until 1 May"
