"""Lots: which points a debit takes, and what one that comes late may still take."""

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.facts import Allocation
from ledger.identity import DefinitionId
from ledger.kinds import LedgerAccount
from ledger.lots import (
    consume,
    consumption_order,
    headroom,
    is_valid,
    lapsed_by,
    spendable,
    take,
)
from ledger.state import AccountState, LotState
from tests.bookkeeping.paper import NotBookedError, Paper
from tests.bookkeeping.words import MOMENT, moved, said, taken, term, when

DEFINITION = DefinitionId(1)


def lot(
    text: str,
    *,
    number: int = 1,
    earned: str = "1 January",
    movements: list[tuple[str, int]] | None = None,
) -> LotState:
    """A lot such as `100 from 1 February until 1 March`, as loaded: `movements` after its issue."""
    amount, valid_from, valid_to = term(text)
    effective_at = when(earned)
    changes = None
    if movements is not None:
        changes = [(effective_at, amount), *((when(at), change) for at, change in movements)]
    return LotState(
        lot=number,
        definition=DEFINITION,
        number=number,
        issued=Points(amount),
        remaining=Points(amount + sum(change for _, change in movements or ())),
        lapsed=Points(0),
        active=True,
        effective_at=effective_at,
        valid_from=valid_from or effective_at,
        valid_to=valid_to,
        movements=changes,
    )


def account(*texts: str) -> AccountState:
    lots = [lot(text, number=number) for number, text in enumerate(texts, start=1)]
    return AccountState(DEFINITION, lots={one.lot: one for one in lots})


@pytest.mark.parametrize(
    ("texts", "amount", "takes", "short"),
    [
        # soonest to expire first, whatever their numbers
        (("50 until 1 April", "50 until 1 March"), 60, [(2, 50), (1, 10)], 0),
        # what never expires comes last
        (("50", "50 until 1 March 2999"), 60, [(2, 50), (1, 10)], 0),
        # the same end: the first issued
        (("50 until 1 March", "50 until 1 March"), 60, [(1, 50), (2, 10)], 0),
        (("50", "50"), 60, [(1, 50), (2, 10)], 0),
        # nothing more than needed, nothing of lots that are not needed
        (("50 until 1 March", "50"), 50, [(1, 50)], 0),
        (("50 until 1 March", "50"), 1, [(1, 1)], 0),
        # short: everything there is, and what is missing
        (("50 until 1 March", "50"), 130, [(1, 50), (2, 50)], 30),
        # neither lots that are not valid yet nor those that no longer are
        (("50 from 1 March", "50 until 1 February", "20"), 60, [(3, 20)], 40),
        ((), 10, [], 10),
    ],
)
def test_lots_are_taken_soonest_to_expire_first(
    texts: tuple[str, ...], amount: int, takes: list[tuple[int, int]], short: int
) -> None:
    found = consume(account(*texts), amount, when("15 February"))
    assert list(found.takes) == takes
    assert found.short == short
    assert found.taken == amount - short


def test_of_lots_with_one_end_the_one_earned_first_is_taken_first() -> None:
    late = lot("50 until 1 March", number=1, earned="2 January")
    early = lot("50 until 1 March", number=2, earned="1 January")
    assert sorted([late, early], key=consumption_order) == [early, late]


@pytest.mark.parametrize(
    ("at", "valid"),
    [
        (when("1 February") - MOMENT, False),
        (when("1 February"), True),
        (when("1 March") - MOMENT, True),
        (when("1 March"), False),
    ],
)
def test_validity_includes_its_beginning_and_excludes_its_end(at: datetime, *, valid: bool) -> None:
    one = lot("50 from 1 February until 1 March")
    assert is_valid(one, at) is valid
    assert spendable(AccountState(DEFINITION, lots={1: one}), at) == (50 if valid else 0)


