"""Instants as an operator types them: exactly, or as a day of the program's calendar.

The one hard idea: a day is meant in the program's time zone, and what it means depends on the
question. "As of 30 November" is the end of that day; a period "from 1 November until 1 December"
begins and ends with the first instant of those days. So months follow each other without a gap.
"""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from typing import Final
from zoneinfo import ZoneInfo

import click

from api.intake import checks

TICK: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class Said:
    """An instant, or a day whose time zone is still to be known."""

    moment: datetime | date

    def begins(self, zone: ZoneInfo) -> datetime:
        """The instant, or the first one of the day."""
        if isinstance(self.moment, datetime):
            return self.moment
        return midnight(self.moment, zone)

    def ends(self, zone: ZoneInfo) -> datetime:
        """The instant, or the last one of the day."""
        if isinstance(self.moment, datetime):
            return self.moment
        return midnight(self.moment + timedelta(days=1), zone) - TICK


class Instant(click.ParamType[Said]):
    """A day, or a time with its offset."""

    name = "day or time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Said:
        """Read what was typed."""
        if isinstance(value, Said):
            return value
        text = str(value)
        try:
            return Said(date.fromisoformat(text) if len(text) == len("2026-11-21") else _time(text))
        except ValueError as problem:
            sentence = str(problem) if isinstance(problem, _InstantError) else "is no such day"
            self.fail(f"{sentence}; or give a day such as 2026-11-21", param, ctx)


class _InstantError(ValueError):
    """Text that is no instant; the message says why."""


def midnight(day: date, zone: ZoneInfo) -> datetime:
    """The first instant of a day on a calendar, in UTC."""
    return datetime(day.year, day.month, day.day, tzinfo=zone).astimezone(UTC)


def _time(text: str) -> datetime:
    if finding := checks.instant(text):
        raise _InstantError(finding[1])
    return datetime.fromisoformat(text.upper()).astimezone(UTC)


INSTANT: Final = Instant()

EFFECTIVE_AT: Final = click.option(
    "--effective-at",
    type=INSTANT,
    help="As of when: a day (its end) or a time such as 2026-11-21T09:30:00Z, past or future. "
    "Else now.",
)
RECORDED_AT: Final = click.option(
    "--recorded-at",
    type=INSTANT,
    help="As the books knew it then: a day (its end) or a time, not in the future. Else as they "
    "know it now.",
)
