"""Points logs of many contacts by one statement, ready to be sent.

The one hard idea: the form is so plain that the database writes it, and what comes over the wire is
one text a contact instead of rows and columns that are taken apart here only to be put together
again. Where something is due that is not booked yet, or what is pending counts later, the log is
made the long way (`ledger.reading` and `sync.engage.points_log`); both ways give the same bytes.

Contract: docs/contracts/engage.md, "Points log".
"""

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from ledger.amounts import SCALE_MAX
from ledger.connection import Connection
from ledger.identity import ContactId, DefinitionId, TenantId
from ledger.kinds import Kind
from ledger.tenants import Catalogue
from sync.engage.settings import PointsLogOptions

POINTS_LOGS: Final = """
    -- The logs of many contacts, newest first, each as a JSON text; and whether something is due
    -- that is not booked yet. The inner select hides how many are asked about, or a statement for
    -- few would be planned anew each time, which takes longer than answering it.
    -- Index: contact_pk, account_pk, transaction_pk.
    select asked.place, log.body, exists (
               select from ledger.account
               where account.holder_id = contact.holder_id
                 and account.next_due_at <= coalesce($3::timestamptz, clock_timestamp())
           ) as is_due
    from unnest((select $2::uuid[])) with ordinality as asked (contact_id, place)
    join ledger.contact on contact.tenant_id = $1 and contact.contact_id = asked.contact_id
    cross join lateral (
        select string_agg(row.body, ',' order by row.effective_at desc, row.number desc) as body
        from (
            select told.effective_at, told.number,
                   '{"transactionDate":"'
                   || to_char(told.effective_at at time zone 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS')
                   || 'Z","amount":'
                   || case ($7::smallint[])[told.definition_id] when 0 then told.net::text
                      else trim_scale(
                          told.net
                          * ('{1,0.1,0.01,0.001,0.0001}'::numeric[])[
                              ($7::smallint[])[told.definition_id] + 1]
                      )::text end
                   || ',"description":'
                   || to_json(coalesce(nullif(told.description, ''), $8::text))::text || '}' as body
            from ledger.transaction as told
            where told.holder_id = contact.holder_id and told.net <> 0
              and ($4::smallint is null or told.definition_id = $4)
              and ($5::smallint is null or told.kind <> $5)
            order by told.effective_at desc, told.number desc limit $6
        ) as row
    ) as log
"""


async def points_logs(
    connection: Connection,
    catalogue: Catalogue,
    tenant: TenantId,
    contacts: Sequence[ContactId],
    *,
    definition: DefinitionId | None,
    options: PointsLogOptions,
    at: datetime | None,
) -> dict[ContactId, bytes | None]:
    """Each contact's log at an instant, by default now.

    `None` where something is due, so that it takes longer.
    """
    scales = [0] * max(catalogue.definitions, default=0)
    for one in catalogue.definitions.values():
        scales[one.id - 1] = min(one.scale, SCALE_MAX)
    rows = await connection.fetch(
        POINTS_LOGS,
        tenant,
        contacts,
        at,
        definition,
        None if options.expiries else Kind.EXPIRY,
        options.rows_max,
        scales,
        options.description,
    )
    found: dict[ContactId, bytes | None] = dict.fromkeys(contacts, b"[]")
    for place, body, is_due in rows:
        found[contacts[place - 1]] = None if is_due else f"[{body or ''}]".encode()
    return found
