"""Point amounts: exact, in whole minor units of a definition's scale.

The one hard idea: a number is read from its text, never from a float, so that 0.1 is one tenth and
`1e3` or `1.50` at scale 1 are refused instead of being reinterpreted. This module does not know
what an amount means or whether an account can bear it.
"""

import re
from typing import NewType

Points = NewType("Points", int)
"""An amount in minor units of its definition's scale: 12.5 points at scale 2 are `Points(1250)`."""

SCALE_MAX = 4
"""The most decimals a definition may have (Engage shows amounts with up to four)."""

AMOUNT_MAX = 10**15
"""The largest amount of one transaction, in minor units: a thousandth of what a bucket can hold."""

BUCKET_MAX = 4 * 10**18
"""The largest balance of a bucket, in minor units: what fits a 64-bit integer, with room to add."""

SPEND_SCALE = 4
"""Decimals kept of the money a return refers to (`part`, `whole`), whatever the currency."""

_PLAIN_NUMBER = re.compile(r"(-?)(0|[1-9][0-9]*)(?:\.([0-9]+))?\Z")
_DIGITS_MAX = 24
_PLAIN_DIGITS = 11
"""So many digits are at no scale more than `AMOUNT_MAX`."""


class AmountError(ValueError):
    """An amount that is not a plain JSON number within its definition's scale and bounds."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


def parse_amount(text: str, scale: int) -> Points:
    """Read a plain JSON number exactly.

    `text` is the number as it was written. Refused with an `AmountError`: anything but digits with
    at most one point (`amount_not_plain`), more decimals than `scale` (`amount_beyond_scale`), and
    what exceeds `AMOUNT_MAX` (`amount_too_large`). Zero and signs are for the caller to judge.
    """
    if len(text) <= _PLAIN_DIGITS and text.isascii() and text.isdecimal() and text[0] != "0":
        # Nearly all are whole points: there is nothing to take apart.
        return Points(int(text) * 10**scale)
    matched = _PLAIN_NUMBER.match(text) if len(text) <= _DIGITS_MAX else None
    if matched is None:
        if len(text) > _DIGITS_MAX and text.lstrip("-").replace(".", "", 1).isdecimal():
            decimals = text.partition(".")[2]
            if len(decimals) > scale:
                raise _beyond(len(decimals), scale)
            raise AmountError("amount_too_large", f"is longer than {_DIGITS_MAX} characters")
        raise AmountError(
            "amount_not_plain",
            "must be a plain JSON number such as 12 or 12.5: no text, exponent or leading zero",
        )
    sign, whole, decimals = matched.groups(default="")
    if len(decimals) > scale:
        raise _beyond(len(decimals), scale)
    minor = int(whole + decimals.ljust(scale, "0"))
    if minor > AMOUNT_MAX:
        raise AmountError(
            "amount_too_large",
            f"exceeds the largest amount, {format_amount(Points(AMOUNT_MAX), scale)}",
        )
    return Points(-minor if sign else minor)


def _beyond(decimals: int, scale: int) -> AmountError:
    return AmountError(
        "amount_beyond_scale", f"has {decimals} decimals, the definition allows {scale}"
    )


def format_amount(points: Points | int, scale: int) -> str:
    """Write an amount as a plain JSON number: no exponent, no superfluous decimals, never `-0`."""
    if scale == 0:
        return str(int(points))
    sign = "-" if points < 0 else ""
    whole, decimals = divmod(abs(int(points)), 10**scale)
    fraction = f"{decimals:0{scale}d}".rstrip("0")
    return f"{sign}{whole}.{fraction}" if fraction else f"{sign}{whole}"
