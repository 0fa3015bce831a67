"""Who the books speak of: contacts found to be one, one that leaves, and one to be forgotten.

The one hard idea: the books know holders, and one table maps contacts to them. Merging moves all
points by the ordinary rules and then points both contacts to one holder; erasing closes the
accounts by the ordinary rules and then removes the map row, the personal texts and the salt that
made their hashes checkable. The numbers, the chain and every total stay as they are.

Since when two holders are one is kept, so that what was known before stays as it was answered.
"""

import os
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from ledger.chain import SALT_LENGTH
from ledger.connection import Connection
from ledger.identity import ContactId, DefinitionId, HolderId, TenantId
from ledger.outcomes import Code, Outcome, Refused
from ledger.periods import share_periods
from ledger.posting import Books
from ledger.requests import Close, Move, Request

SOURCE = "pointmaster"
"""The source of the transactions that merging and erasing book."""

HOLDERS_OF = """
    -- Index: contact_pk.
    select contact_id, holder_id from ledger.contact
    where tenant_id = $1 and contact_id = any($2::uuid[])
"""

LOCK_HOLDERS_BY_ID = """
    -- In a posting's order. Index: holder_pk.
    select id from ledger.holder where id = any($1::uuid[]) order by id for no key update
"""

OPEN_ACCOUNTS = """
    -- Index: account_pk.
    select definition_id from ledger.account where holder_id = $1 and not closed
    order by definition_id
"""

HAS_ACCOUNTS = """
    -- Index: account_pk.
    select exists (select from ledger.account where holder_id = $1)
"""

POINT_TO = """
    -- A contact that was merged before keeps whose it was at first. Index: contact_holder_id_idx.
    update ledger.contact set holder_id = $2, former_holder_id = coalesce(former_holder_id, $1)
    where holder_id = $1
"""
MARK_MERGED = """
    -- At the books' clock, but after what is recorded already. Index: holder_pk.
    update ledger.holder set merged_into = $2, merged_at = (
        select max(instant) from (
            select last_recorded_at as instant from ledger.holder where id in ($1, $2)
            union all
            select coalesce($3::timestamptz, clock_timestamp())
        ) as instants
    )
    where id = $1
"""

OPEN_CONTACT = """
    -- A contact nobody posted for yet; nothing where another opened it at the same moment.
    with opened as (
        insert into ledger.contact (tenant_id, contact_id, holder_id) values ($1, $2, $3)
        on conflict do nothing
        returning holder_id, tenant_id
    )
    insert into ledger.holder (id, tenant_id, salt) select holder_id, tenant_id, $4 from opened
"""

WITH_MERGED = """
    -- A holder and all that were merged into it. Index: holder_merged_into_idx.
    with recursive merged as (
        select id from ledger.holder where id = $1
        union
        select holder.id from ledger.holder join merged on holder.merged_into = merged.id
    )
    select id from merged
"""

FORGET_CONTACTS = """
    delete from ledger.contact where holder_id = any($1::uuid[]) returning contact_id
"""

FORGET_TEXTS = """
    update ledger.transaction
    set idempotency_key = null, description = null, reference = null, actor = null
    where holder_id = any($1::uuid[])
      and coalesce(idempotency_key, description, reference, actor) is not null
"""

FORGET_SALT = "update ledger.holder set salt = null where id = any($1::uuid[])"

Eraser = Callable[[Connection, TenantId, Sequence[ContactId], Sequence[HolderId]], Awaitable[None]]
"""Removes a person from tables outside the books, in the same transaction."""


class NotMergedError(Exception):
    """Two contacts that could not be made one; `refused` says why."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


class NotClosedError(Exception):
    """A contact whose accounts could not be closed; `refused` says why."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


class NotErasedError(Exception):
    """A contact that could not be erased; `refused` says why."""

    def __init__(self, refused: Refused) -> None:
        super().__init__(refused.message)
        self.refused = refused


@dataclass(frozen=True, slots=True)
class Erased:
    """What was forgotten: the contacts of one person, and the holders that remain nameless."""

    contacts: tuple[ContactId, ...]
    holders: tuple[HolderId, ...]


async def merge_contacts(
    books: Books,
    tenant: TenantId,
    contact: ContactId,
    into: ContactId,
    *,
    idempotency_key: str,
    fingerprint: bytes,
    actor: str | None = None,
) -> list[Outcome]:
    """Make two contacts one holder, points, debt and all; answers the moves that were booked.

    Done before, it does nothing. A contact nobody posted for yet is remembered as merged all the
    same. Raises `NotMergedError` where an account can't be moved (points on hold, the receiving
    account closed): then nothing changes.
    """
    async with books.pool.acquire() as connection, connection.transaction():
        await share_periods(connection, [tenant])
        holders = await _lock(connection, tenant, sorted([contact, into]), opens=True)
        giving, taking = holders[contact], holders[into]
        if giving == taking:
            return []
        moves: list[Request] = [
            Move(
                tenant=tenant,
                contact=contact,
                definition=definition,
                idempotency_key=key_of(idempotency_key, definition),
                fingerprint=fingerprint,
                source=SOURCE,
                actor=actor,
                to_contact=into,
                to_definition=definition,
            )
            for definition in await _open_accounts(connection, giving)
        ]
        outcomes = await books.post_within(connection, moves, atomic=True)
        refused = _reason(outcomes)
        if refused is not None:
            raise NotMergedError(refused)
        await connection.execute(POINT_TO, giving, taking)
        await connection.execute(MARK_MERGED, giving, taking, books.own_time())
        return outcomes


