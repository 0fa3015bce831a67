"""What becomes of an adjustment that takes more than the member has.

The one hard idea: what is there is read under the holder's lock, which the posting that follows in
the same transaction takes too; so nobody spends the points between looking and taking.
"""

from typing import Final

import msgspec

from ledger import reading
from ledger.amounts import Points, format_amount
from ledger.connection import Connection
from ledger.periods import share_periods
from ledger.requests import Adjust
from sync.engage.context import Context
from sync.engage.deliveries import DeliveryState
from sync.engage.settings import BelowZero

NOTHING_THERE: Final = "nothing_there"
"""The reason of adjustments of which nothing could be taken."""

LOCK: Final = """
    -- A posting's own lock, taken before it. Index: contact_pk, holder_pk.
    select holder.id from ledger.contact join ledger.holder on holder.id = contact.holder_id
    where contact.tenant_id = $1 and contact.contact_id = $2
    for no key update of holder
"""


class NotWithinBalanceError(Exception):
    """An adjustment that is not booked; the text says why to the person who reads it."""

    def __init__(self, state: DeliveryState, reason: str, message: str) -> None:
        super().__init__(message)
        self.state = state
        self.reason = reason


async def within_balance(
    context: Context, connection: Connection, request: Adjust
) -> tuple[Adjust, str | None]:
    """The adjustment to book, inside the transaction that books it, and a remark about it.

    Raises:
        NotWithinBalanceError: nothing is to be booked.
    """
    policy = context.options.webhook.below_zero
    if request.amount > 0 or policy is BelowZero.DEBT:
        return request, None
    # Before the holder, as whoever closes a period locks.
    await share_periods(connection, [request.tenant])
    await connection.fetchval(LOCK, request.tenant, request.contact)
    now = await context.clock.read(connection)
    found = await reading.balances(
        connection, request.tenant, request.contact, definition=request.definition, at=now
    )
    there = found[0].balance.available if found else 0
    if -request.amount <= there:
        return request, None
    scale = context.definitions[request.definition].scale
    said = (
        f"{format_amount(Points(there), scale)} of "
        f"{format_amount(Points(-request.amount), scale)} points were there"
    )
    if policy is BelowZero.QUARANTINE:
        raise NotWithinBalanceError(
            DeliveryState.QUARANTINED, "below_zero", f"{said}; webhook.below_zero says to ask"
        )
    if there == 0:
        raise NotWithinBalanceError(DeliveryState.IGNORED, NOTHING_THERE, said)
    return msgspec.structs.replace(request, amount=Points(-there)), f"{said}, and were taken"
