"""Times: London time without an offset in the source, UTC everywhere else.

The hard idea is the clock: an hour of every autumn means two instants, an hour of every spring
none.
"""

from datetime import UTC, datetime
from functools import cache
from zoneinfo import ZoneInfo

LONDON = ZoneInfo("Europe/London")


@cache
def london_to_utc(text: str) -> datetime:
    """A London time without offset, such as `2011-03-27 09:05:00`, in UTC.

    In the hour that the clock repeats in autumn it is taken as the first of the two, which is
    still summer time: nothing in the source tells them apart. (No invoice falls into it.)

    Raises:
        ValueError: when the text has an offset, or names an hour that the clock skips in spring.
    """
    local = datetime.fromisoformat(text)
    if local.tzinfo is not None:
        raise ValueError(f"{text!r} has an offset; a London time without one is expected")
    instant = local.replace(tzinfo=LONDON, fold=0).astimezone(UTC)
    if instant.astimezone(LONDON).replace(tzinfo=None) != local:
        raise ValueError(f"{text!r} never was: the clocks went forward over it")
    return instant


@cache
def utc(text: str) -> datetime:
    """A time as the compact copies write it, such as `2011-03-27T09:05Z`.

    Raises:
        ValueError: when it is no ISO 8601 time, or is not in UTC.
    """
    instant = datetime.fromisoformat(text)
    if instant.tzinfo is not UTC:
        raise ValueError(f"{text!r} is not a time in UTC")
    return instant


def written_utc(instant: datetime) -> str:
    """A UTC time of a whole minute as the compact copies write it: `2011-03-27T09:05Z`.

    Raises:
        ValueError: when it is not in UTC, or has seconds.
    """
    if instant.tzinfo is not UTC or instant.second or instant.microsecond:
        raise ValueError(f"{instant} is not a whole minute in UTC")
    return f"{instant:%Y-%m-%dT%H:%MZ}"
