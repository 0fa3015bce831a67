"""The model's calendar: until when points live by a definition's policy."""

import calendar
from datetime import UTC, datetime, timedelta
from typing import Final

from ledger.policies import Definition, RoundUp, Span, Start
from tests.simulation.account import NEVER

MOMENT: Final = timedelta(microseconds=1)


def end_of(definition: Definition, at: datetime, valid_from: datetime) -> datetime:
    """When points issued at an instant lapse by the policy in force then."""
    validity = definition.policy_at(at).validity
    if validity.span is Span.NONE:
        return NEVER
    start = valid_from if validity.start is Start.ACTIVATION else at
    wall = start.astimezone(definition.zone).replace(tzinfo=None)
    if validity.span is Span.DAYS:
        wall += timedelta(days=validity.length)
    else:
        wall = months_later(wall, validity.length)
    months = {RoundUp.NONE: 0, RoundUp.MONTH: 1, RoundUp.QUARTER: 3, RoundUp.YEAR: 12}
    length = months[validity.round_up]
    if length:
        month = wall.month - (wall.month - 1) % length
        first = datetime(wall.year, month, 1)  # noqa: DTZ001 # a wall clock has no zone
        wall = wall if wall == first else months_later(first, length)
    return max(wall.replace(tzinfo=definition.zone).astimezone(UTC), valid_from + MOMENT)


def months_later(wall: datetime, months: int) -> datetime:
    """The same day and time so many months later, or the last day of that month."""
    year, month = divmod(wall.year * 12 + wall.month - 1 + months, 12)
    last = calendar.monthrange(year, month + 1)[1]
    return wall.replace(year=year, month=month + 1, day=min(wall.day, last))
