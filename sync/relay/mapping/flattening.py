"""A nested document as a flat list of named values, in the order in which it was written.

The one hard idea: a list of objects becomes a list for each of their fields (`menu_items_name`,
`menu_items_price`), because MoEngage takes lists of plain values and no objects unless asked to,
and an attribute for each position would use up the hundred that an event may have.
"""

from collections.abc import Iterator, Mapping
from typing import Any, Final

from sync.relay.mapping.values import ITEMS_MAX

DEPTH_MAX: Final = 12
LEAVES_MAX: Final = 2000

Leaf = tuple[str, Any]
"""A name, its parts joined by `_`, and a plain value or a list of such."""


def leaves(document: Mapping[str, Any]) -> Iterator[Leaf]:
    """The plain values of a document and their names; at most `LEAVES_MAX`, `DEPTH_MAX` deep."""
    for number, leaf in enumerate(_below("", document, DEPTH_MAX)):
        if number >= LEAVES_MAX:
            return
        yield leaf


def _below(name: str, value: Any, depth: int) -> Iterator[Leaf]:
    if isinstance(value, Mapping):
        if depth:
            for one, inner in value.items():
                yield from _below(f"{name}_{one}" if name else str(one), inner, depth - 1)
    elif isinstance(value, list):
        yield from _list(name, value, depth)
    else:
        yield name, value


def _list(name: str, items: list[Any], depth: int) -> Iterator[Leaf]:
    if not any(isinstance(one, Mapping | list) for one in items):
        yield name, items
        return
    if not depth:
        return
    columns: dict[str, list[Any]] = {}
    for one in items[:ITEMS_MAX]:
        for inner, value in _below(name, one, depth - 1):
            column = columns.setdefault(inner, [])
            column.extend(value if isinstance(value, list) else [value])
    yield f"{name}_count", len(items)
    yield from columns.items()
