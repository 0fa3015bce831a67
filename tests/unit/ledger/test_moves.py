"""Moving: two transactions that know each other, one that gives and one that takes."""

import msgspec

from ledger.amounts import Points
from ledger.entries import Entry
from ledger.facts import Origin, Texts
from ledger.identity import DefinitionId
from ledger.kinds import Kind
from ledger.outcomes import Booked, Refused
from ledger.requests import Move, Request
from tests.bookkeeping.asking import Till
from tests.bookkeeping.paper import DEFINITION, TENANT, definition
from tests.bookkeeping.words import holding, moved, standing, taken, when
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


def refusal(sheet: Sheet, day: str, request: Request) -> tuple[str, str | None]:
    """Why a request is refused, and the field that it is about."""
    [outcome] = sheet.post([request], when(day))
    assert isinstance(outcome, Refused), outcome
    return outcome.code, outcome.field


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
    assert lot.origin == Origin(sheet.holders[GIVER], 1)
    assert (lot.valid_from, lot.valid_to) == (when("2 January"), when("1 June"))
    assert (holding(gave.after), holding(took.after)) == ("70 available", "30 available")


def test_only_the_half_that_gives_has_the_key() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, 100))
    gave, took = booked(sheet, "2 January", TILL.move(GIVER, 30, to=FRIEND))
    assert gave.key is not None
    assert (took.key, took.fingerprint) == (None, None)


def test_moving_everything_of_a_closed_period_happens_now() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, "100 from 5 March until 6 March"))
    booked(sheet, "2 January", TILL.redeem(GIVER, 20, allow_debt=True))
    sheet.close_period(when("1 February"), when("3 February"))
    gave, took = (
        entry.transaction for entry in booked(sheet, "4 February", TILL.move(GIVER, to=FRIEND))
    )
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


def test_what_fell_due_where_points_go_to_is_booked_before_they_come() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, 100))
    booked(sheet, "1 January", TILL.earn(FRIEND, "40 until 10 January"))
    kinds = [
        entry.transaction.kind
        for entry in booked(sheet, "12 January", TILL.move(GIVER, 30, to=FRIEND))
    ]
    assert kinds == [Kind.EXPIRY, Kind.MOVE, Kind.RECEIVE]


def test_points_of_a_late_gift_that_have_lapsed_since_lapse_in_its_own_transaction() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, "100 until 10 January"))
    late = TILL.move(GIVER, 30, to=FRIEND, on="5 January")
    _, gave, took = (entry.transaction for entry in booked(sheet, "12 January", late))
    assert moved(gave.transfers) == [
        "5 January: 30 available to moved",
        "10 January: 30 expired to available",
    ]
    assert moved(took.transfers) == [
        "5 January: 30 moved to available",
        "10 January: 30 available to expired",
    ]
    assert holding(took.after) == "nothing"


def test_a_gift_is_taken_soonest_to_expire_first_and_goes_on_lot_by_lot() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, 50))
    booked(sheet, "1 January", TILL.earn(GIVER, "50 until 1 March"))
    gave, took = (
        entry.transaction for entry in booked(sheet, "2 January", TILL.move(GIVER, 60, to=FRIEND))
    )
    assert taken(gave.transfers) == "lot 2: 50, lot 1: 10"
    assert [(lot.amount, lot.valid_to) for lot in took.lots] == [(50, when("1 March")), (10, None)]


def test_a_gift_repays_what_the_receiver_owes_first() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, 50))
    booked(sheet, "1 January", TILL.redeem(FRIEND, 20, allow_debt=True))
    _, took = booked(sheet, "2 January", TILL.move(GIVER, 50, to=FRIEND))
    assert holding(took.transaction.after) == "30 available"


def test_everything_moves_with_what_is_pending_and_what_is_owed() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, "40 until 1 May"))
    booked(sheet, "1 January", TILL.earn(GIVER, "60 from 1 February until 1 March"))
    gave, took = (
        entry.transaction for entry in booked(sheet, "2 January", TILL.move(GIVER, to=FRIEND))
    )
    assert (gave.amount, took.amount) == (100, 100)
    assert moved(gave.transfers) == [
        "2 January: 60 pending to moved",
        "2 January: 40 available to moved",
    ]
    friend = sheet.book.holders[TENANT, FRIEND].account(DEFINITION)
    assert standing(friend.lots.values()) == "60 until 1 March from 1 February; 40 until 1 May"
    assert holding(took.after) == "40 available, 60 pending"


def test_points_go_to_another_account_that_is_open_and_has_as_many_decimals() -> None:
    miles = msgspec.structs.replace(definition(), id=DefinitionId(2))
    cents = msgspec.structs.replace(definition(scale=2), id=DefinitionId(3))
    sheet = Sheet(CONTACTS, [definition(), miles, cents], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, 50))
    assert refusal(sheet, "2 January", TILL.move(GIVER, 1, to=GIVER)) == ("move_to_itself", "to")
    to_cents = TILL.move(GIVER, 1, to=GIVER, into=cents.id)
    assert refusal(sheet, "2 January", to_cents) == ("scales_differ", "to.definitionId")
    booked(sheet, "2 January", TILL.move(GIVER, 1, to=GIVER, into=miles.id))
    booked(sheet, "2 January", TILL.move(GIVER, 1, to=FRIEND))
    booked(sheet, "3 January", TILL.close(FRIEND))
    closed = TILL.move(GIVER, 1, to=FRIEND)
    assert refusal(sheet, "3 January", closed) == ("account_closed", "to")
    booked(sheet, "3 January", TILL.move(GIVER, 1, to=FRIEND, into=miles.id))


def test_an_account_with_points_on_hold_cannot_be_moved_as_a_whole() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, 50))
    booked(sheet, "1 January", TILL.hold(GIVER, 1))
    everything = TILL.move(GIVER, to=FRIEND)
    assert refusal(sheet, "1 January", everything) == ("points_held", "contactId")
    booked(sheet, "1 January", TILL.move(GIVER, 49, to=FRIEND))


def test_what_is_owed_stays_where_it_is_when_points_that_lapsed_since_are_moved_late() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, "100 until 10 January"))
    booked(sheet, "12 January", TILL.redeem(GIVER, 20, allow_debt=True))
    late = TILL.move(GIVER, 30, to=FRIEND, on="5 January")
    gave, took = (entry.transaction for entry in booked(sheet, "13 January", late))
    assert (gave.amount, took.amount) == (30, 30)
    assert (holding(gave.after), holding(took.after)) == ("20 debt", "nothing")


def test_what_went_is_waited_for_where_it_went_to() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, "50 until 1 March"))
    booked(sheet, "1 January", TILL.earn(GIVER, "50 until 1 April"))
    for amount, left, gone in ((60, "1 April", "1 March"), (None, None, "1 March")):
        booked(sheet, "2 January", TILL.move(GIVER, amount, to=FRIEND))
        giver, friend = (
            sheet.book.holders[TENANT, contact].account(DEFINITION) for contact in (GIVER, FRIEND)
        )
        assert giver.next_due_at == (None if left is None else when(left))
        assert friend.next_due_at == when(gone)


def test_pending_points_repay_nothing_where_they_go_to_before_they_begin() -> None:
    sheet = Sheet(CONTACTS, [definition()], when("1 January"))
    booked(sheet, "1 January", TILL.earn(GIVER, "100 from 5 March"))
    booked(sheet, "1 January", TILL.redeem(FRIEND, 20, allow_debt=True))
    _, took = booked(sheet, "2 January", TILL.move(GIVER, to=FRIEND))
    assert holding(took.transaction.after) == "100 pending, 20 debt"
