"""Noticing what became of contacts in Engage: new ones, deleted ones, merged ones.

The one hard idea: Engage says that contacts were deleted, but not that they were merged, nor into
whom. Where a deleted contact's member number leads to somebody else now, that is taken for a merge.
Whether points follow is for the settings to say, and by default for a person: what Engage does with
points when it merges is not documented.

Changes are read in overlapping stretches; what was read twice is decided once.
"""

import logging
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from ledger.contacts import NotErasedError, NotMergedError, merge_contacts
from ledger.identity import ContactId, HolderId
from sync.engage import parked, pauses
from sync.engage.contacts import gone, members
from sync.engage.contacts.changes import ChangeType, changed_contacts
from sync.engage.contacts.gone import Decision, Gone
from sync.engage.contacts.lookup import ask
from sync.engage.contacts.members import Member
from sync.engage.contacts.options import WhenDeleted, WhenMerged
from sync.engage.context import Context
from sync.engage.exchange import Answered, Refused
from sync.engage.pauses import Direction
from sync.engage.progress import describe

KNOWN: Final = """
    -- Those of some contacts that the books know, and as whom. Index: contact_pk.
    select contact_id, holder_id from ledger.contact
    where tenant_id = $1 and contact_id = any($2::uuid[])
"""

READ_UNTIL: Final = """
    select read_until from engage.feed where tenant_id = $1 and change_type = $2
"""

NOTE_READ: Final = """
    insert into engage.feed (tenant_id, change_type, read_until) values ($1, $2, $3)
    on conflict (tenant_id, change_type) do update set read_until = excluded.read_until
"""

CLOCKS_APART: Final = timedelta(hours=1)
"""How far ahead of ours Engage's clock may be."""

logger = logging.getLogger(__name__)

Erase = Callable[[ContactId], Awaitable[object]]
"""Erases a person from the books and everything around them."""


@dataclass(slots=True)
class NoticeReport:
    """What looking at changes brought.

    Attributes:
        created, updated, deleted: Contacts that Engage lists as such and the books know.
        retried: Parked totals and movements that are tried again, since their contact is there.
        listed, merged, erased, failed, returned: What was decided about those that are gone.
        trouble: Why it ended early, if it did.
    """

    created: int = 0
    updated: int = 0
    deleted: int = 0
    retried: int = 0
    listed: int = 0
    merged: int = 0
    erased: int = 0
    failed: int = 0
    returned: int = 0
    trouble: str | None = None

    def is_stopped(self) -> bool:
        """Whether no more should be asked now."""
        return self.trouble is not None


async def notice(context: Context, erase: Erase) -> NoticeReport:
    """Read what changed since the last time, and do about it what the settings say.

    Args:
        context: Whose.
        erase: How a person is erased, where the settings say so.
    """
    report = NoticeReport()
    async with context.pool.acquire() as connection:
        report.trouble = await pauses.why(connection, context.tenant.id, Direction.CONTACTS)
    handlers = {
        ChangeType.CREATED: _created,
        ChangeType.UPDATED: _updated,
        ChangeType.DELETED: _deleted,
    }
    for change_type, handle in handlers.items():
        if report.is_stopped():
            break
        async with context.pool.acquire() as connection:
            now = await context.clock.read(connection)
            last = await connection.fetchval(READ_UNTIL, context.tenant.id, change_type.value)
        since = _since(context, last, now)
        changed = await changed_contacts(context, change_type, since, now + CLOCKS_APART)
        if isinstance(changed, str):
            report.trouble = changed
            break
        await handle(context, erase, changed, report, now)
        if not report.is_stopped():
            async with context.pool.acquire() as connection:
                await connection.execute(NOTE_READ, context.tenant.id, change_type.value, now)
    return report


def _since(context: Context, last: datetime | None, now: datetime) -> datetime:
    options = context.options.contacts
    if last is None:
        return now - timedelta(days=options.back_days)
    return last - timedelta(minutes=options.overlap_minutes)


async def _known(context: Context, contacts: Sequence[ContactId]) -> dict[ContactId, HolderId]:
    async with context.pool.acquire() as connection:
        rows = await connection.fetch(KNOWN, context.tenant.id, list(contacts))
    return {ContactId(row["contact_id"]): HolderId(row["holder_id"]) for row in rows}


