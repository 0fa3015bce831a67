"""What callers ask to be booked: one struct a kind, told apart by `kind`.

The one hard idea: nothing has a default that means something. A field that is left out stays out,
so that what a caller sent can be told from what the books filled in. Only `validTo` may be null,
which says that the points never lapse.
"""

from typing import Annotated, TypeAlias
from uuid import UUID

import msgspec
from msgspec import UNSET, Meta, UnsetType

from api.documents.forms import (
    Actor,
    Amount,
    DefinitionNumber,
    Description,
    Guid,
    IdempotencyKey,
    Instant,
    Money,
    PositiveAmount,
    Reference,
    Source,
)


class ReversesDocument(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The transaction that is taken back: by its id or by its key, not both."""

    transaction_id: Guid | UnsetType = UNSET
    idempotency_key: IdempotencyKey | UnsetType = UNSET


class _Common(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    tag_field="kind",
):
    idempotency_key: IdempotencyKey
    contact_id: Guid
    definition_id: DefinitionNumber
    source: Source
    description: Description
    effective_at: Instant | UnsetType = UNSET
    reference: Reference | UnsetType = UNSET
    actor: Actor | UnsetType = UNSET


class EarnRequest(_Common, tag="earn", frozen=True, kw_only=True):
    """Points for a purchase, or for anything else that is worth them.

    `validFrom` in the future makes them pending until then. `validTo` is the first instant at which
    they are no longer valid; left out, the definition's policy says, and null means never.
    """

    amount: PositiveAmount
    valid_from: Instant | UnsetType = UNSET
    valid_to: Instant | UnsetType | None = UNSET


class RedeemRequest(_Common, tag="redeem", frozen=True, kw_only=True):
    """Points spent, those that lapse soonest first.

    Refused where they are short, unless `allowDebt` books what is short as debt: for tills that
    were offline when the points were spent.
    """

    amount: PositiveAmount
    allow_debt: bool | UnsetType = UNSET


class ReturnRequest(_Common, tag="return", frozen=True, kw_only=True):
    """A purchase taken back, in whole or in part, and its points with it.

    With `amount`, that many points; with `part` and `whole`, the points that this part of the
    original spend was worth, rounded over all returns together; with neither, all that is left.
    """

    reverses: ReversesDocument
    amount: PositiveAmount | UnsetType = UNSET
    part: Money | UnsetType = UNSET
    whole: Money | UnsetType = UNSET


class AdjustRequest(_Common, tag="adjust", frozen=True, kw_only=True):
    """A correction, up or down; the only kind whose amount has a sign."""

    amount: Amount


TransactionRequest: TypeAlias = EarnRequest | RedeemRequest | ReturnRequest | AdjustRequest


REQUESTS: dict[str, type[TransactionRequest]] = {
    "earn": EarnRequest,
    "redeem": RedeemRequest,
    "return": ReturnRequest,
    "adjust": AdjustRequest,
}
"""Every kind that can be posted."""

Item = Annotated[
    msgspec.Raw,
    Meta(
        extra_json_schema={
            "oneOf": [{"$ref": f"#/components/schemas/{one.__name__}"} for one in REQUESTS.values()]
        }
    ),
]
"""A transaction that is read by itself, whatever its neighbours are."""


class BatchRequest(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Up to 1000 transactions, decided in order.

    Each has its own outcome and harms no other, unless `atomic` asks for all or nothing.
    """

    transactions: Annotated[list[Item], Meta(min_length=1, max_length=1000)]
    atomic: bool = False


NIL = UUID(int=0)
"""What an unset variable looks like; it names nobody."""
