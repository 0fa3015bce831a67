"""Instants in the many ways vendors write them, and in the one way MoEngage reads them.

The one hard idea: a number of seconds and a number of milliseconds are told apart by magnitude,
because Punchh documents one and mostly sends the other. What can't be read is nothing; nobody is
helped by a guess.

Contract: docs/contracts/moengage.md, "Times"; docs/contracts/punchh.md, "The time of an event".
"""

import re
from datetime import UTC, date, datetime, timedelta, tzinfo
from decimal import Decimal
from typing import Any, Final

MILLISECONDS_FROM: Final = 10**11
"""Seconds from here on would be past the year 5000; milliseconds are from 1973 on."""
MICROSECONDS_FROM: Final = 10**14
NANOSECONDS_FROM: Final = 10**17

EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
LAST: Final = datetime(3000, 1, 1, tzinfo=UTC)
DIGITS_MAX: Final = 20
"""Of whole nanoseconds before the year 3000 and well after."""
NANOS_MAX: Final = 10**9
"""Of a time given as seconds and nanoseconds."""

_WRITTEN = re.compile(
    r"(?P<day>\d{4}-\d\d-\d\d)"
    r"(?:[T ](?P<time>\d\d:\d\d(?::\d\d)?)(?:[.,](?P<fraction>\d{1,9}))?\s?"
    r"(?P<zone>Z|z|UTC|[+-]\d\d(?::?\d\d)?)?)?"
)
_DIGITS = re.compile(r"-?\d{1,20}(?:\.\d{1,9})?")
_LIKE_AN_INSTANT = re.compile(r"\d{4}-\d\d-\d\d[T ]\d\d:\d\d", re.ASCII)


def read_instant(value: Any, zone: tzinfo = UTC) -> datetime | None:
    """The instant that a value of a document means, in UTC.

    Args:
        value: A number of seconds, milli-, micro- or nanoseconds since 1970, also as text; ISO
            8601; or an object with `seconds` and `nanos`.
        zone: In which a time without offset is meant, and in which a day begins.

    Returns:
        `None` for anything else, and for what is before 1970 or not before the year 3000.
    """
    if isinstance(value, dict):
        return _from_parts(value)
    if isinstance(value, str):
        text = value.strip()
        if _DIGITS.fullmatch(text):
            return _from_number(Decimal(text))
        return _from_text(text, zone)
    if isinstance(value, int | Decimal) and not isinstance(value, bool):
        return _from_number(Decimal(value))
    return None


def _from_parts(value: dict[str, Any]) -> datetime | None:
    seconds, nanos = (_whole(value.get(name)) for name in ("seconds", "nanos"))
    if seconds is None or abs(seconds) >= MILLISECONDS_FROM or not 0 <= (nanos or 0) < NANOS_MAX:
        return None
    return _bounded(timedelta(seconds=seconds, microseconds=(nanos or 0) // 1000))


def _whole(value: Any) -> int | None:
    if isinstance(value, str) and re.fullmatch(r"-?\d{1,12}", value, re.ASCII):
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _from_number(number: Decimal) -> datetime | None:
    # Looked at first: reckoning with the exponents that a document may have fails.
    if not number.is_finite() or number.adjusted() >= DIGITS_MAX:
        return None
    size = abs(number)
    if size >= NANOSECONDS_FROM:
        microseconds = number / 1000
    elif size >= MICROSECONDS_FROM:
        microseconds = number
    elif size >= MILLISECONDS_FROM:
        microseconds = number * 1000
    else:
        microseconds = number * 1_000_000
    return _bounded(timedelta(microseconds=int(microseconds)))


def _bounded(since: timedelta) -> datetime | None:
    return EPOCH + since if timedelta() <= since < LAST - EPOCH else None


def _from_text(text: str, zone: tzinfo) -> datetime | None:
    written = _WRITTEN.fullmatch(text)
    if written is None:
        return None
    said = written["zone"]
    offset = "+00:00" if said in {"Z", "z", "UTC"} else said or ""
    if len(offset) == 3:
        offset += ":00"
    elif len(offset) == 5:
        offset = f"{offset[:3]}:{offset[3:]}"
    fraction = f".{written['fraction'][:6]:0<6}" if written["fraction"] else ""
    time = written["time"] or "00:00"
    if fraction and time.count(":") == 1:
        return None
    try:
        moment = datetime.fromisoformat(f"{written['day']}T{time}{fraction}{offset}")
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=zone)
        moment = moment.astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return moment if EPOCH <= moment < LAST else None


def write_instant(moment: datetime) -> str:
    """An instant as MoEngage reads it: UTC with `Z`, thousandths only where there are any."""
    moment = moment.astimezone(UTC)
    if moment.microsecond < 1000:
        return f"{moment:%Y-%m-%dT%H:%M:%S}Z"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03}Z"


def is_day(text: str) -> bool:
    """Whether a text is a day of the calendar, `YYYY-MM-DD`."""
    if not re.fullmatch(r"\d{4}-\d\d-\d\d", text, re.ASCII):
        return False
    try:
        date.fromisoformat(text)
    except ValueError:
        return False
    return True


def looks_like_instant(text: str) -> bool:
    """Whether a text begins as a time does, so that it had better be one."""
    return _LIKE_AN_INSTANT.match(text) is not None
