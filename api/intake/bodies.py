"""Taking a body in: only JSON, only so large."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final, TypeVar

from litestar import Request
from litestar.exceptions import InternalServerException
from litestar.exceptions.http_exceptions import RequestEntityTooLarge

from api.problems.catalogue import (
    BODY_TOO_LARGE,
    BODY_TOO_SLOW,
    JSON_INVALID,
    MEDIA_TYPE_UNSUPPORTED,
)
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid

BODY_BYTES_MAX: Final = 2 * 1024 * 1024
"""Of a body of transactions: a thousand of them, with room."""

BODY_SECONDS_MAX: Final = 30.0
"""How long a body may take to come."""

BODY: Final = "body"
"""What the whole body is called in an error."""

CLOSE: Final = {"Connection": "close"}
"""What is left of a body that is no longer waited for must not be taken for the next request."""


Part = TypeVar("Part")


async def json_body(request: Request[Any, Any, Any]) -> bytes:
    """The body of a request that says it is JSON in UTF-8.

    Raises:
        ProblemError: it says something else (`media_type_unsupported`), or as `raw_body`.
    """
    media_type, _, parameters = request.headers.get("content-type", "").partition(";")
    charset = parameters.strip().lower().removeprefix("charset=").strip('"')
    if media_type.strip().lower() != "application/json" or charset not in {"", "utf-8", "utf8"}:
        raise ProblemError(
            MEDIA_TYPE_UNSUPPORTED, "send the body with Content-Type: application/json"
        )
    return await raw_body(request)


def no_body(request: Request[Any, Any, Any]) -> None:
    """Refuse a body where none is read: who sends one means something by it.

    Raises:
        ProblemError: `request_invalid`.
    """
    length = request.headers.get("content-length", "0").strip()
    if "transfer-encoding" in request.headers or length.strip("0"):
        message = "is not read here: what is asked for stands in the address"
        raise invalid([FieldError(BODY, FieldCode.UNKNOWN, message)])


async def raw_body(request: Request[Any, Any, Any]) -> bytes:
    """The body of a request as it came.

    Raises:
        ProblemError: it is larger than the handler allows (`body_too_large`), took longer than
            `BODY_SECONDS_MAX` (`body_too_slow`), or the caller hung up before its end.
    """
    try:
        return await in_time(request.body())
    except RequestEntityTooLarge:
        bytes_max = request.route_handler.resolve_request_max_body_size()
        detail = f"the body is larger than {bytes_max} bytes"
        raise ProblemError(BODY_TOO_LARGE, detail) from None
    except InternalServerException:
        raise ProblemError(JSON_INVALID, "the body ended before it was complete") from None


async def in_time(coming: Awaitable[Part]) -> Part:
    """A body, or a part of one, once it has come.

    Raises:
        ProblemError: it took longer than `BODY_SECONDS_MAX` (`body_too_slow`).
    """
    try:
        async with asyncio.timeout(BODY_SECONDS_MAX):
            return await coming
    except TimeoutError:
        raise ProblemError(BODY_TOO_SLOW, "the body did not come in time", headers=CLOSE) from None
