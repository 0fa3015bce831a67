"""Reading accounts together with what they need to have their due transfers derived.

The one hard idea: one statement reads an account and, only where something of it is due, its lots
and open holds. So a read sees one instant of the books without a transaction of its own, and costs
one round trip in the ordinary case where nothing is due.
"""

from collections.abc import Iterable
from datetime import datetime
from typing import Final
from uuid import UUID

import asyncpg
import msgspec

from ledger.amounts import Points
from ledger.facts import Allocation
from ledger.identity import DefinitionId, HolderId
from ledger.loading import account_from, lot_from
from ledger.state import AccountState, HoldState

ACCOUNT_AND_DUE: Final = """
    select account.holder_id, account.definition_id, account.available, account.pending,
           account.held, account.debt, account.debt_since, account.last_effective_at,
           account.next_due_at, account.closed, instant.now, lot.lot, lot.number, lot.issued,
           lot.remaining, lot.lapsed, lot.active, lot.effective_at, lot.valid_from, lot.valid_to,
           lot.term,
           case when account.held > 0 and account.next_due_at <= instant.now then (
               select jsonb_agg(jsonb_build_object(
                   'number', hold.number, 'expires_at', hold.expires_at, 'parts', (
                       select jsonb_agg(
                           jsonb_build_array(allocation.lot, allocation.amount)
                           order by allocation.line, allocation.place
                       )
                       from ledger.transfer join ledger.allocation using (holder_id, number, line)
                       where transfer.holder_id = hold.holder_id
                         and transfer.number = hold.number and transfer.credit = 3
                   )
               ))
               from ledger.hold
               where hold.holder_id = account.holder_id
                 and hold.definition_id = account.definition_id and hold.ended_by is null
           )::text end as holds
    from {accounts}
    cross join (select coalesce({at}::timestamptz, clock_timestamp()) as now) as instant
    left join ledger.lot on account.next_due_at <= instant.now
        and lot.holder_id = account.holder_id and lot.definition_id = account.definition_id
        and (lot.remaining > 0 or account.held > 0)
"""
"""Accounts as `{accounts}` says, at the instant `{at}`; a `where` may follow."""

_UNNAMED = UUID(int=0)


class _OpenHold(msgspec.Struct, frozen=True):
    number: int
    expires_at: datetime | None
    parts: list[tuple[int, int]]


_open_holds = msgspec.json.Decoder(list[_OpenHold])

DueAccount = tuple[HolderId, AccountState, datetime]
"""Whose account, the account, and the instant of reading."""


def due_accounts_from(rows: Iterable[asyncpg.Record]) -> list[DueAccount]:
    """Accounts as read by `ACCOUNT_AND_DUE`."""
    accounts: dict[tuple[HolderId, DefinitionId], DueAccount] = {}
    for row in rows:
        place = (HolderId(row["holder_id"]), DefinitionId(row["definition_id"]))
        found = accounts.get(place)
        if found is None:
            found = accounts[place] = (place[0], account_from(row), row["now"])
            found[1].holds = holds_from(row["holds"])
        if row["lot"] is not None:
            found[1].lots[row["lot"]] = lot_from(row)
    return list(accounts.values())


def holds_from(document: str | None) -> dict[int, HoldState]:
    """The open holds that came along with an account."""
    if document is None:
        return {}
    return {
        found.number: HoldState(
            _UNNAMED,
            found.number,
            tuple(Allocation(lot, Points(amount)) for lot, amount in found.parts),
            found.expires_at,
        )
        for found in _open_holds.decode(document)
    }
