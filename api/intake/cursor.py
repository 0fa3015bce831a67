"""The cursor of a page: where the next one begins, as a word that promises nothing.

The one hard idea: callers hand it back and never look inside, so what it is made of may change;
therefore it carries the number of its form.
"""

import base64
import binascii
from typing import Final, NamedTuple
from uuid import UUID

from api.intake.checks import Finding
from api.problems.fields import FieldCode

FORM: Final = "1"
LENGTH_MAX: Final = 64
NUMBER_MAX: Final = 2**63 - 1

REFUSED: Final[Finding] = (
    FieldCode.CURSOR_INVALID,
    "is no cursor of a page; begin without one",
)


class LotPlace(NamedTuple):
    """A lot in a list: by the transaction that issued it, and its number."""

    issued_by: UUID
    lot: int

    def __str__(self) -> str:
        return f"{self.issued_by.hex}.{self.lot}"


def write_cursor(place: int | UUID | LotPlace) -> str:
    """The cursor of the page that begins after what has this number, id or place."""
    return base64.urlsafe_b64encode(f"{FORM}:{place}".encode()).decode().rstrip("=")


def cursor_number(cursor: str) -> int | None:
    """The number of a cursor; `None` for what is no cursor, or one of another list."""
    digits = _place(cursor)
    if digits is None or not digits.isdecimal():
        return None
    number = int(digits)
    return number if number <= NUMBER_MAX and write_cursor(number) == cursor else None


def cursor_id(cursor: str) -> UUID | None:
    """The id of a cursor; `None` for what is no cursor, or one of another list."""
    try:
        identifier = UUID(_place(cursor) or "")
    except ValueError:
        return None
    return identifier if write_cursor(identifier) == cursor else None


def cursor_lot(cursor: str) -> LotPlace | None:
    """The lot of a cursor; `None` for what is no cursor, or one of another list."""
    issued_by, _, number = (_place(cursor) or "").partition(".")
    if not number.isdecimal() or int(number) > NUMBER_MAX:
        return None
    try:
        place = LotPlace(UUID(issued_by), int(number))
    except ValueError:
        return None
    return place if write_cursor(place) == cursor else None


def number_cursor(value: object) -> Finding | None:
    """Whether a parameter is the cursor of a list by number."""
    return REFUSED if cursor_number(str(value)) is None else None


def id_cursor(value: object) -> Finding | None:
    """Whether a parameter is the cursor of a list by id."""
    return REFUSED if cursor_id(str(value)) is None else None


def lot_cursor(value: object) -> Finding | None:
    """Whether a parameter is the cursor of a list of lots."""
    return REFUSED if cursor_lot(str(value)) is None else None


def _place(cursor: str) -> str | None:
    if len(cursor) > LENGTH_MAX:
        return None
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        form, _, place = decoded.decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    return place if form == FORM else None
