"""Folding facts: what one transaction after the other makes of an account."""

import pytest

from ledger.folding import UnknownLotError, fold
from ledger.state import AccountState
from tests.bookkeeping.paper import DEFINITION, MEMBER, Paper
from tests.bookkeeping.words import holding, standing


def test_an_account_is_what_its_facts_come_to() -> None:
    paper = Paper()
    paper.earn("100 until 1 March")
    paper.earn("50 from 1 February")
    paper.redeem(30)
    paper.sweep("2 March")
    folded = AccountState(DEFINITION)
    for entry in paper.entries:
        fold(folded, entry.transaction)
    assert holding(folded.balance) == paper.balance == "50 available"
    assert standing(folded.lots.values()) == paper.lots


def test_a_closed_account_stays_closed() -> None:
    paper = Paper()
    paper.earn(100)
    paper.book_it(paper.till.close(MEMBER))
    folded = AccountState(DEFINITION)
    for entry, closed in zip(paper.entries, (False, True), strict=True):
        fold(folded, entry.transaction)
        assert folded.closed is closed


def test_holds_are_open_until_one_transaction_ends_each() -> None:
    paper = Paper()
    paper.earn("100 until 1 March")
    held = [paper.book_it(paper.till.hold(MEMBER, n, until="5 January")) for n in (10, 20, 30)]
    ends = [
        paper.book_it(paper.till.capture(MEMBER, of=held[0].id)),
        paper.book_it(paper.till.release(MEMBER, of=held[1].id)),
    ]
    paper.sweep("6 January")
    ends.append(paper.entries[-1].transaction)
    folded = AccountState(DEFINITION)
    for entry in paper.entries:
        fold(folded, entry.transaction)
    assert [(one.id, one.ended_by) for one in folded.holds.values()] == [
        (hold.id, end.number) for hold, end in zip(held, ends, strict=True)
    ]
    assert [one.parts for one in folded.holds.values()] == [((1, 10),), ((1, 20),), ((1, 30),)]
    assert holding(folded.balance) == "90 available"


def test_a_new_term_is_folded_for_lots_that_are_there() -> None:
    paper = Paper()
    paper.earn("100 until 1 March", key="purchase")
    extended = paper.book_it(paper.till.extend(MEMBER, of="purchase", end="1 April"))
    folded = AccountState(DEFINITION)
    for entry in paper.entries:
        fold(folded, entry.transaction)
    assert standing(folded.lots.values()) == "100 until 1 April"
    assert folded.lots[1].term == 1
    with pytest.raises(UnknownLotError, match="line 0 names lot 1 before its issue"):
        fold(AccountState(DEFINITION), extended)


def test_facts_out_of_order_are_not_folded() -> None:
    paper = Paper()
    paper.earn(100)
    spent = paper.redeem(30)
    with pytest.raises(UnknownLotError, match="line 1 names lot 1 before its issue"):
        fold(AccountState(DEFINITION), spent)
