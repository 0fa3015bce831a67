"""Reading what stands in an address: path segments and query parameters, as strictly as bodies.

The one hard idea: a misspelt parameter is refused, because ignoring `definitonId` would answer
another question than the one that was asked.
"""

from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import parse_qsl
from uuid import UUID

from litestar import Request

from api.intake import checks
from api.intake.checks import Check, Finding
from api.intake.exact import Number
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import invalid

QUERY_BYTES_MAX: Final = 8 * 1024
PARAMETERS_MAX: Final = 50

QUERY: Final = "query"
"""What all parameters together are called in an error."""


def path_guid(request: Request[Any, Any, Any], name: str) -> UUID:
    """A GUID from the path; `request_invalid` where it is none."""
    value = str(request.path_params[name])
    finding = checks.guid(value)
    if finding:
        raise invalid([FieldError(name, *finding)])
    return UUID(value)


def path_word(request: Request[Any, Any, Any], name: str) -> str:
    """A word from the path, whatever it is."""
    return str(request.path_params[name])


def read_query(
    request: Request[Any, Any, Any], known: Mapping[str, Check], required: str | None = None
) -> dict[str, str]:
    """The query's parameters, each checked; those not given are not there.

    Raises:
        ProblemError: `request_invalid`, with every mistake.
    """
    raw: bytes = request.scope["query_string"]
    if len(raw) > QUERY_BYTES_MAX:
        message = f"is longer than {QUERY_BYTES_MAX} bytes"
        raise invalid([FieldError(QUERY, FieldCode.TOO_LONG, message)])
    try:
        pairs = parse_qsl(
            raw.decode("ascii"),
            keep_blank_values=True,
            errors="strict",
            max_num_fields=PARAMETERS_MAX,
        )
    except ValueError:
        message = f"is not percent-encoded UTF-8 with at most {PARAMETERS_MAX} parameters"
        raise invalid([FieldError(QUERY, FieldCode.WRONG_TYPE, message)]) from None
    found: dict[str, str] = {}
    errors = []
    for name, value in pairs:
        check = known.get(name)
        finding: Finding | None
        if check is None:
            words = ", ".join(known) or "none"
            finding = FieldCode.UNKNOWN, f"is no parameter here; there are: {words}"
        elif name in found:
            finding = FieldCode.DUPLICATE, "is there more than once"
        else:
            finding = check(value)
        if finding:
            errors.append(FieldError(name[:100], *finding))
        found[name] = value
    if required is not None and required not in found:
        errors.append(FieldError(required, FieldCode.MISSING, "is missing"))
    if errors:
        raise invalid(errors)
    return found


def definition_number(value: object) -> Finding | None:
    """A `definitionId` written in an address."""
    return checks.whole_number(Number(value))


def count_up_to(maximum: int) -> Check:
    """A count from 1 to `maximum` written in an address."""

    def check(value: object) -> Finding | None:
        written = str(value)
        if not written.isascii() or not written.isdecimal() or len(written) > len(str(maximum)):
            return FieldCode.OUT_OF_RANGE, f"must be a whole number from 1 to {maximum}"
        if not 1 <= int(written) <= maximum:
            return FieldCode.OUT_OF_RANGE, f"must be from 1 to {maximum}"
        return None

    return check


def flag(value: object) -> Finding | None:
    """Yes or no, written in an address."""
    if value in {"true", "false"}:
        return None
    return FieldCode.VALUE_UNKNOWN, "must be true or false"
