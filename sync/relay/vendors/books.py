"""The books as a source: what happened to a contact's points, told like any vendor's event.

The one hard idea: an event carries the change and the balance after it, so a receiver who missed
one is right again with the next. The balance is as of when it was recorded, not of when it
happened: a till that was offline books late, and its older event has the newer balance.

Where MoEngage knows people by their member numbers, a contact without one is a user of a vendor's
that nobody has named yet: its events wait, and go on once the number is known.

Documents are made by `sync.relay.booked`.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from sync.relay.documents import hash_of
from sync.relay.instants import read_instant
from sync.relay.mapping.mapper import Told
from sync.relay.mapping.values import ValueType
from sync.relay.pointers import as_text, find
from sync.relay.vendors.protocol import (
    UNKNOWN,
    Arrival,
    Lesson,
    Reading,
    VendorOptions,
    object_at,
)

EXPIRING: Final = "expiring_soon"

DEFAULT_WORD: Final = "points"

NUMBER_PREFIX: Final = "number/"


class Books:
    """The books' own documents."""

    prefix = "points"
    waits_for: str | None = "contact/CONTACT"
    denied: frozenset[str] = frozenset()

    def __init__(self, options: VendorOptions) -> None:
        self._options = options

    def read(self, document: Any, arrival: Arrival) -> Iterator[Reading]:
        """The event of a document."""
        customer = contact = as_text(find(document, ("contactId",)))
        join_key: str | None = None
        lessons: tuple[Lesson, ...] = ()
        if self._options.by_member_number and contact is not None:
            customer, join_key = as_text(find(document, ("memberNumber",))), contact_key(contact)
            if customer is not None:
                lessons = (
                    Lesson(join_key, customer, lasts=True),
                    # So that whoever is forgotten is found by every number they ever had.
                    Lesson(number_key(customer), contact, lasts=True),
                )
        yield Reading(
            family=_family(document),
            key=arrival.channel_key or f"body/{hash_of(document)}",
            document=document,
            customer=customer,
            join_key=join_key,
            occurred_at=read_instant(find(document, ("effectiveAt",))),
            lessons=lessons,
        )

    def tell(self, document: Any) -> Told:
        """What an event says; the balance is a matter of the profile too."""
        family = _family(document)
        word = self._word(document)
        balance = object_at(document, "balance")
        attributes: dict[str, Any] = {
            "points": find(document, ("points",)),
            "change": find(document, ("change",)),
            "definition": find(document, ("definition", "name")),
            "definition_id": find(document, ("definition", "id")),
            "kind": find(document, ("kind",)),
            "source": find(document, ("source",)),
            "transaction_id": find(document, ("transactionId",)),
            "recorded_at": find(document, ("recordedAt",)),
            "valid_from": find(document, ("validFrom",)),
            "valid_to": find(document, ("validTo",)),
            "balance": balance.get("available"),
            "pending": balance.get("pending"),
            "held": balance.get("held"),
            "debt": balance.get("debt"),
        }
        profile = _profile(word, family, document, balance)
        return Told(
            family=family,
            words=(family,),
            attributes=attributes,
            profile=profile,
            types={
                "recorded_at": ValueType.DATETIME,
                "valid_from": ValueType.DATETIME,
                "valid_to": ValueType.DATETIME,
            },
            profile_at=read_instant(find(document, ("recordedAt",))),
        )

    def _word(self, document: Any) -> str:
        number = find(document, ("definition", "id"))
        name = as_text(find(document, ("definition", "name"))) or DEFAULT_WORD
        made = re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")
        return self._options.definitions.get(number, made or DEFAULT_WORD)


def contact_key(contact: str) -> str:
    """By what is remembered which customer a contact is."""
    return f"contact/{contact}"


def number_key(number: str) -> str:
    """By what is remembered whose a member number is or was."""
    return f"{NUMBER_PREFIX}{number}"


def _family(document: Any) -> str:
    return as_text(find(document, ("type",))) or UNKNOWN


def _profile(word: str, family: str, document: Any, balance: Mapping[str, Any]) -> dict[str, Any]:
    if family == EXPIRING:
        return {
            f"{word}_expiring": find(document, ("points",)),
            f"{word}_expire_at": find(document, ("validTo",)),
        }
    return {
        f"{word}_balance": balance.get("available"),
        f"{word}_pending": balance.get("pending"),
        f"{word}_debt": balance.get("debt"),
    }
