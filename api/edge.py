"""The edge: what every answer gets, whatever answered it, errors of the framework included.

A request id, a measurement, a limit of requests at once, and an answer of last resort where
something was raised that nothing else caught. It stands outside of the framework, because 404 and
405 never reach the framework's own middleware.
"""

import logging
import re
import secrets
import time
from typing import TYPE_CHECKING, Final, cast

from litestar.enums import ScopeType

from api.answers import problem_bytes, problem_of
from api.connections import head_too_large, is_head_too_large
from api.measures import Measures
from api.problems.catalogue import MEDIA_TYPE_UNSUPPORTED, TOO_MANY_REQUESTS
from api.problems.problem import MEDIA_TYPE, ProblemError

if TYPE_CHECKING:
    from litestar.types import ASGIApp, HTTPScope, Message, Receive, Scope, Send

logger = logging.getLogger(__name__)

AT_ONCE_MAX: Final = 1000
"""Requests in work at once in one process; more are told to come again."""

NOWHERE: Final = "(none)"
"""The route of requests for addresses that don't exist."""

READING: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods of requests whose bodies, if there are any, are not looked at."""

UNENCODED: Final = frozenset({b"", b"identity"})

_REQUEST_ID: Final = re.compile(rb"[A-Za-z0-9._-]{1,64}\Z")


class Edge:
    """Wraps the application."""

    def __init__(self, inner: "ASGIApp", measures: Measures) -> None:
        self._inner = inner
        self._measures = measures
        self.at_once = 0

    async def __call__(self, scope: "Scope", receive: "Receive", send: "Send") -> None:
        """Answer one request."""
        if scope["type"] != ScopeType.HTTP:
            await self._inner(scope, receive, send)
            return
        request = scope
        answering = _Answering(send, request_id(request))
        request.setdefault("state", {})["request_id"] = answering.request_id
        started = time.perf_counter()
        self.at_once += 1
        try:
            refusal = self._refusal(request)
            if refusal is not None:
                await answering.refuse(refusal)
            else:
                await self._inner(scope, receive, answering.send)
        except Exception as exception:  # noqa: BLE001  # nothing may leave a caller without answer
            await answering.refuse(problem_of(exception, answering.request_id))
        finally:
            self.at_once -= 1
            route = str(cast("dict[str, object]", scope).get("path_template") or NOWHERE)
            seconds = time.perf_counter() - started
            self._measures.answered(request["method"], route, answering.status, seconds)
            logger.debug(
                "request=%s method=%s route=%s status=%d ms=%.1f",
                answering.request_id,
                request["method"],
                route,
                answering.status,
                seconds * 1000,
            )

    def _refusal(self, request: "HTTPScope") -> ProblemError | None:
        """What is wrong with a request whatever it asks for."""
        if self.at_once > AT_ONCE_MAX:
            return _too_many()
        if is_head_too_large(request):
            return head_too_large()
        if request["method"] not in READING:
            for name, value in request["headers"]:
                if name == b"content-encoding" and value.strip().lower() not in UNENCODED:
                    return ProblemError(MEDIA_TYPE_UNSUPPORTED, "send the body uncompressed")
        return None


class _Answering:
    """The way back to the caller, which remembers what was sent."""

    def __init__(self, send: "Send", request_id: str) -> None:
        self.request_id = request_id
        self.status = 0
        self._send = send

    async def send(self, message: "Message") -> None:
        if message["type"] == "http.response.start":
            self.status = message["status"]
            headers = [*message.get("headers", []), (b"x-request-id", self.request_id.encode())]
            message = {**message, "headers": headers}
        await self._send(message)

    async def refuse(self, problem: ProblemError) -> None:
        """Answer with a problem, unless an answer was begun already."""
        if self.status:
            return
        body = problem_bytes(problem, self.request_id)
        headers = {
            "Content-Type": MEDIA_TYPE,
            "Content-Length": str(len(body)),
            **problem.headers,
        }
        await self.send(
            {
                "type": "http.response.start",
                "status": problem.problem.status,
                "headers": [
                    (name.lower().encode(), value.encode()) for name, value in headers.items()
                ],
            }
        )
        await self.send({"type": "http.response.body", "body": body, "more_body": False})


def request_id(scope: "HTTPScope") -> str:
    """The caller's own id for the request where it sent a decent one, else a new one."""
    for name, value in scope["headers"]:
        if name == b"x-request-id" and _REQUEST_ID.match(value):
            return value.decode()
    return secrets.token_hex(12)


def _too_many() -> ProblemError:
    return ProblemError(
        TOO_MANY_REQUESTS,
        f"more than {AT_ONCE_MAX} requests are in work",
        headers={"Retry-After": "1"},
    )
