"""Open Loyalty: twelve types of the older webhooks, and the subscriptions of 5.x.

The one hard idea: the sender waits one second, never tries again and gives its messages no id. So
two equal messages are two events unless something in them is unique or they come within seconds of
each other; losing one is worse than telling it twice.

`data` may be a list of up to a thousand, each an event of its own. A purchase is told before it is
known whose it is: `transaction.registered` waits for `transaction.assigned_to_customer`.

Contract: docs/contracts/openloyalty.md.
"""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import Any, Final

from sync.relay.documents import hash_of
from sync.relay.instants import read_instant
from sync.relay.mapping.mapper import Told
from sync.relay.mapping.names import snake_case
from sync.relay.mapping.values import ValueType
from sync.relay.pointers import Pointer, as_text, find, first_text
from sync.relay.vendors.protocol import UNKNOWN, Arrival, Lesson, Reading, VendorOptions, part_of

TYPE: Final[tuple[Pointer, ...]] = (("type",), ("eventName",), ("event_name",), ("event",))
CUSTOMER: Final[tuple[Pointer, ...]] = (
    ("data", "customerId"),
    ("data", "customer_id"),
    ("data", "memberId"),
    ("data", "member_id"),
)
TIME: Final[tuple[Pointer, ...]] = (("createdAt",), ("created_at",))

TRANSFER_TIMES: Final[tuple[Pointer, ...]] = (("data", "createdAt"), ("data", "created_at"))
"""Only of a transfer; a customer's `createdAt` is when the customer came to be."""

REGISTERED: Final = "transaction/registered"
ASSIGNED: Final = "transaction/assigned_to_customer"
POINTS_CHANGED: Final = "account/available_points_amount_changed"
POINTS_TRANSFER: Final = "account/points_transfer"
LEVELS: Final = frozenset({"customer/level_changed", "customer/level_changed_automatically"})
PROFILES: Final = frozenset({"customer/registered", "customer/updated"})

NEWER_NAMES: Final = {
    "available_points_amount_changed": POINTS_CHANGED,
    "campaign_bought": "customer/bought_campaign",
    "customer_bought_campaign": "customer/bought_campaign",
    "customer_deactivated": "customer/deactivated",
    "customer_deleted": "customer/deleted",
    "customer_level_changed": "customer/level_changed",
    "customer_level_changed_automatically": "customer/level_changed_automatically",
    "customer_registered": "customer/registered",
    "customer_updated": "customer/updated",
    "expiring_points_notification": "account/expiring_points_notification",
    "points_transfer": POINTS_TRANSFER,
    "transaction_assigned_to_customer": ASSIGNED,
    "transaction_registered": REGISTERED,
}
"""What 5.x calls `CustomerRegistered` is the older `customer.registered`."""

UNIQUE: Final = ("points_transfer_id", "transaction_id", "coupon_code")
"""Any of these in `data` makes a message's content unique."""

STANDARD: Final = {
    "first_name": "u_fn",
    "last_name": "u_ln",
    "email": "u_em",
    "phone": "u_mb",
    "gender": "u_gd",
    "birth_date": "u_bd",
}


