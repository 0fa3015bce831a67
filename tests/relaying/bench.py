"""A workbench for the relay's pure rooms: a message in, elements out, judged by the stand-in."""

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import msgspec

from sandbox.findings import Findings
from sandbox.moengage.elements import read_bulk
from sandbox.moengage.rules import Inspector
from sandbox.moengage.settings import RuleSettings
from sync.relay.documents import read_document
from sync.relay.intake import EventState, Incoming, take_in
from sync.relay.mapping.elements import Element, customer_element
from sync.relay.mapping.lexicon import Learner, Lexicon
from sync.relay.mapping.mapper import Mapped, Occurrence, Unmappable, mapped
from sync.relay.mapping.packing import bulk_body
from sync.relay.mapping.rules import MappingRules
from sync.relay.options import BooksOptions, DestinationOptions, SourceOptions
from sync.relay.settings import Destination, Source, source_of
from sync.relay.vendors.protocol import Arrival, Vendor
from sync.secret import Secret
from tests.relaying.samples import ID, RECEIVED

NOW = datetime.fromisoformat(RECEIVED)

DESTINATION = Destination(
    name="main",
    tenant="acme",
    address="http://127.0.0.1:1",
    options=DestinationOptions(workspace="sandbox-workspace", address="http://127.0.0.1:1"),
    key=Secret("sandbox-data-key"),
)


def source(vendor: Vendor, rules: MappingRules | None = None, **options: Any) -> Source:
    """A source of a vendor, for tests that need no channel."""
    books = BooksOptions() if vendor is Vendor.LEDGER else None
    return source_of(
        vendor.value,
        SourceOptions(
            vendor=vendor,
            destination="main",
            books=books,
            mapping=rules or MappingRules(),
            **options,
        ),
        tenant="acme",
    )


def same_id() -> Iterator[UUID]:
    while True:
        yield UUID(ID)


def received(
    source: Source, body: str | bytes, channel_key: str | None = None
) -> tuple[Incoming, ...]:
    """The events of a message."""
    raw = body.encode() if isinstance(body, str) else body
    return take_in(source, raw, Arrival(NOW, channel_key), same_id())


def sent(
    source: Source, incoming: Incoming, learner: Learner | None = None, now: datetime = NOW
) -> Mapped | Unmappable:
    """What becomes of an event that has a customer."""
    assert incoming.payload is not None
    assert incoming.customer is not None
    document = read_document(incoming.payload)
    return mapped(
        source.module.tell(document),
        document,
        Occurrence(incoming.id, incoming.customer, incoming.occurred_at or NOW),
        source.style(DESTINATION),
        learner or Learner(Lexicon()),
        now,
    )


def elements_of(incoming: Incoming, found: Mapped) -> list[Element]:
    """All that is sent of an event, the profile first."""
    assert incoming.customer is not None
    elements = [found.event]
    if found.profile:
        elements.insert(
            0,
            customer_element(
                incoming.id,
                incoming.customer,
                found.profile,
                update_existing_only=False,
                bytes_max=DESTINATION.element_bytes_max,
            ),
        )
    return elements


def decoded(element: Element) -> dict[str, Any]:
    found: dict[str, Any] = msgspec.json.decode(element.body)
    return found


class Inspection:
    """The stand-in MoEngage's judgement over many events, as it would keep it."""

    def __init__(self) -> None:
        self._findings = Findings()
        self._inspector = Inspector(self._findings)

    def of(self, elements: Sequence[Element]) -> dict[str, int]:
        """What is found wrong with elements, by kind; raises where they are refused."""
        for element in read_bulk(bulk_body(elements)):
            self._inspector.inspect(element, NOW.astimezone(UTC), RuleSettings())
        return dict(self._findings.counts)


def waits(incoming: Incoming) -> bool:
    return incoming.state is EventState.WAITING and incoming.customer is not None
