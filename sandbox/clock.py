"""The time a stand-in believes it is: real, moved, or standing still.

Pending points become active, answers kept for an idempotency key are forgotten, late work falls
due: all of it by this clock, so a test can skip a day in a millisecond. What belongs to the wire
(time stamps in signatures, requests a second, pauses between attempts) stays with real time,
because the other side lives there.
"""

from datetime import UTC, datetime, timedelta

import msgspec


class ClockChange(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """What a caller asks of the clock; the fields are applied in the order they stand here."""

    real: bool = False
    """True goes back to real time."""
    set: datetime | None = None
    """An aware time to jump to."""
    advance_seconds: float = 0
    """Seconds to add; negative ones go back."""
    frozen: bool | None = None
    """True stops the clock where it then stands, False lets it run on from there."""


class Clock:
    """Answers what time it is, in UTC."""

    def __init__(self) -> None:
        self._offset = timedelta()
        self._stopped_at: datetime | None = None

    def now(self) -> datetime:
        """The stand-in's present, timezone-aware and in UTC."""
        if self._stopped_at is not None:
            return self._stopped_at
        return datetime.now(UTC) + self._offset

    @property
    def frozen(self) -> bool:
        """Whether the clock stands still."""
        return self._stopped_at is not None

    def change(self, wanted: ClockChange) -> datetime:
        """Move, stop or release the clock.

        Returns:
            The time it shows afterwards.

        Raises:
            ValueError: `set` has no time zone, or the time would leave the calendar.
        """
        if wanted.real:
            self._offset = timedelta()
            self._stopped_at = None
        was_frozen = self.frozen
        target = self.now()
        if wanted.set is not None:
            if wanted.set.tzinfo is None:
                message = "set: the time needs a time zone, such as a trailing Z"
                raise ValueError(message)
            target = wanted.set.astimezone(UTC)
        try:
            target += timedelta(seconds=wanted.advance_seconds)
        except (OverflowError, ValueError) as error:
            message = "advanceSeconds: the clock would leave the calendar"
            raise ValueError(message) from error
        moved = wanted.set is not None or wanted.advance_seconds != 0
        if was_frozen if wanted.frozen is None else wanted.frozen:
            self._stopped_at = target
        else:
            self._stopped_at = None
            if moved or was_frozen:
                self._offset = target - datetime.now(UTC)
        return self.now()
