"""From a sound document to a request to the books: definitions found, amounts read at their scale.

The one hard idea: the definition decides what an amount means, so an amount is checked twice, as a
number by `reading` and here for the decimals its definition allows. Nothing here knows balances.
"""

from datetime import UTC, datetime
from typing import Any, TypeVar

import msgspec
from msgspec import UNSET, UnsetType

from api.documents.requests import (
    AdjustRequest,
    EarnRequest,
    RedeemRequest,
    ReturnRequest,
    TransactionRequest,
)
from api.intake.reading import Read
from api.problems.catalogue import DEFINITION_UNKNOWN
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid
from ledger.amounts import SPEND_SCALE, AmountError, Points, parse_amount
from ledger.identity import ContactId, TenantId
from ledger.policies import Definition
from ledger.requests import Adjust, Earn, Redeem, Request, Return, Reverses
from ledger.tenants import Catalogue

Value = TypeVar("Value")


def understand(read: Read, tenant: TenantId, catalogue: Catalogue) -> Request:
    """The request to the books that a document makes.

    Raises:
        ProblemError: the tenant has no such definition (`definition_unknown`), or an amount has
            more decimals than the definition allows or is too large (`request_invalid`).
    """
    document = read.document
    definition = definition_of(document.definition_id, tenant, catalogue)
    common = _common(read, tenant, definition)
    if isinstance(document, EarnRequest):
        valid_to = document.valid_to
        return Earn(
            **common,
            amount=_amount("amount", document.amount, definition.scale),
            valid_from=_instant(document.valid_from),
            valid_to=valid_to.astimezone(UTC) if isinstance(valid_to, datetime) else valid_to,
        )
    if isinstance(document, RedeemRequest):
        return Redeem(
            **common,
            amount=_amount("amount", document.amount, definition.scale),
            allow_debt=document.allow_debt is True,
        )
    if isinstance(document, AdjustRequest):
        return Adjust(**common, amount=_amount("amount", document.amount, definition.scale))
    return _return(document, definition, common)


def definition_of(engage_id: int, tenant: TenantId, catalogue: Catalogue) -> Definition:
    """A tenant's definition by Engage's id; `definition_unknown` where there is none."""
    definition = catalogue.definition(tenant, engage_id)
    if definition is None:
        raise ProblemError(
            DEFINITION_UNKNOWN,
            f"definitionId {engage_id} is none of this tenant's point definitions",
            errors=[
                FieldError(
                    "definitionId", DEFINITION_UNKNOWN.code, "is none of the tenant's definitions"
                )
            ],
        )
    return definition


def _return(document: ReturnRequest, definition: Definition, common: dict[str, Any]) -> Return:
    reverses = document.reverses
    return Return(
        **common,
        reverses=Reverses(_given(reverses.transaction_id), _given(reverses.idempotency_key)),
        amount=_optional_amount("amount", document.amount, definition.scale),
        part=_money("part", document.part),
        whole=_money("whole", document.whole),
    )


def _common(read: Read, tenant: TenantId, definition: Definition) -> dict[str, Any]:
    document: TransactionRequest = read.document
    return {
        "tenant": tenant,
        "contact": ContactId(document.contact_id),
        "definition": definition.id,
        "idempotency_key": document.idempotency_key,
        "fingerprint": read.fingerprint,
        "source": document.source,
        "effective_at": _instant(document.effective_at),
        "description": document.description,
        "reference": _given(document.reference),
        "actor": _given(document.actor),
    }


def _given(value: Value | UnsetType) -> Value | None:
    return None if isinstance(value, UnsetType) else value


def _instant(value: datetime | UnsetType) -> datetime | None:
    return None if isinstance(value, UnsetType) else value.astimezone(UTC)


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
