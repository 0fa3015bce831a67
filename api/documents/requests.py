"""What callers ask to be booked: one struct a kind, told apart by `kind`.

The one hard idea: nothing has a default that means something. A field that is left out stays out,
so that what a caller sent can be told from what the books filled in. Only `validTo` may be null,
which says that the points never lapse. What happens now whatever it says (`close`) has no field to
say when.
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
    Everything,
    Guid,
    IdempotencyKey,
    Instant,
    Money,
    PositiveAmount,
    Reference,
    Source,
    Strict,
)

MEMBER_NUMBER_LENGTH_MAX = 100

MemberNumber = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MEMBER_NUMBER_LENGTH_MAX,
        description=(
            "The contact by its member number, instead of by `contactId`: Engage is asked whose it "
            "is, and remembered for a day. One of the two must be given."
        ),
        extra_json_schema={"pattern": "^[^\\u0000-\\u001f\\u007f]*$"},
    ),
]


OtherMemberNumber = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=MEMBER_NUMBER_LENGTH_MAX,
        description="The other contact by its member number, instead of by `contactId`.",
        extra_json_schema={"pattern": "^[^\\u0000-\\u001f\\u007f]*$"},
    ),
]


class ReversesDocument(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """The transaction that is meant: by its id or by its key, not both."""

    transaction_id: Guid | UnsetType = UNSET
    idempotency_key: IdempotencyKey | UnsetType = UNSET


class ToDocument(
    msgspec.Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True
):
    """Where points are moved: to another contact, to another definition, or both.

    What is left out stays as it is. The contact is named by its id or by its number, not by both.
    """

    contact_id: Guid | UnsetType = UNSET
    member_number: OtherMemberNumber | UnsetType = UNSET
    definition_id: DefinitionNumber | UnsetType = UNSET


class _Common(
    msgspec.Struct,
    frozen=True,
    kw_only=True,
    rename="camel",
    forbid_unknown_fields=True,
    tag_field="kind",
):
    idempotency_key: IdempotencyKey
    contact_id: Guid | UnsetType = UNSET
    member_number: MemberNumber | UnsetType = UNSET
    definition_id: DefinitionNumber
    source: Source
    description: Description
    reference: Reference | UnsetType = UNSET
    actor: Actor | UnsetType = UNSET


class _Dated(_Common, frozen=True, kw_only=True):
    effective_at: Instant | UnsetType = UNSET
    strict: Strict | UnsetType = UNSET


class EarnRequest(_Dated, tag="earn", frozen=True, kw_only=True):
    """Points for a purchase, or for anything else that is worth them.

    `validFrom` in the future makes them pending until then. `validTo` is the first instant at which
    they are no longer valid; left out, the definition's policy says, and null means never.
    """

    amount: PositiveAmount
    valid_from: Instant | UnsetType = UNSET
    valid_to: Instant | UnsetType | None = UNSET


class RedeemRequest(_Dated, tag="redeem", frozen=True, kw_only=True):
    """Points spent, those that lapse soonest first.

    Refused where they are short, unless `allowDebt` books what is short as debt: for tills that
    were offline when the points were spent.
    """

    amount: PositiveAmount
    allow_debt: bool | UnsetType = UNSET


class HoldRequest(_Dated, tag="hold", frozen=True, kw_only=True):
    """Points set aside for a checkout that is under way, taken as a redemption would take them.

    It ends once: captured, released or, at `holdExpiresAt`, timed out by itself. The answer's
    `transactionId` is the `holdId` by which it is captured or released.
    """

    amount: PositiveAmount
    hold_expires_at: Instant | UnsetType = UNSET


class CaptureRequest(_Dated, tag="capture", frozen=True, kw_only=True):
    """A hold's points spent: `amount` of them, the rest being released, or all that are held.

    The hold is named by `holdId` or, where its answer was lost, by `holdKey`.
    """

    hold_id: Guid | UnsetType = UNSET
    hold_key: IdempotencyKey | UnsetType = UNSET
    amount: PositiveAmount | UnsetType = UNSET


class ReleaseRequest(_Dated, tag="release", frozen=True, kw_only=True):
    """A hold given up: its points go back to where they came from, with the expiry they had.

    The hold is named by `holdId` or, where its answer was lost, by `holdKey`.
    """

    hold_id: Guid | UnsetType = UNSET
    hold_key: IdempotencyKey | UnsetType = UNSET


class ReturnRequest(_Dated, tag="return", frozen=True, kw_only=True):
    """A purchase taken back, in whole or in part, and its points with it.

    With `amount`, that many points; with `part` and `whole`, the points that this part of the
    original spend was worth, rounded over all returns together; with neither, all that is left.
    """

    reverses: ReversesDocument
    amount: PositiveAmount | UnsetType = UNSET
    part: Money | UnsetType = UNSET
    whole: Money | UnsetType = UNSET


class CancelRequest(_Dated, tag="cancel", frozen=True, kw_only=True):
    """A redemption or capture undone: its points go back to where they came from.

    They keep the expiry they had; those whose validity has passed lapse at once. How many come
    back is said as in a return: `amount`, or `part` and `whole`, or neither for all that is left.
    """

    reverses: ReversesDocument
    amount: PositiveAmount | UnsetType = UNSET
    part: Money | UnsetType = UNSET
    whole: Money | UnsetType = UNSET


class AdjustRequest(_Dated, tag="adjust", frozen=True, kw_only=True):
    """A correction, up or down; the only kind whose amount has a sign."""

    amount: Amount


class MoveRequest(_Dated, tag="move", frozen=True, kw_only=True):
    """Points passed on to another contact, to another definition, or both; they keep their expiry.

    Either `amount`, of what is available, or `everything`: pending points and debt go along, and it
    happens now, so there is no `effectiveAt`. The answer is what left; `linked` is what arrived.
    """

    to: ToDocument
    amount: PositiveAmount | UnsetType = UNSET
    everything: Everything | UnsetType = UNSET


class ActivateRequest(_Dated, tag="activate", frozen=True, kw_only=True):
    """Pending points made available early: those that `reverses` issued."""

    reverses: ReversesDocument


class ExtendRequest(_Dated, tag="extend", frozen=True, kw_only=True):
    """A new validity for points that have not lapsed: those that `reverses` issued.

    `validTo` must be later than it was; null means never. `validFrom` is for pending points only.
    """

    reverses: ReversesDocument
    valid_from: Instant | UnsetType = UNSET
    valid_to: Instant | UnsetType | None = UNSET


class CloseRequest(_Common, tag="close", frozen=True, kw_only=True):
    """A contact's account of one definition closed for good, now.

    What is left goes, what is owed is let go, and nothing more can be posted to it.
    """


TransactionRequest: TypeAlias = (
    EarnRequest
    | RedeemRequest
    | HoldRequest
    | CaptureRequest
    | ReleaseRequest
    | ReturnRequest
    | CancelRequest
    | AdjustRequest
    | MoveRequest
    | ActivateRequest
    | ExtendRequest
    | CloseRequest
)


REQUESTS: dict[str, type[TransactionRequest]] = {
    "earn": EarnRequest,
    "redeem": RedeemRequest,
    "hold": HoldRequest,
    "capture": CaptureRequest,
    "release": ReleaseRequest,
    "return": ReturnRequest,
    "cancel": CancelRequest,
    "adjust": AdjustRequest,
    "move": MoveRequest,
    "activate": ActivateRequest,
    "extend": ExtendRequest,
    "close": CloseRequest,
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
