"""Perx: a mapper told by configuration where things stand; Perx shows its forms to customers only.

The one hard idea: it is tolerant. Each of name, id, customer and time is looked for at the places
that the configuration names, or else at those where such things usually stand; what is not found
is done without. The same mapper serves the webhook, Kafka and the rows of files.

Contract: docs/contracts/perx.md.
"""

from collections.abc import Iterator
from datetime import datetime
from typing import Any, Final

from sync.relay.documents import hash_of
from sync.relay.instants import read_instant
from sync.relay.mapping.mapper import Told
from sync.relay.mapping.names import snake_case
from sync.relay.pointers import Pointer, find, first_text
from sync.relay.vendors.protocol import (
    UNKNOWN,
    Arrival,
    Reading,
    VendorOptions,
    part_of,
    plain_first,
)

FAMILY: Final[tuple[Pointer, ...]] = (
    ("event_type",),
    ("eventType",),
    ("event_name",),
    ("eventName",),
    ("event",),
    ("type",),
)
IDENTIFIER: Final[tuple[Pointer, ...]] = (("event_id",), ("eventId",), ("id",), ("uuid",))
CUSTOMER: Final[tuple[Pointer, ...]] = (
    ("user", "identifier"),
    ("user", "id"),
    ("user_identifier",),
    ("user_id",),
    ("customer", "identifier"),
    ("customer_id",),
    ("identifier",),
)
TIME: Final[tuple[Pointer, ...]] = (
    ("occurred_at",),
    ("occurredAt",),
    ("timestamp",),
    ("created_at",),
    ("createdAt",),
)


class Perx:
    """Perx's documents, as far as the configuration explains them."""

    prefix = "perx"
    waits_for: str | None = None
    denied = frozenset(
        {"access_token", "coupon_code", "password", "refresh_token", "token", "voucher_code"}
    )

    def __init__(self, options: VendorOptions) -> None:
        self._options = options
        places = options.places
        self._family = places.family or FAMILY
        self._identifier = options.identifier or IDENTIFIER
        self._customer = places.customer or CUSTOMER
        self._time = places.time or TIME

    def read(self, document: Any, arrival: Arrival) -> Iterator[Reading]:
        """The event of a document; a list of documents is several."""
        if isinstance(document, list):
            for number, part in enumerate(document):
                yield from self.read(part, part_of(arrival, number))
            return
        identifier = first_text(document, self._identifier)
        family = self._family_of(document)
        key, window = f"body/{hash_of(document)}", self._options.repeat_seconds
        if identifier is not None:
            key = f"event/{family}/{identifier}"
        elif arrival.channel_key is not None:
            key = arrival.channel_key
        yield Reading(
            family=family,
            key=key,
            document=document,
            window_seconds=window if key.startswith("body/") else None,
            customer=first_text(document, self._customer),
            occurred_at=self._moment(document),
        )

    def tell(self, document: Any) -> Told:
        """What an event says: all of it but what it was recognised by."""
        family = self._family_of(document)
        known = {
            place[0]
            for place in (*self._family, *self._time)
            if len(place) == 1 and find(document, place) is not None
        }
        whole = document if isinstance(document, dict) else {"value": document}
        attributes = {
            name: value for name, value in plain_first(whole).items() if name not in known
        }
        return Told(family=family, words=(snake_case(family),), attributes=attributes)

    def _family_of(self, document: Any) -> str:
        return first_text(document, self._family) or UNKNOWN

    def _moment(self, document: Any) -> datetime | None:
        for place in self._time:
            found = read_instant(find(document, place), self._options.zone)
            if found is not None:
                return found
        return None
