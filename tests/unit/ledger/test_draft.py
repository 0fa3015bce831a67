"""A draft: transfers as far as they are decided, each naming no more lots than it may."""

import pytest

from ledger.amounts import Points
from ledger.draft import ALLOCATIONS_MAX, Draft
from ledger.facts import Allocation
from ledger.identity import DefinitionId
from ledger.kinds import LedgerAccount
from ledger.state import AccountState
from tests.bookkeeping.words import when


@pytest.mark.parametrize(
    ("lots", "transfers"),
    [
        (1, [1]),
        (ALLOCATIONS_MAX, [ALLOCATIONS_MAX]),
        (ALLOCATIONS_MAX + 1, [ALLOCATIONS_MAX, 1]),
        (2 * ALLOCATIONS_MAX + 7, [ALLOCATIONS_MAX, ALLOCATIONS_MAX, 7]),
    ],
)
def test_what_takes_more_lots_than_a_transfer_may_name_is_several_transfers(
    lots: int, transfers: list[int]
) -> None:
    day = when("1 January")
    draft = Draft(AccountState(DefinitionId(1)), 1, 1)
    draft.issue(LedgerAccount.ISSUED, Points(lots), day, day, None)
    parts = tuple(Allocation(1, Points(1)) for _ in range(lots))
    draft.transfer(LedgerAccount.AVAILABLE, LedgerAccount.REDEEMED, lots, day, parts)
    spent = draft.transfers[1:]
    assert [len(one.allocations) for one in spent] == [one.amount for one in spent] == transfers
    assert [one.line for one in spent] == list(range(2, 2 + len(transfers)))
    assert draft.account.available == 0
