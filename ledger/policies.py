"""What a point definition promises: how long points live, and how far returns may reach.

The one hard idea: a policy is asked once, when points are issued; the answer is written on the lot.
So a changed policy is never retroactive. Calendars are the program's: months and days are counted
in its time zone, and only the boundary that comes out is UTC.
"""

from calendar import monthrange
from datetime import UTC, date, datetime, time, timedelta
from enum import StrEnum
from functools import lru_cache
from zoneinfo import ZoneInfo

import msgspec

from ledger.amounts import Points
from ledger.identity import DefinitionId, TenantId

VALIDITY_DAYS_MAX = 36_600
"""About a hundred years: the longest life of points that have one."""


class Span(StrEnum):
    """What a validity is counted in."""

    NONE = "none"
    DAYS = "days"
    MONTHS = "months"


class RoundUp(StrEnum):
    """To the end of which period a validity is prolonged."""

    NONE = "none"
    MONTH = "month"
    QUARTER = "quarter"
    YEAR = "year"


class Start(StrEnum):
    """From when a validity is counted."""

    EARNING = "earning"
    ACTIVATION = "activation"


class Validity(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How long points live by default."""

    span: Span = Span.NONE
    length: int = 0
    round_up: RoundUp = RoundUp.NONE
    start: Start = Start.EARNING

    def __post_init__(self) -> None:
        is_sound = self.length == 0 if self.span is Span.NONE else self.length > 0
        if not is_sound:
            raise ValueError("a validity in days or months has a length above zero, no other has")

    def end(self, effective_at: datetime, valid_from: datetime, zone: ZoneInfo) -> datetime | None:
        """The first instant at which points issued now are no longer valid; `None` for never."""
        if self.span is Span.NONE:
            return None
        start = valid_from if self.start is Start.ACTIVATION else effective_at
        end = _counted_end(start, self.span, self.length, self.round_up, zone)
        # Points that start late may have a counted end before their beginning: they then live for
        # the shortest instant the books know, instead of never having been valid.
        return max(end, valid_from + timedelta(microseconds=1))


class Returns(StrEnum):
    """What a return may take when the points of the purchase are no longer all there."""

    ONLY_PENDING = "only_pending"
    """Only what is still pending of the purchase's own points."""
    WITHIN_BALANCE = "within_balance"
    """Whatever is available, never more."""
    UNLIMITED = "unlimited"
    """Whatever is available, and debt for the rest (down to `debt_limit`)."""


class Policy(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The rules of a definition that may change with time.

    Attributes:
        validity: The default life of earned and adjusted points.
        returns: What a return may take.
        debt_limit: The most debt that returns may lead to, in minor units; `None` for no limit.
    """

    validity: Validity = Validity()
    returns: Returns = Returns.UNLIMITED
    debt_limit: int | None = None


class Definition(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of points in a tenant, with the policy in force since each instant.

    Attributes:
        id: The books' own number.
        engage_id: Engage's `definitionId`.
        scale: Decimals of its amounts, 0 to 4.
        zone: The program's time zone.
        policies: Each with the instant since which it holds; ascending, the first from the start.
    """

    id: DefinitionId
    tenant: TenantId
    engage_id: int
    name: str
    scale: int
    zone: ZoneInfo
    policies: tuple[tuple[datetime, Policy], ...]

    def policy_at(self, moment: datetime) -> Policy:
        """The policy in force at `moment` (before the first: the first)."""
        for since, policy in reversed(self.policies):
            if since <= moment:
                return policy
        return self.policies[0][1]

    def valid_to(self, effective_at: datetime, valid_from: datetime) -> datetime | None:
        """When points issued at `effective_at` lapse, by the policy in force then."""
        validity = self.policy_at(effective_at).validity
        return validity.end(effective_at, valid_from, self.zone)

    def debt_room(self, effective_at: datetime, debt: int) -> Points | None:
        """How much more debt a return may make; `None` for any."""
        limit = self.policy_at(effective_at).debt_limit
        return None if limit is None else Points(max(0, limit - debt))


def add_months(day: date, months: int) -> date:
    """The same day `months` later, or the last of that month: 31 January + 1 is 28 February."""
    year, month = divmod(day.year * 12 + day.month - 1 + months, 12)
    last = monthrange(year, month + 1)[1]
    return date(year, month + 1, min(day.day, last))


@lru_cache(maxsize=1024)
def _counted_end(
    start: datetime, span: Span, length: int, round_up: RoundUp, zone: ZoneInfo
) -> datetime:
    """Where a span of some length ends; the postings of a batch mostly ask for one and the same."""
    local = start.astimezone(zone).replace(tzinfo=None)
    if span is Span.DAYS:
        moved = local + timedelta(days=length)
    else:
        moved = datetime.combine(add_months(local.date(), length), local.time())
    if round_up is not RoundUp.NONE:
        moved = _period_end(moved, round_up)
    return moved.replace(tzinfo=zone).astimezone(UTC)


def _period_end(moment: datetime, period: RoundUp) -> datetime:
    """The first instant after the period that holds `moment`; `moment` itself if it starts one."""
    months = {RoundUp.MONTH: 1, RoundUp.QUARTER: 3, RoundUp.YEAR: 12}[period]
    first_month = (moment.month - 1) // months * months + 1
    beginning = datetime.combine(date(moment.year, first_month, 1), time())
    if moment == beginning:
        return moment
    return datetime.combine(add_months(beginning.date(), months), time())
