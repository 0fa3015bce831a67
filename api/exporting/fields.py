"""What a column holds, and how a row is written down, whatever the file's form.

The one hard idea: a row is a tuple of values that are exact already. An amount is the text of a
plain number (the definition's decimals are applied), so no form of file can make a float of it.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Any, Protocol


class Form(Enum):
    """What a value is."""

    TEXT = auto()
    GUID = auto()
    INSTANT = auto()
    AMOUNT = auto()
    """The text of a plain number."""
    INTEGER = auto()
    BOOLEAN = auto()
    LIST = auto()
    """Of rows of its own fields, each a tuple."""


@dataclass(frozen=True, slots=True)
class Field:
    """A column.

    Attributes:
        fields: Of a list, what its rows hold.
    """

    name: str
    form: Form = Form.TEXT
    fields: tuple["Field", ...] = ()


Values = tuple[Any, ...]
"""A row: one value a field, `None` for nothing."""


class Writer(Protocol):
    """Turns rows into the bytes of a file, piece by piece."""

    media_type: str

    def begin(self) -> bytes:
        """What comes before the rows."""
        ...

    def rows(self, rows: Sequence[Values]) -> bytes:
        """Some rows; may be kept back to be written with later ones."""
        ...

    def end(self) -> bytes:
        """What is left, and what comes after the rows."""
        ...


def texts(*names: str) -> tuple[Field, ...]:
    """Several columns of text."""
    return tuple(Field(name) for name in names)


def amounts(*names: str) -> tuple[Field, ...]:
    """Several columns of amounts."""
    return tuple(Field(name, Form.AMOUNT) for name in names)


def instants(*names: str) -> tuple[Field, ...]:
    """Several columns of instants."""
    return tuple(Field(name, Form.INSTANT) for name in names)
