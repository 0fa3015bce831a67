"""Point amounts on the wire: exact decimals in, plain JSON numbers out.

The platforms a stand-in plays write amounts as JSON numbers. Read through a binary float, 0.1
added ten times is no longer 1, and a reconciliation would chase ghosts that the stand-in made
itself. So a number is taken from its digits as they were sent, and kept as `Decimal`.

The hard part is what not to accept: a quoted number, `NaN`, or an exponent that would fill the
memory when written out. It knows nothing of accounts or points.
"""

import re
from decimal import Decimal
from typing import Final

import msgspec

DECIMALS_MAX: Final = 6
"""Published examples have four; up to six, `str(Decimal)` never needs an exponent."""

WHOLE_DIGITS_MAX: Final = 15

_JSON_NUMBER = re.compile(rb"\A-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]{1,3})?\Z")
_ZERO: Final = Decimal(0)


class AmountRefusedError(ValueError):
    """The value is no JSON number, or one beyond what an account can hold."""


def read_amount(raw: msgspec.Raw | bytes) -> Decimal:
    """The exact amount that a JSON value spells.

    Args:
        raw: the value's bytes as they stood in the body.

    Returns:
        A finite decimal with at most 6 decimals and 15 whole digits, never in exponent form.

    Raises:
        AmountRefusedError: quoted, not a number, or out of bounds; the message says which.
    """
    digits = bytes(raw).strip()
    if digits.isdigit() and len(digits) <= WHOLE_DIGITS_MAX and digits[:1] != b"0":
        return Decimal(digits.decode("ascii"))  # nearly every amount, at a quarter of the cost
    if len(digits) > 64 or _JSON_NUMBER.match(digits) is None:
        message = "must be a JSON number (no quotes, no NaN)"
        raise AmountRefusedError(message)
    amount = Decimal(digits.decode("ascii"))
    exponent = amount.as_tuple().exponent
    if not isinstance(exponent, int) or exponent < -DECIMALS_MAX:
        message = f"has more than {DECIMALS_MAX} decimals"
        raise AmountRefusedError(message)
    if amount == _ZERO:
        amount = amount.copy_abs()
    elif amount.adjusted() >= WHOLE_DIGITS_MAX:
        message = f"has more than {WHOLE_DIGITS_MAX} whole digits"
        raise AmountRefusedError(message)
    return amount.quantize(Decimal(1)) if exponent > 0 else amount
