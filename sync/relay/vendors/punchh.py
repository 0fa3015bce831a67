"""Punchh (PAR): one envelope for nine families of events, and others that may come.

The one hard idea: most events name a Punchh user and not the customer. What links them,
`external_source_id`, comes with the `users` events; so those teach whom a `user_id` belongs to, and
an event that lacks the link waits for it under its `user_id`.

Whole numbers have any size, `timestamp` may be in seconds or in milliseconds, and names carry stray
blanks.

Contract: docs/contracts/punchh.md.
"""

import re
from collections.abc import Iterator, Sequence
from decimal import Decimal
from typing import Any, Final

from sync.relay.documents import hash_of
from sync.relay.instants import read_instant
from sync.relay.mapping.mapper import Told
from sync.relay.mapping.names import attribute_name
from sync.relay.mapping.values import ValueType
from sync.relay.pointers import Pointer, as_text, find, first_text
from sync.relay.vendors.protocol import (
    UNKNOWN,
    Arrival,
    Lesson,
    Reading,
    VendorOptions,
    object_at,
    part_of,
    plain_first,
)

CUSTOMER: Final[tuple[Pointer, ...]] = (
    ("payload", "external_source_id"),
    ("payload", "user", "external_source_id"),
)
USER: Final[tuple[Pointer, ...]] = (
    ("payload", "user", "user_id"),
    ("payload", "user", "id"),
    ("payload", "user_id"),
)
NAMED_BY_TYPE: Final = frozenset({"checkins"})
"""Families of few types, each an event of its own; of the others the type is an attribute."""

BUSINESS_LEVEL: Final = frozenset({"redeemables"})

STANDARD: Final = {
    "first_name": "u_fn",
    "last_name": "u_ln",
    "email": "u_em",
    "phone": "u_mb",
    "gender": "u_gd",
    "birthday": "u_bd",
    "user_status": "punchh_user_status",
    "joined_at": "punchh_joined_at",
}
"""What a `users` event tells of a person, and what MoEngage calls it."""

BALANCES_MAX: Final = 40

_NUMBER = re.compile(r"-?\d{1,15}(\.\d{1,9})?", re.ASCII)


class Punchh:
    """Punchh's documents."""

    prefix = "punchh"
    waits_for: str | None = "user/BUSINESS/USER"
    denied = frozenset(
        {
            "access_token",
            "authentication_token",
            "code",
            "coupon_code",
            "email_confirmation_url",
            "internal_tracking_code",
            "password",
            "redemption_code",
            "refresh_token",
            "reset_password_url",
        }
    )

    def __init__(self, options: VendorOptions) -> None:
        self._options = options
        self._customer = options.places.customer or CUSTOMER

    def read(self, document: Any, arrival: Arrival) -> Iterator[Reading]:
        """The event of an envelope; a list of envelopes is several."""
        if isinstance(document, list):
            for number, part in enumerate(document):
                yield from self.read(part, part_of(arrival, number))
            return
        family = _family(document, self._options.places.family)
        content = as_text(find(document, ("content_id",)))
        customer = first_text(document, self._customer)
        join_key = _join_key(document)
        is_of_a_user = family.partition("/")[0] == "users" or family.endswith("/user_signup")
        lessons = (
            (Lesson(join_key, customer, lasts=True),)
            if is_of_a_user and join_key is not None and customer is not None
            else ()
        )
        yield Reading(
            family=family,
            key=arrival.channel_key or (content and f"content/{content}") or _digest(document),
            document=document,
            window_seconds=None if content else self._options.repeat_seconds,
            customer=customer,
            join_key=join_key,
            occurred_at=self._time(document),
            lessons=lessons,
            is_business_level=family.partition("/")[0] in BUSINESS_LEVEL,
        )

    def tell(self, document: Any) -> Told:
        """What an event says: what happened first, the user and the business last."""
        family = _family(document, self._options.places.family)
        first, _, second = family.partition("/")
        payload = object_at(document, "payload")
        event = {name: value for name, value in payload.items() if name != "user"}
        meta = {} if not isinstance(document, dict) else document
        attributes: dict[str, Any] = {}
        for name in ("event_type", "action"):
            attributes[name] = as_text(meta.get(name))
        for name, value in plain_first(event).items():
            attributes[f"payload_{name}" if name in attributes else name] = value
        for name, value in meta.items():
            if name not in {"payload", "event_name", "timestamp", "content_id", *attributes}:
                attributes[name] = value
        user = _user(document, first)
        if "user" in payload:
            attributes["user"] = payload["user"]
        balance = object_at(user, "account_balance")
        types = {
            attribute_name(f"user_account_balance_{name}", self.prefix): ValueType.NUMBER
            for name, value in balance.items()
            if _is_number(value)
        }
        profile = _profile(user, balance, is_told_of=first == "users")
        return Told(
            family=family,
            words=(first, second) if first in NAMED_BY_TYPE else (first,),
            attributes=attributes,
            profile=profile,
            types={
                **types,
                **{
                    name: ValueType.NUMBER
                    for name, value in profile.items()
                    if name not in STANDARD.values() and _is_number(value)
                },
                "u_bd": ValueType.DATETIME,
                "u_mb": ValueType.TEXT,
                "punchh_joined_at": ValueType.DATETIME,
            },
        )

    def _time(self, document: Any) -> Any:
        for place in self._options.places.time or (("timestamp",),):
            found = read_instant(find(document, place), self._options.zone)
            if found is not None:
                return found
        return None


def _family(document: Any, places: Sequence[Pointer]) -> str:
    """The family and, where there is one, the type: `checkins/loyalty`."""
    name = first_text(document, places or (("event_name",),)) or UNKNOWN
    kind = as_text(find(document, ("event_type",)))
    return f"{name}/{kind}" if kind else name


def _user(document: Any, family: str) -> dict[str, Any]:
    """The user of an event, which for some families is the payload itself."""
    payload = object_at(document, "payload")
    user = object_at(payload, "user")
    if user:
        return user
    is_user = family == "users" or "external_source_id" in payload
    return payload if is_user else {}


def _join_key(document: Any) -> str | None:
    user = first_text(document, USER)
    if user is None:
        return None
    business = as_text(find(document, ("business_id",))) or ""
    return f"user/{business}/{user}"


def _profile(user: dict[str, Any], balance: dict[str, Any], *, is_told_of: bool) -> dict[str, Any]:
    profile = {
        f"punchh_{name}": value
        for name, value in list(balance.items())[:BALANCES_MAX]
        if not isinstance(value, dict | list)
    }
    if is_told_of:
        profile.update({new: user.get(name) for name, new in STANDARD.items()})
    return profile


def _is_number(value: Any) -> bool:
    if isinstance(value, str):
        return _NUMBER.fullmatch(value.strip()) is not None
    return isinstance(value, int | Decimal) and not isinstance(value, bool)


def _digest(document: Any) -> str:
    return f"body/{hash_of(document)}"
