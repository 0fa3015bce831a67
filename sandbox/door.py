"""The door every vendor request passes: gate, faults, work, journal.

It stands outside the web framework because a fault must be able to strike *around* the work: the
body is read first, the application's answer is held back until it is decided whether the caller
gets to see it, and a dropped connection is a closed socket and no status at all. The control
address and the page for people go straight through.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final, Protocol
from urllib.parse import unquote

from litestar.types import ASGIApp, Message, Receive, Scope, Send

from sandbox.answers import Answer
from sandbox.faults import CLEAN, FaultKind, FaultRule, Verdict
from sandbox.journal import Entry
from sandbox.server import ABORT_KEY
from sandbox.stand_in import StandIn

CONTROL_PREFIX: Final = "/_sandbox"
VERDICT_KEY: Final = "sandbox.verdict"
"""Where the scope of a request holds its verdict, for faults the application carries out."""

BODY_BYTES_MAX: Final = 16_000_000


@dataclass(frozen=True, slots=True)
class Knock:
    """A request as the gate sees it: everything but the work."""

    method: str
    path: str
    headers: Mapping[str, str]
    """Names in lower case; of a repeated header, the last."""
    body: bytes


class Gate(Protocol):
    """What a platform demands of each request before it looks at what is asked."""

    def fingerprint(self, knock: Knock) -> str:
        """A short name for the presented key that does not give it away."""

    def count(self, knock: Knock) -> Answer | None:
        """Count the request; an answer when it is one too many."""

    def refuse(self, knock: Knock) -> Answer | None:
        """An answer when credentials or headers are not as demanded."""

    def failure(self, status: int, retry_after_seconds: int | None) -> Answer:
        """The platform's own words for a failure that was ordered."""


class Door:
    """An ASGI application around the stand-in's own."""

    def __init__(self, application: ASGIApp, gate: Gate, stand_in: StandIn) -> None:
        self.application = application
        self.gate = gate
        self.stand_in = stand_in

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        path = scope.get("path", "")
        if str(scope["type"]) != "http" or path == "/" or path.startswith(CONTROL_PREFIX):
            await self.application(scope, receive, send)
            return
        await _Passage(self, scope, receive, send).pass_through()


class _Passage:
    """One request on its way through the door."""

    def __init__(self, door: Door, scope: Scope, receive: Receive, send: Send) -> None:
        self.door = door
        self.scope: Any = scope
        self.receive = receive
        self.send = send
        self.started = time.perf_counter()

    async def pass_through(self) -> None:
        door = self.door
        number = door.stand_in.journal.next_number()
        at = door.stand_in.clock.now()
        body = await _read(self.receive)
        headers = {
            name.decode("latin-1").lower(): value.decode("latin-1")
            for name, value in self.scope["headers"]
        }
        knock = Knock(self.scope["method"], self.scope["path"], headers, body or b"")
        crowded = door.gate.count(knock)
        verdict = CLEAN
        if crowded is None:
            verdict = door.stand_in.plan.draw(knock.method, knock.path)
        if body is None:
            answer: Answer | None = door.gate.failure(413, None)
        elif crowded is not None:
            answer = crowded
        else:
            answer = await self._answer(knock, verdict)
        entry = Entry(
            number=number,
            at=at,
            method=knock.method,
            path=knock.path,
            query=unquote(self.scope["query_string"].decode("latin-1")),
            status=None if answer is None else answer.status,
            milliseconds=(time.perf_counter() - self.started) * 1000,
            request_bytes=len(knock.body),
            key=door.gate.fingerprint(knock),
            user_agent=headers.get("user-agent", ""),
            idempotency_key=headers.get("idempotency-key"),
            faults=verdict.names,
            request_body=knock.body,
            answer_body=None if answer is None else answer.body,
        )
        door.stand_in.journal.add(entry)
        if answer is None:
            await self._drop()
        else:
            await self._send(answer)

    async def _answer(self, knock: Knock, verdict: Verdict) -> Answer | None:
        """The answer to give; None drops the connection."""
        await _wait(verdict.slow_before)
        if verdict.refusal is not None:
            return self._failure(verdict.refusal)
        answer = self.door.gate.refuse(knock)
        if answer is None:
            answer = await self._work(knock.body, verdict)
        await _wait(verdict.slow_after)
        if verdict.spoiling is not None:
            return self._failure(verdict.spoiling)
        return answer

    def _failure(self, rule: FaultRule) -> Answer | None:
        if rule.kind in (FaultKind.DROP_BEFORE, FaultKind.DROP_AFTER):
            return None
        status = 429 if rule.kind is FaultKind.THROTTLE else rule.status
        return self.door.gate.failure(status, rule.retry_after_seconds)

    async def _work(self, body: bytes, verdict: Verdict) -> Answer:
        status = 500
        headers: list[tuple[bytes, bytes]] = []
        parts: list[bytes] = []
        read = False

        async def receive() -> Any:
            nonlocal read
            if read:
                return await self.receive()
            read = True
            return {"type": "http.request", "body": body, "more_body": False}

        async def send(message: Message) -> None:
            nonlocal status, headers
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = list(message["headers"])
            elif message["type"] == "http.response.body":
                parts.append(message["body"])

        self.scope[VERDICT_KEY] = verdict
        await self.door.application(self.scope, receive, send)
        named = {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in headers}
        media_type = named.pop("content-type", "")
        named.pop("content-length", None)
        return Answer(status, b"".join(parts), media_type, named)

    async def _send(self, answer: Answer) -> None:
        headers = [(b"content-length", str(len(answer.body)).encode())]
        if answer.media_type and answer.body:
            headers.append((b"content-type", answer.media_type.encode("latin-1")))
        headers.extend(
            (name.lower().encode("latin-1"), value.encode("latin-1"))
            for name, value in answer.headers.items()
        )
        await self.send(
            {"type": "http.response.start", "status": answer.status, "headers": headers}
        )
        await self.send({"type": "http.response.body", "body": answer.body, "more_body": False})

    async def _drop(self) -> None:
        """Close the socket; returning before the server has noticed would make it answer 500."""
        self.scope[ABORT_KEY]()
        while (await self.receive())["type"] != "http.disconnect":
            pass


async def _wait(milliseconds: int) -> None:
    if milliseconds:
        await asyncio.sleep(milliseconds / 1000)


async def _read(receive: Receive) -> bytes | None:
    """The whole body; None when it is larger than any platform takes."""
    body = bytearray()
    oversize = False
    while True:
        message = await receive()
        if message["type"] != "http.request":
            return bytes(body)
        if not oversize:
            body += message["body"]
            oversize = len(body) > BODY_BYTES_MAX
        if not message["more_body"]:
            return None if oversize else bytes(body)
