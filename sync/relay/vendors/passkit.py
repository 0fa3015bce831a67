"""PassKit: six things that can happen to a pass, told without id and without time.

The one hard idea: what the wire lacks is derived. The time is that of the pass's own history which
fits the event (issued, installed, …); what makes the event the one it is, is that time with the
event and the pass. Where there is no such time, the body itself stands for the event for a while.

Enums come as names or numbers, times as objects or text, and every value of `recordData` is a
text, numbers included.

Contract: docs/contracts/passkit.md.
"""

import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sync.relay.documents import hash_of
from sync.relay.instants import read_instant
from sync.relay.mapping.mapper import Told
from sync.relay.mapping.names import snake_case
from sync.relay.mapping.values import ValueType
from sync.relay.pointers import Pointer, as_text, find, first_text
from sync.relay.vendors.protocol import UNKNOWN, Arrival, Reading, VendorOptions, object_at, part_of

CUSTOMER: Final[tuple[Pointer, ...]] = (
    ("pass", "externalId"),
    ("pass", "recordData", "members.member.externalId"),
    ("pass", "recordData", "singleUseCoupons.coupon.externalId"),
    ("pass", "personDetails", "externalId"),
)

EVENT_NUMBERS: Final = {
    "1": "RECORD_CREATED",
    "2": "INSTALLED",
    "4": "RECORD_UPDATED",
    "8": "UNINSTALLED",
    "16": "INVALIDATED",
    "32": "RECORD_DELETED",
}
NAMES: Final = {
    "RECORD_CREATED": "pass_created",
    "INSTALLED": "pass_installed",
    "RECORD_UPDATED": "pass_updated",
    "UNINSTALLED": "pass_uninstalled",
    "INVALIDATED": "pass_invalidated",
    "RECORD_DELETED": "pass_deleted",
}
TIMES: Final = {
    "RECORD_CREATED": "issueAt",
    "INSTALLED": "lastInstalledAt",
    "RECORD_UPDATED": "lastUpdatedAt",
    "UNINSTALLED": "lastUninstalledAt",
    "INVALIDATED": "invalidatedAt",
}
"""Which time of the pass's history is the event's; a deletion has none."""

PROTOCOLS: Final = {
    "3": "FLIGHT_PROTOCOL",
    "100": "MEMBERSHIP",
    "101": "SINGLE_USE_COUPON",
    "102": "EVENT_TICKETING",
}
STATUSES: Final = {
    "0": "PASS_ISSUED",
    "1": "PASS_INSTALLED",
    "2": "PASS_UNINSTALLED",
    "3": "PASS_INVALIDATED",
}

NUMERIC: Final = frozenset(
    {
        "members.member.points",
        "members.member.secondaryPoints",
        "members.member.tierPoints",
    }
)
"""Entries of `recordData` that are numbers written as text."""

PROFILE: Final = {
    "passkit_points": "members.member.points",
    "passkit_tier_points": "members.member.tierPoints",
    "passkit_tier": "members.tier.name",
    "passkit_expires_at": "universal.expiryDate",
}

_PREFIX = re.compile(r"^(PASS_EVENT_|PASS_PROTOCOL_)")


class PassKit:
    """PassKit's documents."""

    prefix = "passkit"
    waits_for: str | None = None
    denied = frozenset(
        {
            "installipaddress",
            "installuseragent",
            "issueipaddress",
            "issueuseragent",
            "renderipaddress",
            "renderuseragent",
            "useragent",
        }
    )

    def __init__(self, options: VendorOptions) -> None:
        self._options = options
        self._customer = options.places.customer or CUSTOMER

    def read(self, document: Any, arrival: Arrival) -> Iterator[Reading]:
        """The event of a document; a list of documents is several."""
        if isinstance(document, list):
            for number, part in enumerate(document):
                yield from self.read(part, part_of(arrival, number))
            return
        event = _event(document, self._options.places.family)
        at = self._time(document, event)
        identifier = as_text(find(document, ("pass", "id")))
        if arrival.channel_key is not None:
            key, window = arrival.channel_key, None
        elif at is not None and identifier is not None:
            key, window = f"pass/{event}/{identifier}/{at.isoformat()}", None
        else:
            key, window = f"body/{hash_of(document)}", self._options.repeat_seconds
        yield Reading(
            family=NAMES.get(event, event),
            key=key,
            document=document,
            window_seconds=window,
            customer=first_text(document, self._customer),
            occurred_at=at,
        )

    def tell(self, document: Any) -> Told:
        """What an event says: the pass, its state, and what is recorded with it."""
        event = _event(document, self._options.places.family)
        the_pass = object_at(document, "pass")
        metadata = _metadata(the_pass)
        record = object_at(the_pass, "recordData")
        attributes: dict[str, Any] = {
            "pass_id": as_text(the_pass.get("id")),
            "class_id": as_text(the_pass.get("classId")),
            "protocol": _word(the_pass.get("protocol"), PROTOCOLS),
            "status": _word(metadata.get("status"), STATUSES),
        }
        types: dict[str, ValueType] = {}
        for name, value in record.items():
            new = snake_case(re.sub(r"\W+", "_", name))
            attributes[new] = value
            if name in NUMERIC:
                types[new] = ValueType.NUMBER
        for name, value in metadata.items():
            moment = read_instant(value, self._options.zone) if name.endswith("At") else None
            if moment is not None:
                attributes[snake_case(name)] = moment.isoformat()
        events = metadata.get("lifecycleEvents")
        if isinstance(events, list):
            attributes["lifecycle_events"] = events
        profile = {new: record.get(name) for new, name in PROFILE.items()}
        types.update({"passkit_points": ValueType.NUMBER, "passkit_tier_points": ValueType.NUMBER})
        return Told(
            family=NAMES.get(event, event),
            words=(NAMES.get(event, event),),
            attributes=attributes,
            profile=profile,
            types=types,
        )

    def _time(self, document: Any, event: str) -> datetime | None:
        for place in self._options.places.time:
            found = read_instant(find(document, place), self._options.zone)
            if found is not None:
                return found
        name = TIMES.get(event)
        if name is None:
            return None
        metadata = _metadata(object_at(document, "pass"))
        return read_instant(metadata.get(name), self._options.zone)


def _event(document: Any, places: Sequence[Pointer]) -> str:
    """The event's name without its prefix, whether it came as name or as number."""
    written = first_text(document, places or (("event",),)) or UNKNOWN
    return EVENT_NUMBERS.get(written, _PREFIX.sub("", written))


def _metadata(the_pass: Mapping[str, Any]) -> dict[str, Any]:
    """The pass's history; one of PassKit's samples spells its key `metaData`."""
    return object_at(the_pass, "metadata") or object_at(the_pass, "metaData")


def _word(value: Any, words: Mapping[str, str]) -> str | None:
    """The name of a member of an enum, whether it came as name or as number."""
    text = as_text(value)
    return None if text is None else words.get(text, _PREFIX.sub("", text))
