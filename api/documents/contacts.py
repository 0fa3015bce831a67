"""What is asked and answered where a contact itself changes: merged, closed, erased."""

from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.documents.forms import Actor, Description, Guid, Reference, Source
from api.documents.transactions import TransactionDocument
from ledger.identity import KEY_LENGTH_MAX

SEVERAL_KEY_LENGTH_MAX = KEY_LENGTH_MAX - 20
"""Characters of a key under which several transactions are booked, each with an addition to it."""

SeveralKey = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=SEVERAL_KEY_LENGTH_MAX,
        description=(
            "What makes this request the one it is. Each transaction it books has this key with "
            "`/` and a number added."
        ),
        extra_json_schema={"pattern": "^[^\\u0000-\\u001f\\u007f]*$"},
    ),
]


class MergeRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Two contacts that are one person.

    Attributes:
        into: The contact that stays.
    """

    into: Guid
    idempotency_key: SeveralKey
    actor: Actor | UnsetType = UNSET


class MergeDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Two contacts that are one from now on.

    Attributes:
        contact_id: The contact that was merged; asked for it, the books answer for the other.
        into: The contact that stays.
        transactions: The moves by which the points went over, one a definition.
    """

    contact_id: Guid
    into: Guid
    transactions: tuple[TransactionDocument, ...]


class ClosingRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """All accounts of a contact closed for good, at once."""

    idempotency_key: SeveralKey
    source: Source
    description: Description
    reference: Reference | UnsetType = UNSET
    actor: Actor | UnsetType = UNSET


class ClosingDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A contact who has left.

    Attributes:
        transactions: The closings, one for each account that was open.
    """

    contact_id: Guid
    transactions: tuple[TransactionDocument, ...]


class ForgottenDocument(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """A person who was forgotten.

    Attributes:
        contact_id: As asked.
        was_known: Whether the books knew the contact until now.
        merged: Other contacts that were merged with it and are forgotten too.
    """

    contact_id: Guid
    was_known: bool
    merged: tuple[Guid, ...]
