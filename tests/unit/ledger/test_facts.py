"""Facts: what transfers come to for the holder, all points counted or only those to be spent."""

import pytest

from ledger.amounts import Points
from ledger.facts import Balance, Transfer, active_net_of, net_of
from ledger.kinds import LedgerAccount
from tests.bookkeeping.words import when

A = LedgerAccount


@pytest.mark.parametrize(
    ("debit", "credit", "net", "active"),
    [
        (A.ISSUED, A.AVAILABLE, 10, 10),
        (A.ISSUED, A.PENDING, 10, 0),
        (A.PENDING, A.AVAILABLE, 0, 10),
        (A.AVAILABLE, A.PENDING, 0, -10),
        (A.AVAILABLE, A.HELD, 0, 0),
        (A.HELD, A.REDEEMED, -10, -10),
        (A.AVAILABLE, A.EXPIRED, -10, -10),
        (A.PENDING, A.ISSUED, -10, 0),
        (A.DEBT, A.REDEEMED, -10, -10),
        (A.AVAILABLE, A.DEBT, 0, 0),
        (A.CLOSED, A.DEBT, 10, 10),
    ],
)
def test_what_a_transfer_does_to_the_holder_s_points(
    debit: LedgerAccount, credit: LedgerAccount, net: int, active: int
) -> None:
    transfer = Transfer(1, debit, credit, Points(10), when("1 March"))
    assert net_of([transfer]) == net
    assert active_net_of([transfer]) == active
    assert net_of([transfer] * 3) == 3 * net
    assert active_net_of([transfer] * 3) == 3 * active


def test_what_is_owed_counts_against_the_rest() -> None:
    assert Balance(Points(1), Points(20), Points(300), Points(4000)).net == -3679
