"""A value that must not be seen: it prints as dots wherever it is logged, shown or formatted.

The one hard idea: the text comes out by one method only, whose name can be searched for. It does
not protect the process's memory, and it does not read environment variables or files.
"""

import hmac
from typing import Never, Self

SHOWN = "Secret('••••')"


class Secret:
    """A text such as an API key, a password or a signing secret."""

    __slots__ = ("_text",)

    def __init__(self, text: str) -> None:
        self._text = text

    def reveal(self) -> str:
        """The text itself, for the one place that sends or compares it."""
        return self._text

    def equals(self, offered: str) -> bool:
        """Whether `offered` is the text, in a time that doesn't depend on where they differ."""
        return hmac.compare_digest(self._text.encode(), offered.encode())

    def __bool__(self) -> bool:
        return bool(self._text)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and self.equals(other._text)

    def __hash__(self) -> int:
        return hash((Secret, self._text))

    def __repr__(self) -> str:
        return SHOWN

    __str__ = __repr__

    def __format__(self, specification: str) -> str:
        return format(SHOWN, specification)

    def __reduce__(self) -> Never:
        raise TypeError("a secret is not pickled")

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, _memo: object) -> Self:
        return self
