"""The rules of each form of field, applied to a value that was parsed exactly.

The one hard idea: a check answers with a code for programs and a sentence for people that reads on
from the field's name ("amount must be …"), or with nothing. The same limits are declared to the
fast reader by `api.documents.forms`; a test holds the two together.
"""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from api.documents.forms import DEFINITION_MAX
from api.documents.requests import NIL
from api.intake.exact import Number, type_word
from api.problems.fields import FieldCode
from ledger.amounts import SCALE_MAX, AmountError, parse_amount

TIME_MIN: Final = datetime(1970, 1, 1, tzinfo=UTC)
TIME_END: Final = datetime(3000, 1, 1, tzinfo=UTC)
"""The first instant that no field can name."""

Finding: TypeAlias = tuple[FieldCode, str]
Check: TypeAlias = Callable[[object], Finding | None]

CONTROL_CHARACTER: Final = re.compile(r"[\x00-\x1f\x7f]")
_HALF_CHARACTER: Final = re.compile("[\ud800-\udfff]")
_GUID: Final = re.compile(
    r"[0-9a-fA-F]{8}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{4}-?[0-9a-fA-F]{12}\Z"
)
_AWARE: Final = msgspec.json.Decoder(datetime)


def wrong_type(value: object, wanted: str) -> Finding:
    """A value of another JSON type."""
    return FieldCode.WRONG_TYPE, f"must be {wanted}, not {type_word(value)}"


def text(length_max: int) -> Check:
    """Text of 1 to `length_max` characters without control characters."""

    def check(value: object) -> Finding | None:
        if type(value) is not str:
            return wrong_type(value, "text")
        if not value:
            return FieldCode.TOO_SHORT, "must not be empty"
        if len(value) > length_max:
            return FieldCode.TOO_LONG, f"has {len(value)} characters, {length_max} are allowed"
        if CONTROL_CHARACTER.search(value):
            return FieldCode.CONTROL_CHARACTER, "holds a control character"
        if not is_whole(value):
            return FieldCode.CONTROL_CHARACTER, "holds half a character: an unpaired surrogate"
        return None

    return check


def is_whole(value: str) -> bool:
    """Whether a text can be written down: JSON's escapes can name halves of characters."""
    return not _HALF_CHARACTER.search(value)


def guid(value: object) -> Finding | None:
    """A GUID that names somebody."""
    if type(value) is not str:
        return wrong_type(value, "a GUID")
    if len(value) not in {32, 36} or not _GUID.match(value):
        return FieldCode.GUID_INVALID, "is no GUID such as 1dfe06cd-a1be-4423-8ed4-afd900d998aa"
    if UUID(value) == NIL:
        return FieldCode.GUID_NIL, "is all zeros and names nobody"
    return None


def instant(value: object) -> Finding | None:
    """A time with its offset."""
    if type(value) is not str:
        return wrong_type(value, "a time such as 2026-11-21T09:30:00Z")
    try:
        moment = _AWARE.decode(msgspec.json.encode(value))
    except (msgspec.MsgspecError, UnicodeError):
        return FieldCode.TIME_INVALID, "is no time such as 2026-11-21T09:30:00Z"
    if moment.tzinfo is None:
        return FieldCode.TIME_NAIVE, "lacks its offset: end it with Z or, for instance, +01:00"
    return None if in_range(moment) else (FieldCode.TIME_OUT_OF_RANGE, OUT_OF_RANGE_SENTENCE)


OUT_OF_RANGE_SENTENCE: Final = (
    f"must be from {TIME_MIN.year} to before {TIME_END.year}; points that never lapse have "
    "validTo null"
)


def in_range(moment: datetime) -> bool:
    """Whether the books take this time."""
    return TIME_MIN <= moment < TIME_END


def instant_or_null(value: object) -> Finding | None:
    """A time, or null for never."""
    return None if value is None else instant(value)


def whole_number(value: object) -> Finding | None:
    """A definition's number."""
    if not isinstance(value, Number):
        return wrong_type(value, "a whole number")
    if not re.fullmatch(r"-?[0-9]+", value):
        return FieldCode.WRONG_TYPE, "must be a whole number"
    if len(value) > len(str(DEFINITION_MAX)) or not 1 <= int(value) <= DEFINITION_MAX:
        return FieldCode.OUT_OF_RANGE, f"must be from 1 to {DEFINITION_MAX}"
    return None


def boolean(value: object) -> Finding | None:
    """True or false."""
    return None if isinstance(value, bool) else wrong_type(value, "true or false")


def true(value: object) -> Finding | None:
    """A field that says something by being there."""
    found = boolean(value)
    return found or (None if value else (FieldCode.VALUE_UNKNOWN, "must be true, or left out"))


def signed_amount(value: object) -> Finding | None:
    """An amount of either sign, not zero."""
    if not isinstance(value, Number):
        return FieldCode.AMOUNT_NOT_PLAIN, f"must be a plain JSON number, not {type_word(value)}"
    return amount_finding(str(value), signed=True)


def positive_amount(value: object) -> Finding | None:
    """An amount above zero."""
    found = signed_amount(value)
    return found or amount_finding(str(value), signed=False)


def amount_finding(written: str, *, signed: bool) -> Finding | None:
    """What is wrong with an amount whatever its definition's scale."""
    decimals = len(written.partition(".")[2])
    try:
        # Whether it has more decimals than its own definition is judged once that is known.
        amount = parse_amount(written, min(decimals, SCALE_MAX))
    except AmountError as problem:
        return FieldCode(problem.code), str(problem)
    if amount == 0:
        return FieldCode.AMOUNT_ZERO, "must not be zero"
    if amount < 0 and not signed:
        return FieldCode.AMOUNT_NEGATIVE, "must be above zero: the kind says which way points go"
    return None
