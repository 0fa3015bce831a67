"""Folding facts: what one transaction after the other makes of an account."""

import pytest

from ledger.folding import UnknownLotError, fold
from ledger.state import AccountState
from tests.bookkeeping.paper import DEFINITION, Paper
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


def test_facts_out_of_order_are_not_folded() -> None:
    paper = Paper()
    paper.earn(100)
    spent = paper.redeem(30)
    with pytest.raises(UnknownLotError, match="line 1 names lot 1 before its issue"):
        fold(AccountState(DEFINITION), spent)
