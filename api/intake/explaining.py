"""Saying what is wrong with a request: every field at once, each with its code.

The one hard idea: the explanation reads the same structs that the fast reader decodes into, so a
field can't be known to one and unknown to the other. It runs only for requests that were refused.
"""

from collections.abc import Callable, Iterator
from typing import Final

import msgspec

from api.documents.requests import MEMBER_NUMBER_LENGTH_MAX, REQUESTS
from api.intake import checks
from api.intake.checks import Check
from api.intake.exact import Members, type_word
from api.problems.fields import FieldCode, FieldError
from ledger.identity import KEY_LENGTH_MAX
from ledger.requests import SOURCE_LENGTH_MAX, TEXT_LENGTH_MAX

CHECKS: Final[dict[str, Check]] = {
    "idempotencyKey": checks.text(KEY_LENGTH_MAX),
    "contactId": checks.guid,
    "memberNumber": checks.text(MEMBER_NUMBER_LENGTH_MAX),
    "definitionId": checks.whole_number,
    "source": checks.text(SOURCE_LENGTH_MAX),
    "description": checks.text(TEXT_LENGTH_MAX),
    "reference": checks.text(TEXT_LENGTH_MAX),
    "actor": checks.text(TEXT_LENGTH_MAX),
    "effectiveAt": checks.instant,
    "strict": checks.boolean,
    "validFrom": checks.instant,
    "validTo": checks.instant_or_null,
    "holdExpiresAt": checks.instant,
    "holdId": checks.guid,
    "holdKey": checks.text(KEY_LENGTH_MAX),
    "amount": checks.positive_amount,
    "part": checks.positive_amount,
    "whole": checks.positive_amount,
    "allowDebt": checks.boolean,
    "everything": checks.true,
}

NAME_LENGTH_MAX: Final = 100
"""Characters of an unknown field's name that are repeated in the answer."""

SAID_TWICE: Final = "can't be given together with contactId, which says it already"

NESTED_CHECKS: Final[dict[str, dict[str, Check]]] = {
    "reverses": {
        "transactionId": checks.guid,
        "idempotencyKey": checks.text(KEY_LENGTH_MAX),
    },
    "to": {
        "contactId": checks.guid,
        "memberNumber": checks.text(MEMBER_NUMBER_LENGTH_MAX),
        "definitionId": checks.whole_number,
    },
}
"""The fields that are objects, with what is in them."""


def explain(value: object) -> list[FieldError]:
    """What is wrong with one transaction; nothing where nothing is."""
    if not isinstance(value, Members):
        return [FieldError("", FieldCode.WRONG_TYPE, f"must be an object, not {type_word(value)}")]
    return list(_explain_members(value))


def explain_batch(value: object) -> list[FieldError]:
    """What is wrong with a batch around its items."""
    if not isinstance(value, Members):
        return [FieldError("", FieldCode.WRONG_TYPE, f"must be an object, not {type_word(value)}")]
    errors = _repeated(value, "")
    errors += [
        FieldError(_shown(name), FieldCode.UNKNOWN, "is no field of a batch")
        for name in value
        if name not in {"transactions", "atomic"}
    ]
    if "transactions" not in value:
        errors.append(FieldError("transactions", FieldCode.MISSING, "is missing"))
    else:
        items = value["transactions"]
        if not isinstance(items, list):
            code, message = checks.wrong_type(items, "a list")
            errors.append(FieldError("transactions", code, message))
        elif not items:
            errors.append(FieldError("transactions", FieldCode.TOO_SHORT, "must not be empty"))
    if "atomic" in value:
        finding = checks.boolean(value["atomic"])
        if finding:
            errors.append(FieldError("atomic", *finding))
    return errors


def _explain_members(members: Members) -> Iterator[FieldError]:
    yield from _repeated(members, "")
    kind = members.get("kind")
    if not isinstance(kind, str) or kind not in REQUESTS:
        code = FieldCode.MISSING if "kind" not in members else FieldCode.VALUE_UNKNOWN
        what = "is missing" if code is FieldCode.MISSING else "is unknown"
        yield FieldError("kind", code, f"{what}; there are: {', '.join(REQUESTS)}")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(REQUESTS[kind])}
    for name in members:
        if name not in fields and name != "kind":
            yield FieldError(_shown(name), FieldCode.UNKNOWN, f"is no field of kind {kind}")
    for name, field in fields.items():
        if name not in members:
            if field.required:
                yield FieldError(name, FieldCode.MISSING, "is missing")
        elif name in NESTED_CHECKS:
            yield from _explain_nested(name, members[name])
        else:
            check = checks.signed_amount if (kind, name) == ("adjust", "amount") else CHECKS[name]
            finding = check(members[name])
            if finding:
                yield FieldError(name, *finding)
    for explain_rule in (_explain_contact, *RULES.get(kind, ())):
        yield from explain_rule(members)


