"""Which columns a file may have: told by its header, before any row is looked at.

The one hard idea: the columns of transactions are the fields of the doors' own requests, found in
their structs, nested ones with a dot (`reverses.idempotencyKey`). So a field that the doors learn
can be imported the same day.
"""

import difflib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

import msgspec

from api.documents.requests import REQUESTS


class FileKind(StrEnum):
    """What the rows of a file are."""

    BALANCES = "balances"
    """Each row is points that somebody had, or owed, in the books before these."""
    TRANSACTIONS = "transactions"
    """Each row is something that happened, as it would be posted at the doors."""


class Form(StrEnum):
    """How a cell is written."""

    TEXT = "text"
    NUMBER = "number"
    BOOLEAN = "true or false"


@dataclass(frozen=True, slots=True)
class Column:
    """A column that a file may have.

    Attributes:
        can_be_never: Whether `never` says that there is no such instant.
    """

    name: str
    form: Form = Form.TEXT
    can_be_never: bool = False


@dataclass(frozen=True, slots=True)
class Layout:
    """The columns of one file, in their order; `None` for those that are passed over."""

    kind: FileKind
    columns: tuple[Column | None, ...]
    row_number_at: int | None


class HeaderError(ValueError):
    """A header that can't be used; `mistakes` says why, a sentence each."""

    def __init__(self, mistakes: Sequence[str]) -> None:
        super().__init__("; ".join(mistakes))
        self.mistakes = tuple(mistakes)


NEVER: Final = "never"
"""In `validTo`: the points never lapse."""

ROW: Final = "rejected.row"
REJECTED: Final = (ROW, "rejected.code", "rejected.message")
"""What a file of rejected rows has before the columns of its rows."""

COLUMNS_MAX: Final = 200

CONTACT: Final = "contactId"
MEMBER_NUMBER: Final = "memberNumber"
"""Either names the contact."""

DEFAULTED: Final = frozenset({"idempotencyKey", "source"})
"""What the doors demand and a file may leave out."""

BALANCE_COLUMNS: Final = {
    column.name: column
    for column in (
        Column("contactId"),
        Column(MEMBER_NUMBER),
        Column("definitionId", Form.NUMBER),
        Column("amount", Form.NUMBER),
        Column("validFrom"),
        Column("validTo", can_be_never=True),
        Column("effectiveAt"),
        Column("description"),
        Column("reference"),
        Column("actor"),
        Column("source"),
        Column("idempotencyKey"),
    )
}
BALANCE_REQUIRED: Final = ("contactId", "definitionId", "amount")


def read_header(names: Sequence[str], kind: FileKind | None = None) -> Layout:
    """The layout that a header describes; without a kind, a column `kind` means transactions.

    Raises:
        HeaderError: columns are unknown, missing or there twice.
    """
    kind = kind or (FileKind.TRANSACTIONS if "kind" in names else FileKind.BALANCES)
    known = columns_of(kind)
    mistakes = list(_mistakes(names, known, kind))
    if mistakes:
        raise HeaderError(mistakes)
    row_number_at = names.index(ROW) if ROW in names else None
    return Layout(kind, tuple(known.get(name) for name in names), row_number_at)


def columns_of(kind: FileKind) -> dict[str, Column]:
    """Every column that a file of a kind may have."""
    return BALANCE_COLUMNS if kind is FileKind.BALANCES else _transaction_columns()


def required_of(kind: FileKind) -> tuple[str, ...]:
    """The columns without which no row could be read; a member number stands for a contact's id."""
    if kind is FileKind.BALANCES:
        return BALANCE_REQUIRED
    everywhere = [
        {field.encode_name for field in msgspec.structs.fields(one) if field.required}
        for one in REQUESTS.values()
    ]
    found = (set.intersection(*everywhere) - DEFAULTED) | {"contactId"}
    return ("kind", *(name for name in _transaction_columns() if name in found))


def _mistakes(names: Sequence[str], known: dict[str, Column], kind: FileKind) -> Iterator[str]:
    if len(names) > COLUMNS_MAX:
        yield f"has {len(names)} columns; {COLUMNS_MAX} are allowed"
        return
    for name in sorted({one for one in names if names.count(one) > 1}):
        yield f"has the column {name or 'without a name'} more than once"
    for name in names:
        if name not in known and name not in REJECTED:
            shown = name or "without a name"
            yield f"has the column {shown}, which is none of {kind}{_near(name, known)}"
    for name in required_of(kind):
        if name not in names and not (name == CONTACT and MEMBER_NUMBER in names):
            yield f"lacks the column {name}"


def _near(name: str, known: Iterable[str]) -> str:
    by_lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower().replace("_", ""), by_lower, n=1, cutoff=0.5)
    return f"; {by_lower[near[0]]} is" if near else f"; there are: {', '.join(known)}"


def _transaction_columns() -> dict[str, Column]:
    found = {name: Column(name) for name in ("kind", MEMBER_NUMBER)}
    for form in REQUESTS.values():
        for column in _columns_in(msgspec.inspect.type_info(form), ""):
            found.setdefault(column.name, column)
    return found


def _columns_in(form: msgspec.inspect.Type, prefix: str) -> Iterator[Column]:
    if not isinstance(form, msgspec.inspect.StructType):
        raise TypeError(f"{form} has no fields")
    for field in form.fields:
        types = _alternatives(field.type)
        name = f"{prefix}{field.encode_name}"
        nested = [one for one in types if isinstance(one, msgspec.inspect.StructType)]
        if nested:
            yield from _columns_in(nested[0], f"{name}.")
        else:
            can_be_never = any(isinstance(one, msgspec.inspect.NoneType) for one in types)
            yield Column(name, _form(types), can_be_never)


def _alternatives(form: msgspec.inspect.Type) -> list[msgspec.inspect.Type]:
    while isinstance(form, msgspec.inspect.Metadata):
        form = form.type
    if isinstance(form, msgspec.inspect.UnionType):
        return [one for member in form.types for one in _alternatives(member)]
    return [form]


def _form(types: Sequence[Any]) -> Form:
    if any(isinstance(one, msgspec.inspect.RawType | msgspec.inspect.IntType) for one in types):
        return Form.NUMBER
    if any(isinstance(one, msgspec.inspect.BoolType) for one in types):
        return Form.BOOLEAN
    return Form.TEXT
