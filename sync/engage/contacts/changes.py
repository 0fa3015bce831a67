"""Asking Engage which contacts changed.

Contract: docs/contracts/engage.md, "Contacts".
"""

from collections.abc import Iterator
from datetime import datetime
from enum import StrEnum
from uuid import UUID

import msgspec

from ledger.identity import ContactId
from sync.engage.context import Context
from sync.engage.exchange import Answered
from sync.engage.lenient import fields_of, items_of, word_of
from sync.engage.progress import describe
from sync.engage.totals import time_stamp


class ChangeType(StrEnum):
    """What happened to contacts, in Engage's words."""

    CREATED = "Created"
    UPDATED = "Updated"
    DELETED = "Deleted"


async def changed_contacts(
    context: Context, change_type: ChangeType, since: datetime, until: datetime
) -> list[ContactId] | str:
    """The contacts to which that happened in a stretch of time, or why that isn't known."""
    exchange = await context.client.contact_changes(
        change_type.value, time_stamp(since), time_stamp(until)
    )
    if not isinstance(exchange, Answered):
        return describe(exchange)
    items = items_of(exchange.body)
    if items is None:
        fields = fields_of(exchange.body)
        items = items_of(fields.get("items") or fields.get("contactids"))
    if items is None:
        return "changes of contacts in a form that can't be read"
    return list(dict.fromkeys(_contacts(items)))


def _contacts(items: list[msgspec.Raw]) -> Iterator[ContactId]:
    """Ids as bare texts or in objects; what is neither is passed over."""
    for item in items:
        fields = fields_of(item)
        text = word_of(fields.get("id") or fields.get("contactid")) if fields else word_of(item)
        try:
            yield ContactId(UUID(text or ""))
        except ValueError:
            continue
