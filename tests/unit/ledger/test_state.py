"""State: what facts leave behind, and what of it is marked to be stored."""

from ledger.amounts import Points
from ledger.facts import Transfer
from ledger.identity import DefinitionId
from ledger.kinds import LedgerAccount
from ledger.state import AccountState
from tests.bookkeeping.paper import DEFINITION, MEMBER, Paper
from tests.bookkeeping.words import when


def reloaded(member: Paper) -> Paper:
    """The member as loaded again: nothing changed, nothing new."""
    account = member.account
    account.changed = account.is_new = False
    for lot in account.lots.values():
        lot.changed = lot.is_new = False
    for hold in account.holds.values():
        hold.changed = hold.is_new = False
    return member


def marked(member: Paper) -> tuple[list[int], list[int]]:
    """Which lots and holds are to be stored."""
    account = member.account
    assert account.changed
    return (
        [one.lot for one in account.lots.values() if one.changed],
        [one.number for one in account.holds.values() if one.changed or one.is_new],
    )


def test_what_is_new_is_to_be_written_and_inserted() -> None:
    member = Paper()
    member.earn(100)
    assert marked(member) == ([1], [])
    member.book_it(member.till.hold(MEMBER, 30))
    assert member.account.is_new
    assert marked(member) == ([1], [2])
    assert [one.is_new for one in member.account.lots.values()] == [True]
    assert [one.is_new for one in member.account.holds.values()] == [True]


def test_of_what_was_there_only_what_changed_is_to_be_written() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    member.earn("100 until 1 April", key="second")
    member.earn("100 from 1 February")
    reloaded(member).redeem(30)
    assert marked(member) == ([1], [])
    held = reloaded(member).book_it(member.till.hold(MEMBER, 90))
    assert marked(member) == ([1, 2], [held.number])
    reloaded(member).book_it(member.till.release(MEMBER, of=held.id))
    assert marked(member) == ([1, 2], [held.number])
    reloaded(member).book_it(member.till.extend(MEMBER, of="second", end="1 May"))
    assert marked(member) == ([2], [])
    reloaded(member).sweep("1 February")
    assert marked(member) == ([3], [])
    reloaded(member).sweep("2 February")
    assert not member.account.changed


def test_a_lot_s_movements_are_kept_expiry_apart() -> None:
    member = Paper()
    member.earn("100 until 1 March", key="purchase")
    member.redeem(30)
    member.give_back(20)
    member.sweep("1 March")
    [lot] = member.account.lots.values()
    assert (lot.remaining, lot.lapsed) == (0, 50)
    assert lot.movements == [(when("1 January"), n) for n in (100, -30, -20)]
    assert lot.term == 0


def test_an_account_that_something_is_told_of_is_to_be_written() -> None:
    member = Paper()
    member.earn(1, key="purchase")
    returned = reloaded(member).give_back(part=1, whole=2)
    assert (returned.transfers, member.account.changed) == ((), True)


def test_what_was_looked_for_too_early_is_looked_for_again_when_it_comes() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    reloaded(member).account.next_due_at = when("5 January")
    member.sweep("5 January")
    assert len(member.entries) == 1
    assert (member.account.changed, member.account.next_due_at) == (True, when("1 March"))


def test_what_lots_that_are_not_loaded_will_do_is_still_expected() -> None:
    member = Paper()
    member.earn("10 until 1 March")
    account = reloaded(member).account
    # As an earn finds it: it needs to know none of the lots.
    account.complete = False
    account.lots.clear()
    for lot, expected in (
        ("20 until 1 April", "1 March"),
        ("30", "1 March"),
        ("40 until 1 February", "1 February"),
        ("50 from 20 January", "20 January"),
    ):
        account.lots.clear()
        member.earn(lot)
        assert account.next_due_at == when(expected)


def test_where_nothing_was_expected_what_is_new_is() -> None:
    member = Paper()
    member.earn(10)
    account = reloaded(member).account
    account.complete = False
    account.lots.clear()
    member.earn(20)
    assert account.next_due_at is None
    member.earn("30 until 1 February")
    assert account.next_due_at == when("1 February")


def test_an_account_that_was_kept_can_be_closed() -> None:
    member = Paper()
    member.earn(10)
    assert reloaded(member).book_it(member.till.close(MEMBER)).amount == 10


def test_what_only_changes_its_bucket_is_no_movement_of_the_lot() -> None:
    member = Paper()
    member.earn("100 from 2 January")
    member.sweep("2 January")
    [lot] = member.account.lots.values()
    assert (lot.active, lot.movements) == (True, [(when("1 January"), 100)])


def test_movements_that_were_not_loaded_are_not_begun() -> None:
    member = Paper()
    member.earn("100 until 1 March")
    [lot] = member.account.lots.values()
    lot.movements = None
    member.redeem(30)
    assert (lot.remaining, lot.movements) == (70, None)


def test_the_latest_instant_that_anything_took_effect_is_remembered() -> None:
    member = Paper(today="5 January")
    assert member.account.last_effective_at is None
    for day, latest in (("3 January", 3), ("2 January", 3), ("4 January", 4)):
        member.earn(10, on=day)
        assert member.account.last_effective_at == when(f"{latest} January")


def test_since_when_all_that_is_owed_is_owed_is_remembered_while_it_is() -> None:
    member = Paper(today="5 January")
    for day, since in (("3 January", 3), ("2 January", 3), ("4 January", 4)):
        member.redeem(10, on=day, allow_debt=True)
        assert member.account.debt_since == when(f"{since} January")
    member.adjust(29)
    assert (member.balance, member.account.debt_since) == ("1 debt", when("4 January"))
    member.adjust(1)
    assert (member.balance, member.account.debt_since) == ("nothing", None)


def test_what_is_expected_sooner_is_waited_for() -> None:
    account = AccountState(DefinitionId(1))
    account.expect(None)
    assert (account.next_due_at, account.changed) == (None, False)
    for said, expected, changed in ((5, 5, True), (6, 5, False), (4, 4, True), (4, 4, False)):
        account.changed = False
        account.expect(when(f"{said} March"))
        assert account.next_due_at == when(f"{expected} March")
        assert account.changed is changed


def test_an_account_that_a_transfer_was_applied_to_has_changed() -> None:
    account = AccountState(DefinitionId(1))
    sides = (LedgerAccount.ISSUED, LedgerAccount.AVAILABLE)
    account.apply(Transfer(1, *sides, Points(5), when("1 March")))
    assert (account.changed, account.available) == (True, 5)


def test_a_holder_s_accounts_are_opened_once() -> None:
    holder = Paper().holder
    account = holder.account(DEFINITION)
    account.available = Points(5)
    assert holder.account(DEFINITION) is account
    assert holder.account(DefinitionId(2)) is not account
