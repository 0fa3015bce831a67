"""Reading balances and transactions: what is booked, plus what has fallen due and is not yet.

Every answer is the same before and after a sweep; how is `ledger.due_reading`'s business.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import asyncpg

from ledger.amounts import Points
from ledger.book import Place
from ledger.connection import Connection
from ledger.due import due_drafts, with_due
from ledger.due_reading import ACCOUNT_AND_DUE, due_accounts_from
from ledger.facts import Balance, Transaction, active_net_of, net_of
from ledger.history import recorded_at_places
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId, key_hash
from ledger.kinds import Kind
from ledger.tenants import Catalogue

PAGE_MAX = 1000
"""The most transactions of one page."""

LOG_MAX = 10_000
"""The most rows of one points log."""

ACCOUNTS_OF_CONTACT = (
    "-- A contact's accounts, with the lots of those on which something is due.\n"
    "-- Index: contact_pk, account_pk, lot_pk.\n"
    + ACCOUNT_AND_DUE.format(
        accounts="ledger.contact join ledger.account using (holder_id)", at="$4"
    )
    + """
    where contact.tenant_id = $1 and contact.contact_id = $2
      and ($3::smallint is null or account.definition_id = $3)
"""
)

ACCOUNTS = (
    "-- Many accounts at once, likewise. Index: account_pk, lot_pk.\n"
    + ACCOUNT_AND_DUE.format(
        accounts="unnest($1::uuid[], $2::smallint[]) as asked (holder_id, definition_id) "
        "join ledger.account using (holder_id, definition_id)",
        at="$3",
    )
)

CONTACT_TRANSACTIONS = """
    -- A page of a contact's transactions, newest first. Index: contact_pk, transaction_pk.
    select transaction.holder_id, transaction.number
    from ledger.contact join ledger.transaction using (holder_id)
    where contact.tenant_id = $1 and contact.contact_id = $2
      and ($3::smallint is null or transaction.definition_id = $3)
      and ($4::bigint is null or transaction.number < $4)
    order by transaction.number desc limit $5
"""

PLACE_OF_ID = """
    -- Index: transaction_id_idx, holder_pk.
    select transaction.holder_id, transaction.number
    from ledger.transaction join ledger.holder on holder.id = transaction.holder_id
    where transaction.id = $1 and holder.tenant_id = $2
"""

PLACE_OF_KEY = """
    -- Index: idempotency_pk.
    select holder_id, number from ledger.idempotency where key_hash = $1
"""

CONTACTS_OF = """
    -- Of contacts that were merged, the one that stayed; those merged into it stand for the holders
    -- they had. Index: contact_holder_id_idx, contact_former_holder_id_idx.
    select holder_id, contact_id from ledger.contact
    where holder_id = any($1::uuid[]) and former_holder_id is null
    union all
    select former_holder_id, contact_id from ledger.contact
    where former_holder_id = any($1::uuid[])
"""

POINTS_LOG = """
    -- What moved a contact's points, newest first; and whether something is due that is not booked
    -- yet. Index: contact_pk, account_pk, transaction_pk.
    with who as (
        select holder_id, exists (
            select from ledger.account
            where account.holder_id = contact.holder_id
              and account.next_due_at <= coalesce($5::timestamptz, clock_timestamp())
        ) as is_due
        from ledger.contact where tenant_id = $1 and contact_id = $2
    )
    select transaction.effective_at, transaction.net, transaction.description, transaction.kind,
           transaction.definition_id, who.is_due
    from who join ledger.transaction using (holder_id)
    where ($3::smallint is null or transaction.definition_id = $3) and transaction.net <> 0
    order by transaction.effective_at desc, transaction.number desc limit $4
"""

POINTS_LOG_AS_ACTIVE = """
    -- The same, but what is pending counts only once it can be spent: buckets 1, 3 and 4 are where
    -- points are not pending. Index: contact_pk, account_pk, transaction_pk, transfer_pk.
    with who as (
        select holder_id, exists (
            select from ledger.account
            where account.holder_id = contact.holder_id
              and account.next_due_at <= coalesce($5::timestamptz, clock_timestamp())
        ) as is_due
        from ledger.contact where tenant_id = $1 and contact_id = $2
    )
    select transaction.effective_at, moved.amount as net, transaction.description, transaction.kind,
           transaction.definition_id, who.is_due
    from who join ledger.transaction using (holder_id)
    cross join lateral (
        select sum(
            transfer.amount
            * ((transfer.credit in (1, 3, 4))::int - (transfer.debit in (1, 3, 4))::int)
        )::bigint as amount
        from ledger.transfer
        where transfer.holder_id = transaction.holder_id and transfer.number = transaction.number
    ) as moved
    where ($3::smallint is null or transaction.definition_id = $3) and moved.amount <> 0
    order by transaction.effective_at desc, transaction.number desc limit $4
"""


@dataclass(frozen=True, slots=True)
class AccountBalance:
    """What an account holds at the instant of reading.

    Attributes:
        next_due_at: When the balance will next change by time alone; `None` for never as far as
            is known.
    """

    holder: HolderId
    definition: DefinitionId
    balance: Balance
    next_due_at: datetime | None
    read_at: datetime


@dataclass(frozen=True, slots=True)
class LogRow:
    """A change of a holder's points as a customer would tell it."""

    transaction_date: datetime
    amount: Points
    scale: int
    kind: Kind
    description: str | None


