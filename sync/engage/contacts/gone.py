"""Contacts of the books that Engage no longer has, in the database: each once, with what was done.

The one hard idea: what was decided stays decided, however often Engage lists it; only what failed
is tried again. A contact that comes back ends it.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

import msgspec

from ledger.connection import Connection
from ledger.identity import ContactId, TenantId

LIST_MAX: Final = 1000

NOTE: Final = """
    insert into engage.gone (
        tenant_id, contact_id, into_contact_id, noticed_at, decided_at, decision, message
    ) values ($1, $2, $3, $4, $4, $5, $6)
    on conflict (tenant_id, contact_id) do update set
        into_contact_id = excluded.into_contact_id, decided_at = excluded.decided_at,
        decision = excluded.decision, message = excluded.message
"""

DECIDED: Final = """
    -- Index: gone_pk.
    select contact_id from engage.gone
    where tenant_id = $1 and contact_id = any($2::uuid[])
      and decision not in ('failed', 'returned')
"""

MISSING: Final = """
    -- Index: gone_pk.
    select contact_id from engage.gone
    where tenant_id = $1 and contact_id = any($2::uuid[]) and decision in ('listed', 'failed')
"""

NOTE_RETURNED: Final = """
    -- Index: gone_pk.
    update engage.gone set decision = 'returned', decided_at = $3
    where tenant_id = $1 and contact_id = any($2::uuid[]) and decision in ('listed', 'failed')
"""

LIST: Final = """
    -- The latest first.
    select contact_id, into_contact_id, noticed_at, decided_at, decision, message
    from engage.gone
    where tenant_id = $1
      and ($2::timestamptz is null or (noticed_at, contact_id) < ($2, $3::uuid))
    order by noticed_at desc, contact_id desc limit $4
"""


class Decision(StrEnum):
    """What was done about a contact that is gone."""

    LISTED = "listed"
    """Nothing: a person decides."""
    MERGED = "merged"
    ERASED = "erased"
    FAILED = "failed"
    """It could not be done; it is tried again."""
    RETURNED = "returned"
    """Engage has it again."""


class Gone(NamedTuple):
    """A contact that is gone, and what was decided."""

    contact: ContactId
    into: ContactId | None
    at: datetime
    decision: Decision
    message: str | None


class GoneRecord(msgspec.Struct, frozen=True, kw_only=True):
    """A contact that is gone, as people look at it.

    Attributes:
        into: Whom its member number leads to now, where that is somebody.
    """

    contact: ContactId
    into: ContactId | None
    noticed_at: datetime
    decided_at: datetime
    decision: Decision
    message: str | None


async def note(connection: Connection, tenant: TenantId, found: Gone) -> None:
    """Write down what was done about a contact."""
    await connection.execute(
        NOTE, tenant, found.contact, found.into, found.at, found.decision.value, found.message
    )


async def decided(
    connection: Connection, tenant: TenantId, contacts: Sequence[ContactId]
) -> set[ContactId]:
    """Those of the contacts about which there is nothing more to decide."""
    rows = await connection.fetch(DECIDED, tenant, list(contacts))
    return {ContactId(row["contact_id"]) for row in rows}


async def missing(
    connection: Connection, tenant: TenantId, contacts: Sequence[ContactId]
) -> list[ContactId]:
    """Those of the contacts that are gone, and about which nothing was done."""
    rows = await connection.fetch(MISSING, tenant, list(contacts))
    return [ContactId(row["contact_id"]) for row in rows]


async def note_returned(
    connection: Connection, tenant: TenantId, contacts: Sequence[ContactId], at: datetime
) -> int:
    """Write down that contacts are there again; answers how many had gone."""
    done = await connection.execute(NOTE_RETURNED, tenant, list(contacts), at)
    return int(str(done).rpartition(" ")[2])


async def page(
    connection: Connection,
    tenant: TenantId,
    *,
    before: tuple[datetime, ContactId] | None = None,
    limit: int = 100,
) -> list[GoneRecord]:
    """Contacts that are gone, the latest first; `before` is the last one seen, and when noticed."""
    at, contact = before or (None, None)
    rows = await connection.fetch(LIST, tenant, at, contact, min(limit, LIST_MAX))
    return [
        GoneRecord(
            contact=ContactId(row["contact_id"]),
            into=None if row["into_contact_id"] is None else ContactId(row["into_contact_id"]),
            noticed_at=row["noticed_at"],
            decided_at=row["decided_at"],
            decision=Decision(row["decision"]),
            message=row["message"],
        )
        for row in rows
    ]
