"""What is due is swept in shares: no holder is in two of them."""

from uuid import UUID

from ledger.identity import DefinitionId, HolderId
from ledger.sweeping import SHARE_MIN, SHARES, shares_of


def accounts(holders: int, each: int) -> list[tuple[HolderId, DefinitionId]]:
    return [
        (HolderId(UUID(int=number)), DefinitionId(definition))
        for definition in range(each)
        for number in range(holders)
    ]


def test_every_account_is_in_one_share_and_every_holder_too() -> None:
    due = accounts(333, 3)
    shares = shares_of(due)
    assert len(shares) == SHARES
    assert sorted(account for share in shares for account in share) == sorted(due)
    holders = [{holder for holder, _ in share} for share in shares]
    assert sum(len(one) for one in holders) == len(set.union(*holders)) == 333
    assert max(map(len, shares)) - min(map(len, shares)) <= 3


def test_few_accounts_and_none_are_not_divided() -> None:
    assert shares_of([]) == []
    assert len(shares_of(accounts(SHARE_MIN, 1))) == 1
    assert len(shares_of(accounts(1, 2 * SHARE_MIN))) == 1
