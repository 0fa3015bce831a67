"""What a vendor's message becomes, without storing or sending anything.

The one hard idea: it is the way of a real message, through the same modules and in the same order;
only what must be looked up is not known here, and is said to be so.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import msgspec

from sync.relay.documents import read_document
from sync.relay.intake import Incoming, take_in
from sync.relay.mapping.elements import customer_element
from sync.relay.mapping.lexicon import Learner, Lexicon
from sync.relay.mapping.mapper import Occurrence, Style, Unmappable, mapped
from sync.relay.settings import Source
from sync.relay.vendors.protocol import Arrival

ELEMENT_BYTES_MAX: Final = 99_000
NOBODY: Final = "(the customer)"
"""Stands for a customer who would be looked up."""


class Preview(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One event of a message.

    Attributes:
        customer: Whose it is; `None` where that is not said.
        waits_for: By what its customer would be looked up.
        repeat: For how long the same again counts as a repeat.
        held: Why it would not be sent.
        elements: What would be sent, the customer's attributes first.
        notes: What was left out or changed.
    """

    family: str
    occurred_at: datetime | None
    customer: str | None
    waits_for: str | None
    repeat: str
    held: str | None
    elements: tuple[dict[str, Any], ...]
    notes: tuple[str, ...]


def preview_of(source: Source, body: bytes, now: datetime) -> list[Preview]:
    """What the events of a message become."""
    learner = Learner(Lexicon())
    style = source.style_of(ELEMENT_BYTES_MAX)
    incoming = take_in(source, body, Arrival(now), _numbered())
    return [_preview(source, style, one, learner, now) for one in incoming]


def _numbered() -> Iterator[UUID]:
    number = 0
    while True:
        number += 1
        yield UUID(int=number)


def _preview(
    source: Source, style: Style, incoming: Incoming, learner: Learner, now: datetime
) -> Preview:
    held = None
    if incoming.reason is not None:
        held = f"{incoming.reason}: {incoming.message}"
    elements: tuple[dict[str, Any], ...] = ()
    notes: tuple[str, ...] = ()
    if incoming.payload is not None and held is None:
        document = read_document(incoming.payload)
        occurrence = Occurrence(
            incoming.id, incoming.customer or NOBODY, incoming.occurred_at or now
        )
        found = mapped(source.module.tell(document), document, occurrence, style, learner, now)
        if isinstance(found, Unmappable):
            held = f"{found.reason}: {found.message}"
        else:
            bodies = [found.event.body]
            if found.profile:
                profile = customer_element(
                    incoming.id,
                    occurrence.customer,
                    found.profile,
                    update_existing_only=False,
                    bytes_max=ELEMENT_BYTES_MAX,
                )
                bodies.insert(0, profile.body)
            elements = tuple(msgspec.json.decode(one) for one in bodies)
            notes = found.notes
    window = "for ever"
    if incoming.fresh_until is not None:
        window = f"within {(incoming.fresh_until - now).total_seconds():g} seconds"
    return Preview(
        family=incoming.family,
        occurred_at=incoming.occurred_at,
        customer=incoming.customer,
        waits_for=incoming.learnable,
        repeat=window,
        held=held,
        elements=elements,
        notes=notes,
    )
