"""Debits that the books learn of late: what had lapsed is given back, nothing is decided again."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.kinds import LedgerAccount
from tests.bookkeeping.paper import NotBookedError, Paper
from tests.bookkeeping.words import moved, taken


def test_a_late_redemption_takes_points_that_lapsed_meanwhile() -> None:
    # 100 lapsed on 1 February; the till reports on the 5th that 40 were spent on 20 January
    member = Paper()
    member.earn("100 until 1 February")
    member.sweep("5 February")
    spent = member.redeem(40, on="20 January")
    assert moved(spent.transfers) == [
        "20 January: 40 available to redeemed",
        "1 February: 40 expired to available",
    ]
    assert member.balance == "nothing"
    assert member.total(LedgerAccount.EXPIRED) == 60
    assert member.account.lots[1].lapsed == 60
    assert member.balance_on("25 January") == "60 available"


def test_a_single_point_that_lapsed_meanwhile_comes_back_too() -> None:
    member = Paper()
    member.earn("100 until 1 February")
    member.redeem(60)
    member.sweep("5 February")
    member.adjust(5)
    spent = member.redeem(1, on="20 January")
    assert moved(spent.transfers) == [
        "20 January: 1 available to redeemed",
        "1 February: 1 expired to available",
    ]
    assert member.balance == "5 available"


def test_it_makes_no_difference_whether_the_expiry_was_booked_before() -> None:
    unswept, swept = Paper(), Paper()
    for member in (unswept, swept):
        member.earn("100 until 1 February")
    swept.sweep("2 February")
    for member in (unswept, swept):
        member.today("5 February")
        member.redeem(40, on="20 January")
    assert sorted(unswept.transfers) == sorted(swept.transfers)


def test_what_lapsed_before_the_debit_is_gone() -> None:
    member = Paper()
    member.earn("100 until 1 February")
    member.earn("50 until 1 March")
    member.sweep("5 February")
    with pytest.raises(NotBookedError, match="50 available, 60 needed"):
        member.redeem(60, on="1 February")
    assert taken(member.redeem(50, on="1 February").transfers) == "lot 2: 50"


def test_a_late_redemption_leaves_alone_what_later_ones_needed() -> None:
    # 100 on 1 January, 70 spent on the 20th: on the 10th only 30 can have been spent
    member = Paper()
    member.earn(100)
    member.today("20 January")
    member.redeem(70)
    member.today("25 January")
    with pytest.raises(NotBookedError, match="30 available, 31 needed"):
        member.redeem(31, on="10 January")
    member.redeem(30, on="10 January")
    assert member.balance == "nothing"
    assert member.balance_on("15 January") == "70 available"


def test_a_late_redemption_cannot_take_points_earned_after_it() -> None:
    member = Paper()
    member.earn(10)
    member.today("20 January")
    member.earn(100)
    with pytest.raises(NotBookedError, match="10 available, 11 needed"):
        member.redeem(11, on="10 January")


def test_points_spent_late_and_lapsed_in_part_are_given_back_for_that_part_only() -> None:
    # of 100, 30 were spent on 10 January and 70 lapsed; 80 more are reported for the 20th:
    # 70 from the lapsed ones, 10 from the other lot
    member = Paper()
    member.earn("100 until 1 February")
    member.earn("50 until 1 March")
    member.today("10 January")
    member.redeem(30)
    member.sweep("5 February")
    spent = member.redeem(80, on="20 January")
    assert taken(spent.transfers) == "lot 1: 70, lot 2: 10"
    assert moved(spent.transfers) == [
        "20 January: 80 available to redeemed",
        "1 February: 70 expired to available",
    ]
    assert member.lots == "40 until 1 March"
    assert member.total(LedgerAccount.EXPIRED) == 0


def test_a_late_earn_whose_life_is_over_lapses_in_the_same_transaction() -> None:
    member = Paper(today="5 March")
    earned = member.earn("100 until 1 February", on="1 January")
    assert moved(earned.transfers) == [
        "1 January: 100 issued to available",
        "1 February: 100 available to expired",
    ]
    assert member.balance == "nothing"
    assert member.account.next_due_at is None


def test_a_late_earn_that_was_pending_begins_and_lapses_in_the_same_transaction() -> None:
    member = Paper(today="5 March")
    earned = member.earn("100 from 10 January until 1 February", on="1 January")
    assert moved(earned.transfers) == [
        "1 January: 100 issued to pending",
        "10 January: 100 pending to available",
        "1 February: 100 available to expired",
    ]


def test_a_late_earn_is_there_for_a_redemption_known_still_later() -> None:
    member = Paper(today="5 March")
    member.earn("100 until 1 February", on="1 January")
    member.redeem(40, on="20 January")
    assert member.total(LedgerAccount.EXPIRED) == 60


def test_a_late_return_of_pending_points_takes_their_activation_back() -> None:
    # pending until 14 January, activated since; goods came back on the 10th
    member = Paper()
    member.earn("100 from 14 January", key="purchase")
    member.sweep("20 January")
    returned = member.give_back(40, on="10 January")
    assert moved(returned.transfers) == [
        "10 January: 40 pending to issued",
        "14 January: 40 available to pending",
    ]
    assert member.balance == "60 available"
    assert member.lots == "60"
    assert member.balance_on("13 January") == "60 pending"
    assert member.balance_on("14 January") == "60 available"


def test_a_late_return_may_undo_beginning_and_lapse_alike() -> None:
    # pending until 14 January, lapsed on 1 February, all booked; 40 came back on the 10th
    member = Paper()
    member.earn("100 from 14 January until 1 February", key="purchase")
    member.sweep("5 February")
    returned = member.give_back(40, on="10 January")
    assert moved(returned.transfers) == [
        "10 January: 40 pending to issued",
        "14 January: 40 available to pending",
        "1 February: 40 expired to available",
    ]
    assert member.balance == "nothing"
    assert member.total(LedgerAccount.ISSUED) == -60
    assert member.total(LedgerAccount.EXPIRED) == 60


def test_a_negative_adjustment_comes_late_like_a_redemption() -> None:
    member = Paper()
    member.earn("100 until 1 February")
    member.sweep("5 February")
    corrected = member.adjust(-40, on="20 January")
    assert moved(corrected.transfers) == [
        "20 January: 40 available to adjusted",
        "1 February: 40 expired to available",
    ]


step = st.tuples(
    st.sampled_from(["earn", "spend", "owe", "adjust", "return", "sweep"]),
    st.integers(1, 60),  # points
    st.integers(0, 15),  # days ago
    st.integers(0, 8),  # days until valid
    st.integers(1, 15),  # days of life; above 12: for ever
    st.integers(0, 5),  # days until the next step
)


@given(st.lists(step, max_size=25))
def test_at_no_instant_of_any_history_is_a_bucket_below_zero(
    steps: list[tuple[str, int, int, int, int, int]],
) -> None:
    member, day, earned = Paper(), 40, 0
    for kind, points, ago, pending, life, days in steps:
        member.today(on_day(day))
        on = None if ago == 0 else on_day(day - ago)
        happened = day - ago
        try:
            if kind == "earn":
                earned += 1
                text = f"{points} from {on_day(happened + pending)}" if pending else f"{points}"
                text += f" until {on_day(happened + pending + life)}" if life <= 12 else ""
                member.earn(text, on=on, key=f"purchase {earned}")
            elif kind in {"spend", "owe"}:
                member.redeem(points, on=on, allow_debt=kind == "owe")
            elif kind == "adjust":
                member.adjust(points if points % 2 else -points, on=on)
            elif kind == "return" and earned:
                member.give_back(of=f"purchase {points % earned + 1}", on=on)
            elif kind == "sweep":
                member.sweep()
        except NotBookedError:
            pass
        day += days
        account = member.account
        remaining = sum(lot.remaining for lot in account.lots.values())
        assert remaining == account.available + account.pending
        assert account.available == 0 or account.debt == 0
        assert min(account.balance) >= 0
        assert all(0 <= lot.remaining <= lot.issued for lot in account.lots.values())
        assert all(0 <= lot.lapsed <= lot.issued for lot in account.lots.values())
    assert member.impossible_instants() == []


def on_day(number: int) -> str:
    """A day of the year by its number, in 2026: 1 is the first of January."""
    months = [
        ("January", 31), ("February", 28), ("March", 31), ("April", 30), ("May", 31),
        ("June", 30), ("July", 31), ("August", 31),
    ]  # fmt: skip
    for month, length in months:
        if number <= length:
            return f"{number} {month}"
        number -= length
    raise ValueError(number)
