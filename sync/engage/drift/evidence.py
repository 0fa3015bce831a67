"""What Engage says by itself of a balance, weighed against the books.

The one hard idea: an event is evidence and never more. It may be late, come twice, or tell what we
told Engage a moment ago; so a figure that is neither what the books have nor what Engage was told
last only has its account compared soon, by the rules of every comparison. Nothing is booked,
pushed or called a difference for it.

Contract: docs/contracts/engage.md, "Webhook: envelope and payload".
"""

from datetime import datetime
from decimal import Decimal
from typing import Final

from ledger import reading
from ledger.connection import Connection
from ledger.identity import HolderId
from sync.engage.context import Context
from sync.engage.drift import choosing
from sync.engage.envelope import ShownBalance
from sync.engage.totals import total_of

ACCOUNT: Final = """
    -- Whose account it is, also of a contact that was merged, and what Engage was told of it last.
    -- Index: contact_pk, account_pk.
    select contact.holder_id, followed.sent_total
    from (
        select coalesce(former_holder_id, holder_id) as holder_id from ledger.contact
        where tenant_id = $1 and contact_id = $2
    ) as contact
    left join engage.account as followed
        on followed.holder_id = contact.holder_id and followed.definition_id = $3
"""


async def weigh(
    context: Context, connection: Connection, shown: ShownBalance, now: datetime
) -> str | None:
    """Have an account compared soon if Engage shows what it should not; then says so.

    What Engage shows of contacts, definitions and accounts that the books don't know is nothing to
    compare with.
    """
    definition = context.books.catalogue.definition(context.tenant.id, shown.definition)
    if definition is None:
        return None
    row = await connection.fetchrow(ACCOUNT, context.tenant.id, shown.contact, definition.id)
    if row is None:
        return None
    key = (HolderId(row["holder_id"]), definition.id)
    balance = (await reading.totals(connection, [key], at=now)).get(key)
    if balance is None:
        return None
    booked = total_of(balance, context.options.total)
    if shown.balance in {_points(total, definition.scale) for total in (booked, row["sent_total"])}:
        return None
    await choosing.ask_for(connection, key)
    return (
        f"kept as evidence, never booked: Engage shows {shown.balance}, the books have "
        f"{_points(booked, definition.scale)}; the account is compared soon"
    )


def _points(total: int | None, scale: int) -> Decimal | None:
    return None if total is None else Decimal(total).scaleb(-scale)
