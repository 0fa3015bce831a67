"""MoEngage's doors: one event, one user, many of both, and the check of credentials.

An answer of 200 means queued, not stored; whatever is wrong beyond the form of the request is only
told to those who look (findings).
"""

import hmac
from collections.abc import Callable
from typing import Any

import msgspec
from litestar import Response, post

from sandbox.answers import Answer, json_answer
from sandbox.control import AnyRequest
from sandbox.moengage.elements import Element, Kind, RequestRefusedError, read_bulk, read_single
from sandbox.moengage.gate import failed, request_id
from sandbox.moengage.state import MoEngage


class Credentials(msgspec.Struct, frozen=True):
    """What the check of credentials is asked."""

    app_id: str = ""
    app_secret: str = ""
    source: Any = None
    region: Any = None


@post("/v1/event/{workspace_id:str}", status_code=200)
async def post_event(request: AnyRequest, workspace_id: str, moengage: MoEngage) -> Response[bytes]:
    """One customer's events."""
    return await _taken(
        request, workspace_id, moengage, "event", lambda body: [read_single(body, Kind.EVENT)]
    )


@post("/v1/customer/{workspace_id:str}", status_code=200)
async def post_customer(
    request: AnyRequest, workspace_id: str, moengage: MoEngage
) -> Response[bytes]:
    """One customer's attributes."""
    return await _taken(
        request, workspace_id, moengage, "customer", lambda body: [read_single(body, Kind.CUSTOMER)]
    )


@post("/v1/transition/{workspace_id:str}", status_code=200)
async def post_transition(
    request: AnyRequest, workspace_id: str, moengage: MoEngage
) -> Response[bytes]:
    """Events and attributes of many customers."""
    return await _taken(request, workspace_id, moengage, "transition", read_bulk)


@post("/v1/integrations/authentication", status_code=200)
async def check_credentials(request: AnyRequest, moengage: MoEngage) -> Response[bytes]:
    """Whether a workspace's id and key belong together."""
    try:
        asked = msgspec.json.decode(await request.body(), type=Credentials)
    except msgspec.DecodeError as error:
        return failed(400, "Malformed JSON", str(error)).response()
    app_key = request.headers.get("moe-appkey", "")
    for workspace in moengage.settings.workspaces:
        key = workspace.key or ""
        if (
            workspace.id == asked.app_id == app_key
            and key
            and hmac.compare_digest(key.encode(), asked.app_secret.encode())
        ):
            return json_answer(200, {"status": "success", "app_name": workspace.name}).response()
    return failed(401).response()


async def _taken(
    request: AnyRequest,
    workspace_id: str,
    moengage: MoEngage,
    endpoint: str,
    read: Callable[[bytes], list[Element]],
) -> Response[bytes]:
    try:
        elements = read(await request.body())
    except RequestRefusedError as error:
        return failed(400, error.kind, str(error), error.attribute).response()
    standing = moengage.draw(workspace_id, endpoint, elements)
    if not standing.admitted:
        return failed(429, headers=standing.headers()).response()
    moengage.take(workspace_id, elements)
    return _queued(standing.headers()).response()


def _queued(headers: dict[str, str]) -> Answer:
    return json_answer(
        200,
        {
            "status": "success",
            "message": "Your request has been accepted and will be processed soon.",
            "request_id": request_id(),
        },
        headers,
    )
