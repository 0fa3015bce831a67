"""Returns: the points of a purchase taken back, as far as the policy reaches, exactly once."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.amounts import Points
from ledger.facts import Transaction
from ledger.identity import HolderId
from ledger.kinds import Kind, LedgerAccount
from ledger.policies import Returns
from ledger.rules.context import Original
from tests.bookkeeping.paper import DEFINITION, MEMBER, NotBookedError, Paper
from tests.bookkeeping.words import MOMENT, moved, taken, when


def reversed_by(transaction: Transaction) -> int:
    return sum(one.amount for one in transaction.transfers if one.credit is LedgerAccount.ISSUED)


@pytest.mark.parametrize(
    ("returns", "limit", "spent", "balance", "reversed_points"),
    [
        # 100 earned, `spent` of them, all of the purchase returned
        (Returns.UNLIMITED, None, 0, "nothing", 100),
        (Returns.UNLIMITED, None, 70, "70 debt", 100),
        (Returns.UNLIMITED, 50, 70, "50 debt", 80),
        (Returns.UNLIMITED, 0, 70, "nothing", 30),
        (Returns.WITHIN_BALANCE, None, 70, "nothing", 30),
        (Returns.WITHIN_BALANCE, None, 100, "nothing", 0),
        (Returns.ONLY_PENDING, None, 0, "100 available", 0),
        (Returns.ONLY_PENDING, None, 70, "30 available", 0),
    ],
)
def test_how_far_a_return_reaches_is_the_policy_s_choice(
    returns: Returns, limit: int | None, spent: int, balance: str, reversed_points: int
) -> None:
    member = Paper.returning(returns, debt_limit=limit)
    member.earn(100, key="purchase")
    if spent:
        member.redeem(spent)
    returned = member.give_back()
    assert (returned.kind, returned.amount) == (Kind.RETURN, 100)
    assert reversed_by(returned) == reversed_points
    assert member.balance == balance


@pytest.mark.parametrize("returns", list(Returns))
def test_pending_points_of_the_purchase_go_back_under_every_policy(returns: Returns) -> None:
    member = Paper.returning(returns)
    member.earn("100 from 15 January", key="purchase")
    returned = member.give_back(40)
    assert moved(returned.transfers) == ["1 January: 40 pending to issued"]
    assert member.balance == "60 pending"


def test_the_purchase_s_own_points_go_before_those_that_expire_sooner() -> None:
    member = Paper()
    member.earn("50 until 1 February")
    member.earn("100 until 1 December", key="purchase")
    returned = member.give_back(60)
    assert taken(returned.transfers) == "lot 2: 60"
    assert member.lots == "50 until 1 February; 40 until 1 December"


def test_other_points_follow_soonest_to_expire_first_and_debt_comes_last() -> None:
    member = Paper()
    member.earn("100 until 10 January", key="purchase")
    member.redeem(80)
    member.earn("30 until 1 May")
    member.earn("10 until 1 March")
    returned = member.give_back()
    assert taken(returned.transfers) == "lot 1: 20, lot 3: 10, lot 2: 30"
    assert moved(returned.transfers) == [
        "1 January: 60 available to issued",
        "1 January: 40 debt to issued",
    ]
    assert returned.reverses == member.entries[0].transaction.id


def test_only_pending_leaves_other_pending_points_alone() -> None:
    member = Paper.returning(Returns.ONLY_PENDING)
    member.earn(100, key="purchase")
    member.earn("100 from 1 February")
    assert reversed_by(member.give_back()) == 0
    assert member.balance == "100 available, 100 pending"


def test_only_pending_leaves_other_available_points_alone() -> None:
    member = Paper.returning(Returns.ONLY_PENDING)
    member.earn("100 from 15 January", key="purchase")
    member.earn(50)
    assert reversed_by(member.give_back(30)) == 30
    member.today("15 January")
    assert reversed_by(member.give_back()) == 0
    assert member.balance == "120 available"


def test_at_the_very_instant_their_validity_begins_points_are_no_longer_pending() -> None:
    member = Paper.returning(Returns.ONLY_PENDING)
    member.earn("100 from 10 January", key="purchase")
    member.today("11 January")
    assert reversed_by(member.give_back(30, on=when("10 January") - MOMENT)) == 30
    assert reversed_by(member.give_back(30, on="10 January")) == 0
    assert member.balance == "70 available"


def test_what_lapsed_before_a_merge_has_gone() -> None:
    member = Paper()
    earned = member.earn(100)
    member.redeem(90)
    former = HolderId(UUID(int=9))
    member.book.places[UUID(int=8)] = (former, 1)
    member.book.originals[former, 1] = Original(
        UUID(int=8),
        former,
        1,
        DEFINITION,
        Kind.EARN,
        Points(150),
        earned.effective_at,
        lots=(1,),
        owner=member.holder.id,
        lapsed_elsewhere=40,
    )
    returned = member.book_it(member.till.give_back(MEMBER, of=UUID(int=8)))
    assert (returned.amount, reversed_by(returned)) == (150, 110)
    assert member.balance == "100 debt"


def test_the_policy_is_that_of_the_return_s_own_instant() -> None:
    # within 14 days points are pending, so a return of the 10th that is heard of on the 20th
    # takes them, even where only pending ones may be taken
    member = Paper.returning(Returns.ONLY_PENDING)
    member.earn("100 from 15 January", key="purchase")
    member.sweep("20 January")
    assert reversed_by(member.give_back(40, on="10 January")) == 40
    assert reversed_by(member.give_back(60)) == 0
    assert member.balance == "60 available"


@pytest.mark.parametrize(
    ("parts", "asked"),
    [
        # 10 points for 10.95: floor(10 x 4.00 / 10.95) = 3, floor(10 x 4.95 / 10.95) = 4, 10
        ([40_000, 9_500, 60_000], [3, 1, 6]),
        ([109_500], [10]),
        ([1, 109_499], [0, 10]),
        ([109_499, 1], [9, 1]),
        ([36_500, 36_500, 36_500], [3, 3, 4]),
    ],
)
def test_rounding_is_cumulative_over_the_parts_of_a_purchase(
    parts: list[int], asked: list[int]
) -> None:
    member = Paper()
    member.earn(10, key="purchase")
    assert [member.give_back(part=part, whole=109_500).amount for part in parts] == asked
    assert member.balance == "nothing"


@given(
    st.integers(1, 10**6),
    st.lists(st.integers(1, 10**9), min_size=1, max_size=25),
    st.integers(0, 10**6),
)
def test_however_a_purchase_is_cut_all_returns_together_take_exactly_all_points(
    points: int, parts: list[int], spent: int
) -> None:
    member = Paper()
    member.earn(points, key="purchase")
    member.redeem(min(spent, points)) if spent else None
    returned = [member.give_back(part=part, whole=sum(parts)) for part in parts]
    assert sum(one.amount for one in returned) == points
    assert sum(reversed_by(one) for one in returned) == points
    assert all(one.amount >= 0 for one in returned)
    assert member.account.balance.net == -min(spent, points)


@given(st.integers(1, 200), st.lists(st.integers(1, 50), max_size=12))
def test_returns_by_amount_never_exceed_the_purchase(points: int, amounts: list[int]) -> None:
    member = Paper()
    member.earn(points, key="purchase")
    left = points
    for amount in amounts:
        if amount <= left:
            assert member.give_back(amount).amount == amount
            left -= amount
        else:
            with pytest.raises(NotBookedError, match="return_exceeds_original"):
                member.give_back(amount)
    if left:
        assert member.give_back().amount == left
    assert member.balance == "nothing"


def test_more_spend_than_there_was_cannot_come_back() -> None:
    member = Paper()
    member.earn(10, key="purchase")
    member.give_back(part=60_000, whole=100_000)
    with pytest.raises(NotBookedError, match="return_exceeds_original: part") as refusal:
        member.give_back(part=40_001, whole=100_000)
    assert refusal.value.refused.field == "part"
    assert member.give_back(part=40_000, whole=100_000).amount == 4


def test_the_original_spend_stays_what_the_first_return_said() -> None:
    member = Paper()
    member.earn(10, key="purchase")
    member.give_back(part=1, whole=100)
    with pytest.raises(NotBookedError, match="whole_differs: whole"):
        member.give_back(part=1, whole=99)


def test_returns_by_points_and_by_spend_are_counted_together_and_apart() -> None:
    member = Paper()
    member.earn(100, key="purchase")
    assert member.give_back(1).amount == 1
    assert member.give_back(part=2, whole=100).amount == 1  # two of a hundred, one came back
    assert member.give_back(10).amount == 10
    with pytest.raises(NotBookedError, match="whole_differs"):
        member.give_back(part=1, whole=99)
    assert member.give_back(part=18, whole=100).amount == 8
    assert member.balance == "80 available"


def test_what_was_returned_in_full_cannot_be_returned_again() -> None:
    member = Paper()
    member.earn(10, key="purchase")
    member.give_back()
    with pytest.raises(NotBookedError, match="nothing_left: reverses"):
        member.give_back()
    with pytest.raises(NotBookedError, match="return_exceeds_original: amount"):
        member.give_back(1)
    assert len(member.entries) == 2


def test_a_part_of_the_spend_that_is_worth_no_point_is_booked_so_that_the_next_counts_it() -> None:
    member = Paper()
    member.earn(1, key="purchase")
    first = member.give_back(part=1, whole=2)
    assert (first.amount, first.transfers) == (0, ())
    assert member.give_back(part=1, whole=2).amount == 1
    assert member.balance == "nothing"


def test_points_that_lapsed_unspent_are_not_taken_again_from_others() -> None:
    # 100 earned, 60 spent, 40 lapsed: of the purchase, 60 are left to take
    member = Paper()
    member.earn("100 until 10 January", key="purchase")
    member.redeem(60)
    member.earn(50)
    member.today("12 January")
    returned = member.give_back()
    assert (returned.amount, reversed_by(returned)) == (100, 60)
    assert member.balance == "10 debt"


def test_at_the_very_instant_they_lapse_points_are_gone_from_their_purchase() -> None:
    # of 100, 60 were spent; a return at the instant at which the other 40 lapse takes the 60
    member = Paper()
    member.earn("100 until 10 January", key="purchase")
    member.redeem(60)
    member.sweep("12 January")
    returned = member.give_back(on="10 January")
    assert moved(returned.transfers) == ["10 January: 60 debt to issued"]


def test_in_parts_too_what_lapsed_is_not_taken_again() -> None:
    # of 100, 60 were spent and 40 lapsed: two halves take 50 and then the 10 that are left
    member = Paper()
    member.earn("100 until 10 January", key="purchase")
    member.redeem(60)
    member.today("12 January")
    halves = [member.give_back(part=1, whole=2) for _ in range(2)]
    assert [one.amount for one in halves] == [50, 50]
    assert [reversed_by(one) for one in halves] == [50, 10]
    assert member.balance == "60 debt"


def test_a_late_return_takes_points_that_lapsed_only_after_it() -> None:
    # all 100 lapsed on 1 February, but the goods came back on 20 January
    member = Paper()
    member.earn("100 until 1 February", key="purchase")
    member.sweep("5 February")
    returned = member.give_back(40, on="20 January")
    assert moved(returned.transfers) == [
        "20 January: 40 available to issued",
        "1 February: 40 expired to available",
    ]
    assert member.balance == "nothing"
    assert reversed_by(member.give_back(on="1 February")) == 0  # by then the other 60 had lapsed
    assert member.total(LedgerAccount.EXPIRED) == 60


def test_a_late_return_reverses_as_much_as_one_in_time() -> None:
    # 100 earned, 30 spent on the 15th, the rest lapsed on 1 February; all returned on the 20th
    told = []
    for known in ("20 January", "5 February"):
        member = Paper()
        member.earn("100 until 1 February", key="purchase")
        member.today("15 January")
        member.redeem(30)
        member.sweep(known)
        told.append(reversed_by(member.give_back(on="20 January")))
        member.sweep("6 February")
        assert member.balance == "30 debt"
    assert told == [100, 100]


def test_a_return_names_an_earn_of_this_member() -> None:
    member = Paper()
    member.earn(10, key="purchase")
    spent = member.redeem(5)
    with pytest.raises(NotBookedError, match="original_unknown: reverses"):
        member.give_back(of="another purchase")
    with pytest.raises(NotBookedError, match="original_wrong_kind: reverses"):
        member.book_it(member.till.give_back(MEMBER, 1, of=spent.id))
    returned = member.give_back(1)
    with pytest.raises(NotBookedError, match="original_wrong_kind: reverses"):
        member.book_it(member.till.give_back(MEMBER, 1, of=returned.id))


def test_a_return_is_no_earlier_than_its_purchase() -> None:
    member = Paper(today="10 January")
    member.earn(10, key="purchase")
    with pytest.raises(NotBookedError, match="effective_at_before_original: effectiveAt"):
        member.give_back(1, on="9 January")
    assert member.give_back(1, on="10 January").amount == 1


def test_a_purchase_is_named_by_its_key_or_by_its_id() -> None:
    member = Paper()
    earned = member.earn(10, key="purchase")
    member.give_back(4, of="purchase")
    member.book_it(member.till.give_back(MEMBER, 6, of=earned.id))
    assert member.balance == "nothing"


def test_what_was_earned_to_repay_debt_is_still_the_purchase_s_to_take_back() -> None:
    # the purchase's 100 went into an older debt of 30; returned, the member owes 30 again
    member = Paper()
    member.redeem(30, allow_debt=True)
    member.earn(100, key="purchase")
    assert member.balance == "70 available"
    member.give_back()
    assert member.balance == "30 debt"


def test_what_lapsed_at_several_instants_comes_back_in_their_order() -> None:
    member = Paper()
    member.earn("100 until 20 January", key="purchase")
    member.redeem(40)
    member.earn("50 until 10 January")
    member.today("25 January")
    returned = member.give_back(on="5 January")
    assert moved(returned.transfers) == [
        "5 January: 100 available to issued",
        "10 January: 40 expired to available",
        "20 January: 60 expired to available",
    ]
