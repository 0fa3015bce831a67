"""JSON pointers (RFC 6901): how a configuration names a place in a vendor's document.

The one hard idea: they were chosen over dotted paths because PassKit's keys have dots in them, as
in `/pass/recordData/members.member.externalId`. A place that is not there is nothing, no error.
"""

from collections.abc import Iterable
from typing import Any, Final

POINTER_CHARACTERS_MAX: Final = 500
STEPS_MAX: Final = 20

Pointer = tuple[str, ...]
"""The steps of a pointer, unescaped; none for the whole document."""


class PointerError(ValueError):
    """A text that is no JSON pointer; the message says which rule it breaks."""


def parse_pointer(text: str) -> Pointer:
    """The steps of a pointer.

    Raises:
        PointerError: it doesn't begin with a slash, is too long, or has a stray `~`.
    """
    if text == "":
        return ()
    if not text.startswith("/"):
        raise PointerError("must begin with a slash, as in /payload/user/id")
    steps = text[1:].split("/")
    if len(text) > POINTER_CHARACTERS_MAX or len(steps) > STEPS_MAX:
        raise PointerError(
            f"has more than {STEPS_MAX} steps or {POINTER_CHARACTERS_MAX} characters"
        )
    for step in steps:
        if "~" in step.replace("~0", "").replace("~1", ""):
            raise PointerError("has a ~ that is neither ~0 (for ~) nor ~1 (for /)")
    return tuple(step.replace("~1", "/").replace("~0", "~") for step in steps)


def find(document: Any, pointer: Pointer) -> Any:
    """What stands at a place of a document; `None` where there is nothing, or null."""
    for step in pointer:
        if isinstance(document, dict):
            document = document.get(step)
        elif isinstance(document, list) and step.isascii() and step.isdecimal() and len(step) < 10:
            document = document[int(step)] if int(step) < len(document) else None
        else:
            return None
    return document


def first_text(document: Any, pointers: Iterable[Pointer]) -> str | None:
    """The first of these places that holds a text or whole number, as text without outer blanks."""
    for pointer in pointers:
        text = as_text(find(document, pointer))
        if text:
            return text
    return None


def as_text(value: Any) -> str | None:
    """A text or whole number as text without outer blanks; `None` for anything else, or empty.

    U+0000 is left out: no database takes it.
    """
    if isinstance(value, str):
        return value.replace("\x00", "").strip() or None
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return None
