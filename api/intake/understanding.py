"""From a sound document to a request to the books: definitions found, amounts read at their scale.

The one hard idea: the definition decides what an amount means, so an amount is checked twice, as a
number by `reading` and here for the decimals its definition allows. Nothing here knows balances.
"""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.requests import (
    ActivateRequest,
    AdjustRequest,
    CancelRequest,
    CaptureRequest,
    CloseRequest,
    EarnRequest,
    ExtendRequest,
    HoldRequest,
    MoveRequest,
    RedeemRequest,
    ReleaseRequest,
    ReturnRequest,
    ReversesDocument,
    TransactionRequest,
)
from api.intake.reading import Read
from api.problems.catalogue import DEFINITION_UNKNOWN
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid
from ledger.amounts import SPEND_SCALE, AmountError, Points, parse_amount
from ledger.identity import ContactId, TenantId, contact_id
from ledger.policies import Definition
from ledger.requests import (
    Activate,
    Adjust,
    Cancel,
    Capture,
    Close,
    Earn,
    Extend,
    Hold,
    Move,
    Redeem,
    Release,
    Request,
    Return,
    Reverses,
)
from ledger.tenants import Catalogue

Value = TypeVar("Value")


@dataclass(frozen=True, slots=True)
class _Ground:
    """What a request is made on.

    Attributes:
        scale: Of the definition it names.
        common: What every request carries.
    """

    tenant: TenantId
    catalogue: Catalogue
    scale: int
    common: dict[str, Any]


def understand(read: Read, tenant: TenantId, catalogue: Catalogue) -> Request:
    """The request to the books that a document makes.

    Raises:
        ProblemError: the tenant has no such definition (`definition_unknown`), or an amount has
            more decimals than the definition allows or is too large (`request_invalid`).
    """
    document = read.document
    definition = definition_of(document.definition_id, tenant, catalogue)
    ground = _Ground(tenant, catalogue, definition.scale, _common(read, tenant, definition))
    return _MAKERS[type(document)](document, ground)


def definition_of(
    engage_id: int, tenant: TenantId, catalogue: Catalogue, field: str = "definitionId"
) -> Definition:
    """A tenant's definition by Engage's id; `definition_unknown` where there is none."""
    definition = catalogue.definition(tenant, engage_id)
    if definition is None:
        raise ProblemError(
            DEFINITION_UNKNOWN,
            f"{field} {engage_id} is none of this tenant's point definitions",
            errors=[
                FieldError(field, DEFINITION_UNKNOWN.code, "is none of the tenant's definitions")
            ],
        )
    return definition


def _earn(document: EarnRequest, ground: _Ground) -> Earn:
    return Earn(
        **ground.common,
        amount=_amount("amount", document.amount, ground.scale),
        valid_from=_instant(document.valid_from),
        valid_to=_end(document.valid_to),
    )


def _redeem(document: RedeemRequest, ground: _Ground) -> Redeem:
    amount = _amount("amount", document.amount, ground.scale)
    return Redeem(**ground.common, amount=amount, allow_debt=document.allow_debt is True)


def _adjust(document: AdjustRequest, ground: _Ground) -> Adjust:
    return Adjust(**ground.common, amount=_amount("amount", document.amount, ground.scale))


def _hold(document: HoldRequest, ground: _Ground) -> Hold:
    return Hold(
        **ground.common,
        amount=_amount("amount", document.amount, ground.scale),
        hold_expires_at=_instant(document.hold_expires_at),
    )


def _capture(document: CaptureRequest, ground: _Ground) -> Capture:
    amount = _optional_amount("amount", document.amount, ground.scale)
    return Capture(**ground.common, hold=_held_by(document), amount=amount)


def _release(document: ReleaseRequest, ground: _Ground) -> Release:
    return Release(**ground.common, hold=_held_by(document))


def _return(document: ReturnRequest, ground: _Ground) -> Return:
    return Return(**ground.common, **_reversal(document, ground.scale))


def _cancel(document: CancelRequest, ground: _Ground) -> Cancel:
    return Cancel(**ground.common, **_reversal(document, ground.scale))


