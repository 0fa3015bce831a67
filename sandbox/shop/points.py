"""What money is worth in points, and how many of them a return takes back.

The hard idea is that rounding must not leak. A customer who returns a purchase in ten pieces gives
back exactly the points of the purchase, so a piece is never rounded by itself: the points reversed
*so far* are rounded, and a piece reverses the difference. All amounts are integers; nothing here
knows an invoice.
"""

PENCE_A_POINT = 100


def points_for(pence: int) -> int:
    """The points `pence` are worth: whole pounds, rounded towards zero, with the sign of `pence`.

    Towards zero, because a cancellation of 2.50 takes back what a purchase of 2.50 gave: two
    points, not three.
    """
    points = abs(pence) // PENCE_A_POINT
    return -points if pence < 0 else points


def points_reversed(points: int, whole: int, before: int, part: int) -> int:
    """The points a return takes back: it undoes `part` of a purchase, after `before` of it.

    Args:
        points: what the purchase earned, at least 0.
        whole: the purchase in pence, above 0.
        before: the pence that earlier returns of this purchase undid, at least 0.
        part: the pence this return undoes, above 0; with `before` at most `whole`.

    Returns:
        floor(points x (before + part) / whole) less floor(points x before / whole). Over all
        returns of the whole purchase this adds up to `points`, however it is cut.

    Raises:
        ValueError: when the returns together would exceed the purchase, or an amount is out of
            bounds.
    """
    if points < 0 or whole <= 0 or before < 0 or part <= 0:
        raise ValueError(
            f"out of bounds: points={points}, whole={whole}, before={before}, part={part}"
        )
    if before + part > whole:
        raise ValueError(f"returns of {before} + {part} pence exceed the purchase of {whole} pence")
    return points * (before + part) // whole - points * before // whole
