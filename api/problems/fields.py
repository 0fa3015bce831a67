"""What can be wrong with one field of a request.

The codes are part of the public contract: programs branch on them, so none is ever renamed. The
explanation is for the person; `docs/errors.md` is made of it.
"""

from enum import StrEnum
from typing import Final

import msgspec


class FieldCode(StrEnum):
    """Why a field can't be read."""

    MISSING = "missing"
    UNKNOWN = "unknown"
    DUPLICATE = "duplicate"
    WRONG_TYPE = "wrong_type"
    VALUE_UNKNOWN = "value_unknown"
    TOO_SHORT = "too_short"
    TOO_LONG = "too_long"
    OUT_OF_RANGE = "out_of_range"
    CONTROL_CHARACTER = "control_character"
    GUID_INVALID = "guid_invalid"
    GUID_NIL = "guid_nil"
    TIME_INVALID = "time_invalid"
    TIME_NAIVE = "time_naive"
    TIME_OUT_OF_RANGE = "time_out_of_range"
    TIME_IN_FUTURE = "time_in_future"
    AMOUNT_NOT_PLAIN = "amount_not_plain"
    AMOUNT_BEYOND_SCALE = "amount_beyond_scale"
    AMOUNT_TOO_LARGE = "amount_too_large"
    AMOUNT_ZERO = "amount_zero"
    AMOUNT_NEGATIVE = "amount_negative"
    NOT_TOGETHER = "not_together"
    ONLY_TOGETHER = "only_together"
    CURSOR_INVALID = "cursor_invalid"


EXPLANATIONS: Final[dict[FieldCode, str]] = {
    FieldCode.MISSING: "The field is required.",
    FieldCode.UNKNOWN: (
        "There is no such field here. Fields are refused rather than ignored, so that a misspelt "
        "one can't change what a request means."
    ),
    FieldCode.DUPLICATE: "The field is there twice.",
    FieldCode.WRONG_TYPE: "The value is of another JSON type than the field's.",
    FieldCode.VALUE_UNKNOWN: "The value is none of those the field can have.",
    FieldCode.TOO_SHORT: "The text or list is shorter than allowed; mostly, it is empty.",
    FieldCode.TOO_LONG: "The text or list is longer than allowed.",
    FieldCode.OUT_OF_RANGE: "The number is smaller or larger than allowed.",
    FieldCode.CONTROL_CHARACTER: (
        "The text holds a control character (U+0000 to U+001F, U+007F), a line break for example, "
        "or half a character (an unpaired surrogate)."
    ),
    FieldCode.GUID_INVALID: (
        "The value is no GUID such as `1dfe06cd-a1be-4423-8ed4-afd900d998aa`; case does not matter."
    ),
    FieldCode.GUID_NIL: "The GUID is all zeros, which is what an unset variable looks like.",
    FieldCode.TIME_INVALID: (
        "The value is no time in the form of RFC 3339, such as `2026-11-21T09:30:00Z`."
    ),
    FieldCode.TIME_NAIVE: (
        "The time lacks its offset: end it with `Z` or, for instance, `+01:00`. A time without one "
        "would be guessed at, wrongly twice a year."
    ),
    FieldCode.TIME_OUT_OF_RANGE: "The time is before 1970 or not before the year 3000.",
    FieldCode.TIME_IN_FUTURE: (
        "The time lies ahead. What will be at an instant can be asked for, by `effectiveAt`; what "
        "the books will know then can't."
    ),
    FieldCode.AMOUNT_NOT_PLAIN: (
        "The amount is no plain JSON number: no text, exponent, leading zero, NaN or infinity."
    ),
    FieldCode.AMOUNT_BEYOND_SCALE: (
        "The amount has more decimals than its point definition allows. It is never rounded."
    ),
    FieldCode.AMOUNT_TOO_LARGE: "The amount exceeds the largest a transaction can have.",
    FieldCode.AMOUNT_ZERO: "The amount is zero, which would record nothing.",
    FieldCode.AMOUNT_NEGATIVE: (
        "The amount is below zero. The kind of a transaction says which way points go; only "
        "`adjust` has a sign."
    ),
    FieldCode.NOT_TOGETHER: "The field can't be given together with another one.",
    FieldCode.ONLY_TOGETHER: "The field has a meaning only together with another one.",
    FieldCode.CURSOR_INVALID: "The cursor is none that a previous page gave.",
}


class FieldError(msgspec.Struct, frozen=True):
    """What is wrong with one field.

    Attributes:
        field: Its path as the request spells it, such as `reverses.transactionId`; empty for the
            body as a whole.
        message: Reads on from the field's name.
    """

    field: str
    code: str
    message: str