async def _created(
    context: Context,
    _: Erase,
    contacts: Sequence[ContactId],
    report: NoticeReport,
    now: datetime,
) -> None:
    """What was parked for want of a contact is tried again; who had gone may be back."""
    known = await _known(context, contacts)
    report.created += len(known)
    if not known:
        return
    async with context.pool.acquire() as connection:
        report.retried += await parked.retry(context, connection, holders=list(known.values()))
        missing = await gone.missing(connection, context.tenant.id, list(known))
    back = []
    for contact in missing:  # it may have been made long before it was deleted
        exchange = await context.client.contact(str(contact))
        if isinstance(exchange, Answered):
            back.append(contact)
    async with context.pool.acquire() as connection:
        report.returned += await gone.note_returned(connection, context.tenant.id, back, now)


async def _updated(
    context: Context,
    _: Erase,
    contacts: Sequence[ContactId],
    report: NoticeReport,
    now: datetime,
) -> None:
    """A changed contact may have another member number: it is asked for again."""
    report.updated += len(await _known(context, contacts))
    async with context.pool.acquire() as connection:
        await members.doubt(connection, context.tenant.id, contacts, now)


async def _deleted(
    context: Context,
    erase: Erase,
    contacts: Sequence[ContactId],
    report: NoticeReport,
    now: datetime,
) -> None:
    known = list(await _known(context, contacts))
    async with context.pool.acquire() as connection:
        decided = await gone.decided(connection, context.tenant.id, known)
    for contact in known:
        if contact in decided or report.is_stopped():
            continue
        report.deleted += 1
        exchange = await context.client.contact(str(contact))
        if isinstance(exchange, Answered):
            continue  # it is there again
        if not (isinstance(exchange, Refused) and exchange.status == 404):
            report.trouble = describe(exchange)
            return
        await _decide(context, erase, contact, report, now)


async def _decide(
    context: Context, erase: Erase, contact: ContactId, report: NoticeReport, now: datetime
) -> None:
    """Do about a contact that is gone what the settings say, and write it down."""
    into = await _whose_now(context, contact, report)
    if report.is_stopped():
        return
    options = context.options.contacts
    decision, message = Decision.LISTED, None
    if into is not None and options.merged is WhenMerged.MERGE:
        decision, message = await _merge(context, contact, into)
    elif into is None and options.deleted is WhenDeleted.ERASE:
        decision, message = await _erase(erase, contact)
    async with context.pool.acquire() as connection:
        if decision is not Decision.ERASED:  # nothing names an erased person
            found = Gone(contact, into, now, decision, message)
            await gone.note(connection, context.tenant.id, found)
            await members.doubt(connection, context.tenant.id, [contact], now)
    setattr(report, decision.value, getattr(report, decision.value) + 1)
    logger.warning("engage contacts tenant=%s gone=1 decision=%s", context.tenant.name, decision)


async def _whose_now(
    context: Context, contact: ContactId, report: NoticeReport
) -> ContactId | None:
    """Whom the member numbers of a contact that is gone lead to now, where that is one other."""
    async with context.pool.acquire() as connection:
        numbers = await members.numbers_of(connection, context.tenant.id, contact)
    others: set[ContactId] = set()
    for number in numbers:
        resolution = await ask(context, number)
        if not isinstance(resolution, Member):
            report.trouble = resolution.message
            return None
        if resolution.contact is not None and resolution.contact != contact:
            others.add(resolution.contact)
    return others.pop() if len(others) == 1 else None


async def _merge(
    context: Context, contact: ContactId, into: ContactId
) -> tuple[Decision, str | None]:
    key = f"engage:merged:{contact}:{into}"
    try:
        await merge_contacts(
            context.books,
            context.tenant.id,
            contact,
            into,
            idempotency_key=key,
            fingerprint=contact.bytes,
        )
    except NotMergedError as error:
        return Decision.FAILED, str(error)
    return Decision.MERGED, None


async def _erase(erase: Erase, contact: ContactId) -> tuple[Decision, str | None]:
    try:
        await erase(contact)
    except NotErasedError as error:
        return Decision.FAILED, str(error)
    return Decision.ERASED, None
