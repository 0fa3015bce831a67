"""Whose a member number is: from the local map, else from Engage.

The one hard idea: posting to the wrong person is worse than not posting. So a number that Engage
knows twice, or not at all, is no contact; and while Engage can't be asked, nobody is guessed.

Contract: docs/contracts/engage.md, "Contacts".
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias
from uuid import UUID

import msgspec

from ledger.identity import ContactId
from sync.engage.contacts import members
from sync.engage.contacts.members import Lookup, Member
from sync.engage.context import Context
from sync.engage.exchange import Answered, Exchange, Refused
from sync.engage.lenient import fields_of, word_of
from sync.engage.progress import describe
from sync.lanes import Lanes

MEMBER_NUMBER_LENGTH_MAX: Final = 100
ASKED_AT_ONCE: Final = 4

_GUID: Final = re.compile(
    r"\{?[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}\}?\Z", re.IGNORECASE
)


@dataclass(frozen=True, slots=True)
class Unasked:
    """Engage could not be asked; the message says why."""

    message: str


Resolution: TypeAlias = Member | Unasked
"""What is known of a member number."""


async def resolve(context: Context, numbers: Sequence[str]) -> dict[str, Resolution]:
    """Whose member numbers are, each once; asks Engage for those it was not asked for lately."""
    wanted = list(dict.fromkeys(numbers))
    async with context.pool.acquire() as connection:
        now = await context.clock.read(connection)
        known = await members.read(connection, context.tenant.id, wanted, now)
    found: dict[str, Resolution] = dict(known)
    async with Lanes(ASKED_AT_ONCE) as lanes:
        for number in wanted:
            if number not in known:
                await lanes.start(_ask(context, number, found, now))
    return found


async def ask(context: Context, number: str) -> Resolution:
    """Whose a member number is by what Engage says now; nothing is remembered."""
    options = context.options.contacts
    exchange = await context.client.contact_by(
        options.key, number, options.contact_type, seconds=options.lookup_seconds
    )
    return resolution_of(exchange)


async def _ask(context: Context, number: str, found: dict[str, Resolution], now: datetime) -> None:
    unasked = [one for one in found.values() if isinstance(one, Unasked)]
    if unasked:
        found[number] = unasked[0]  # it would only wait as long, and hear as little
        return
    resolution = await ask(context, number)
    found[number] = resolution
    if isinstance(resolution, Unasked):
        return
    options = context.options.contacts
    counts_for = (
        timedelta(hours=options.found_hours)
        if resolution.outcome is Lookup.FOUND
        else timedelta(seconds=options.unknown_seconds)
    )
    async with context.pool.acquire() as connection:
        await members.keep(connection, context.tenant.id, number, resolution, now, now + counts_for)


def resolution_of(exchange: Exchange) -> Resolution:
    """What an answer to the question for a contact means."""
    if isinstance(exchange, Answered):
        contact = _contact_in(exchange.body)
        return (
            Unasked("the answer has no contact's id in it")
            if contact is None
            else Member(Lookup.FOUND, contact)
        )
    if isinstance(exchange, Refused):
        if exchange.status == 404:
            return Member(Lookup.UNKNOWN)
        if exchange.status == 409:
            return Member(Lookup.AMBIGUOUS)
        if exchange.status == 400:
            return Member(Lookup.UNKNOWN)  # what Engage can't look for, nobody has
    return Unasked(describe(exchange))


def _contact_in(body: bytes) -> ContactId | None:
    """A GUID as a bare text, or in the field of an object."""
    text = word_of(msgspec.Raw(body.strip()))
    if text is None:
        fields = fields_of(body)
        text = word_of(fields.get("id") or fields.get("contactid"))
    if text is None or _GUID.match(text.strip()) is None:
        return None
    return ContactId(UUID(text.strip()))
