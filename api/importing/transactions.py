"""A row of transactions as the request it makes: read by the very reader of the doors.

The one hard idea: the row is written down as the JSON that a caller would have sent, and from there
on nothing knows that it came from a file. Numbers stay as they were written; what is no number at
all is explained by the checks that would have refused it.
"""

import re
from typing import Any, Final

import msgspec

from api.importing.columns import NEVER, Column, Form
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
    for column, text in cells:
        if column.form is not Form.NUMBER:
            _put(document, column.name, _value(column, text))
        elif _NUMBER.match(text) is not None:
            _put(document, column.name, msgspec.Raw(text.encode()))
        else:
            raise _not_plain(cells, defaults)
    return read_transaction(_encode(document))


def _not_plain(cells: Cells, defaults: dict[str, str]) -> ProblemError:
    """What is wrong with a row in which something that should be a number is none."""
    document: dict[str, Any] = dict(defaults)
    for column, text in cells:
        value = Number(text) if column.form is Form.NUMBER else _value(column, text)
        _put(document, column.name, value)
    errors = explain(_members(document))
    return invalid(errors) if errors else ProblemError(JSON_INVALID, "the row can't be read")


def _value(column: Column, text: str) -> str | bool | None:
    """A cell that holds no number, as JSON has it."""
    if column.form is Form.BOOLEAN:
        return _BOOLEANS.get(text.lower(), text)
    return None if column.can_be_never and text == NEVER else text


def _put(document: dict[str, Any], name: str, value: Any) -> None:
    if "." not in name:
        document[name] = value
        return
    *path, last = name.split(".")
    for step in path:
        document = document.setdefault(step, {})
    document[last] = value


def _members(document: dict[str, Any]) -> Members:
    return Members.of(
        [
            (name, _members(value) if isinstance(value, dict) else value)
            for name, value in document.items()
        ]
    )
