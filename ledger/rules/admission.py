"""Admission: what speaks against a request whatever its kind, and when it happens in the books."""

from datetime import datetime

from ledger.amounts import BUCKET_MAX
from ledger.outcomes import Code, RefusedError
from ledger.requests import CLOCK_SKEW, Close, Move, Request
from ledger.state import AccountState


def admit(account: AccountState, request: Request) -> None:
    """Refuse what an account can't take: closed for good, never opened, or too full."""
    if account.closed:
        raise RefusedError(Code.ACCOUNT_CLOSED, "has closed this account", "contactId")
    if account.is_new and not account.changed and _empties(request):
        raise RefusedError(Code.NO_ACCOUNT, "has no points of this definition", "contactId")
    amount = abs(getattr(request, "amount", None) or 0)
    if amount + account.available + account.pending + account.held + account.debt > BUCKET_MAX:
        raise RefusedError(
            Code.BALANCE_TOO_LARGE, "would make a balance too large to keep", "amount"
        )


def instants(
    request: Request, now: datetime, closed_until: datetime | None
) -> tuple[datetime, datetime | None]:
    """When a request happens in the books and, where that differs, when it truly happened.

    What empties an account does so now, whatever it asks. What happened in a closed period is
    booked at the start of the open one.
    """
    if _empties(request):
        return now, None
    effective_at = _resolve(request.effective_at, now)
    if closed_until is None or effective_at >= closed_until:
        return effective_at, None
    if request.strict:
        raise RefusedError(
            Code.PERIOD_CLOSED,
            f"lies in a period that is closed up to {closed_until.isoformat()}",
            "effectiveAt",
        )
    return closed_until, effective_at


def _empties(request: Request) -> bool:
    """Whether a request is about everything that is in an account."""
    return isinstance(request, Close) or (isinstance(request, Move) and request.amount is None)


def _resolve(asked: datetime | None, now: datetime) -> datetime:
    """When a request happens in the books: as asked, but never after the books learn of it."""
    if asked is None:
        return now
    if asked > now + CLOCK_SKEW:
        raise RefusedError(
            Code.EFFECTIVE_IN_FUTURE,
            f"is more than {CLOCK_SKEW.seconds // 60} minutes ahead of the books' clock; "
            "points that become valid later are said by validFrom",
            "effectiveAt",
        )
    return min(asked, now)
