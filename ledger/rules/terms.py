"""Changing the validity of points: pending ones released early or later, living ones extended.

A term that has run out stays run out: what lapsed is not brought back by extending it.
"""

from datetime import datetime

from ledger.amounts import Points
from ledger.draft import Draft
from ledger.due import settle
from ledger.facts import Allocation
from ledger.kinds import LedgerAccount
from ledger.lots import consumption_order
from ledger.outcomes import Code, RefusedError
from ledger.requests import Extend
from ledger.rules.context import Moment, Original
from ledger.state import LotState


def lots_of(draft: Draft, original: Original, moment: Moment) -> list[LotState]:
    """The lots a transaction issued. Refused where it issued none, or happened later."""
    if original.definition != moment.definition.id:
        raise RefusedError(
            Code.ORIGINAL_OF_ANOTHER_DEFINITION,
            "names a transaction of another point definition",
            "reverses",
        )
    if moment.effective_at < original.effective_at:
        raise RefusedError(
            Code.EFFECTIVE_BEFORE_ORIGINAL, "is earlier than the points it is about", "effectiveAt"
        )
    lots = [draft.account.lots[number] for number in original.lots]
    if not lots:
        raise RefusedError(
            Code.ORIGINAL_WRONG_KIND, "names a transaction that issued no points", "reverses"
        )
    return lots


def activate(draft: Draft, original: Original, moment: Moment) -> Points:
    """Make pending points available now; answers how many. Refused where none are pending."""
    at = moment.effective_at
    pending = [lot for lot in lots_of(draft, original, moment) if not lot.active and lot.remaining]
    if not pending:
        raise RefusedError(Code.NOTHING_PENDING, "names points that are not pending", "reverses")
    released = Points(sum(lot.remaining for lot in pending))
    for lot in sorted(pending, key=consumption_order):
        amount = lot.remaining
        draft.amend(lot, valid_from=at, valid_to=lot.valid_to)
        parts = (Allocation(lot.lot, amount),)
        draft.transfer(LedgerAccount.PENDING, LedgerAccount.AVAILABLE, amount, at, parts)
        settle(draft, lot, amount, at)
    return released


def extend(draft: Draft, request: Extend, original: Original, moment: Moment) -> Points:
    """Give points a new term; answers how many have one. Refused where that is none of the lots."""
    lots = lots_of(draft, original, moment)
    extended, objections = [], []
    for lot in lots:
        try:
            valid_from, valid_to = _new_term(lot, request, moment.recorded_at)
        except RefusedError as objection:
            objections.append(objection)
            continue
        draft.amend(lot, valid_from=valid_from, valid_to=valid_to)
        extended.append(lot)
    if not extended:
        raise objections[0]
    return Points(sum(lot.remaining for lot in extended))


def _new_term(lot: LotState, request: Extend, now: datetime) -> tuple[datetime, datetime | None]:
    if lot.valid_to is not None and lot.valid_to <= now:
        raise RefusedError(Code.LOT_LAPSED, "names points that have lapsed", "reverses")
    valid_from, valid_to = lot.valid_from, lot.valid_to
    if isinstance(request.valid_from, datetime):
        if lot.active or not lot.remaining or request.valid_from <= now:
            raise RefusedError(
                Code.NOTHING_PENDING,
                "can be changed for pending points only, and to a later instant than now",
                "validFrom",
            )
        valid_from = request.valid_from
    if isinstance(request.valid_to, datetime) or request.valid_to is None:
        valid_to = request.valid_to
        if lot.valid_to is None or (valid_to is not None and valid_to < lot.valid_to):
            raise RefusedError(Code.NOT_EXTENDED, "must be later than points now lapse", "validTo")
    if (valid_from, valid_to) == (lot.valid_from, lot.valid_to):
        raise RefusedError(Code.NOT_EXTENDED, "would leave the validity as it is", "validTo")
    if valid_to is not None and valid_to <= valid_from:
        raise RefusedError(
            Code.VALIDITY_EMPTY, "must be later than the instant validity begins", "validTo"
        )
    return valid_from, valid_to