@pytest.mark.parametrize(
    ("movements", "at", "most"),
    [
        # nothing happened since: all of it
        ([], "10 January", 100),
        # 30 are needed by what is booked on the 20th
        ([("20 January", -30)], "10 January", 70),
        # a debit at the very instant is not later
        ([("20 January", -30)], "20 January", 70),
        # 80 were spent on the 20th and 50 came back on the 25th: 20 at the lowest
        ([("20 January", -80), ("25 January", 50)], "10 January", 20),
        ([("20 January", -80), ("25 January", 50)], "20 January", 20),
        ([("20 January", -80), ("25 January", 50)], "26 January", 70),
        # all spent later, nothing left for an earlier debit
        ([("20 January", -100)], "10 January", 0),
        # and nothing before the points were there
        ([], "31 December 2025", 0),
        # in whatever order they were recorded
        ([("25 January", 50), ("20 January", -80)], "10 January", 20),
    ],
)
def test_a_late_debit_may_take_the_least_that_stood_from_its_instant_on(
    movements: list[tuple[str, int]], at: str, most: int
) -> None:
    assert headroom(lot("100", movements=movements), when(at)) == most


def test_where_movements_are_not_loaded_all_that_remains_may_be_taken() -> None:
    assert headroom(lot("100"), when("1 January")) == 100


@given(st.lists(st.tuples(st.integers(1, 27), st.integers(1, 40)), max_size=12), st.integers(1, 28))
def test_headroom_never_undoes_what_is_booked_later(spent: list[tuple[int, int]], at: int) -> None:
    # debits by day, as far as 100 points reach
    left, movements = 100, []
    for day, amount in spent:
        if amount <= left:
            left -= amount
            movements.append((f"{day} January", -amount))
    one = lot("100", earned="1 January", movements=movements)
    most = headroom(one, when(f"{at} January"))
    assert most == left  # debits only: what is left at the end is the least
    for day in range(at, 29):
        standing = 100 + sum(change for said, change in movements if when(said).day <= day)
        assert standing - most >= 0


def test_a_redemption_leaves_the_rest_in_its_lots() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    member.earn(50)
    spent = member.redeem(60)
    assert member.lots == "40 until 1 March; 50"
    assert moved(spent.transfers) == ["1 January: 60 available to redeemed"]
    assert taken(spent.transfers) == "lot 1: 60"
    assert member.balance == "90 available"


def test_points_that_are_short_are_refused_and_nothing_is_taken() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    with pytest.raises(NotBookedError, match="100 available, 101 needed") as refusal:
        member.redeem(101)
    assert refusal.value.refused.code == "insufficient_points"
    assert refusal.value.refused.field == "amount"
    assert member.lots == "100 until 1 March"


def test_pending_and_lapsed_points_cannot_be_spent() -> None:
    member = Paper()
    member.earn("100 from 1 February")
    member.earn("50 until 10 January")
    member.today("15 January")
    with pytest.raises(NotBookedError, match="0 available, 1 needed"):
        member.redeem(1)
    member.today("1 February")
    member.redeem(100)
    assert member.lots == "none"


@pytest.mark.parametrize(
    ("text", "movements", "at", "lapsed"),
    [
        ("100 until 1 March", [("20 January", -30)], "1 March", 70),
        ("100 until 1 March", [("20 January", -30)], said(when("1 March") - MOMENT), 0),
        ("100", [("20 January", -30)], "1 March 2999", 0),
        # what a hold gave back when all was over, at that very instant too
        ("100 until 1 March", [("20 January", -30), ("5 March", 30)], "4 March", 70),
        ("100 until 1 March", [("20 January", -30), ("5 March", 30)], "5 March", 100),
        # where movements are not loaded nothing happened since: what lapsed is what is kept
        ("100 until 1 March", None, "1 March", 55),
        ("100 until 1 March", None, "28 February", 0),
    ],
)
def test_what_of_a_lot_had_lapsed_by_an_instant(
    text: str, movements: list[tuple[str, int]] | None, at: str, lapsed: int
) -> None:
    one = lot(text, movements=movements)
    one.lapsed = Points(55)
    assert lapsed_by(one, when(at)) == lapsed


def test_activations_taken_back_are_told_in_the_order_of_time() -> None:
    member = Paper()
    member.earn("50 from 20 January")
    member.earn("50 from 10 January")
    member.sweep("25 January")
    draft = Draft(member.account, 9, 9)
    takes = (Allocation(1, Points(5)), Allocation(2, Points(7)))
    take(draft, takes, when("5 January"), LedgerAccount.ISSUED)
    assert moved(draft.transfers) == [
        "5 January: 12 pending to issued",
        "10 January: 7 available to pending",
        "20 January: 5 available to pending",
    ]