def _explain_nested(field: str, value: object) -> Iterator[FieldError]:
    if not isinstance(value, Members):
        yield FieldError(field, *checks.wrong_type(value, "an object"))
        return
    yield from _repeated(value, f"{field}.")
    known = NESTED_CHECKS[field]
    for name, given in value.items():
        check = known.get(name)
        if check is None:
            code, message = FieldCode.UNKNOWN, f"is no field of {field}"
            yield FieldError(f"{field}.{_shown(name)}", code, message)
        elif finding := check(given):
            yield FieldError(f"{field}.{name}", *finding)
    named = [name for name in known if name in value]
    if not named:
        yield FieldError(field, FieldCode.MISSING, f"needs {' or '.join(known)}")
    elif field == "reverses" and len(named) > 1:
        message = f"needs either {' or '.join(known)}"
        yield FieldError(field, FieldCode.NOT_TOGETHER, message)
    elif "contactId" in value and "memberNumber" in value:
        yield FieldError(f"{field}.memberNumber", FieldCode.NOT_TOGETHER, SAID_TWICE)


def _explain_contact(members: Members) -> Iterator[FieldError]:
    if "contactId" not in members and "memberNumber" not in members:
        yield FieldError("contactId", FieldCode.MISSING, "is missing, and so is memberNumber")
    elif "contactId" in members and "memberNumber" in members:
        yield FieldError("memberNumber", FieldCode.NOT_TOGETHER, SAID_TWICE)


def _explain_parts(members: Members) -> Iterator[FieldError]:
    for name, other in (("part", "whole"), ("whole", "part")):
        if name in members and other not in members:
            yield FieldError(name, FieldCode.ONLY_TOGETHER, f"needs {other} beside it")
    if "amount" in members and ("part" in members or "whole" in members):
        yield FieldError(
            "amount",
            FieldCode.NOT_TOGETHER,
            "can't be given together with part and whole, which say it already",
        )


def _explain_hold(members: Members) -> Iterator[FieldError]:
    if "holdId" not in members and "holdKey" not in members:
        yield FieldError("holdId", FieldCode.MISSING, "is missing, and so is holdKey")
    elif "holdId" in members and "holdKey" in members:
        message = "can't be given together with holdId, which says it already"
        yield FieldError("holdKey", FieldCode.NOT_TOGETHER, message)


def _explain_everything(members: Members) -> Iterator[FieldError]:
    if "everything" not in members:
        if "amount" not in members:
            yield FieldError("amount", FieldCode.MISSING, "is missing, and so is everything")
        return
    for name, why in (("amount", "which is more"), ("effectiveAt", "which happens now")):
        if name in members:
            message = f"can't be given together with everything, {why}"
            yield FieldError(name, FieldCode.NOT_TOGETHER, message)


def _explain_term(members: Members) -> Iterator[FieldError]:
    if "validTo" not in members and "validFrom" not in members:
        yield FieldError("validTo", FieldCode.MISSING, "is missing, and so is validFrom")


RULES: Final[dict[str, tuple[Callable[[Members], Iterator[FieldError]], ...]]] = {
    "return": (_explain_parts,),
    "cancel": (_explain_parts,),
    "capture": (_explain_hold,),
    "release": (_explain_hold,),
    "move": (_explain_everything,),
    "extend": (_explain_term,),
}
"""What must hold between the fields of a kind; `reading` refuses by the same rules."""


def _repeated(members: Members, prefix: str) -> list[FieldError]:
    return [
        FieldError(f"{prefix}{_shown(name)}", FieldCode.DUPLICATE, "is there more than once")
        for name in members.repeated
    ]


def _shown(name: str) -> str:
    """A name that the caller made up, fit to be answered."""
    return name[:NAME_LENGTH_MAX].encode(errors="replace").decode()
