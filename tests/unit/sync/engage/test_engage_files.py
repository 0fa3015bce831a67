"""The file by which Engage imports points, to the byte, and what it would not take."""

from datetime import UTC, datetime
from decimal import Decimal
from uuid import UUID

import pytest

from ledger.identity import ContactId
from sync.engage.files.form import (
    HEADER,
    ROWS_MAX,
    BadRow,
    NotImportableError,
    line_of,
    read_lines,
)
from sync.engage.totals import Total

CONTACT = ContactId(UUID("1dfe06cd-a1be-4423-8ed4-afd900d998aa"))
AT = datetime(2026, 11, 21, 9, 30, 0, 999_999, tzinfo=UTC)
GOOD = (
    f"{CONTACT};contactId;1;12.5;adjustment;2026-11-21T09:30:00Z;2026-11-21T09:30:00Z;;"
    "Pointmaster;Opening balance;Adjustment;"
)


def test_a_row_to_the_byte() -> None:
    total = Total(CONTACT, 1250, 2, 1)
    assert line_of(total, AT, "Opening balance", "Adjustment", "Pointmaster") == GOOD


def test_the_header_is_as_engage_wants_it() -> None:
    assert HEADER == (
        "Key;KeyType;PointDefinitionId;Amount;TransactionType;TransactionDate;CreatedOn;ValidTo;"
        "CreatedBy;Description;Source;ExpireAfterMonthsInactive"
    )


@pytest.mark.parametrize("text", ["a;b", 'a"b', "a'b", "a\r\nb", "a\u201db", "a\x00b", 'a;";b'])
def test_texts_never_break_the_file(text: str) -> None:
    line = line_of(Total(CONTACT, 1, 0, 1), AT, text, "Adjustment", "Pointmaster")
    assert line.count(";") == 11
    (row,) = read_lines([HEADER, line])
    assert not isinstance(row, BadRow)
    assert ";a b;" in line


def test_what_was_written_is_read_back() -> None:
    lines = [f"\ufeff{HEADER}\r\n", f"{GOOD}\r\n", "\r\n", GOOD.replace("12.5", "-3")]
    first, second = read_lines(lines)
    assert not isinstance(first, BadRow)
    assert not isinstance(second, BadRow)
    assert (first.contact, first.definition, first.amount) == (CONTACT, 1, Decimal("12.5"))
    assert (second.line, second.amount) == (4, Decimal(-3))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (("contactId", "memberNumber"), "KeyType must be contactId"),
        ((str(CONTACT), "1001"), "Key must be a contact's GUID"),
        ((";1;12.5", ";one;12.5"), "PointDefinitionId must be a whole number"),
        (("12.5", "12,5"), "Amount must be a number"),
        (("12.5", "1e3"), "Amount must be a number"),
        (("12.5", ""), "Amount must be a number"),
        (("adjustment", "gift"), "TransactionType must be one of"),
        (("2026-11-21T09:30:00Z;;", "yesterday;;"), "CreatedOn must be like"),
        (("2026-11-21T09:30:00Z;;", "2026-11-21T09:30:00;;"), "CreatedOn must be like"),
        (("Opening", 'Op"ening'), "Description holds a quote"),
        (("Opening", "Op;ening"), "has 13 cells instead of 12"),
        (("Opening", "x" * 3000), "has more than 2000 characters"),
    ],
)
def test_a_row_that_engage_would_not_take(change: tuple[str, str], reason: str) -> None:
    (row,) = read_lines([HEADER, GOOD.replace(*change, 1)])
    assert isinstance(row, BadRow)
    assert row.line == 2
    assert row.reason.startswith(reason)


def test_a_file_that_is_none() -> None:
    for lines in ([], ["Key,KeyType"], [HEADER.lower()]):
        with pytest.raises(NotImportableError, match="the first line must be"):
            list(read_lines(lines))
    with pytest.raises(NotImportableError, match="at most 20000 rows"):
        list(read_lines([HEADER, *[""] * ROWS_MAX, GOOD]))
