"""Earning: points issued, pending where their validity begins later, repaying debt first."""

from datetime import datetime, timedelta
from typing import Final

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.due import settle
from ledger.kinds import LedgerAccount
from ledger.outcomes import Code, RefusedError
from ledger.requests import CLOCK_SKEW, Earn, Open
from ledger.rules.context import Moment

INSTANT: Final = timedelta(microseconds=1)
"""The shortest life of points: theirs whose validity was over when the open period began."""


def earn(draft: Draft, request: Earn, moment: Moment) -> None:
    """Issue a lot. Refused where its validity would be empty or begin before the earning."""
    valid_from, valid_to = term_of(request, moment)
    bring_in(draft, LedgerAccount.ISSUED, request.amount, moment, valid_from, valid_to)


def bring_in(
    draft: Draft,
    program_account: LedgerAccount,
    amount: Points,
    moment: Moment,
    valid_from: datetime,
    valid_to: datetime | None,
) -> None:
    """Issue a lot from a program account; what is available at once repays debt."""
    at = moment.effective_at
    lot = draft.issue(program_account, amount, at, valid_from, valid_to)
    if lot.active:
        settle(draft, lot, amount, at)


def term_of(request: Earn | Open, moment: Moment) -> tuple[datetime, datetime | None]:
    """When new points are valid: as asked, or as the policy says."""
    effective_at = moment.effective_at
    # What happened in a closed period is booked later: its validity counts from there.
    happened_at = min(effective_at, request.effective_at or effective_at)
    asked_from = request.valid_from or happened_at
    if request.effective_at is None and asked_from >= happened_at - CLOCK_SKEW:
        # What lies shortly before is now, by a clock that is slow.
        asked_from = max(asked_from, happened_at)
    if asked_from < happened_at:
        raise RefusedError(
            Code.VALID_FROM_BEFORE_EFFECTIVE,
            "is earlier than effectiveAt, which is now unless it is said: points can't be valid "
            "before they were earned",
            "validFrom",
        )
    valid_from = max(asked_from, effective_at)
    valid_to: datetime | None
    if isinstance(request.valid_to, datetime) or request.valid_to is None:
        valid_to = request.valid_to
    else:
        valid_to = moment.definition.valid_to(effective_at, valid_from)
    if valid_to is not None and valid_to <= asked_from:
        raise RefusedError(
            Code.VALIDITY_EMPTY, "must be later than the instant validity begins", "validTo"
        )
    if valid_to is not None and valid_to <= valid_from:
        valid_to = valid_from + INSTANT
    return valid_from, valid_to
