"""Reading the small bodies, those that post no points: one mistake at a time is enough there."""

import re
from typing import Final, TypeVar

import msgspec

from api.documents.requests import NIL
from api.intake.checks import CONTROL_CHARACTER
from api.problems.catalogue import JSON_INVALID
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid

Document = TypeVar("Document")
Struct = TypeVar("Struct", bound=msgspec.Struct)

_UNKNOWN: Final = re.compile(r"Object contains unknown field `(.*)`", re.DOTALL)
_MISSING: Final = re.compile(r"Object missing required field `(\w+)`")


def read_small(raw: bytes, form: type[Document]) -> Document:
    """Decode a body.

    Raises:
        ProblemError: it is no JSON (`json_invalid`) or not of the form (`request_invalid`).
    """
    try:
        return msgspec.json.decode(raw, type=form)
    except msgspec.ValidationError as problem:
        raise invalid([_error(str(problem))]) from None
    except (msgspec.DecodeError, UnicodeError, RecursionError):
        raise ProblemError(JSON_INVALID, "the body is no valid JSON") from None


def read_sound(raw: bytes, form: type[Struct]) -> Struct:
    """Decode a body whose texts are kept: without control characters, and with GUIDs that name.

    Raises:
        ProblemError: as `read_small`, with every field that is not so.
    """
    document = read_small(raw, form)
    errors = []
    for field in msgspec.structs.fields(form):
        value = getattr(document, field.name)
        if isinstance(value, str) and CONTROL_CHARACTER.search(value):
            finding = FieldCode.CONTROL_CHARACTER, "holds a control character"
        elif value == NIL:
            finding = FieldCode.GUID_NIL, "is all zeros and names nobody"
        else:
            continue
        errors.append(FieldError(field.encode_name, *finding))
    if errors:
        raise invalid(errors)
    return document


def _error(message: str) -> FieldError:
    said, _, place = message.partition(" - at `$")
    field = place.rstrip("`").lstrip(".")
    if unknown := _UNKNOWN.match(said):
        return FieldError(unknown[1][:100], FieldCode.UNKNOWN, "is no field here")
    if missing := _MISSING.match(said):
        return FieldError(missing[1], FieldCode.MISSING, "is missing")
    code = FieldCode.OUT_OF_RANGE if re.search(r"[<>]", said) else FieldCode.WRONG_TYPE
    return FieldError(field, code, f"must be {said.removeprefix('Expected ').replace('`', '')}")
