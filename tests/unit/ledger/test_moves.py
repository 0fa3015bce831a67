"""Moving: two transactions that know each other, one that gives and one that takes."""

from typing import Any

from ledger.amounts import Points
from ledger.book import Entry
from ledger.facts import Origin, Texts
from ledger.kinds import Kind
from ledger.outcomes import Booked
from ledger.requests import Move, Request
from tests.bookkeeping.asking import Till
from tests.bookkeeping.paper import DEFINITION, TENANT, definition
from tests.bookkeeping.words import holding, moved, when
from tests.simulation.history import CONTACTS
from tests.simulation.sheet import Sheet

GIVER, FRIEND = CONTACTS[:2]
TILL = Till(TENANT, DEFINITION)


def booked(sheet: Sheet, day: str, request: Request) -> list[Entry]:
    """What a request that must be booked wrote."""
    written = len(sheet.book.entries)
    [outcome] = sheet.post([request], when(day))
    assert isinstance(outcome, Booked), outcome
    return sheet.book.entries[written:]


def gift(amount: int | None, **more: Any) -> Move:
    return Move(
        **TILL.common(GIVER, "gift 7", None),
        to_contact=FRIEND,
        to_definition=DEFINITION,
        amount=None if amount is None else Points(amount),
        **more,
    )


def test_the_halves_of_a_gift_name_each_other_and_say_the_same() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, "100 until 1 June"))
    common = TILL.common(GIVER, "gift 7", "2 January", "For your birthday")
    request = Move(
        **common,
        reference="card 7",
        actor="till 3",
        to_contact=FRIEND,
        to_definition=DEFINITION,
        amount=Points(30),
    )
    gave, took = (entry.transaction for entry in booked(sheet, "3 January", request))
    assert (gave.kind, took.kind) == (Kind.MOVE, Kind.RECEIVE)
    assert (gave.linked, took.linked) == (took.id, gave.id)
    assert gave.amount == took.amount == 30
    assert gave.effective_at == took.effective_at == when("2 January")
    assert gave.source == took.source == "pos"
    assert gave.texts == Texts("gift 7", "For your birthday", "card 7", "till 3")
    assert took.texts == Texts(None, "For your birthday", "card 7", "till 3")
    assert moved(gave.transfers) == ["2 January: 30 available to moved"]
    assert moved(took.transfers) == ["2 January: 30 moved to available"]
    [lot] = took.lots
    assert (lot.origin, lot.valid_to) == (Origin(sheet.holders[GIVER], 1), when("1 June"))
    assert (holding(gave.after), holding(took.after)) == ("70 available", "30 available")


def test_only_the_half_that_gives_has_the_key() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, 100))
    gave, took = booked(sheet, "2 January", gift(30))
    assert gave.key is not None
    assert (took.key, took.fingerprint) == (None, None)


def test_moving_everything_of_a_closed_period_happens_now() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, "100 from 5 March until 6 March"))
    booked(sheet, "2 January", TILL.redeem(GIVER, 20, allow_debt=True))
    sheet.close_period(when("1 February"), when("3 February"))
    gave, took = (entry.transaction for entry in booked(sheet, "4 February", gift(None)))
    assert (gave.amount, took.amount) == (80, 80)
    assert moved(gave.transfers) == [
        "4 February: 100 pending to moved",
        "4 February: 20 moved to debt",
    ]
    assert moved(took.transfers) == [
        "4 February: 100 moved to pending",
        "4 February: 20 debt to moved",
    ]
    assert (gave.occurred_at, took.occurred_at) == (None, None)


def test_a_gift_of_a_closed_period_remembers_in_both_halves_when_it_was_made() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, 100))
    sheet.close_period(when("1 February"), when("3 February"))
    common = TILL.common(GIVER, "gift 8", "20 January")
    request = Move(**common, to_contact=FRIEND, to_definition=DEFINITION, amount=Points(30))
    gave, took = (entry.transaction for entry in booked(sheet, "4 February", request))
    assert gave.effective_at == took.effective_at == when("1 February")
    assert gave.occurred_at == took.occurred_at == when("20 January")
