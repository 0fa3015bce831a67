"""Answers: documents straight to bytes, and whatever goes wrong to a problem document.

The one hard idea: what is raised decides the answer, in this one place. A problem says its own;
what means that the database is away says "not at this moment"; everything else is our mistake, is
logged with the request's id, and tells the caller nothing but that id.
"""

import logging
from collections.abc import Mapping
from typing import Any, Final

import asyncpg
import msgspec
from litestar import Request, Response
from litestar.exceptions import HTTPException

from api.problems.catalogue import (
    BOOKS_BUSY,
    INTERNAL,
    JSON_INVALID,
    METHOD_NOT_ALLOWED,
    NOT_FOUND,
    UNAVAILABLE,
    ProblemType,
)
from api.problems.problem import MEDIA_TYPE, ProblemError
from ledger.group_commit import ClosedError
from ledger.lanes import BusyError
from ledger.posting import TooManyRacesError
from ledger.reading_as_of import HeldUpError

logger = logging.getLogger(__name__)

JSON: Final = "application/json"

RETRY_SECONDS: Final = "2"
"""How long a caller is asked to wait when the service can't answer now."""

AWAY: Final = (
    OSError,
    TimeoutError,
    TooManyRacesError,
    asyncpg.PostgresConnectionError,
    asyncpg.InterfaceError,
    # Of a connection whose end by the server crosses the first words of a query on it.
    asyncpg.InternalClientError,
    asyncpg.OperatorInterventionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.ReadOnlySQLTransactionError,
    asyncpg.TransactionRollbackError,
)
"""What is raised while the database is down, starting, overloaded, or being replaced."""

_encoder = msgspec.json.Encoder()

_BY_STATUS: Final[dict[int, tuple[ProblemType, str]]] = {
    404: (NOT_FOUND, "there is nothing at this address"),
    405: (METHOD_NOT_ALLOWED, "the address does not know this method"),
}


def answer(
    document: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response[bytes]:
    """A document as JSON."""
    return Response(encoded(document), status_code=status, headers=headers, media_type=JSON)


def encoded(document: object) -> bytes:
    """A document's bytes."""
    return _encoder.encode(document)


def problem_answer(problem: ProblemError, request_id: str) -> Response[bytes]:
    """A problem as its document."""
    return Response(
        problem_bytes(problem, request_id),
        status_code=problem.problem.status,
        headers=problem.headers,
        media_type=MEDIA_TYPE,
    )


def problem_bytes(problem: ProblemError, request_id: str) -> bytes:
    """A problem's document as it is sent."""
    return _encoder.encode(problem.document(request_id))


def on_exception(request: Request[Any, Any, Any], exception: Exception) -> Response[bytes]:
    """The answer to a request during which this was raised."""
    request_id = request_id_of(request)
    return problem_answer(problem_of(exception, request_id), request_id)


def problem_of(exception: Exception, request_id: str) -> ProblemError:
    """What a caller is told of an exception."""
    if isinstance(exception, ProblemError):
        return exception
    if isinstance(exception, HTTPException):
        known = _BY_STATUS.get(exception.status_code)
        if known is not None:
            return ProblemError(*known, headers=exception.headers)
        if 400 <= exception.status_code < 500:
            return ProblemError(JSON_INVALID, "the request could not be read")
    not_now = _not_now(exception)
    if not_now is not None:
        kind = type(exception).__name__
        logger.warning("request=%s unavailable=%s: %s", request_id, kind, exception)
        return not_now
    logger.error("request=%s failed", request_id, exc_info=exception)
    return ProblemError(INTERNAL, "the service failed to answer; its log says more")


def _not_now(exception: Exception) -> ProblemError | None:
    """The problem of what will work a little later; `None` where it won't."""
    if isinstance(exception, BusyError):
        detail = "more postings wait than the books can take"
        seconds = str(exception.retry_after_seconds)
        return ProblemError(BOOKS_BUSY, detail, headers={"Retry-After": seconds})
    if isinstance(exception, HeldUpError):
        return ProblemError(BOOKS_BUSY, str(exception), headers={"Retry-After": RETRY_SECONDS})
    if isinstance(exception, ClosedError):
        detail = "the service is ending"
    elif isinstance(exception, AWAY):
        detail = "the database can't be reached or is overloaded"
    else:
        return None
    return ProblemError(UNAVAILABLE, detail, headers={"Retry-After": RETRY_SECONDS})


def request_id_of(request: Request[Any, Any, Any]) -> str:
    """The id under which the request is logged and answered."""
    return str(request.scope["state"].get("request_id", ""))
