"""What a caller asks of a list whose entries have ids in the order of time."""

from collections.abc import Collection
from typing import Any, NamedTuple
from uuid import UUID

from litestar import Request

from api.documents.forms import PAGE_DEFAULT, PAGE_MAX
from api.intake.checks import Check, Finding
from api.intake.cursor import cursor_id, id_cursor
from api.intake.query import count_up_to, read_query
from api.problems.fields import FieldCode


class Wanted(NamedTuple):
    """A page: at most `limit` entries before the one with the id `before`, in a state or in any."""

    limit: int
    before: UUID | None
    state: str | None


def read_page(request: Request[Any, Any, Any], states: Collection[str] | None = None) -> Wanted:
    """The page a request asks for.

    Args:
        request: With `limit`, `cursor` and, where there are states, `state` in its query.
        states: The words that `state` may be; without any, there is no such parameter.

    Raises:
        ProblemError: `request_invalid`.
    """
    known: dict[str, Check] = {"limit": count_up_to(PAGE_MAX), "cursor": id_cursor}
    if states is not None:
        known["state"] = _one_of(states)
    query = read_query(request, known)
    return Wanted(
        int(query.get("limit", PAGE_DEFAULT)),
        cursor_id(query["cursor"]) if "cursor" in query else None,
        query.get("state"),
    )


def _one_of(words: Collection[str]) -> Check:
    def check(value: object) -> Finding | None:
        if value in words:
            return None
        return FieldCode.VALUE_UNKNOWN, f"is none of: {', '.join(words)}"

    return check
