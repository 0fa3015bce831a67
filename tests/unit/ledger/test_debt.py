"""Debt: what a holder owes, and how whatever comes in repays it first."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kinds import LedgerAccount
from tests.bookkeeping.paper import NotBookedError, Paper
from tests.bookkeeping.words import MOMENT, moved, said, taken, when


def test_debt_is_taken_on_only_where_it_is_allowed() -> None:
    member = Paper()
    member.earn(40)
    with pytest.raises(NotBookedError, match="insufficient_points"):
        member.redeem(50)
    spent = member.redeem(50, allow_debt=True)
    assert moved(spent.transfers) == [
        "1 January: 40 available to redeemed",
        "1 January: 10 debt to redeemed",
    ]
    assert member.balance == "10 debt"
    assert member.account.balance.net == -10


@pytest.mark.parametrize(
    ("earned", "balance", "lots"),
    [(10, "20 debt", "none"), (30, "nothing", "none"), (50, "20 available", "20 until 1 March")],
)
def test_earned_points_repay_debt_first(earned: int, balance: str, lots: str) -> None:
    member = Paper()
    member.redeem(30, allow_debt=True)
    member.today("5 January")
    member.earn(f"{earned} until 1 March")
    assert (member.balance, member.lots) == (balance, lots)


def test_an_adjustment_up_repays_debt_and_one_down_makes_it() -> None:
    member = Paper()
    member.adjust(-30)
    assert member.balance == "30 debt"
    repaid = member.adjust(50)
    assert moved(repaid.transfers) == [
        "1 January: 50 adjusted to available",
        "1 January: 30 available to debt",
    ]
    assert member.balance == "20 available"


def test_pending_points_repay_nothing_before_they_begin() -> None:
    member = Paper()
    member.redeem(30, allow_debt=True)
    member.earn("50 from 1 February")
    assert member.balance == "50 pending, 30 debt"
    member.sweep("1 February")
    assert member.balance == "20 available"


def test_several_debts_are_one_and_are_repaid_as_one() -> None:
    member = Paper()
    for day in (1, 2, 3):
        member.today(f"{day} January")
        member.redeem(10, allow_debt=True)
    assert member.balance == "30 debt"
    member.earn(25)
    assert member.balance == "5 debt"
    member.earn(25)
    assert member.balance == "20 available"
    assert member.account.debt_since is None


def test_a_repayment_is_no_earlier_than_the_debt() -> None:
    # 50 owed since 10 January; an earn of the 5th is heard of on the 20th
    member = Paper(today="10 January")
    member.redeem(50, allow_debt=True)
    member.today("20 January")
    earned = member.earn(80, on="5 January")
    assert moved(earned.transfers) == [
        "5 January: 80 issued to available",
        "10 January: 50 available to debt",
    ]
    assert member.balance_on("7 January") == "80 available"
    assert member.balance_on("10 January") == "30 available"


def test_points_that_lapsed_before_the_debt_arose_do_not_repay_it() -> None:
    member = Paper(today="10 January")
    member.redeem(50, allow_debt=True)
    member.today("20 January")
    earned = member.earn("80 until 10 January", on="5 January")
    assert moved(earned.transfers) == [
        "5 January: 80 issued to available",
        "10 January: 80 available to expired",
    ]
    assert member.balance == "50 debt"


def test_points_that_end_when_the_debt_arises_do_not_repay_it() -> None:
    member = Paper(today="10 January")
    member.redeem(50, allow_debt=True)
    member.today("20 January")
    member.earn(f"80 until {said(when('10 January') + MOMENT)}", on="5 January")
    assert member.balance == "nothing"
    member.today("21 January")
    member.redeem(1, allow_debt=True)
    member.earn("80 until 21 January", on="20 January")
    assert member.balance == "1 debt"


def test_a_late_debt_of_a_single_point_is_repaid_too() -> None:
    member = Paper()
    member.today("5 January")
    member.earn(10)
    late = member.redeem(1, on="2 January", allow_debt=True)
    assert moved(late.transfers) == [
        "2 January: 1 debt to redeemed",
        "5 January: 1 available to debt",
    ]
    member.earn(1)
    member.today("6 January")
    member.redeem(12, on="4 January", allow_debt=True)
    assert member.balance == "2 debt"


def test_points_that_were_valid_when_the_debt_arose_repay_it_although_they_have_lapsed() -> None:
    member = Paper(today="10 January")
    member.redeem(50, allow_debt=True)
    member.today("20 January")
    earned = member.earn("80 until 15 January", on="5 January")
    assert moved(earned.transfers) == [
        "5 January: 80 issued to available",
        "10 January: 50 available to debt",
        "15 January: 30 available to expired",
    ]
    assert member.balance == "nothing"


def test_a_late_debt_is_repaid_by_what_came_in_after_it_as_it_came() -> None:
    # 10 were there on the 2nd, 100 came on the 5th; 30 spent on the 2nd are heard of on the 6th
    member = Paper()
    member.earn(10)
    member.today("5 January")
    member.earn(100)
    member.today("6 January")
    spent = member.redeem(30, on="2 January", allow_debt=True)
    assert moved(spent.transfers) == [
        "2 January: 10 available to redeemed",
        "2 January: 20 debt to redeemed",
        "5 January: 20 available to debt",
    ]
    assert member.balance == "80 available"
    assert member.balance_on("3 January") == "20 debt"


def test_a_late_debt_is_repaid_by_pending_points_when_they_begin() -> None:
    member = Paper()
    member.earn("100 from 10 January")
    member.sweep("12 January")
    spent = member.redeem(30, on="2 January", allow_debt=True)
    assert moved(spent.transfers)[1:] == ["10 January: 30 available to debt"]


def test_a_late_debt_takes_its_repayment_from_the_lots_soonest_to_expire() -> None:
    member = Paper(today="3 January")
    member.earn("40 until 1 May")
    member.today("5 January")
    member.earn("40 until 1 March")
    spent = member.redeem(60, on="2 January", allow_debt=True)
    assert [taken([one]) for one in spent.transfers[1:]] == ["lot 2: 40", "lot 1: 20"]
    assert moved(spent.transfers)[1:] == [
        "5 January: 40 available to debt",
        "3 January: 20 available to debt",
    ]


def test_a_late_debt_leaves_to_later_redemptions_what_they_took() -> None:
    # 100 came on the 5th, 70 were spent on the 8th: the debt of the 2nd can have 30 back at once,
    # and stays for the rest
    member = Paper(today="5 January")
    member.earn(100)
    member.today("8 January")
    member.redeem(70)
    member.today("10 January")
    spent = member.redeem(50, on="2 January", allow_debt=True)
    assert moved(spent.transfers) == [
        "2 January: 50 debt to redeemed",
        "5 January: 30 available to debt",
    ]
    assert member.balance == "20 debt"
    assert member.balance_on("6 January") == "70 available, 20 debt"
    assert member.impossible_instants() == []


def test_a_late_debt_is_repaid_even_by_points_that_came_in_after_it_and_lapsed_since() -> None:
    # 50 owed on the 2nd, 80 earned on the 5th, all of them lapsed on the 20th
    member = Paper(today="5 January")
    member.earn("80 until 20 January")
    member.sweep("25 January")
    spent = member.redeem(50, on="2 January", allow_debt=True)
    assert moved(spent.transfers) == [
        "2 January: 50 debt to redeemed",
        "5 January: 50 available to debt",
        "20 January: 50 expired to available",
    ]
    assert member.balance == "nothing"
    assert member.total(LedgerAccount.EXPIRED) == 30


def test_a_late_debt_beside_a_later_one_is_repaid_no_earlier_than_that() -> None:
    # 80 came on the 10th and lapsed on the 15th; 20 are owed since the 20th. A debt of the 5th
    # makes one debt with it, and on the 20th those points were no longer valid
    member = Paper(today="10 January")
    member.earn("80 until 15 January")
    member.today("20 January")
    member.redeem(20, allow_debt=True)
    member.today("25 January")
    member.redeem(30, on="5 January", allow_debt=True)
    assert member.balance == "50 debt"
    assert member.impossible_instants() == []


def test_of_points_that_begin_together_those_soonest_to_expire_repay_debt() -> None:
    member = Paper()
    member.earn("40 from 1 February until 1 June")
    member.earn("40 from 1 February until 1 March")
    member.redeem(50, allow_debt=True)
    member.sweep("1 February")
    assert member.lots == "30 until 1 June"


@given(
    st.lists(st.tuples(st.sampled_from(["owe", "earn", "adjust"]), st.integers(1, 50)), max_size=20)
)
def test_in_the_order_of_time_what_is_owed_or_owned_is_one_number(
    steps: list[tuple[str, int]],
) -> None:
    member, net = Paper(), 0
    for day, (kind, amount) in enumerate(steps, start=1):
        member.today(f"{day} January")
        if kind == "owe":
            member.redeem(amount, allow_debt=True)
        elif kind == "earn":
            member.earn(amount)
        else:
            member.adjust(-amount)
        net += amount if kind == "earn" else -amount
        assert member.account.balance == (max(0, net), 0, 0, max(0, -net))
        assert member.balance_on(said(member.book.now)) == member.balance
    assert member.total(LedgerAccount.AVAILABLE) + member.total(LedgerAccount.DEBT) == net
