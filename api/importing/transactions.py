"""A row of transactions as the request it makes: read by the very reader of the doors.

The one hard idea: the row is written down as the JSON that a caller would have sent, and from there
on nothing knows that it came from a file. Numbers stay as they were written; what is no number at
all is explained by the checks that would have refused it.
"""

import re
from typing import Any, Final

import msgspec

from api.importing.columns import NEVER, Form
from api.importing.members import STAND_IN, Meant
from api.importing.rows import Cells
from api.intake.exact import Members, Number
from api.intake.explaining import explain
from api.intake.reading import Read, read_transaction
from api.intake.understanding import understand
from api.problems.catalogue import JSON_INVALID
from api.problems.problem import ProblemError, invalid
from ledger.identity import TenantId
from ledger.tenants import Catalogue

_NUMBER: Final = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?\Z")
_BOOLEANS: Final = {"true": True, "false": False}

_encode = msgspec.json.Encoder().encode


def transaction_of(
    cells: Cells, defaults: dict[str, str], tenant: TenantId, catalogue: Catalogue
) -> Meant:
    """The request that a row makes.

    Raises:
        ProblemError: as the doors would answer (`request_invalid`, `definition_unknown`).
    """
    read = read_cells(cells, defaults)
    number = read.document.member_number
    if number is msgspec.UNSET:
        return Meant(understand(read, tenant, catalogue))
    document = msgspec.structs.replace(
        read.document, contact_id=STAND_IN, member_number=msgspec.UNSET
    )
    return Meant(understand(Read(document, read.fingerprint), tenant, catalogue), number)


def read_cells(cells: Cells, defaults: dict[str, str]) -> Read:
    """The document that a row makes."""
    document: dict[str, Any] = dict(defaults)
    is_plain = True
    for column, text in cells:
        value: Any = text
        if column.form is Form.NUMBER:
            is_plain = is_plain and _NUMBER.match(text) is not None
            value = Number(text)
        elif column.form is Form.BOOLEAN:
            value = _BOOLEANS.get(text.lower(), text)
        elif column.can_be_never and text == NEVER:
            value = None
        _put(document, column.name, value)
    if not is_plain:
        errors = explain(_members(document))
        raise invalid(errors) if errors else ProblemError(JSON_INVALID, "the row can't be read")
    return read_transaction(_encode(_plainly(document)))


def _put(document: dict[str, Any], name: str, value: Any) -> None:
    *path, last = name.split(".")
    for step in path:
        document = document.setdefault(step, {})
    document[last] = value


def _plainly(document: dict[str, Any]) -> dict[str, Any]:
    """With numbers as JSON writes them."""
    return {
        name: _plainly(value)
        if isinstance(value, dict)
        else msgspec.Raw(value.encode())
        if isinstance(value, Number)
        else value
        for name, value in document.items()
    }


def _members(document: dict[str, Any]) -> Members:
    return Members.of(
        [
            (name, _members(value) if isinstance(value, dict) else value)
            for name, value in document.items()
        ]
    )
