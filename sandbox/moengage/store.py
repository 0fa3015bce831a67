"""What a workspace received: every event and user, in order of arrival, by customer.

A million events must fit, so an entry is a few numbers and the bytes as they came; what a profile
looks like after all of them is worked out only when somebody looks. Repeats are counted by the
relay's own id, because MoEngage itself has none.
"""

from collections.abc import Iterator
from datetime import UTC, datetime
from typing import Any

import msgspec

from sandbox.moengage.elements import Element, Kind


class Entry(msgspec.Struct, frozen=True, gc=False):
    """One event, or one update of a user or device."""

    number: int
    """In order of arrival, from 1."""
    at: float
    """Unix time of arrival."""
    kind: Kind
    customer_id: str
    name: str | None
    """Of the event."""
    relay_event_id: str | None
    event_time: str | None
    processed: bool
    """False: MoEngage would have ignored it."""
    raw: bytes | None
    """The whole element as it came; None when bodies are not kept."""

    def shown(self, *, bodies: bool) -> dict[str, Any]:
        """The entry for people and programs."""
        shown: dict[str, Any] = {
            "number": self.number,
            "at": datetime.fromtimestamp(self.at, UTC),
            "kind": self.kind.value,
            "customerId": self.customer_id,
            "name": self.name,
            "relayEventId": self.relay_event_id,
            "eventTime": self.event_time,
            "processed": self.processed,
        }
        if bodies:
            shown["element"] = None if self.raw is None else msgspec.Raw(self.raw)
        return shown


class Store:
    """The entries of one workspace."""

    def __init__(self) -> None:
        self.entries: list[Entry] = []
        self.by_customer: dict[str, list[Entry]] = {}
        self.relay_ids: dict[str, int] = {}
        """How often each came."""
        self.repeated = 0
        """Ids that came more than once."""
        self.without_relay_id = 0
        self.counts: dict[Kind, int] = dict.fromkeys(Kind, 0)
        self.ignored = 0
        self._names: dict[str, str] = {}
        self._minutes: dict[str, tuple[int, int]] = {}

    def known(self, customer_id: str) -> bool:
        """Whether MoEngage has a profile of that customer: something of theirs was processed."""
        return any(entry.processed for entry in self.by_customer.get(customer_id, ()))

    def add(
        self,
        element: Element,
        processed: tuple[bool, ...],
        at: float,
        relay_attribute: str,
        *,
        keep_body: bool,
    ) -> None:
        """Keep an element: an entry for each of its events, or one for a user or device."""
        raw = element.raw if keep_body else None
        if element.kind is not Kind.EVENT:
            relay_id = element.content["attributes"].get(relay_attribute)
            self._keep(element, None, relay_id, None, processed[0], at, raw)
            return
        for action, one in zip(element.actions, processed, strict=True):
            name = self._names.setdefault(action["action"], action["action"])
            relay_id = action.get("attributes", {}).get(relay_attribute)
            self._keep(element, name, relay_id, action.get("current_time"), one, at, raw)

    def count_minute(self, customer_id: str, at: float, units: int) -> int:
        """How many events and updates of one customer came in the present minute, with these."""
        minute = int(at // 60)
        before, count = self._minutes.get(customer_id, (minute, 0))
        count = units if before != minute else count + units
        self._minutes[customer_id] = (minute, count)
        return count

    def profile(self, customer_id: str) -> dict[str, Any]:
        """The attributes of a customer after all updates that were processed."""
        attributes: dict[str, Any] = {}
        for entry in self.by_customer.get(customer_id, ()):
            if entry.kind is Kind.CUSTOMER and entry.processed and entry.raw is not None:
                update = msgspec.json.decode(entry.raw)["attributes"]
                added = update.pop("addValueToArrayField", {})
                removed = update.pop("removeValueFromArrayField", {})
                attributes.update(update)
                for name, value in added.items():
                    attributes[name] = [*_list(attributes.get(name)), *_list(value)]
                for name, value in removed.items():
                    gone = _list(value)
                    kept = [one for one in _list(attributes.get(name)) if one not in gone]
                    attributes[name] = kept
        return attributes

    def repeated_ids(self) -> Iterator[tuple[str, int]]:
        """The relay's ids that came more than once, with how often."""
        return ((one, count) for one, count in self.relay_ids.items() if count > 1)

    def _keep(
        self,
        element: Element,
        name: str | None,
        relay_id: Any,
        event_time: Any,
        processed: bool,  # noqa: FBT001 - one of the columns of an entry
        at: float,
        raw: bytes | None,
    ) -> None:
        entries = self.by_customer.setdefault(element.customer_id, [])
        entry = Entry(
            number=len(self.entries) + 1,
            at=at,
            kind=element.kind,
            customer_id=entries[0].customer_id if entries else element.customer_id,
            name=name,
            relay_event_id=None if relay_id is None else str(relay_id),
            event_time=None if event_time is None else str(event_time),
            processed=processed,
            raw=raw,
        )
        self.entries.append(entry)
        entries.append(entry)
        self.counts[element.kind] += 1
        self.ignored += not processed
        if entry.relay_event_id is None:
            self.without_relay_id += 1
        else:
            count = self.relay_ids.get(entry.relay_event_id, 0) + 1
            self.relay_ids[entry.relay_event_id] = count
            self.repeated += count == 2


def _list(value: Any) -> list[Any]:
    if value is None:
        return []
    return list(value) if isinstance(value, list) else [value]
