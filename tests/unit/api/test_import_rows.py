"""Rows as requests: a row says what the same JSON at the doors would say, and is checked so."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID
from zoneinfo import ZoneInfo

import pytest

from api.documents import examples
from api.importing.balances import opening_of
from api.importing.columns import (
    DEFAULTED,
    NEVER,
    REJECTED,
    Column,
    FileKind,
    Form,
    HeaderError,
    columns_of,
    read_header,
    required_of,
)
from api.importing.lanes import lay_out
from api.importing.members import Meant, of_contact
from api.importing.rows import NAME_LENGTH_MAX, Cells, Row, derived, rejected
from api.importing.transactions import read_cells, transaction_of
from api.intake.reading import read_transaction
from api.problems.problem import ProblemError
from ledger.identity import KEY_LENGTH_MAX, ContactId, DefinitionId, TenantId
from ledger.policies import Definition, Policy
from ledger.requests import Earn, Move, Open, Request, Return
from ledger.tenants import Catalogue, TenantRecord
from tests.bookkeeping.asking import Till
from tests.bookkeeping.desk import member

TENANT = TenantId(1)
CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"


def definition(number: int, scale: int) -> Definition:
    beginning = datetime(1, 1, 2, tzinfo=UTC)
    return Definition(
        id=DefinitionId(number),
        tenant=TENANT,
        engage_id=number,
        name="Points",
        scale=scale,
        zone=ZoneInfo("UTC"),
        policies=((beginning, Policy()),),
    )


POINTS, CREDITS = definition(1, 0), definition(2, 2)
CATALOGUE = Catalogue(
    {"shop": TenantRecord(TENANT, "shop", ZoneInfo("UTC"))},
    {POINTS.id: POINTS, CREDITS.id: CREDITS},
    {(TENANT, 1): POINTS, (TENANT, 2): CREDITS},
)


def cells(kind: FileKind, /, **written: str) -> Cells:
    """A row's cells; a dot is written as two underscores."""
    known = columns_of(kind)
    return [(known[name.replace("__", ".")], text) for name, text in written.items()]


def flat(document: dict[str, Any], prefix: str = "") -> dict[str, str]:
    """A document of the doors as the cells of a row."""
    found: dict[str, str] = {}
    for name, value in document.items():
        if isinstance(value, dict):
            found |= flat(value, f"{name}.")
        else:
            text = str(value).upper() if isinstance(value, bool) else str(value)
            found[f"{prefix}{name}"] = NEVER if value is None else text
    return found


def codes(problem: ProblemError) -> list[tuple[str, str]]:
    return [(one.field, one.code) for one in problem.errors]


def opening(**written: str) -> Open:
    """What a row of balances asks for."""
    whole = {"contactId": CONTACT, "definitionId": "1", "amount": "100", **written}
    row = cells(FileKind.BALANCES, **{name: text for name, text in whole.items() if text})
    found = opening_of(row, derived("test", 7), TENANT, CATALOGUE).request
    assert isinstance(found, Open)
    return found


def asked(**written: str) -> Request:
    """What a row of transactions asks for."""
    whole = {
        "kind": "earn",
        "contactId": CONTACT,
        "definitionId": "1",
        "amount": "100",
        "description": "Purchase",
        **written,
    }
    row = cells(FileKind.TRANSACTIONS, **{name: text for name, text in whole.items() if text})
    return transaction_of(row, derived("test", 7), TENANT, CATALOGUE).request


@pytest.mark.parametrize("example", examples.POSTING_EXAMPLES.values())
def test_a_row_says_what_the_same_json_would_say(example: dict[str, Any]) -> None:
    known = columns_of(FileKind.TRANSACTIONS)
    row = [(known[name], text) for name, text in flat(example).items()]
    sent = read_transaction(json.dumps(example).encode())
    assert read_cells(row, derived("test", 1)) == sent


def test_every_field_of_the_doors_is_a_column() -> None:
    known = columns_of(FileKind.TRANSACTIONS)
    assert {"kind", "contactId", "reverses.transactionId", "reverses.idempotencyKey"} <= set(known)
    assert known["amount"].form is known["definitionId"].form is Form.NUMBER
    assert known["allowDebt"].form is Form.BOOLEAN
    assert [one.name for one in known.values() if one.can_be_never] == ["validTo"]
    assert required_of(FileKind.TRANSACTIONS) == (
        "kind",
        "contactId",
        "definitionId",
        "description",
    )


def test_a_row_without_a_key_has_one_of_its_number_under_the_imports_name() -> None:
    assert set(derived("test", 7)) == DEFAULTED
    assert asked().idempotency_key == "import/test/7"
    assert asked(idempotencyKey="order 1").idempotency_key == "order 1"
    assert (asked().source, asked(source="till").source) == ("import", "till")
    longest = derived("x" * NAME_LENGTH_MAX, 10**12)["idempotencyKey"]
    assert len(longest) <= KEY_LENGTH_MAX


