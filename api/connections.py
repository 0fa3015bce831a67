"""One connection of a caller: HTTP/1.1 as uvicorn reads it, with limits on heads of requests.

The one hard idea: what comes before a request is known (its line and its headers) is bounded in
bytes and in seconds, because nobody has looked at a key yet; from then on bodies have limits of
their own. A head that comes whole, as nearly all do, costs no timer.

Another protocol that is offered (WebSocket, HTTP/2) is declined by answering in HTTP/1.1, without a
word in the log; anybody may offer one.
"""

import asyncio
import logging
import secrets
from http import HTTPStatus
from typing import TYPE_CHECKING, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from api.answers import problem_bytes
from api.problems.catalogue import HEAD_TOO_LARGE, HEAD_TOO_SLOW, HTTP_INVALID
from api.problems.problem import MEDIA_TYPE, ProblemError

if TYPE_CHECKING:
    from litestar.types import HTTPScope

logger = logging.getLogger(__name__)

HEAD_BYTES_MAX: Final = 32 * 1024
"""Of the address and all headers of a request together."""

HEAD_SECONDS_MAX: Final = 20.0
"""How long they may take to come, from their first byte on."""

KEEP_ALIVE_SECONDS: Final = 75
"""How long a connection may be idle: longer than load balancers keep theirs."""

TOO_LARGE: Final = "head_too_large"
"""The word in a request's state by which the edge knows to refuse it."""


def head_too_large() -> ProblemError:
    """The answer to a head that is too large."""
    detail = f"the address and the headers have more than {HEAD_BYTES_MAX} bytes"
    return ProblemError(HEAD_TOO_LARGE, detail, headers={"Connection": "close"})


def is_head_too_large(scope: "HTTPScope") -> bool:
    """Whether a request must be refused for its head."""
    return TOO_LARGE in scope["state"]


class Connection(HttpToolsProtocol):
    """A connection, from its first byte to its last."""

    _deadline: asyncio.TimerHandle | None = None
    _in_head = True
    """Whether the next byte belongs to a request's head, or to what may stand before one."""
    _is_between = True
    """Whether nothing of the next head has come yet."""
    _read = 0
    """Requests that came to their end."""
    _bytes = 0
    """Bytes of a head that comes in several pieces."""
    _is_over = False
    """Whether nothing that comes will be understood any more."""
    _unanswered = 0
    """Requests that are being answered, or wait for that."""

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as uvicorn declares it
        """Somebody connects, and is expected to say something."""
        super().connection_made(transport)
        self._expect(KEEP_ALIVE_SECONDS)

    def connection_lost(self, exc: Exception | None) -> None:
        """The other end is gone, or was told to go."""
        self._relax()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Some bytes came."""
        if self._is_done():
            return
        began_before, read = self._in_head and not self._is_between, self._read
        super().data_received(data)
        if not self._in_head or self._is_done():
            return
        if began_before and self._read == read:
            # What the piece before had is bounded by what is read at once.
            self._bytes += len(data)
            if self._bytes > HEAD_BYTES_MAX:
                self._end(head_too_large())
        elif not self._is_between:
            self._expect(HEAD_SECONDS_MAX)
        elif self._read == read:
            # Blank lines, which may stand before a head but not go on for ever.
            if self._deadline is None:
                self._expect(HEAD_SECONDS_MAX)
        elif not self._unanswered:
            # The rest of a body that was answered before it was there.
            self._expect(KEEP_ALIVE_SECONDS)

    def on_message_begin(self) -> None:
        """The first byte of a request."""
        self._is_between = False
        self._bytes = 0
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        """A head is complete; what it asks for begins to be answered."""
        self._in_head = False
        self._unanswered += 1
        self._relax()
        said = sum(len(name) + len(value) for name, value in self.headers)
        if said + len(self.url) > HEAD_BYTES_MAX:
            self.scope["state"][TOO_LARGE] = True
        super().on_headers_complete()
        if self.parser.should_upgrade():
            # Nothing that follows will be understood.
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        """A request is there in full."""
        self._in_head = self._is_between = True
        self._read += 1
        self._relax()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        """A request is answered; if it isn't there in full yet, its rest is not waited for long."""
        self._unanswered -= 1
        super().on_response_complete()
        if not self._in_head:
            self._expect(HEAD_SECONDS_MAX)

    def send_400_response(self, msg: str) -> None:  # noqa: ARG002  # ours says it as all problems are said
        """Answer what is no HTTP."""
        self._end(ProblemError(HTTP_INVALID, "what was sent is no HTTP/1.1 request"))

    def _unsupported_upgrade_warning(self) -> None:
        logger.debug("declined another protocol")

    def _is_done(self) -> bool:
        return self._is_over or self.transport.is_closing()

    def _expect(self, seconds: float) -> None:
        self._relax()
        self._deadline = self.loop.call_later(seconds, self._give_up)

    def _relax(self) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
            self._deadline = None

    def _give_up(self) -> None:
        """End a connection on which nothing useful came in time."""
        self._deadline = None
        if self.transport.is_closing():
            return
        if self._unanswered:
            # Something before it is still being answered.
            self._expect(HEAD_SECONDS_MAX)
        elif self._in_head and not self._is_between:
            detail = f"the address and the headers took more than {HEAD_SECONDS_MAX:.0f} seconds"
            self._end(ProblemError(HEAD_TOO_SLOW, detail))
        else:
            self.transport.close()

    def _end(self, problem: ProblemError) -> None:
        """Hang up; with a problem, where nothing else is being answered."""
        self._relax()
        if self._unanswered and self._in_head:
            # What came whole before it is still answered.
            self._is_over = True
            self.cycle.keep_alive = False
            return
        if self._unanswered:
            # Whoever waits for the rest of a body, waits in vain.
            self.cycle.disconnected = True
            self.cycle.message_event.set()
        else:
            self.transport.write(_answer(problem))
        self.transport.close()


def _answer(problem: ProblemError) -> bytes:
    """The answer to what never became a request."""
    request_id = secrets.token_hex(12)
    body = problem_bytes(problem, request_id)
    status = HTTPStatus(problem.problem.status)
    head = (
        f"HTTP/1.1 {status.value} {status.phrase}\r\n"
        f"content-type: {MEDIA_TYPE}\r\ncontent-length: {len(body)}\r\n"
        f"x-request-id: {request_id}\r\nconnection: close\r\n\r\n"
    )
    return head.encode("ascii") + body
