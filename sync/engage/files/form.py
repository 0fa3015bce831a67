"""The file by which Engage imports points: its header, its rows, and reading them strictly.

The one hard idea: the file has no quoting, so a text with a semicolon, a quote or a line break
would shift or break it; such characters become spaces when it is written, and a row that has them
is refused when it is read. Amounts are exact decimals, times UTC. No file is opened here.

Contract: docs/contracts/engage.md, "Files".
"""

import re
from collections.abc import Iterable, Iterator
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final, NamedTuple
from uuid import UUID

from ledger.amounts import format_amount
from ledger.identity import ContactId
from sync.engage.totals import Total

COLUMNS: Final = (
    "Key",
    "KeyType",
    "PointDefinitionId",
    "Amount",
    "TransactionType",
    "TransactionDate",
    "CreatedOn",
    "ValidTo",
    "CreatedBy",
    "Description",
    "Source",
    "ExpireAfterMonthsInactive",
)

HEADER: Final = ";".join(COLUMNS)

ROWS_MAX: Final = 20_000
"""Rows of one file."""

LINE_END: Final = "\r\n"
LINE_CHARACTERS_MAX: Final = 2000
KEY_TYPE: Final = "contactId"
TYPES: Final = frozenset({"purchase", "return", "adjustment", "rewardvoucher"})

_HARMFUL: Final = re.compile(r"[;\"'\u2018-\u201f\x00-\x1f\x7f\u0085\u2028\u2029]+")


class FileRow(NamedTuple):
    """A row as it was read.

    Attributes:
        line: Of the file, the header being the first.
        amount: In points.
        definition: Engage's number.
    """

    line: int
    contact: ContactId
    definition: int
    amount: Decimal


class BadRow(NamedTuple):
    """A row that Engage would not take, and why."""

    line: int
    reason: str


class NotImportableError(Exception):
    """The file as a whole is none that Engage imports; the text says why."""


def line_of(total: Total, at: datetime, description: str, source: str, author: str) -> str:
    """A contact's total as a row, without its end.

    Args:
        total: What the contact has.
        at: When.
        description: What Engage shows; what would break the file becomes a space, here and below.
        source: Of Engage's list.
        author: Who made it.
    """
    moment = f"{at.astimezone(UTC):%Y-%m-%dT%H:%M:%SZ}"
    return ";".join(
        (
            str(total.contact),
            KEY_TYPE,
            str(total.definition),
            format_amount(total.amount, total.scale),
            "adjustment",
            moment,
            moment,
            "",
            harmless(author),
            harmless(description),
            harmless(source),
            "",
        )
    )


def harmless(text: str) -> str:
    """A text without what would break the file."""
    return _HARMFUL.sub(" ", text).strip()


def read_lines(lines: Iterable[str]) -> Iterator[FileRow | BadRow]:
    """The rows of a file, good and bad, in their order.

    Args:
        lines: With or without their ends; a mark of the byte order at the beginning is passed over.

    Raises:
        NotImportableError: no such header, or more rows than a file may have.
    """
    numbered = enumerate(lines, start=1)
    _, first = next(numbered, (1, ""))
    header = first.removeprefix("\ufeff").rstrip("\r\n")
    if header != HEADER:
        raise NotImportableError(f"the first line must be {HEADER}")
    for line, text in numbered:
        if line > ROWS_MAX + 1:
            raise NotImportableError(f"a file has at most {ROWS_MAX} rows")
        if text.strip("\r\n"):
            yield _read(line, text.rstrip("\r\n"))


def _read(line: int, text: str) -> FileRow | BadRow:
    """One row."""
    if len(text) > LINE_CHARACTERS_MAX:
        return BadRow(line, f"has more than {LINE_CHARACTERS_MAX} characters")
    cells = text.split(";")
    if len(cells) != len(COLUMNS):
        return BadRow(line, f"has {len(cells)} cells instead of {len(COLUMNS)}")
    row = dict(zip(COLUMNS, cells, strict=True))
    reason = _trouble(row)
    if reason is not None:
        return BadRow(line, reason)
    return FileRow(
        line,
        ContactId(UUID(row["Key"])),
        int(row["PointDefinitionId"]),
        Decimal(row["Amount"]),
    )


def _trouble(row: dict[str, str]) -> str | None:
    """What is wrong with a row."""
    return next((reason for is_wrong, reason in _rules(row) if is_wrong), None)


def _rules(row: dict[str, str]) -> Iterator[tuple[bool, str]]:
    """Whether each rule is broken, and how to say so."""
    yield row["KeyType"] != KEY_TYPE, f"KeyType must be {KEY_TYPE}"
    yield not _is_guid(row["Key"]), "Key must be a contact's GUID"
    definition = re.fullmatch(r"[0-9]{1,9}", row["PointDefinitionId"])
    yield definition is None, "PointDefinitionId must be a whole number"
    amount = re.fullmatch(r"-?[0-9]{1,15}(\.[0-9]{1,4})?", row["Amount"])
    yield amount is None, "Amount must be a number like 12 or -12.5"
    types = ", ".join(sorted(TYPES))
    yield row["TransactionType"] not in TYPES, f"TransactionType must be one of {types}"
    for name in ("TransactionDate", "CreatedOn", "ValidTo"):
        is_instant = _is_instant(row[name], required=name != "ValidTo")
        yield not is_instant, f"{name} must be like 2026-11-21T09:30:00Z"
    for name, cell in row.items():
        yield bool(_HARMFUL.search(cell)), f"{name} holds a quote or a control character"


def _is_guid(text: str) -> bool:
    try:
        return str(UUID(text)) == text.lower()
    except ValueError:
        return False


def _is_instant(text: str, *, required: bool) -> bool:
    if not text:
        return not required
    try:
        return datetime.fromisoformat(text).tzinfo is not None
    except ValueError:
        return False
