"""What Engage sends and what it is given, for the description; `sync.engage` reads and writes them.

Contract: docs/contracts/engage.md.
"""

from typing import Any

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.forms import Amount, Instant


class EnvelopeDocument(msgspec.Struct, frozen=True, rename="camel"):
    """A message from Engage.

    Attributes:
        id: Of the event; some senders call it `eventId`.
        payload: Encrypted, a text; an object where the tenant allows plain ones.
        tenant: The tenant's name in Engage.
    """

    event_type: str
    payload: Any
    id: str | UnsetType = UNSET
    event_id: str | UnsetType = UNSET
    tenant: str | UnsetType = UNSET


class ReceivedDocument(msgspec.Struct, frozen=True):
    """That a message was kept; what became of it is shown under adjustments."""

    received: bool = True


class LogRowDocument(msgspec.Struct, frozen=True, rename="camel"):
    """One change of a contact's points."""

    transaction_date: Instant
    amount: Amount
    description: str
