from datetime import UTC, datetime, timedelta
from decimal import Decimal

import pytest

from sandbox.engage.accounts import (
    Accounts,
    PointTransaction,
    account_guid,
    read_account_guid,
)
from sandbox.engage.settings import Consumption

NOW = datetime(2026, 1, 1, tzinfo=UTC)
CONTACT = "11111111-1111-4111-8111-111111111111"
SOONEST = Consumption.SOONEST_EXPIRING


def day(number: float) -> datetime:
    return NOW + timedelta(days=number)


class Book:
    """One account, filled in a line a transaction."""

    def __init__(self, consumption: Consumption = SOONEST) -> None:
        self.accounts = Accounts()
        self.account = self.accounts.opened(CONTACT, 1)
        self.consumption = consumption

    def post(
        self, amount: int, on: float, valid_from: float | None = None, valid_to: float | None = None
    ) -> None:
        self.at(on)
        self.accounts.post(
            PointTransaction(
                id=0,
                account_id=self.account.id,
                amount=Decimal(amount),
                description="test",
                source="Purchase",
                type="Addition" if amount > 0 else "Deduction",
                transaction_date=day(on),
                created_on=day(on),
                modified_on=day(on),
                valid_from=day(on if valid_from is None else valid_from),
                valid_to=None if valid_to is None else day(valid_to),
            ),
            day(on),
        )

    def at(self, number: float) -> tuple[int, int]:
        """Balance and pending points on that day."""
        self.accounts.settle(day(number), self.consumption)
        return int(self.account.balance), int(self.account.pending)


def test_points_are_pending_until_their_time_comes() -> None:
    book = Book()
    book.post(100, on=0, valid_from=14)
    book.post(30, on=0)

    assert book.at(13.9) == (30, 100)
    assert book.at(14) == (130, 0)
    assert not book.accounts.transactions[0].pending


def test_a_returned_pending_purchase_is_gone_on_both_sides_of_its_time() -> None:
    book = Book()
    book.post(100, on=0, valid_from=14)
    book.post(-100, on=1, valid_from=14)

    assert book.at(2) == (0, 0)
    assert book.at(14) == (0, 0)


def test_what_is_left_of_an_addition_lapses() -> None:
    book = Book()
    book.post(100, on=0, valid_to=30)
    book.post(50, on=1)
    book.post(-60, on=2)

    assert book.at(29) == (90, 0)
    assert book.at(30) == (50, 0)  # 60 of the 100 were spent, 40 lapse
    lapsed = book.accounts.transactions[-1]
    assert (lapsed.type, lapsed.transaction_date) == ("Expiry", day(30))
    assert lapsed.amount == -40


@pytest.mark.parametrize(
    ("consumption", "after_20", "after_40"),
    [
        (Consumption.SOONEST_EXPIRING, 70, 0),  # the 60 took 30 of B, so nothing of it lapses on 20
        (Consumption.OLDEST, 40, 0),  # the 60 came out of A, so all 30 of B lapse on 20
    ],
)
def test_the_order_of_consumption_decides_what_lapses(
    consumption: Consumption, after_20: int, after_40: int
) -> None:
    book = Book(consumption)
    book.post(100, on=0, valid_to=40)  # A
    book.post(30, on=1, valid_to=20)  # B
    book.post(-60, on=2)

    assert book.at(19) == (70, 0)
    assert book.at(20) == (after_20, 0)
    assert book.at(40) == (after_40, 0)


def test_additions_that_lapse_together_lapse_whole_in_either_order() -> None:
    for consumption in Consumption:
        book = Book(consumption)
        book.post(10, on=1, valid_from=2, valid_to=30)
        book.post(5, on=1, valid_from=1, valid_to=30)
        book.post(-4, on=3)

        assert book.at(30) == (0, 0)


def test_nothing_lapses_until_engage_is_told_to_expire() -> None:
    accounts = Accounts()
    account = accounts.opened(CONTACT, 1)
    accounts.post(
        PointTransaction(
            0, account.id, Decimal(5), "x", "Purchase", "Addition", NOW, NOW, NOW, NOW, day(1)
        ),
        NOW,
    )

    accounts.settle(day(2), None)
    assert account.balance == 5

    accounts.settle(day(2), SOONEST)  # from now on it does
    assert account.balance == 0


def test_a_total_is_set_exactly_and_leaves_pending_points_alone() -> None:
    book = Book()
    book.post(100, on=0, valid_from=14)

    book.accounts.set_balance(CONTACT, 1, Decimal("12.50"), NOW)

    assert str(book.account.balance) == "12.50"
    assert book.account.pending == 100


def test_totals_are_those_of_all_accounts() -> None:
    accounts = Accounts()
    for number in range(10):
        accounts.set_balance(f"contact {number}", number % 2, Decimal(number), NOW)
    accounts.set_balance("contact 9", 1, Decimal(-1), NOW)
    accounts.forget("contact 8")

    even, odd = accounts.totals[0], accounts.totals[1]
    assert (even.accounts, int(even.balance)) == (4, 0 + 2 + 4 + 6)
    assert (odd.accounts, int(odd.balance)) == (5, 1 + 3 + 5 + 7 - 1)


def test_only_changes_of_active_points_are_told() -> None:
    book = Book()
    told: list[int] = []
    book.accounts.on_change = lambda account: told.append(int(account.balance))

    book.post(100, on=0, valid_from=14)
    book.post(30, on=1)
    book.accounts.set_balance(CONTACT, 1, Decimal(30), NOW)
    book.at(14)

    assert told == [30, 130]


def test_a_guid_of_an_account_leads_back_to_its_number() -> None:
    assert read_account_guid(account_guid(4711)) == 4711
    assert read_account_guid(account_guid(4711).upper()) == 4711
    for other in (CONTACT, "acc00000-0000-4000-8000-zzzzzzzzzzzz", "4711", ""):
        assert read_account_guid(other) is None
