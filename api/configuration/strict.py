"""Every mistake in a tree of plain data at once, each with the path of its key.

The one hard idea: msgspec stops at the first mistake, which makes an operator start the service
once for each. So structs are walked here field by field, and msgspec is asked only about leaves.
Values are never repeated in a message: one may be a secret in the wrong place.
"""

import re
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Union, get_args, get_origin

import msgspec


@dataclass(frozen=True, slots=True)
class Mistake:
    """Something wrong at a key, such as `tenants.acme.definitions[0].scale`."""

    key: str
    message: str

    def __str__(self) -> str:
        return f"{self.key}: {self.message}" if self.key else self.message


def mistakes(value: object, wanted: Any, key: str = "") -> Iterator[Mistake]:
    """What keeps `value`, as TOML or JSON gives it, from being a `wanted`."""
    struct = _struct_of(wanted)
    if struct is not None:
        yield from _struct_mistakes(value, struct, key)
        return
    inner = [*_inside(value, wanted, key)]
    yield from inner
    if not inner:
        yield from _leaf_mistakes(value, wanted, key)


def _inside(value: object, wanted: Any, key: str) -> Iterator[Mistake]:
    """The mistakes within a table of tables or a list of tables."""
    if get_origin(wanted) is Annotated:
        wanted = get_args(wanted)[0]
    origin, arguments = get_origin(wanted), get_args(wanted)
    if origin is dict and isinstance(value, dict):
        for name, one in value.items():
            yield from mistakes(one, arguments[1], below(key, name))
    elif origin in {tuple, list} and isinstance(value, list) and _struct_of(arguments[0]):
        for index, one in enumerate(value):
            yield from mistakes(one, arguments[0], f"{key}[{index}]")


def below(key: str, name: str) -> str:
    """The path of a name below a key; names that aren't plain are quoted."""
    plain = name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else f'"{name[:100]}"'
    return f"{key}.{plain}" if key else plain


def _struct_of(wanted: Any) -> type[msgspec.Struct] | None:
    """The struct that a type is, or is beside None."""
    if get_origin(wanted) is Annotated:
        wanted = get_args(wanted)[0]
    if get_origin(wanted) in {Union, types.UnionType}:
        inner = [one for one in get_args(wanted) if one is not type(None)]
        return _struct_of(inner[0]) if len(inner) == 1 else None
    is_struct = isinstance(wanted, type) and issubclass(wanted, msgspec.Struct)
    return wanted if is_struct else None


def _struct_mistakes(value: object, struct: type[msgspec.Struct], key: str) -> Iterator[Mistake]:
    if not isinstance(value, dict):
        yield Mistake(key, "must be a table")
        return
    fields = {field.encode_name: field for field in msgspec.structs.fields(struct)}
    for name in value:
        if name not in fields:
            known = ", ".join(fields)
            yield Mistake(below(key, name), f"is no setting; there are: {known}")
    for name, field in fields.items():
        if name in value:
            yield from mistakes(value[name], field.type, below(key, name))
        elif field.required:
            yield Mistake(below(key, name), "is missing")


def _leaf_mistakes(value: object, wanted: Any, key: str) -> Iterator[Mistake]:
    try:
        msgspec.convert(value, wanted)
    except msgspec.ValidationError as problem:
        message, _, place = str(problem).partition(" - at `$")
        rule = _bounds(wanted, value) or _words_known(wanted, message) or _plain(message)
        yield Mistake(key + place.rstrip("`"), rule)


def _bounds(wanted: Any, value: object) -> str | None:
    """The rule of a number that has bounds, where a number was given."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    kind = msgspec.inspect.type_info(wanted)
    if isinstance(kind, msgspec.inspect.UnionType):
        kind = next((one for one in kind.types if isinstance(one, _NUMBERS)), kind)
    if not isinstance(kind, _NUMBERS):
        return None
    if isinstance(kind, msgspec.inspect.IntType) and isinstance(value, float):
        return "must be a whole number"
    if kind.ge is not None and kind.le is not None:
        return f"must be {kind.ge} to {kind.le}"
    rules = [
        f"{word} {bound}"
        for word, bound in (
            ("at least", kind.ge),
            ("above", kind.gt),
            ("at most", kind.le),
            ("below", kind.lt),
        )
        if bound is not None
    ]
    return "must be " + " and ".join(rules) if rules else None


def _words_known(wanted: Any, message: str) -> str | None:
    """The words there are for a setting, where another was given."""
    if not message.startswith("Invalid enum value"):
        return None
    kind = msgspec.inspect.type_info(wanted)
    kinds = kind.types if isinstance(kind, msgspec.inspect.UnionType) else (kind,)
    for one in kinds:
        if isinstance(one, msgspec.inspect.EnumType):
            return "must be one of " + ", ".join(str(member.value) for member in one.cls)
    return None


_NUMBERS = (msgspec.inspect.IntType, msgspec.inspect.FloatType)

_WORDS = {
    "int": "a whole number",
    "float": "a number",
    "str": "text",
    "bool": "true or false",
    "object": "a table",
    "array": "a list",
    "null": "nothing",
}


def _plain(message: str) -> str:
    """Msgspec's sentence in the words of the file, without what it says of the value."""
    if message.startswith("Invalid enum value"):
        return "is none of the known words"
    if message.startswith("Expected `str` matching regex"):
        return "has not the right form"

    def said(types: re.Match[str]) -> str:
        words = [_WORDS.get(one, one) for one in types[1].split(" | ") if one != "null"]
        return " or ".join(words) or "nothing"

    return (
        re.sub(r"`([^`]*)`", said, message).replace("Expected", "must be").replace(", got", ", not")
    )
