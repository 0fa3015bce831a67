"""Due transfers: points begin and lapse at their very moment, whenever that is booked."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ledger.due import due_drafts, with_due
from ledger.facts import Transaction, Transfer
from ledger.kinds import Kind, LedgerAccount
from tests.bookkeeping.paper import MEMBER, Paper
from tests.bookkeeping.words import MOMENT, holding, moved, said, when


def told(member: Paper, since: int = 0) -> list[Transaction]:
    return [entry.transaction for entry in member.entries[since:]]


def test_pending_points_become_available_when_their_validity_begins() -> None:
    member = Paper()
    member.earn("100 from 1 February until 1 March")
    assert member.balance == "100 pending"
    member.sweep(said(when("1 February") - MOMENT))
    assert member.balance == "100 pending"
    member.sweep("1 February")
    assert member.balance == "100 available"
    activation = told(member)[-1]
    assert activation.kind is Kind.ACTIVATION
    assert activation.amount == 100
    assert activation.source == "pointmaster"
    assert moved(activation.transfers) == ["1 February: 100 pending to available"]


def test_points_lapse_when_their_validity_ends_however_late_that_is_booked() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    member.redeem(30)
    member.sweep("1 February")
    assert member.balance == "70 available"
    member.sweep("24 May")
    expiry = told(member)[-1]
    assert member.balance == "nothing"
    assert (expiry.kind, expiry.amount) == (Kind.EXPIRY, 70)
    assert expiry.effective_at == when("1 March")
    assert expiry.recorded_at == when("24 May")
    assert member.balance_on(said(when("1 March") - MOMENT)) == "70 available"
    assert member.balance_on("1 March") == "nothing"


def test_a_second_sweep_finds_nothing() -> None:
    member = Paper()
    member.earn("100 from 1 February until 1 March")
    member.sweep("1 April")
    booked = len(member.entries)
    member.sweep("2 April")
    assert len(member.entries) == booked == 3
    assert member.account.next_due_at is None


def test_a_posting_books_what_is_due_first() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    member.today("2 March")
    member.earn(10)
    assert [one.kind for one in told(member)] == [Kind.EARN, Kind.EXPIRY, Kind.EARN]
    assert member.lots == "10"


def test_what_falls_due_at_one_instant_is_one_transaction_a_kind() -> None:
    member = Paper()
    for lot in ("10 from 1 February", "20 from 1 February", "30 until 1 February", "40"):
        member.earn(lot)
    member.sweep("1 February")
    activation, expiry = told(member)[-2:]
    assert moved(activation.transfers) == [
        "1 February: 30 pending to available",
    ]
    assert activation.amount == 30
    assert moved(expiry.transfers) == ["1 February: 30 available to expired"]
    assert member.balance == "70 available"


def test_points_that_begin_and_lapse_unnoticed_pass_through_both() -> None:
    member = Paper()
    member.earn("100 from 1 February until 1 March")
    member.sweep("1 April")
    assert moved(member.transfers) == [
        "1 January: 100 issued to pending",
        "1 February: 100 pending to available",
        "1 March: 100 available to expired",
    ]


def test_activated_points_repay_debt_first_at_that_very_moment() -> None:
    member = Paper()
    member.earn("100 from 1 February")
    member.redeem(30, allow_debt=True)
    assert member.balance == "100 pending, 30 debt"
    member.sweep("15 February")
    assert member.balance == "70 available"
    assert moved(told(member)[-1].transfers) == [
        "1 February: 100 pending to available",
        "1 February: 30 available to debt",
    ]


def test_an_activation_amounts_to_what_became_available_not_to_what_it_repaid() -> None:
    member = Paper()
    member.earn("100 from 1 February")
    member.redeem(30, allow_debt=True)
    member.sweep("1 February")
    assert told(member)[-1].amount == 100
    assert told(member)[-1].net == 0


def test_nothing_lapses_twice() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    member.sweep("2 March")
    member.sweep("3 March")
    assert member.total(LedgerAccount.EXPIRED) == 100


@pytest.mark.parametrize(
    ("lots", "next_due"),
    [
        (("100",), "never"),
        (("100 until 1 March",), "1 March"),
        (("100 from 1 February until 1 March",), "1 February"),
        (("100 until 1 March", "50 from 1 February"), "1 February"),
        (("100 until 1 March", "50 until 1 February"), "1 February"),
    ],
)
def test_an_account_knows_when_its_balance_will_change_by_itself(
    lots: tuple[str, ...], next_due: str
) -> None:
    member = Paper()
    for lot in lots:
        member.earn(lot)
    due = member.account.next_due_at
    assert ("never" if due is None else said(due)) == next_due


def test_open_holds_are_waited_for_and_those_that_ended_are_not() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    for end in ("20 January", "10 January", "30 January"):
        member.book_it(member.till.hold(MEMBER, 10, key=f"until {end}", until=end))
    member.book_it(member.till.hold(MEMBER, 10))
    assert member.account.next_due_at == when("10 January")
    member.book_it(member.till.release(MEMBER, of="until 10 January"))
    assert member.account.next_due_at == when("20 January")
    member.sweep("20 January")
    assert member.account.next_due_at == when("30 January")
    member.sweep("30 January")
    assert member.account.next_due_at == when("1 March")


@pytest.mark.parametrize(
    ("day", "balance", "next_due"),
    [
        ("9 January", "50 available, 100 pending, 20 held", "10 January"),
        ("10 January", "150 available, 20 held", "15 January"),
        ("15 January", "170 available", "1 March"),
        ("1 March", "100 available", "1 June"),
        ("1 June", "nothing", "never"),
    ],
)
def test_what_stands_with_all_that_is_due_and_what_comes_next(
    day: str, balance: str, next_due: str
) -> None:
    member = Paper()
    member.earn("70 until 1 March")
    member.earn("100 from 10 January until 1 June")
    member.book_it(member.till.hold(MEMBER, 20, until="15 January"))
    found, due = with_due(member.account, when(day))
    assert holding(found) == balance
    assert ("never" if due is None else said(due)) == next_due


def test_where_nothing_will_ever_be_due_what_stands_stands() -> None:
    member = Paper()
    member.earn(70)
    found, due = with_due(member.account, when("1 January 2999"))
    assert (holding(found), due) == ("70 available", None)


def test_due_drafts_come_in_the_order_of_time_one_a_kind_and_instant_and_hold() -> None:
    member = Paper()
    member.earn("70 until 15 January")
    member.earn("100 from 15 January until 1 June")
    for amount in (20, 10):
        member.book_it(member.till.hold(MEMBER, amount, until="15 January"))
    found = due_drafts(member.account, when("1 June"))
    assert [(kind.word, said(at), moved(draft.transfers)[0]) for kind, at, draft in found] == [
        ("timeout", "15 January", "15 January: 20 held to available"),
        ("timeout", "15 January", "15 January: 10 held to available"),
        ("activation", "15 January", "15 January: 100 pending to available"),
        ("expiry", "15 January", "15 January: 40 available to expired"),
        ("expiry", "1 June", "1 June: 100 available to expired"),
    ]


def test_a_lot_spent_to_the_end_is_not_waited_for() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    member.redeem(100)
    assert member.account.next_due_at is None


history = st.lists(
    st.tuples(
        st.integers(1, 20),  # the day it was earned
        st.integers(1, 50),  # points
        st.integers(0, 12),  # days until they are valid
        st.integers(1, 12),  # days they then live; more than 10: for ever
        st.integers(0, 20),  # points spent the same day, owed where there are none
    ),
    max_size=10,
)


def lived(days: list[tuple[int, int, int, int, int]]) -> Paper:
    member = Paper()
    for day, points, pending, life, spent in sorted(days):
        start = day + pending
        lot = f"{points} from {start} January" if start <= 31 else f"{points}"
        if life <= 10 and start + life <= 31:
            lot += f" until {start + life} January"
        member.today(f"{day} January")
        member.earn(lot)
        if spent:
            member.redeem(spent, allow_debt=True)
    return member


def facts(member: Paper) -> list[list[Transfer]]:
    return [list(one.transfers) for one in told(member)]


@given(history, st.integers(20, 31), st.integers(20, 31))
def test_working_up_to_an_earlier_day_is_the_beginning_of_working_up_to_a_later_one(
    days: list[tuple[int, int, int, int, int]], one: int, other: int
) -> None:
    early, late = sorted((one, other))
    in_steps, at_once, half_way = lived(days), lived(days), lived(days)
    half_way.sweep(f"{early} January")
    in_steps.sweep(f"{early} January")
    in_steps.sweep(f"{late} January")
    at_once.sweep(f"{late} January")
    assert facts(in_steps) == facts(at_once)
    assert facts(at_once)[: len(facts(half_way))] == facts(half_way)
    assert in_steps.account.balance == at_once.account.balance


@given(history, st.lists(st.integers(1, 31), max_size=6))
def test_when_the_sweep_runs_makes_no_difference(
    days: list[tuple[int, int, int, int, int]], sweeps: list[int]
) -> None:
    """A posting books what is due itself, so a sweep before it changes no transfer."""
    swept, unswept = Paper(), Paper()
    for day, points, pending, life, spent in sorted(days):
        for run in sorted(run for run in sweeps if run <= day):
            if when(f"{run} January") >= swept.book.now:
                swept.sweep(f"{run} January")
        for member in (swept, unswept):
            member.today(f"{day} January")
            lot = f"{points} from {min(31, day + pending)} January"
            member.earn(lot + (f" until {life} February" if life <= 10 else ""))
            if spent:
                member.redeem(spent, allow_debt=True)
    for member in (swept, unswept):
        member.sweep("20 February")
    assert swept.account.balance == unswept.account.balance
    assert sorted(swept.transfers) == sorted(unswept.transfers)
    assert swept.impossible_instants() == []
