"""The barest door through which a stand-in Engage reaches a follower: no framework, no API."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import parse_qs
from uuid import UUID

import uvicorn

from ledger.identity import ContactId
from sync.engage import Follower, may_read_points_log


@contextlib.asynccontextmanager
async def door(follower: Follower) -> AsyncIterator[str]:
    """Where `/webhooks` and `/points-log` lead to the follower; the address, without a slash."""

    async def application(scope: Any, receive: Any, send: Any) -> None:
        if scope["type"] != "http":
            return
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        status, answer = await _answer(follower, scope, headers, body)
        start = {"type": "http.response.start", "status": status}
        kind = [(b"content-type", b"application/json")]
        await send(start | {"headers": kind})
        await send({"type": "http.response.body", "body": answer})

    config = uvicorn.Config(application, port=0, log_level="error", lifespan="off")
    server = uvicorn.Server(config)
    with contextlib.suppress(asyncio.CancelledError):
        serving = asyncio.create_task(server.serve())
        while not server.started:
            await asyncio.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        try:
            yield f"http://127.0.0.1:{port}"
        finally:
            server.should_exit = True
            await serving


async def _answer(
    follower: Follower, scope: Any, headers: dict[str, str], body: bytes
) -> tuple[int, bytes]:
    if scope["path"] == "/webhooks":
        receipt = await follower.receive(body, headers)
        return receipt.status_code, b"{}"
    if scope["path"] == "/points-log":
        if not may_read_points_log(follower.context.settings, headers):
            return 401, b"{}"
        (contact,) = parse_qs(scope["query_string"].decode())["contactId"]
        return 200, await follower.points_log(ContactId(UUID(contact)))
    return 404, b"{}"
