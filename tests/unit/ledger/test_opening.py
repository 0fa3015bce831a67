"""Opening: what earlier books say somebody has, or owes, as it stands."""

import pytest

from ledger.amounts import Points
from ledger.requests import Open
from tests.bookkeeping.paper import MEMBER, Paper
from tests.bookkeeping.words import moved


@pytest.mark.parametrize(
    ("amount", "transfer", "balance"),
    [
        (100, "100 opening to available", "100 available"),
        (1, "1 opening to available", "1 available"),
        (-1, "1 debt to opening", "1 debt"),
        (-100, "100 debt to opening", "100 debt"),
    ],
)
def test_a_balance_is_brought_in_as_one_lot_or_as_debt(
    amount: int, transfer: str, balance: str
) -> None:
    member = Paper()
    told = member.book_it(Open(**member.till.common(MEMBER, None, None), amount=Points(amount)))
    assert (told.kind.word, told.amount) == ("open", amount)
    assert moved(told.transfers) == [f"1 January: {transfer}"]
    assert member.balance == balance
