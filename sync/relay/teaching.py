"""Telling whose is what, where no event of the vendor's will: the guests there were before.

The one hard idea: what is told here is remembered just as what a vendor's event teaches, and lets
go whatever waits for it; a later event of the vendor's that says otherwise holds. What could never
be waited for is refused: a slip in a list would show in nothing but events that go on waiting.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple

from ledger.connection import Connection
from sync.relay.intake import KEY_BYTES_MAX, is_too_long
from sync.relay.mapping.names import customer_trouble
from sync.relay.pointers import as_text
from sync.relay.register import SourceId, SourceRecord
from sync.relay.settings import Source
from sync.relay.storing import Taught, learn
from sync.relay.vendors.protocol import Lesson


class Whose(NamedTuple):
    """That what is waited for by this key belongs to a customer."""

    waits_for: str
    customer: str


class Told(NamedTuple):
    """What came of it.

    Attributes:
        released: How many events go on now that their customer is known.
    """

    told: int
    released: int


def trouble_of(source: Source, whose: Whose) -> tuple[str, str] | None:
    """Which of both can't be, and why; `None` if both can."""
    form = source.module.waits_for
    if form is None:
        return "waits_for", f"is nothing that events of {source.vendor.value} wait for"
    parts, wanted = whose.waits_for.split("/"), form.split("/")
    if len(parts) != len(wanted) or parts[0] != wanted[0] or not parts[-1]:
        return "waits_for", f"must be like {form}"
    if is_too_long(whose.waits_for):
        return "waits_for", f"has more than {KEY_BYTES_MAX} bytes in UTF-8"
    if any(_is_not_as_read(part) for part in parts):
        return "waits_for", "has blanks around a part, which no event has"
    trouble = customer_trouble(whose.customer)
    if trouble is None and _is_not_as_read(whose.customer):
        trouble = "has blanks around it, which no event has"
    return None if trouble is None else ("customer", trouble)


def _is_not_as_read(text: str) -> bool:
    """Whether a text would be another one if it had come with an event."""
    return bool(text) and as_text(text) != text


def judged(
    source: Source, given: Iterable[Whose]
) -> Iterator[tuple[Whose, tuple[str, str] | None]]:
    """Each that is told, with its trouble if it has any: in itself or with one before it."""
    told: dict[str, str] = {}
    for whose in given:
        trouble = trouble_of(source, whose)
        if trouble is None and told.setdefault(whose.waits_for, whose.customer) != whose.customer:
            trouble = "waits_for", "was told of another customer before"
        yield whose, trouble


async def teach(
    connection: Connection,
    source: SourceRecord,
    groups: Mapping[SourceId, list[SourceId]],
    given: Sequence[Whose],
    now: datetime,
) -> Told:
    """Remember whose things are, and let what waits for them go on.

    Args:
        connection: In a transaction.
        source: Whose events wait.
        groups: The sources of each group.
        given: All without trouble.
        now: As of when it is so.
    """
    lessons = [
        Taught(source.group, Lesson(one.waits_for, one.customer, lasts=True), now, None)
        for one in given
    ]
    return Told(len(given), await learn(connection, lessons, dict(groups), now))
