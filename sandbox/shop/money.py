"""Money, exactly: read from its text, held in whole thousandths of a pound, rounded to pence once.

A few unit prices of the source have tenths of a penny, so totals are kept in thousandths of a
pound ("mills") and become pence only where a purchase or a refund is counted. No float is involved.
"""

from decimal import Decimal, InvalidOperation
from functools import cache

MILLS_A_POUND = 1000
MILLS_A_PENNY = 10


@cache
def mills(pounds: str) -> int:
    """A price or total as written in pounds, in thousandths of a pound.

    Raises:
        ValueError: when it is no plain number or has more than three decimals.
    """
    try:
        scaled = Decimal(pounds) * MILLS_A_POUND
    except InvalidOperation:
        raise ValueError(f"{pounds!r} is not an amount in pounds") from None
    if not scaled.is_finite() or scaled != scaled.to_integral_value():
        raise ValueError(f"{pounds!r} is not an amount in thousandths of a pound")
    return int(scaled)


def written_pounds(amount_mills: int) -> str:
    """Thousandths of a pound as pounds, with two decimals, or three where tenths of a penny are."""
    pounds, thousandths = divmod(abs(amount_mills), MILLS_A_POUND)
    written = f"{pounds}.{thousandths:03}".removesuffix("0")
    return f"-{written}" if amount_mills < 0 else written


def nearest_pence(amount_mills: int) -> int:
    """Thousandths of a pound in pence: the nearest, and a half to the even one."""
    pence, remainder = divmod(amount_mills, MILLS_A_PENNY)
    twice = 2 * remainder
    rounds_up = twice > MILLS_A_PENNY or (twice == MILLS_A_PENNY and pence % 2 == 1)
    return pence + 1 if rounds_up else pence


def exact_pence(amount_mills: int) -> int:
    """Thousandths of a pound in pence, where nothing may be lost.

    Raises:
        ValueError: when `amount_mills` is not a whole number of pence.
    """
    pence, remainder = divmod(amount_mills, MILLS_A_PENNY)
    if remainder:
        raise ValueError(f"£{written_pounds(amount_mills)} is not a whole number of pence")
    return pence