def test_a_return_names_its_earn_by_a_column_with_a_dot() -> None:
    found = asked(kind="return", amount="", reverses__idempotencyKey="order 1")
    assert isinstance(found, Return)
    assert found.reverses.idempotency_key == "order 1"


def test_never_is_said_in_words_and_an_empty_cell_says_nothing() -> None:
    never, nothing = asked(validTo="never"), asked(validTo="")
    assert isinstance(never, Earn)
    assert isinstance(nothing, Earn)
    assert never.valid_to is None
    assert nothing.valid_to is not None
    assert opening(validTo="never").valid_to is None
    assert opening(validTo="").valid_to is not None


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ({"amount": "1,5"}, [("amount", "amount_not_plain")]),
        ({"amount": "1e3"}, [("amount", "amount_not_plain")]),
        ({"amount": "007"}, [("amount", "amount_not_plain")]),
        ({"amount": " 7"}, [("amount", "amount_not_plain")]),
        ({"amount": "NaN"}, [("amount", "amount_not_plain")]),
        ({"amount": "1.5"}, [("amount", "amount_beyond_scale")]),
        ({"amount": "0"}, [("amount", "amount_zero")]),
        ({"amount": "-1"}, [("amount", "amount_negative")]),
        ({"amount": "9" * 20}, [("amount", "amount_too_large")]),
        ({"amount": ""}, [("amount", "missing")]),
        ({"contactId": "member 1001"}, [("contactId", "guid_invalid")]),
        ({"definitionId": "one"}, [("definitionId", "wrong_type")]),
        ({"definitionId": "9"}, [("definitionId", "definition_unknown")]),
        ({"effectiveAt": "2026-01-01T10:00:00"}, [("effectiveAt", "time_naive")]),
        ({"effectiveAt": "1 January"}, [("effectiveAt", "time_invalid")]),
        ({"validFrom": "never"}, [("validFrom", "time_invalid")]),
        ({"description": "two\nlines"}, [("description", "control_character")]),
        ({"kind": "gift"}, [("kind", "value_unknown")]),
        ({"kind": "redeem", "allowDebt": "perhaps"}, [("allowDebt", "wrong_type")]),
        ({"kind": "redeem", "validTo": "never"}, [("validTo", "unknown")]),
        ({"kind": "return", "amount": "5"}, [("reverses", "missing")]),
        (
            {"amount": "x", "contactId": "y"},
            [("contactId", "guid_invalid"), ("amount", "amount_not_plain")],
        ),
    ],
)
def test_what_the_doors_refuse_a_row_is_refused_for(
    written: dict[str, str], found: list[tuple[str, str]]
) -> None:
    with pytest.raises(ProblemError) as raised:
        asked(**written)
    assert sorted(codes(raised.value)) == sorted(found)


@pytest.mark.parametrize(
    ("written", "found"),
    [
        ({"amount": "1,5"}, ("amount", "amount_not_plain")),
        ({"amount": "1.5"}, ("amount", "amount_beyond_scale")),
        ({"amount": "0"}, ("amount", "amount_zero")),
        ({"amount": ""}, ("amount", "missing")),
        ({"contactId": ""}, ("contactId", "missing")),
        ({"contactId": "00000000-0000-0000-0000-000000000000"}, ("contactId", "guid_nil")),
        ({"definitionId": "3"}, ("definitionId", "definition_unknown")),
        ({"validTo": "2027-01-01"}, ("validTo", "time_invalid")),
        ({"validTo": "2027-01-01T00:00:00"}, ("validTo", "time_naive")),
        ({"amount": "-5", "validTo": "never"}, ("validTo", "not_together")),
        ({"description": "x" * 501}, ("description", "too_long")),
    ],
)
def test_an_opening_balance_is_checked_as_the_doors_check(
    written: dict[str, str], found: tuple[str, str]
) -> None:
    with pytest.raises(ProblemError) as raised:
        opening(**written)
    assert found in codes(raised.value)


def test_an_opening_balance_is_a_lot_or_below_zero_debt() -> None:
    lot = opening(
        definitionId="2",
        amount="12.5",
        validFrom="2026-12-01T00:00:00+01:00",
        validTo="2027-12-01T00:00:00Z",
        effectiveAt="2026-11-01T00:00:00Z",
        reference="old 17",
    )
    assert (lot.contact, lot.definition, lot.amount) == (UUID(CONTACT), CREDITS.id, 1250)
    assert lot.valid_from == datetime(2026, 11, 30, 23, tzinfo=UTC)
    assert lot.valid_to == datetime(2027, 12, 1, tzinfo=UTC)
    assert lot.effective_at == datetime(2026, 11, 1, tzinfo=UTC)
    assert (lot.reference, lot.description) == ("old 17", None)
    assert opening(amount="-30").amount == -30


