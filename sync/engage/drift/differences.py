"""Differences in the database: opened when found, closed when gone, kept as a record.

The one hard idea: an open difference is a fact about now. Comparing an account either sees it again
or closes it, so the number of open ones is the number of accounts known to differ.
"""

from collections.abc import Sequence
from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Final, NamedTuple
from uuid import UUID

import msgspec

from ledger.connection import Connection
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.reading import contacts_of
from sync.engage.marks import AccountKey

LIST_MAX: Final = 1000

SEE: Final = """
    -- A difference is opened, or seen again with what there is now. Index: difference_open_idx.
    insert into engage.difference as known (
        id, tenant_id, holder_id, definition_id, found_at, seen_at, engage_total, engage_pending,
        books_total, books_pending, size, unrepaired
    ) values ($1, $2, $3, $4, $5, $5, $6, $7, $8, $9, $10, $11)
    on conflict (holder_id, definition_id) where closed_at is null do update set
        seen_at = excluded.seen_at, engage_total = excluded.engage_total,
        engage_pending = excluded.engage_pending, books_total = excluded.books_total,
        books_pending = excluded.books_pending, size = excluded.size,
        unrepaired = excluded.unrepaired
    returning id
"""

CLOSE: Final = """
    -- Accounts that agree again. Index: difference_open_idx.
    update engage.difference set closed_at = $3
    from unnest($1::uuid[], $2::smallint[]) as agreed (holder_id, definition_id)
    where difference.holder_id = agreed.holder_id
      and difference.definition_id = agreed.definition_id and difference.closed_at is null
"""

REPAIRED: Final = """
    -- Index: difference_pk.
    update engage.difference set repair = $2, repaired_at = $3, repairs = repairs + 1,
        unrepaired = null
    where id = $1
"""

LIST: Final = """
    -- A page, newest first. Index: difference_tenant_idx.
    select * from engage.difference
    where tenant_id = $1 and ($2::uuid is null or id < $2)
      and (not $3::boolean or closed_at is null)
    order by id desc limit $4
"""

SUM_UP: Final = """
    -- What is open, and how old the oldest comparison is; who is to be compared soon, and has an
    -- instant before 1970 for that, tells nothing of it.
    -- Index: difference_open_idx, account_compared_idx.
    select
        (select count(*) from engage.difference where tenant_id = $1 and closed_at is null) as open,
        (
            select coalesce(sum(size), 0) from engage.difference
            where tenant_id = $1 and closed_at is null
        ) as size,
        (
            select min(oldest.compared_at) from unnest($2::smallint[]) as one (definition)
            cross join lateral (
                select compared_at from engage.account where definition_id = one.definition
                  and compared_at >= '1970-01-01 00:00:00+00'
                order by compared_at limit 1
            ) as oldest
        ) as oldest
"""


class Repair(StrEnum):
    """What was done about a difference."""

    PUSH = "push"
    """The total was marked to be pushed again."""
    ROWS = "rows"
    """Correcting rows were added to those that wait."""


class Compared(NamedTuple):
    """An account on both sides.

    Attributes:
        engage_total, engage_pending: In points; `None` where Engage has none or doesn't say.
        books_total, books_pending: In minor units; pending only where the mode tells it.
        size: By how much they differ, in points; zero where they agree.
        unrepaired: Why it can't or may not be repaired.
    """

    key: AccountKey
    engage_total: Decimal | None
    engage_pending: Decimal | None
    books_total: int
    books_pending: int | None
    size: Decimal
    unrepaired: str | None = None


class DifferenceRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A difference as people look at it.

    Attributes:
        definition: The books' own number.
        size: By how much both sides differed when last seen, in points.
        repair: What was done about it last, and how often something was.
        unrepaired: Why nothing was.
        closed_at: When both sides were seen to agree again.
    """

    id: UUID
    contact: ContactId | None
    definition: DefinitionId
    found_at: datetime
    seen_at: datetime
    engage_total: Decimal | None
    engage_pending: Decimal | None
    books_total: int
    books_pending: int | None
    size: Decimal
    repair: Repair | None
    repaired_at: datetime | None
    repairs: int
    unrepaired: str | None
    closed_at: datetime | None


class DriftStatus(msgspec.Struct, frozen=True, kw_only=True):
    """How far Engage is known to be from the books.

    Attributes:
        differing: Accounts that differed when last compared.
        size: By how many points together.
        oldest: When the account that was compared longest ago was; 1970 for never, `None` where
            there are no accounts.
    """

    differing: int
    size: Decimal
    oldest: datetime | None


async def see(
    connection: Connection, tenant: TenantId, identifier: UUID, found: Compared, at: datetime
) -> UUID:
    """Open a difference under an id, or see it again; answers the id it has."""
    known = await connection.fetchval(
        SEE,
        identifier,
        tenant,
        found.key[0],
        found.key[1],
        at,
        found.engage_total,
        found.engage_pending,
        found.books_total,
        found.books_pending,
        found.size,
        found.unrepaired,
    )
    return UUID(str(known))


async def close(connection: Connection, keys: Sequence[AccountKey], at: datetime) -> int:
    """Close the differences of accounts that agree; answers how many there were."""
    done = await connection.execute(
        CLOSE, [holder for holder, _ in keys], [definition for _, definition in keys], at
    )
    return int(str(done).rpartition(" ")[2])


async def repaired(connection: Connection, identifier: UUID, repair: Repair, at: datetime) -> None:
    """Note what was done about a difference."""
    await connection.execute(REPAIRED, identifier, repair.value, at)


async def page(
    connection: Connection,
    tenant: TenantId,
    *,
    before: UUID | None = None,
    only_open: bool = False,
    limit: int = 100,
) -> list[DifferenceRecord]:
    """A page of differences, newest first; `before` is the id of the last one seen."""
    rows = await connection.fetch(LIST, tenant, before, only_open, min(limit, LIST_MAX))
    contacts = await contacts_of(connection, [HolderId(row["holder_id"]) for row in rows])
    return [
        DifferenceRecord(
            id=row["id"],
            contact=contacts.get(row["holder_id"]),
            definition=DefinitionId(row["definition_id"]),
            found_at=row["found_at"],
            seen_at=row["seen_at"],
            engage_total=row["engage_total"],
            engage_pending=row["engage_pending"],
            books_total=row["books_total"],
            books_pending=row["books_pending"],
            size=row["size"],
            repair=None if row["repair"] is None else Repair(row["repair"]),
            repaired_at=row["repaired_at"],
            repairs=row["repairs"],
            unrepaired=row["unrepaired"],
            closed_at=row["closed_at"],
        )
        for row in rows
    ]


async def sum_up(
    connection: Connection, tenant: TenantId, definitions: Sequence[DefinitionId]
) -> DriftStatus:
    """How far Engage is known to be from the books."""
    row = await connection.fetchrow(SUM_UP, tenant, list(definitions))
    if row is None:
        raise RuntimeError("an aggregate always answers")
    return DriftStatus(differing=row["open"], size=row["size"], oldest=row["oldest"])