async def close_contact(
    books: Books,
    tenant: TenantId,
    contact: ContactId,
    *,
    idempotency_key: str,
    fingerprint: bytes,
    source: str,
    description: str | None = None,
    reference: str | None = None,
    actor: str | None = None,
) -> list[Outcome]:
    """Close all accounts of a contact that are open, at once; answers the closings.

    Done before under this key, it does nothing. Raises `NotClosedError` where one can't be closed
    (points on hold), or the contact has no account: then nothing changes.
    """
    async with books.pool.acquire() as connection, connection.transaction():
        await share_periods(connection, [tenant])
        holder = (await _lock(connection, tenant, [contact])).get(contact)
        if holder is None or not await connection.fetchval(HAS_ACCOUNTS, holder):
            raise NotClosedError(Refused(Code.NO_ACCOUNT, "has no points", "contactId"))
        closings: list[Request] = [
            Close(
                tenant=tenant,
                contact=contact,
                definition=definition,
                idempotency_key=key_of(idempotency_key, definition),
                fingerprint=fingerprint,
                source=source,
                description=description,
                reference=reference,
                actor=actor,
            )
            for definition in await _open_accounts(connection, holder)
        ]
        outcomes = await books.post_within(connection, closings, atomic=True)
        refused = _reason(outcomes)
        if refused is not None:
            raise NotClosedError(refused)
        return outcomes


def key_of(idempotency_key: str, definition: DefinitionId) -> str:
    """The key of the transaction that a request over all of a contact's accounts books on one."""
    return f"{idempotency_key}/{definition}"


async def erase_contact(
    books: Books,
    tenant: TenantId,
    contact: ContactId,
    *,
    erasers: Sequence[Eraser] = (),
) -> Erased | None:
    """Forget a person, everywhere and for good; `None` where the books don't know the contact.

    What points are left go to `closed`. Raises `NotErasedError` while points are on hold.
    """
    async with books.pool.acquire() as connection, connection.transaction():
        await share_periods(connection, [tenant])
        holder = (await _lock(connection, tenant, [contact])).get(contact)
        if holder is None:
            for erase in erasers:
                await erase(connection, tenant, [contact], [])
            return None
        closings: list[Request] = [
            Close(
                tenant=tenant,
                contact=contact,
                definition=definition,
                idempotency_key=f"erase/{holder}/{definition}",
                fingerprint=holder.bytes,
                source=SOURCE,
            )
            for definition in await _open_accounts(connection, holder)
        ]
        refused = _reason(await books.post_within(connection, closings, atomic=True))
        if refused is not None:
            raise NotErasedError(refused)
        merged = [HolderId(row["id"]) for row in await connection.fetch(WITH_MERGED, holder)]
        rows = await connection.fetch(FORGET_CONTACTS, merged)
        contacts = tuple(ContactId(row["contact_id"]) for row in rows)
        await connection.execute(FORGET_TEXTS, merged)
        await connection.execute(FORGET_SALT, merged)
        for erase in erasers:
            await erase(connection, tenant, contacts, merged)
        return Erased(contacts, tuple(merged))


def _reason(outcomes: Sequence[Outcome]) -> Refused | None:
    """Why a batch that asked for all or nothing was refused, and not that it was."""
    refused = [outcome for outcome in outcomes if isinstance(outcome, Refused)]
    reasons = [outcome for outcome in refused if outcome.code is not Code.BATCH_NOT_BOOKED]
    return next(iter(reasons or refused), None)


async def _lock(
    connection: Connection,
    tenant: TenantId,
    contacts: Sequence[ContactId],
    *,
    opens: bool = False,
) -> dict[ContactId, HolderId]:
    """Whose these contacts are, locked; `opens` those whom nobody posted for yet."""
    locked: dict[ContactId, HolderId] | None = None
    while True:
        rows = await connection.fetch(HOLDERS_OF, tenant, list(contacts))
        found = {ContactId(row["contact_id"]): HolderId(row["holder_id"]) for row in rows}
        if found == locked:
            return found
        # Another merge may have pointed a contact elsewhere until the lock was had.
        await connection.execute(LOCK_HOLDERS_BY_ID, list(found.values()))
        locked = found
        for contact in contacts:
            if opens and contact not in found:
                holder = UUID(bytes=os.urandom(16), version=4)
                salt = os.urandom(SALT_LENGTH)
                await connection.execute(OPEN_CONTACT, tenant, contact, holder, salt)


async def _open_accounts(connection: Connection, holder: HolderId) -> list[DefinitionId]:
    rows = await connection.fetch(OPEN_ACCOUNTS, holder)
    return [DefinitionId(row["definition_id"]) for row in rows]
