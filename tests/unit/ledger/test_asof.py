"""As of an instant: what stood then as known then, lot by lot, with all that was due."""

import pytest

from ledger.asof import AccountAsOf, as_of, due_as_of
from ledger.identity import DefinitionId
from tests.bookkeeping.asking import Till
from tests.bookkeeping.paper import DEFINITION, MEMBER, TENANT, Paper
from tests.bookkeeping.words import MOMENT, holding, moved, said, when

OTHER = DefinitionId(2)


def stood(member: Paper, on: str, known: str | None = None) -> AccountAsOf:
    """The member's account as it stood on a day."""
    chain = [entry.transaction for entry in member.entries]
    [found] = as_of(chain, when(on), None if known is None else when(known))
    return found


def lots(found: AccountAsOf) -> list[str]:
    """Where the points of each lot stood."""
    return [
        f"{one.pending} pending, {one.available} available, {one.held} held, "
        f"{one.lapsed} lapsed, {one.spent} spent"
        for one in found.lots
    ]


@pytest.mark.parametrize(
    ("on", "lot"),
    [
        ("1 January", "100 pending, 0 available, 0 held, 0 lapsed, 0 spent"),
        (said(when("10 January") - MOMENT), "100 pending, 0 available, 0 held, 0 lapsed, 0 spent"),
        ("10 January", "0 pending, 100 available, 0 held, 0 lapsed, 0 spent"),
        ("12 January", "0 pending, 70 available, 0 held, 0 lapsed, 30 spent"),
        ("13 January", "0 pending, 50 available, 20 held, 0 lapsed, 30 spent"),
        ("15 January", "0 pending, 70 available, 0 held, 0 lapsed, 30 spent"),
        (said(when("20 January") - MOMENT), "0 pending, 70 available, 0 held, 0 lapsed, 30 spent"),
        ("20 January", "0 pending, 0 available, 0 held, 70 lapsed, 30 spent"),
    ],
)
def test_each_lot_is_where_its_points_stood(on: str, lot: str) -> None:
    member = Paper()
    member.earn("100 from 10 January until 20 January")
    member.today("12 January")
    member.redeem(30)
    member.today("13 January")
    member.book_it(member.till.hold(MEMBER, 20, until="15 January"))
    assert lots(stood(member, on)) == [lot]


def test_lots_that_were_issued_later_were_not_there() -> None:
    member = Paper()
    member.earn(10)
    member.today("5 January")
    member.earn(20)
    assert len(lots(stood(member, said(when("5 January") - MOMENT)))) == 1
    assert len(lots(stood(member, "5 January"))) == 2


def test_what_was_known_at_an_instant_includes_what_was_recorded_at_it() -> None:
    member = Paper()
    member.earn(100)
    member.today("6 January")
    member.redeem(30, on="2 January")
    assert holding(stood(member, "3 January", "6 January").balance) == "70 available"
    before = stood(member, "3 January", said(when("6 January") - MOMENT))
    assert holding(before.balance) == "100 available"
    assert (before.effective_at, before.definition) == (when("3 January"), DEFINITION)


def test_accounts_are_told_by_their_definition() -> None:
    member = Paper()
    member.book.definitions = {DEFINITION: member.definition, OTHER: member.definition}
    member.book_it(Till(TENANT, OTHER, "other").earn(MEMBER, 7))
    member.earn(5)
    chain = [entry.transaction for entry in member.entries]
    found = as_of(chain, when("1 January"), None)
    assert [(one.definition, one.balance.available) for one in found] == [(1, 5), (2, 7)]


def test_what_had_fallen_due_and_was_not_booked_is_told_apart() -> None:
    member = Paper()
    member.earn("100 from 10 January until 20 January")
    member.sweep("12 January")
    chain = [entry.transaction for entry in member.entries]
    for known, due in (
        (
            "5 January",
            ["10 January: 100 pending to available", "20 January: 100 available to expired"],
        ),
        ("12 January", ["20 January: 100 available to expired"]),
    ):
        [(account, transfers)] = due_as_of(chain, when("20 January"), when(known))
        assert moved(transfers) == due
        assert (account.definition, holding(account.balance)) == (DEFINITION, "nothing")
        [found] = as_of(chain, when("20 January"), when(known))
        assert [line for one in found.due for line in moved(one.transfers)] == due
    assert stood(member, "19 January").due == ()


def test_points_that_begin_sooner_than_was_said_first_are_there_sooner() -> None:
    member = Paper()
    member.earn("100 from 10 January", key="purchase")
    member.book_it(member.till.extend(MEMBER, of="purchase", start="6 January"))
    assert holding(stood(member, "5 January").balance) == "100 pending"
    assert holding(stood(member, "6 January").balance) == "100 available"
