"""Reading a contact's facts as of any instant of both time axes; what they come to is `asof`'s.

The one hard idea: an answer about what the books knew at an instant must never change. So it is
given only once no posting that might still be recorded before that instant holds the holder's lock
(a reading waits for it as long as a posting would), and a contact is whoever it was known to be
then: merged contacts are one person from the instant at which the books learned of it, and not
before. What is known now of an earlier instant is what all of them had together.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final

import asyncpg

from ledger.asof import AccountAsOf, as_of
from ledger.connection import LOCK_MILLISECONDS_MAX, Connection
from ledger.explaining import sum_of
from ledger.facts import Transaction
from ledger.history import recorded_of
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.periods import settled_now

HISTORY_MAX: Final = 50_000
"""Transactions of one person that are read at once; more belong into an export."""

PATIENCE = f"{LOCK_MILLISECONDS_MAX}ms"
"""How long a reading waits for a holder's lock."""

HOLDERS_KNOWN = """
    -- Whoever a contact was as known at an instant, with all that were merged into it by then; once
    -- no posting that may still be recorded in the past holds their locks. How long that is waited
    -- for is set before anything is locked, to the end of the transaction. Whoever gets the lock
    -- later may record something after `asked_at`, so nothing beyond that may be told.
    -- Index: contact_pk, holder_pk, holder_merged_into_idx.
    with recursive patience as materialized (
        select set_config('lock_timeout', $4, true)
    ), way as (
        select holder.id, holder.merged_into, holder.merged_at
        from patience
        cross join ledger.contact
        join ledger.holder on holder.id = coalesce(contact.former_holder_id, contact.holder_id)
        where contact.tenant_id = $1 and contact.contact_id = $2
        union all
        select holder.id, holder.merged_into, holder.merged_at
        from way join ledger.holder on holder.id = way.merged_into
        where $3::timestamptz is null or way.merged_at is null or way.merged_at <= $3
    ), person as (
        select way.id from way
        where way.merged_into is null or way.merged_at > $3
        union
        select holder.id from person join ledger.holder on holder.merged_into = person.id
        where $3::timestamptz is null or holder.merged_at is null or holder.merged_at <= $3
    )
    select holder.id, holder.number, statement_timestamp() as asked_at from ledger.holder
    where holder.id in (select id from person)
    order by holder.id for share of holder
"""

HOLDER = """
    -- One holder, once no posting holds its lock. Index: holder_pk.
    with patience as materialized (select set_config('lock_timeout', $2, true))
    select holder.id, holder.number from patience cross join ledger.holder
    where holder.id = $1 for share of holder
"""


class FutureRecordError(ValueError):
    """An answer was asked for about what the books will know; they only know what they know."""


class HeldUpError(Exception):
    """Somebody has had the person's lock for so long that what the books know can't be told yet."""

    def __init__(self) -> None:
        super().__init__(
            "what is being booked for this contact has taken longer than a reading waits; ask again"
        )


class HistoryTooLongError(Exception):
    """A person has more transactions than can be looked at in one request."""


@dataclass(frozen=True, slots=True)
class Told:
    """All that the books knew of a person.

    Attributes:
        chains: Of the holders that are this person, in the order of their numbers.
        now: The books' clock at the instant of reading.
    """

    chains: tuple[tuple[Transaction, ...], ...]
    now: datetime


async def holders_known(
    connection: Connection, statement: str, *arguments: object
) -> list[asyncpg.Record]:
    """The rows of `HOLDERS_KNOWN` or `HOLDER`. Raises `HeldUpError` where their lock isn't had."""
    try:
        return await connection.fetch(statement, *arguments, PATIENCE)
    except asyncpg.LockNotAvailableError:
        raise HeldUpError from None


async def told_of(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    recorded_at: datetime | None = None,
    now: datetime | None = None,
) -> Told:
    """All that the books knew of a contact at `recorded_at` (default: that they know now).

    Raises `FutureRecordError` for a `recorded_at` that is still to come, `HistoryTooLongError` for
    a person with more than `HISTORY_MAX` transactions, `HeldUpError` where somebody keeps the
    person's lock, and `TimeoutError` where other postings under way don't end.
    """
    rows = await holders_known(connection, HOLDERS_KNOWN, tenant, contact, recorded_at)
    if recorded_at is not None:
        # Whoever is opening the contact at this very moment holds no lock to be waited for here.
        asked_at = rows[0]["asked_at"] if rows else await settled_now(connection)
        if recorded_at > (now or asked_at):
            raise FutureRecordError("recordedAt must not be in the future")
        rows = rows or await holders_known(connection, HOLDERS_KNOWN, tenant, contact, recorded_at)
    clock = now or await connection.fetchval("select clock_timestamp()")
    return await _told(connection, rows, clock, recorded_at)


async def told_of_holder(connection: Connection, holder: HolderId) -> Told:
    """All that the books know of one holder. Raises as `told_of` does."""
    rows = await holders_known(connection, HOLDER, holder)
    clock = await connection.fetchval("select clock_timestamp()")
    return await _told(connection, rows, clock, None)


async def _told(
    connection: Connection,
    rows: Sequence[asyncpg.Record],
    clock: datetime,
    recorded_at: datetime | None,
) -> Told:
    if sum(row["number"] for row in rows) > HISTORY_MAX:
        raise HistoryTooLongError(f"there are more than {HISTORY_MAX} transactions")
    holders = [HolderId(row["id"]) for row in rows]
    recorded = await recorded_of(connection, holders)
    chains = (
        tuple(
            one.transaction
            for one in recorded[holder]
            if recorded_at is None or one.transaction.recorded_at <= recorded_at
        )
        for holder in holders
    )
    return Told(tuple(chain for chain in chains if chain), clock)


async def accounts_as_of(
    connection: Connection,
    tenant: TenantId,
    contact: ContactId,
    *,
    effective_at: datetime | None = None,
    recorded_at: datetime | None = None,
    definition: DefinitionId | None = None,
    now: datetime | None = None,
) -> list[AccountAsOf]:
    """A contact's accounts at an instant of either axis (default for each: now).

    Raises as `told_of` does.
    """
    told = await told_of(connection, tenant, contact, recorded_at=recorded_at, now=now)
    return accounts_in(told, effective_at, recorded_at, definition)


def accounts_in(
    told: Told,
    effective_at: datetime | None,
    recorded_at: datetime | None,
    definition: DefinitionId | None = None,
) -> list[AccountAsOf]:
    """The accounts that a person's facts make up, one for each kind of points."""
    found: dict[DefinitionId, AccountAsOf] = {}
    for chain in told.chains:
        for account in as_of(chain, effective_at or told.now, recorded_at):
            if definition in (None, account.definition):
                other = found.get(account.definition)
                found[account.definition] = account if other is None else _joined(other, account)
    return [account for _, account in sorted(found.items())]


def _joined(one: AccountAsOf, other: AccountAsOf) -> AccountAsOf:
    return AccountAsOf(
        one.definition,
        sum_of((one.balance, other.balance)),
        one.lots + other.lots,
        one.effective_at,
        one.recorded_at,
        one.due + other.due,
    )
