"""A row of balances as the request it makes: points brought in from a program's earlier books.

The one hard idea: each cell is checked by the very check that the doors apply to the field of that
name, so what is an amount, an instant or a GUID there is one here.
"""

from datetime import UTC, datetime
from typing import Any, Final
from uuid import UUID

import msgspec
from msgspec import UNSET

from api.importing.columns import CONTACT, MEMBER_NUMBER, NEVER, Form
from api.importing.members import STAND_IN, Meant
from api.importing.rows import Cells
from api.intake import checks
from api.intake.exact import Number
from api.intake.explaining import CHECKS
from api.intake.fingerprint import Said, canonical_amount, fingerprint
from api.intake.understanding import definition_of
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import invalid
from ledger.amounts import AmountError, Points, parse_amount
from ledger.identity import ContactId, TenantId
from ledger.requests import Open
from ledger.tenants import Catalogue

_CHECKS: Final = {**CHECKS, "amount": checks.signed_amount}
_INSTANTS: Final = frozenset({"validFrom", "validTo", "effectiveAt"})
_REQUIRED: Final = ("definitionId", "amount")

_instant = msgspec.json.Decoder(datetime).decode
_quoted = msgspec.json.Encoder().encode


def opening_of(
    cells: Cells, defaults: dict[str, str], tenant: TenantId, catalogue: Catalogue
) -> Meant:
    """The request that a row makes.

    Raises:
        ProblemError: cells are wrong (`request_invalid`), or there is no such definition
            (`definition_unknown`).
    """
    values: dict[str, Any] = dict(defaults)
    errors: list[FieldError] = []
    for column, text in cells:
        value = Number(text) if column.form is Form.NUMBER else text
        if column.can_be_never and text == NEVER:
            values[column.name] = None
        elif finding := _CHECKS[column.name](value):
            errors.append(FieldError(column.name, *finding))
        else:
            values[column.name] = _meant(column.name, text)
    named = {column.name for column, _ in cells}
    errors += [
        FieldError(name, FieldCode.MISSING, "is missing") for name in _REQUIRED if name not in named
    ]
    if MEMBER_NUMBER not in named and CONTACT not in named:
        errors.append(FieldError(CONTACT, FieldCode.MISSING, "is missing"))
    elif MEMBER_NUMBER in named and CONTACT in named:
        message = "can't be given together with contactId"
        errors.append(FieldError(MEMBER_NUMBER, FieldCode.NOT_TOGETHER, message))
    if errors:
        raise invalid(errors)
    return Meant(_opening(values, tenant, catalogue), values.get(MEMBER_NUMBER))


def _meant(name: str, text: str) -> Any:
    """What a sound cell means; an amount stays as it is written until its scale is known."""
    if name == "contactId":
        return UUID(text)
    if name == "definitionId":
        return int(text)
    if name in _INSTANTS:
        return _instant(_quoted(text)).astimezone(UTC)
    return text


def _opening(values: dict[str, Any], tenant: TenantId, catalogue: Catalogue) -> Open:
    definition = definition_of(values["definitionId"], tenant, catalogue)
    amount = _amount(values["amount"], definition.scale)
    if amount < 0 and not values.keys().isdisjoint({"validFrom", "validTo"}):
        name = "validFrom" if "validFrom" in values else "validTo"
        message = "can't be given for debt, which does not lapse"
        raise invalid([FieldError(name, FieldCode.NOT_TOGETHER, message)])
    return Open(
        tenant=tenant,
        contact=ContactId(values[CONTACT]) if CONTACT in values else STAND_IN,
        definition=definition.id,
        idempotency_key=values["idempotencyKey"],
        fingerprint=fingerprint(_said(values)),
        source=values["source"],
        effective_at=values.get("effectiveAt"),
        description=values.get("description"),
        reference=values.get("reference"),
        actor=values.get("actor"),
        amount=amount,
        valid_from=values.get("validFrom"),
        valid_to=values.get("validTo", UNSET),
    )


def _amount(text: str, scale: int) -> Points:
    try:
        return parse_amount(text, scale)
    except AmountError as problem:
        raise invalid([FieldError("amount", FieldCode(problem.code), str(problem))]) from None


def _said(values: dict[str, Any]) -> Said:
    """What a row says, by meaning and not by spelling, as `api.intake.fingerprint` has it."""
    found: Said = [("kind", "open")]
    for name, value in sorted(values.items()):
        if name == "amount":
            found.append((name, canonical_amount(value)))
        elif isinstance(value, datetime):
            found.append((name, value.isoformat()))
        elif isinstance(value, UUID):
            found.append((name, str(value)))
        else:
            found.append((name, value))
    return found
