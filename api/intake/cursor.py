"""The cursor of a page: where the next one begins, as a word that promises nothing.

The one hard idea: callers hand it back and never look inside, so what it is made of may change;
therefore it carries the number of its form.
"""

import base64
import binascii
from typing import Final

from api.intake.checks import Finding
from api.problems.fields import FieldCode

FORM: Final = "1"
LENGTH_MAX: Final = 64
NUMBER_MAX: Final = 2**63 - 1


def write_cursor(number: int) -> str:
    """The cursor of the page that begins after the transaction of this number."""
    return base64.urlsafe_b64encode(f"{FORM}:{number}".encode()).decode().rstrip("=")


def read_cursor(cursor: str) -> int | None:
    """The number of a cursor; `None` for what is no cursor."""
    if len(cursor) > LENGTH_MAX:
        return None
    try:
        decoded = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        form, _, digits = decoded.decode("ascii").partition(":")
    except (binascii.Error, ValueError):
        return None
    if form != FORM or not digits.isdecimal() or write_cursor(int(digits)) != cursor:
        return None
    number = int(digits)
    return number if number <= NUMBER_MAX else None


def cursor(value: object) -> Finding | None:
    """Whether a parameter is a cursor that a page gave."""
    if read_cursor(str(value)) is None:
        return FieldCode.CURSOR_INVALID, "is no cursor of a page; begin without one"
    return None
