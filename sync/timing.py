"""When something is done again and again: by a cron line or at an interval, with some jitter.

The one hard idea: a timing is checked when it is read from the configuration, so that a schedule
can't fail to start because of one. It does not run anything; `sync.schedule` does.
"""

from datetime import datetime, timedelta
from typing import Annotated
from zoneinfo import ZoneInfo

import msgspec
from apscheduler.triggers.base import BaseTrigger  # type: ignore[import-untyped] # it has no types
from apscheduler.triggers.cron import CronTrigger  # type: ignore[import-untyped] # it has no types
from apscheduler.triggers.interval import IntervalTrigger  # type: ignore[import-untyped] # it has no types

INTERVAL_SECONDS_MIN = 0.2
INTERVAL_SECONDS_MAX = 7 * 86_400


class TimingError(ValueError):
    """A timing that says neither when nor how often, both, or a cron line that can't be read."""


class Timing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """When to do something: exactly one of `cron` and `every_seconds`.

    Attributes:
        cron: Five fields, as in `*/15 6-22 * * *`, in the tenant's time zone.
        every_seconds: From one start to the next, 0.2 seconds to 7 days.
        jitter_seconds: At most this much later or earlier, drawn anew each time.
        paused: Not started by the schedule; asking for it by hand still works.
    """

    cron: str | None = None
    every_seconds: (
        Annotated[float, msgspec.Meta(ge=INTERVAL_SECONDS_MIN, le=INTERVAL_SECONDS_MAX)] | None
    ) = None
    jitter_seconds: Annotated[float, msgspec.Meta(ge=0, le=3600)] = 0
    paused: bool = False

    def trigger(self, time_zone: str) -> BaseTrigger:
        """The trigger for APScheduler.

        Raises:
            TimingError: the timing can't be followed; the message says why.
        """
        if (self.cron is None) == (self.every_seconds is None):
            raise TimingError("give either cron or every_seconds")
        jitter = self.jitter_seconds or None
        if self.every_seconds is not None:
            return IntervalTrigger(
                seconds=self.every_seconds,
                timezone=time_zone,
                jitter=jitter,
            )
        try:
            trigger = CronTrigger.from_crontab(self.cron, timezone=time_zone)
        except (ValueError, TypeError) as error:
            raise TimingError(f"is no cron line of five fields: {error}") from error
        trigger.jitter = jitter
        return trigger

    def next_after(self, last: datetime | None, now: datetime, time_zone: str) -> datetime | None:
        """When it is due, by when it last ran; in the past where that was missed.

        Without a last time: by a cron line at its next moment, at an interval when one has passed.
        `None` for a cron line whose moment never comes.

        Raises:
            TimingError: as `trigger`.
        """
        if self.every_seconds is not None:
            return (last or now) + timedelta(seconds=self.every_seconds)
        zone = ZoneInfo(time_zone)
        since = (last or now).astimezone(zone)
        plain = msgspec.structs.replace(self, jitter_seconds=0).trigger(time_zone)
        due: datetime | None = plain.get_next_fire_time(since, since)
        return None if due is None else due.astimezone(now.tzinfo)

    def said(self) -> str:
        """The timing in a few words."""
        how = f"cron {self.cron}" if self.cron is not None else f"every {self.every_seconds:g} s"
        return f"{how}, paused" if self.paused else how


def every(seconds: float, jitter_seconds: float = 0) -> Timing:
    """A timing at an interval."""
    return Timing(every_seconds=seconds, jitter_seconds=jitter_seconds)
