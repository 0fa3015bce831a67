"""Taking a body in: only JSON, only so large."""

from typing import Any, Final

from litestar import Request

from api.problems.catalogue import MEDIA_TYPE_UNSUPPORTED
from api.problems.problem import ProblemError

BODY_BYTES_MAX: Final = 2 * 1024 * 1024
"""Of a body of transactions: a thousand of them, with room."""


async def json_body(request: Request[Any, Any, Any]) -> bytes:
    """The body of a request that says it is JSON in UTF-8.

    Raises:
        ProblemError: it says something else (`media_type_unsupported`). A body beyond the
            handler's limit is refused by the framework while it is read.
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise ProblemError(
            MEDIA_TYPE_UNSUPPORTED, "send the body with Content-Type: application/json"
        )
    return await request.body()
