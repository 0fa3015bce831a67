"""Settings as values that can be changed in part, whoever they belong to.

A change names only what it changes, at any depth; it becomes a new whole or nothing at all. Errors
name the setting.
"""

import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

SettingsT = TypeVar("SettingsT", bound=msgspec.Struct)


class SettingsError(ValueError):
    """A setting is unknown or its value not allowed."""


def merged(settings: SettingsT, patch: Any) -> SettingsT:
    """The settings with those of `patch` in place; lists are replaced as a whole.

    Raises:
        SettingsError: naming the setting and the rule.
    """
    if not isinstance(patch, dict):
        message = "settings must be an object"
        raise SettingsError(message)
    whole = _laid_over(msgspec.to_builtins(settings), patch)
    try:
        return msgspec.convert(whole, type(settings))
    except msgspec.ValidationError as error:
        raise SettingsError(_named(str(error))) from error


def read_file(path: Path) -> Any:
    """The content of a TOML file, or of a JSON file when its name ends in `.json`.

    Raises:
        SettingsError: the file cannot be read.
    """
    try:
        content = path.read_bytes()
        if path.suffix == ".json":
            return msgspec.json.decode(content)
        return tomllib.loads(content.decode())
    except (OSError, ValueError, msgspec.DecodeError) as error:
        message = f"{path}: {error}"
        raise SettingsError(message) from error


def _laid_over(below: Any, above: Any) -> Any:
    if isinstance(below, dict) and isinstance(above, dict):
        return {**below, **{name: _laid_over(below.get(name), above[name]) for name in above}}
    return above


def _named(message: str) -> str:
    """The validator's `… - at `$.rate.sliding`` the way people write a setting's name."""
    return message.replace("`$.", "`")


def read_assignments(assignments: Iterable[str]) -> dict[str, Any]:
    """A change made of `some.setting=value` texts; a value is JSON, or a text when it is none.

    Raises:
        SettingsError: a text is not an assignment.
    """
    patch: dict[str, Any] = {}
    for assignment in assignments:
        name, equals, text = assignment.partition("=")
        if not name or not equals:
            message = f"{assignment!r}: expected NAME=VALUE"
            raise SettingsError(message)
        try:
            value = msgspec.json.decode(text)
        except msgspec.DecodeError:
            value = text
        *path, last = name.split(".")
        place = patch
        for step in path:
            place = place.setdefault(step, {})
        place[last] = value
    return patch