def test_the_same_balance_spelt_otherwise_is_the_same_row() -> None:
    assert (
        opening(contactId=CONTACT.upper(), definitionId="2", amount="5.0").fingerprint
        == opening(definitionId="2", amount="5").fingerprint
        != opening(definitionId="2", amount="6").fingerprint
    )


def test_a_header_tells_what_its_rows_are() -> None:
    assert read_header(["contactId", "definitionId", "amount"]).kind is FileKind.BALANCES
    header = ["kind", "contactId", "definitionId", "amount", "description"]
    assert read_header(header).kind is FileKind.TRANSACTIONS
    again = read_header([*REJECTED, *header])
    assert again.row_number_at == 0
    assert again.columns[:3] == (None, None, None)
    assert again.columns[4] == Column("contactId")


@pytest.mark.parametrize(
    ("names", "said"),
    [
        (["contactId", "amount"], "lacks the column definitionId"),
        (["contactId", "definitionId", "amount", "amount"], "the column amount more than once"),
        (
            ["contact_id", "definitionId", "amount"],
            "contact_id, which is none of balances; contactId",
        ),
        (["memberNumber", "amount"], "lacks the column definitionId"),
        (["definitionId", "amount"], "lacks the column contactId"),
        (["contactId", "definitionId", "amount", ""], "without a name"),
        (["x"] * 201, "has 201 columns"),
    ],
)
def test_a_header_that_can_not_be_used_is_explained(names: list[str], said: str) -> None:
    with pytest.raises(HeaderError, match=said):
        read_header(names, FileKind.BALANCES)


def test_a_member_number_stands_for_the_contact_and_is_what_the_row_says() -> None:
    known = columns_of(FileKind.BALANCES)

    def read(number: str, **others: str) -> Meant:
        written = {"memberNumber": number, "definitionId": "1", "amount": "5", **others}
        cells = [(known[name], text) for name, text in written.items()]
        return opening_of(cells, derived("x", 1), TENANT, CATALOGUE)

    request, number = read("A 17")
    assert number == "A 17"
    found = of_contact(request, member(1001))
    assert (found.contact, found.fingerprint) == (member(1001), request.fingerprint)
    assert read("A 18").request.fingerprint != request.fingerprint
    with pytest.raises(ProblemError, match="can't be given together with contactId"):
        read("A 17", contactId=CONTACT)


def test_a_row_with_a_member_number_is_the_request_of_the_doors() -> None:
    document = {name: value for name, value in examples.EARN.items() if name != "contactId"}
    document["memberNumber"] = "A 17"
    known = columns_of(FileKind.TRANSACTIONS)
    row = [(known[name], text) for name, text in flat(document).items()]
    request, number = transaction_of(row, {}, TENANT, CATALOGUE)
    assert number == "A 17"
    at_the_doors = read_transaction(json.dumps(document).encode())
    assert request.fingerprint == at_the_doors.fingerprint


def test_a_rejected_row_says_everything_that_is_wrong() -> None:
    row = Row(3, (), ("x", "y"))
    with pytest.raises(ProblemError) as raised:
        opening(amount="x", contactId="y")
    found = rejected(row, raised.value)
    assert found.code == "guid_invalid"
    assert found.message.startswith("contactId is no GUID")
    assert "; amount must be a plain JSON number" in found.message


def contact(number: int) -> ContactId:
    return member(1000 + number)


def moves(till: Till, giver: int, taker: int) -> Move:
    return Move(
        **till.common(contact(giver), None, None),
        to_contact=contact(taker),
        to_definition=till.definition,
    )


def test_rows_of_one_contact_stay_in_one_lane_and_in_order() -> None:
    till = Till(TENANT, POINTS.id)
    requests = [till.earn(contact(number % 7), 1) for number in range(100)]
    lanes = lay_out(requests, 4)
    assert sorted(at for lane in lanes for at in lane) == list(range(100))
    assert all(lane == sorted(lane) for lane in lanes)
    holds = [{requests[at].contact for at in lane} for lane in lanes]
    assert sum(len(one) for one in holds) == 7
    assert max(len(lane) for lane in lanes) <= 2 * 15


def test_a_gift_joins_its_two_contacts_and_all_they_are_joined_to() -> None:
    till = Till(TENANT, POINTS.id)
    requests: list[Request] = [till.earn(contact(number), 1) for number in range(6)]
    requests += [moves(till, 0, 1), moves(till, 2, 1), till.redeem(contact(2), 1)]
    lanes = lay_out(requests, 3)
    together = next(lane for lane in lanes if 0 in lane)
    assert {0, 1, 2, 6, 7, 8} <= set(together)
    assert together == sorted(together)


def test_one_contact_alone_makes_one_lane() -> None:
    till = Till(TENANT, POINTS.id)
    assert lay_out([till.earn(contact(1), 1)] * 5, 4) == [[0, 1, 2, 3, 4]]
    assert lay_out([], 4) == []