async def balances(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    definition: DefinitionId | None = None,
    at: datetime | None = None,
) -> list[AccountBalance]:
    """A contact's accounts at an instant (default: now); none for a contact without points."""
    rows = await connection.fetch(ACCOUNTS_OF_CONTACT, tenant, contact, definition, at)
    return sorted(_balances(rows), key=lambda found: found.definition)


async def totals(
    connection: Connection,
    accounts: Sequence[tuple[HolderId, DefinitionId]],
    *,
    at: datetime | None = None,
) -> dict[tuple[HolderId, DefinitionId], Balance]:
    """What many accounts hold at an instant (default: now); those that exist."""
    rows = await connection.fetch(
        ACCOUNTS,
        [holder for holder, _ in accounts],
        [definition for _, definition in accounts],
        at,
    )
    return {(found.holder, found.definition): found.balance for found in _balances(rows)}


def _balances(rows: Sequence[asyncpg.Record]) -> list[AccountBalance]:
    return [
        AccountBalance(holder, account.definition, *with_due(account, now), now)
        for holder, account, now in due_accounts_from(rows)
    ]


async def transactions_at(
    connection: Connection, places: Sequence[Place]
) -> dict[Place, Transaction]:
    """The transactions at these places, as they were booked."""
    recorded = await recorded_at_places(connection, places)
    return {place: found.transaction for place, found in recorded.items()}


async def transaction_by_id(
    connection: Connection, tenant: TenantId, identifier: UUID
) -> Transaction | None:
    """A tenant's transaction by its id."""
    row = await connection.fetchrow(PLACE_OF_ID, identifier, tenant)
    return await _transaction_at(connection, row)


async def transaction_by_key(
    connection: Connection, tenant: TenantId, idempotency_key: str
) -> Transaction | None:
    """A tenant's transaction by the key it was booked under."""
    row = await connection.fetchrow(PLACE_OF_KEY, key_hash(tenant, idempotency_key))
    return await _transaction_at(connection, row)


async def _transaction_at(connection: Connection, row: asyncpg.Record | None) -> Transaction | None:
    if row is None:
        return None
    place = (HolderId(row["holder_id"]), row["number"])
    return (await transactions_at(connection, [place])).get(place)


async def transactions_of(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    definition: DefinitionId | None = None,
    before: int | None = None,
    limit: int = 100,
) -> list[Transaction]:
    """A page of a contact's transactions, the last recorded first; `before` is a number."""
    rows = await connection.fetch(
        CONTACT_TRANSACTIONS, tenant, contact, definition, before, min(limit, PAGE_MAX)
    )
    places = [(HolderId(row["holder_id"]), row["number"]) for row in rows]
    found = await transactions_at(connection, places)
    return [found[place] for place in places]


async def contacts_of(
    connection: Connection, holders: Sequence[HolderId]
) -> dict[HolderId, ContactId]:
    """The contact behind each holder; an erased one has none.

    A holder that was merged into another keeps its own, although both lead to the other now.
    """
    rows = await connection.fetch(CONTACTS_OF, list(holders))
    return {HolderId(row["holder_id"]): ContactId(row["contact_id"]) for row in rows}


async def points_log(
    connection: Connection,
    catalogue: Catalogue,
    tenant: TenantId,
    contact: ContactId,
    *,
    definition: DefinitionId | None = None,
    limit: int = LOG_MAX,
    at: datetime | None = None,
    pending: bool = True,
) -> list[LogRow]:
    """What moved a contact's points, the latest effect first; empty for nobody.

    Without `pending`, points that are valid later appear when they can be spent.
    """
    limit = min(limit, LOG_MAX)
    query = POINTS_LOG if pending else POINTS_LOG_AS_ACTIVE
    rows = await connection.fetch(query, tenant, contact, definition, limit, at)
    log = [
        LogRow(
            row["effective_at"],
            Points(row["net"]),
            catalogue.definitions[row["definition_id"]].scale,
            Kind(row["kind"]),
            row["description"],
        )
        for row in rows
    ]
    # Where nothing is booked that shows, something that is due may.
    if rows[0]["is_due"] if rows else not pending:
        due = await connection.fetch(ACCOUNTS_OF_CONTACT, tenant, contact, definition, at)
        # Booked, they would have the highest numbers: at one instant the last of them comes first.
        log = _due_rows(due, catalogue, pending=pending)[::-1] + log
        log.sort(key=lambda row: row.transaction_date, reverse=True)
    return log[:limit]


def _due_rows(
    rows: Sequence[asyncpg.Record], catalogue: Catalogue, *, pending: bool
) -> list[LogRow]:
    """What is due on a contact's accounts, told as if it were booked."""
    log: list[LogRow] = []
    for _, account, now in due_accounts_from(rows):
        scale = catalogue.definitions[account.definition].scale
        for kind, at, draft in due_drafts(account, now):
            net = net_of(draft.transfers) if pending else active_net_of(draft.transfers)
            if net:
                log.append(LogRow(at, net, scale, kind, None))
    return log
