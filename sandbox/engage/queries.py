"""Reading what a caller asks of Engage in the address, and refusing it in Engage's way.

Names in a query are understood in any letter case, as the platform's framework does. Errors carry
a symbolic code where Voyado publishes one; the exact JSON of an error is not published.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from litestar import Response

from sandbox.answers import json_answer
from sandbox.control import AnyRequest
from sandbox.door import VERDICT_KEY
from sandbox.faults import CLEAN, Verdict

PAGE_MAX: Final = 1000
COUNT_DEFAULT: Final = 100


class QueryError(ValueError):
    """A value in the query is not usable; the message names it."""


@dataclass(frozen=True, slots=True)
class Page:
    """Which part of a list is asked for."""

    offset: int
    count: int

    def of(self, whole: list[Any]) -> list[Any]:
        """That part."""
        return whole[self.offset : self.offset + self.count]


def query_of(request: AnyRequest) -> dict[str, str]:
    """The query's values by name in lower case; of a repeated name, the last."""
    return {name.lower(): value for name, value in request.query_params.multi_items()}


def read_number(query: Mapping[str, str], name: str, default: int | None = None) -> int:
    """A whole number of the query.

    Raises:
        QueryError: it is missing and has no default, or is not a number.
    """
    text = query.get(name.lower())
    if text is None:
        if default is None:
            message = f"{name} is required"
            raise QueryError(message)
        return default
    if len(text) > 12 or not text.lstrip("-").isdecimal():
        message = f"{name}: {text[:40]!r} is not a whole number"
        raise QueryError(message)
    return int(text)


def read_page(query: Mapping[str, str]) -> Page:
    """`offset` (0) and `count` (100, at most 1000).

    Raises:
        QueryError: one of them is out of bounds.
    """
    offset = read_number(query, "offset", 0)
    count = read_number(query, "count", COUNT_DEFAULT)
    if offset < 0 or not 1 <= count <= PAGE_MAX:
        message = f"offset must not be negative, count must be between 1 and {PAGE_MAX}"
        raise QueryError(message)
    return Page(offset, count)


def answered(status: int, value: Any) -> Response[bytes]:
    """The value as Engage's answer."""
    return json_answer(status, value).response()


def refused(status: int, code: str, message: str) -> Response[bytes]:
    """An error answer."""
    return answered(status, {"errorCode": code, "message": message})


def paged(items: list[Any], total: int, page: Page) -> dict[str, Any]:
    """A page of a list as v2 writes it."""
    return {
        "links": [],
        "items": items,
        "totalCount": total,
        "offset": page.offset,
        "count": page.count,
    }


def verdict_of(request: AnyRequest) -> Verdict:
    """What was ordered to go wrong with this request."""
    scope: Any = request.scope
    verdict = scope.get(VERDICT_KEY)
    return verdict if isinstance(verdict, Verdict) else CLEAN
