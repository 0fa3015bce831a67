"""The page of outside facts names only settings that exist, and every setting that is for one."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import msgspec

from sync.engage.retention_options import RetentionOptions
from sync.engage.settings import EngageOptions, ScheduleOptions

PAGE = Path(__file__).parents[4] / "docs" / "contracts" / "engage.md"

# Of our own making: they answer no question about Engage.
OURS = {"mode", "plain_http", "requests_at_once"} | {
    *(f"schedule.{name}" for name in ScheduleOptions.__struct_fields__),
    *(f"retention.{name}" for name in RetentionOptions.__struct_fields__),
}


def names(section: type[msgspec.Struct], prefix: str = "") -> Iterator[str]:
    """Every setting's name, with the sections it is in."""
    for field in msgspec.structs.fields(section):
        kind: Any = field.type
        is_section = isinstance(kind, type) and issubclass(kind, msgspec.Struct)
        if is_section and "Timing" not in kind.__name__:
            yield from names(kind, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}"


def settings_named_on_the_page() -> set[str]:
    rows = [line for line in PAGE.read_text().splitlines() if line.startswith("| ")]
    cells = [row.rstrip(" |").rpartition(" | ")[2] for row in rows]
    return {name for cell in cells for name in re.findall(r"`([a-z_.]+)`", cell)}


def test_every_setting_on_the_page_exists() -> None:
    assert settings_named_on_the_page() <= set(names(EngageOptions))


def test_every_setting_about_engage_is_on_the_page() -> None:
    assert set(names(EngageOptions)) - OURS <= settings_named_on_the_page()
