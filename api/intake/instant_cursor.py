"""The cursor of a list in the order of time, of entries that many may have at one instant.

The one hard idea: an instant alone would lose those that share it, so the cursor also names who was
the last one of it.
"""

import base64
import binascii
import struct
from datetime import UTC, datetime, timedelta
from typing import Final, NamedTuple
from uuid import UUID

from api.intake.checks import Finding
from api.intake.cursor import LENGTH_MAX, REFUSED

FORM: Final = b"T"

_PLACE: Final = struct.Struct(">cq16s")
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND: Final = timedelta(microseconds=1)


class InstantPlace(NamedTuple):
    """The last entry seen: its instant, and whose it is where that matters."""

    at: datetime
    who: UUID = UUID(int=0)


def write_instant_cursor(place: InstantPlace) -> str:
    """The cursor of the page that begins after this entry."""
    packed = _PLACE.pack(FORM, (place.at - _EPOCH) // _MICROSECOND, place.who.bytes)
    return base64.urlsafe_b64encode(packed).decode().rstrip("=")


def read_instant_cursor(cursor: str) -> InstantPlace | None:
    """The entry of a cursor; `None` for what is no cursor, or one of another list."""
    if len(cursor) > LENGTH_MAX:
        return None
    try:
        packed = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        form, micros, who = _PLACE.unpack(packed)
        place = InstantPlace(_EPOCH + micros * _MICROSECOND, UUID(bytes=who))
    except (binascii.Error, ValueError, OverflowError, struct.error):
        return None
    return place if form == FORM and write_instant_cursor(place) == cursor else None


def instant_cursor(value: object) -> Finding | None:
    """Whether a parameter is such a cursor."""
    return REFUSED if read_instant_cursor(str(value)) is None else None