class OpenLoyalty:
    """Open Loyalty's documents."""

    prefix = "openloyalty"
    waits_for: str | None = "transaction/TRANSACTION"
    denied = frozenset({"couponcode", "coupon_code", "password", "plainpassword", "token"})

    def __init__(self, options: VendorOptions) -> None:
        self._options = options
        self._customer = options.places.customer or CUSTOMER

    def read(self, document: Any, arrival: Arrival) -> Iterator[Reading]:
        """The events of a message: one, or one for each element of its `data`."""
        if isinstance(document, list):
            for number, part in enumerate(document):
                yield from self.read(part, part_of(arrival, number))
            return
        data = document.get("data") if isinstance(document, dict) else None
        if not isinstance(data, list):
            yield self._one(document, arrival, self._key(document, arrival))
            return
        whole, window = self._key(document, arrival)
        for number, part in enumerate(data):
            yield self._one({**document, "data": part}, arrival, (f"{whole}/{number}", window))

    def tell(self, document: Any) -> Told:
        """What an event says; names in one casing, whatever casing they came in."""
        family = _family(document, self._options.places.family)
        said = _in_snake_case(document.get("data")) if isinstance(document, dict) else {}
        data = dict(said) if isinstance(said, dict) else {"data": said}
        nested = data.get("data")
        if isinstance(nested, dict):
            # A registration has the person's details in a second `data`.
            del data["data"]
            data = {**data, **{name: one for name, one in nested.items() if name not in data}}
        types: dict[str, ValueType] = {"created_at": ValueType.DATETIME, "phone": ValueType.TEXT}
        types |= {"u_bd": ValueType.DATETIME, "u_mb": ValueType.TEXT}
        return Told(
            family=family,
            words=tuple(family.split("/")),
            attributes=data,
            profile=_profile(family, data),
            types=types,
        )

    def _one(self, document: Any, arrival: Arrival, key: tuple[str, int | None]) -> Reading:
        del arrival
        family = _family(document, self._options.places.family)
        customer = first_text(document, self._customer)
        transaction = first_text(document, (("data", "transactionId"), ("data", "transaction_id")))
        join_key = f"transaction/{transaction}" if transaction is not None else None
        lessons = (
            (Lesson(join_key, customer, lasts=False),)
            if family == ASSIGNED and join_key is not None and customer is not None
            else ()
        )
        return Reading(
            family=family,
            key=key[0],
            document=document,
            window_seconds=key[1],
            customer=customer,
            join_key=join_key if family == REGISTERED else None,
            occurred_at=self._time(document, family),
            lessons=lessons,
        )

    def _key(self, document: Any, arrival: Arrival) -> tuple[str, int | None]:
        """What makes a message the one it is, and for how many seconds it does."""
        if arrival.channel_key is not None:
            return arrival.channel_key, None
        data = document.get("data") if isinstance(document, dict) else None
        parts = data if isinstance(data, list) else [data]
        is_unique = all(_is_unique(part) for part in parts)
        return f"body/{hash_of(document)}", None if is_unique else self._options.repeat_seconds

    def _time(self, document: Any, family: str) -> datetime | None:
        places = self._options.places.time or (
            *TIME,
            *(TRANSFER_TIMES if family == POINTS_TRANSFER else ()),
        )
        for place in places:
            found = read_instant(find(document, place), self._options.zone)
            if found is not None:
                return found
        return None


def _family(document: Any, places: Sequence[Pointer]) -> str:
    """The type as `customer/registered`, whichever of the two ways it is written in."""
    written = first_text(document, places or TYPE) or UNKNOWN
    if "." in written:
        return written.replace(".", "/")
    word = snake_case(written)
    return NEWER_NAMES.get(word, word)


def _is_unique(data: Any) -> bool:
    """Whether something in `data` is there only once in the world."""
    said = _in_snake_case(data)
    return isinstance(said, dict) and any(as_text(said.get(name)) for name in UNIQUE)


def _in_snake_case(value: Any) -> Any:
    """A document with all its names in one casing; of two that become one, the first stays."""
    if isinstance(value, list):
        return [_in_snake_case(one) for one in value]
    if not isinstance(value, dict):
        return value
    changed: dict[str, Any] = {}
    for name, one in value.items():
        changed.setdefault(snake_case(name), _in_snake_case(one))
    return changed


def _profile(family: str, data: Mapping[str, Any]) -> dict[str, Any]:
    if family == POINTS_CHANGED:
        return {"openloyalty_points": data.get("amount")}
    if family in LEVELS:
        return {"openloyalty_level": data.get("level_name") or data.get("level_id")}
    if family == "account/expiring_points_notification":
        return {"openloyalty_points_expire_at": data.get("points_will_expire")}
    if family in PROFILES:
        return {new: data.get(name) for name, new in STANDARD.items()}
    return {}
