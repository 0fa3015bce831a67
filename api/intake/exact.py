"""JSON as it was written: numbers as their text, objects with what they say twice.

The one hard idea: Python's own parser tells everything if it is asked to, while the fast one keeps
the last of two equal names and refuses `NaN` without saying where. So this one reads whatever is to
be explained to a person, never what is to be booked.
"""

import json
from typing import Self

DEPTH_SENTENCE = "is nested too deeply"


class NotJsonError(ValueError):
    """The text is no JSON; the message says why and where."""


class Number(str):
    """A JSON number, or a word such as `NaN` that is meant as one, exactly as written."""

    __slots__ = ()


class Members(dict[str, object]):
    """A JSON object that knows which of its names came more than once."""

    __slots__ = ("repeated",)
    repeated: list[str]

    @classmethod
    def of(cls, pairs: list[tuple[str, object]]) -> Self:
        """The object of these names and values; of equal names the last holds."""
        found = cls(pairs)
        found.repeated = []
        if len(found) < len(pairs):
            seen: set[str] = set()
            for name, _ in pairs:
                if name in seen and name not in found.repeated:
                    found.repeated.append(name)
                seen.add(name)
        return found


def parse(raw: bytes) -> object:
    """The JSON value of a text.

    Raises:
        NotJsonError: it is none, or none in UTF-8.
    """
    try:
        return json.loads(
            raw.decode(),
            parse_int=Number,
            parse_float=Number,
            parse_constant=Number,
            object_pairs_hook=Members.of,
        )
    except UnicodeDecodeError as problem:
        raise NotJsonError(f"is not UTF-8 (byte {problem.start})") from None
    except json.JSONDecodeError as problem:
        raise NotJsonError(
            f"is no valid JSON: {problem.msg} (line {problem.lineno}, column {problem.colno})"
        ) from None
    except RecursionError:
        raise NotJsonError(DEPTH_SENTENCE) from None


def type_word(value: object) -> str:
    """What a JSON value is called to a person."""
    words: dict[type, str] = {
        Number: "a number",
        str: "text",
        bool: "true or false",
        type(None): "null",
        Members: "an object",
        list: "a list",
    }
    return words[type(value)]
