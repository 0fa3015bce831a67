"""Arrays as text: what a statement is given for a whole column.

The one hard idea: the driver asks of every element of an array whether it is an array itself, which
costs more than sending it; a text it takes as it is, and PostgreSQL reads an array from its text
as quickly. The text is a parameter like any other, so nothing in it is ever read as a statement.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Final

Column = Sequence[Any]


def _plain(values: Column) -> str:
    """Of what its own text stands for: numbers, truth values, identifiers."""
    return "{" + ",".join(["null" if one is None else str(one) for one in values]) + "}"


def _instants(values: Column) -> str:
    """Of aware instants; most of a column are one and the same."""
    texts = {one: "null" if one is None else f'"{one.isoformat()}"' for one in set(values)}
    return "{" + ",".join([texts[one] for one in values]) + "}"


def _texts(values: Column) -> str:
    return "{" + ",".join(["null" if one is None else _quoted(one) for one in values]) + "}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _bytes(values: Column) -> str:
    """Of bytes, by their hexadecimal digits."""
    texts = ["null" if one is None else rf'"\\x{one.hex()}"' for one in values]
    return "{" + ",".join(texts) + "}"


LITERALS: Final[Mapping[str, Callable[[Column], str]]] = {
    "SMALLINT": _plain,
    "INTEGER": _plain,
    "BIGINT": _plain,
    "BOOLEAN": _plain,
    "UUID": _plain,
    "TIMESTAMP WITH TIME ZONE": _instants,
    "BYTEA": _bytes,
    "TEXT": _texts,
}
"""How a column of a type is written, by the type's name."""
