"""Whether there is anything left to tell about accounts.

The one hard idea: where something is on its way, or waits to be, both sides rightly differ. This is
asked of the few accounts that seem to differ, and not of all that are compared.
"""

from collections.abc import Sequence
from typing import Final

from ledger.connection import Connection
from ledger.identity import DefinitionId, HolderId
from sync.engage.context import Context
from sync.engage.following import consumer_of
from sync.engage.marks import AccountKey

STILL: Final = """
    -- Accounts not in flight, of which nothing waits. Index: account_pk,
    -- row_holder_id_definition_id_stamp_key; the outbox has none by holder, and is short.
    with marked as (
        select holder_id, definition_id from ledger.outbox
        where consumer = $3 and holder_id = any($1::uuid[])
    )
    select account.holder_id, account.definition_id, holder.number
    from unnest($1::uuid[], $2::smallint[]) as asked (holder_id, definition_id)
    join engage.account using (holder_id, definition_id)
    join ledger.holder on holder.id = asked.holder_id
    where account.batch_id is null
      and not exists (
          select from marked where marked.holder_id = account.holder_id
            and marked.definition_id = account.definition_id
      )
      and not exists (
          select from engage.row where row.holder_id = account.holder_id
            and row.definition_id = account.definition_id and row.state in ('waiting', 'sent')
      )
"""


async def still(
    context: Context, connection: Connection, keys: Sequence[AccountKey]
) -> dict[AccountKey, int]:
    """Those of the accounts about which Engage has been told everything.

    Each with how many transactions its holder has: as long as that stays, nothing is told.
    """
    if not keys:
        return {}
    rows = await connection.fetch(
        STILL,
        [holder for holder, _ in keys],
        [definition for _, definition in keys],
        consumer_of(context.options).number,
    )
    return {
        (HolderId(row["holder_id"]), DefinitionId(row["definition_id"])): row["number"]
        for row in rows
    }
