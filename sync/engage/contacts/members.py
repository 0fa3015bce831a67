"""Who has a member number, as Engage said: a local map that forgets.

The one hard idea: an answer is Engage's and has a time limit. Who was found is remembered for a
day, so that a till does not wait for Engage at each sale; that nobody was found is remembered for
seconds, so that a new member need not wait long and a typo repeated costs little. An answer that
no longer counts is kept all the same: whose number it was tells whom a contact was merged into.
"""

from collections.abc import Sequence
from datetime import datetime
from enum import StrEnum
from typing import Final, NamedTuple

from ledger.connection import Connection
from ledger.identity import ContactId, TenantId

READ: Final = """
    -- Index: member_pk.
    select member_number, outcome, contact_id from engage.member
    where tenant_id = $1 and member_number = any($2::text[]) and expires_at > $3
"""

KEEP: Final = """
    insert into engage.member (
        tenant_id, member_number, contact_id, outcome, asked_at, expires_at
    ) values ($1, $2, $3, $4, $5, $6)
    on conflict (tenant_id, member_number) do update set
        contact_id = excluded.contact_id, outcome = excluded.outcome,
        asked_at = excluded.asked_at, expires_at = excluded.expires_at
"""

NUMBERS_OF: Final = """
    -- Index: member_contact_idx.
    select member_number from engage.member where tenant_id = $1 and contact_id = $2
"""

LATEST_NUMBERS: Final = """
    -- The number that led to each contact last. Index: member_contact_idx.
    select distinct on (contact_id) contact_id, member_number from engage.member
    where tenant_id = $1 and contact_id = any($2::uuid[])
    order by contact_id, asked_at desc, member_number
"""

DOUBT: Final = """
    -- Index: member_contact_idx.
    update engage.member set expires_at = least(expires_at, $3)
    where tenant_id = $1 and contact_id = any($2::uuid[])
"""

FORGET_EXPIRED: Final = """
    -- What nobody was found for, and what nobody has asked about for long.
    delete from engage.member
    where outcome <> 'found' and expires_at < $1 or expires_at < $2
"""


class Lookup(StrEnum):
    """What Engage says of a member number."""

    FOUND = "found"
    UNKNOWN = "unknown"
    AMBIGUOUS = "ambiguous"
    """More than one contact has it."""


class Member(NamedTuple):
    """An answer; `contact` is there where one was found."""

    outcome: Lookup
    contact: ContactId | None = None


async def read(
    connection: Connection, tenant: TenantId, numbers: Sequence[str], now: datetime
) -> dict[str, Member]:
    """The answers that still count."""
    rows = await connection.fetch(READ, tenant, list(numbers), now)
    return {
        row["member_number"]: Member(
            Lookup(row["outcome"]),
            None if row["contact_id"] is None else ContactId(row["contact_id"]),
        )
        for row in rows
    }


async def keep(
    connection: Connection,
    tenant: TenantId,
    number: str,
    member: Member,
    asked_at: datetime,
    expires_at: datetime,
) -> None:
    """Remember an answer until it expires."""
    await connection.execute(
        KEEP, tenant, number, member.contact, member.outcome.value, asked_at, expires_at
    )


async def numbers_of(connection: Connection, tenant: TenantId, contact: ContactId) -> list[str]:
    """The member numbers that led to a contact, answers that no longer count included."""
    return [row["member_number"] for row in await connection.fetch(NUMBERS_OF, tenant, contact)]


async def latest_numbers(
    connection: Connection, tenant: TenantId, contacts: Sequence[ContactId]
) -> dict[ContactId, str]:
    """The member number that led to each contact last, also if that answer no longer counts."""
    rows = await connection.fetch(LATEST_NUMBERS, tenant, list(contacts))
    return {ContactId(row["contact_id"]): row["member_number"] for row in rows}


async def doubt(
    connection: Connection, tenant: TenantId, contacts: Sequence[ContactId], now: datetime
) -> None:
    """Have the numbers of some contacts asked for again."""
    await connection.execute(DOUBT, tenant, list(contacts), now)


async def forget_expired(connection: Connection, now: datetime, long_ago: datetime) -> int:
    """Remove answers that no longer count, those that found somebody much later; how many."""
    done = await connection.execute(FORGET_EXPIRED, now, long_ago)
    return int(str(done).rpartition(" ")[2])
