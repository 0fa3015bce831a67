"""Periods that are closed, and the wish to close one."""

import msgspec

from api.documents.forms import Instant
from ledger.periods import Period


class ClosePeriodRequest(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Close the books up to an instant, for good.

    What happened before it and comes later is booked at the instant, or refused where it is
    `strict`.
    """

    until: Instant


class PeriodDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A closing.

    Attributes:
        until: The first instant of the period that is open then.
        closed_at: When it was closed.
    """

    until: Instant
    closed_at: Instant


class PeriodsDocument(msgspec.Struct, frozen=True, rename="camel"):
    """All closings, the latest first."""

    periods: tuple[PeriodDocument, ...]


def period_document(period: Period) -> PeriodDocument:
    """A closing as it is answered."""
    return PeriodDocument(period.closed_until, period.closed_at)