def _move(document: MoveRequest, ground: _Ground) -> Move:
    to, own = document.to, ground.common["definition"]
    if isinstance(to.definition_id, int):
        own = definition_of(to.definition_id, ground.tenant, ground.catalogue, "to.definitionId").id
    return Move(
        **ground.common,
        to_contact=ContactId(_given(to.contact_id) or contact_of(document)),
        to_definition=own,
        amount=_optional_amount("amount", document.amount, ground.scale),
    )


def _activate(document: ActivateRequest, ground: _Ground) -> Activate:
    return Activate(**ground.common, lots_of=_named(document.reverses))


def _extend(document: ExtendRequest, ground: _Ground) -> Extend:
    begins = document.valid_from
    return Extend(
        **ground.common,
        lots_of=_named(document.reverses),
        valid_from=begins.astimezone(UTC) if isinstance(begins, datetime) else begins,
        valid_to=_end(document.valid_to),
    )


def _close(_document: CloseRequest, ground: _Ground) -> Close:
    return Close(**ground.common)


_MAKERS: Final[dict[type[TransactionRequest], Callable[[Any, _Ground], Request]]] = {
    EarnRequest: _earn,
    RedeemRequest: _redeem,
    HoldRequest: _hold,
    CaptureRequest: _capture,
    ReleaseRequest: _release,
    ReturnRequest: _return,
    CancelRequest: _cancel,
    AdjustRequest: _adjust,
    MoveRequest: _move,
    ActivateRequest: _activate,
    ExtendRequest: _extend,
    CloseRequest: _close,
}


def _reversal(document: ReturnRequest | CancelRequest, scale: int) -> dict[str, Any]:
    return {
        "reverses": _named(document.reverses),
        "amount": _optional_amount("amount", document.amount, scale),
        "part": _money("part", document.part),
        "whole": _money("whole", document.whole),
    }


def _held_by(document: CaptureRequest | ReleaseRequest) -> Reverses:
    return Reverses(_given(document.hold_id), _given(document.hold_key))


def _named(reverses: ReversesDocument) -> Reverses:
    return Reverses(_given(reverses.transaction_id), _given(reverses.idempotency_key))


def _common(read: Read, tenant: TenantId, definition: Definition) -> dict[str, Any]:
    document: TransactionRequest = read.document
    when: dict[str, Any] = {}
    if not isinstance(document, CloseRequest):
        when["effective_at"] = _instant(document.effective_at)
        when["strict"] = document.strict is True
    return {
        **when,
        "tenant": tenant,
        "contact": contact_of(document),
        "definition": definition.id,
        "idempotency_key": document.idempotency_key,
        "fingerprint": read.fingerprint,
        "source": document.source,
        "description": document.description,
        "reference": _given(document.reference),
        "actor": _given(document.actor),
    }


def contact_of(document: TransactionRequest) -> ContactId:
    """The contact of a document that names one by its id, as all do by now."""
    if isinstance(document.contact_id, UnsetType):
        raise TypeError("its member number should have been looked up")
    return contact_id(document.contact_id)


def _given(value: Value | UnsetType) -> Value | None:
    return None if isinstance(value, UnsetType) else value


def _instant(value: datetime | UnsetType) -> datetime | None:
    return None if isinstance(value, UnsetType) else value.astimezone(UTC)


def _end(value: datetime | UnsetType | None) -> datetime | UnsetType | None:
    return value.astimezone(UTC) if isinstance(value, datetime) else value


def _optional_amount(field: str, raw: msgspec.Raw | UnsetType, scale: int) -> Points | None:
    return None if raw is UNSET else _amount(field, raw, scale)


def _money(field: str, raw: msgspec.Raw | UnsetType) -> Points | None:
    try:
        return _optional_amount(field, raw, SPEND_SCALE)
    except ProblemError as problem:
        if problem.errors[0].code != FieldCode.AMOUNT_BEYOND_SCALE:
            raise
        message = f"has more than {SPEND_SCALE} decimals"
        raise invalid([FieldError(field, FieldCode.AMOUNT_BEYOND_SCALE, message)]) from None


def _amount(field: str, raw: msgspec.Raw | UnsetType, scale: int) -> Points:
    if isinstance(raw, UnsetType):
        raise TypeError(f"{field} is required and was read")
    try:
        return parse_amount(bytes(raw).decode("ascii"), scale)
    except AmountError as problem:
        raise invalid([FieldError(field, FieldCode(problem.code), str(problem))]) from None
