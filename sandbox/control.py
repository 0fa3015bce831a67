"""The control address all stand-ins share: settings, clock, faults, requests, restart, reset.

It lives under `/_sandbox`, outside credentials, rate limits and faults, on the same port as what
it controls. Bodies are read into structs that refuse unknown fields, and an error says which field
and why: the person who reads it is in the middle of something else.
"""

import asyncio
import logging
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from litestar import Litestar, Request, Response, delete, get, post, put
from litestar.di import Provide
from litestar.exceptions import HTTPException
from litestar.handlers import BaseRouteHandler
from litestar.params import Parameter

from sandbox.answers import json_answer
from sandbox.clock import ClockChange
from sandbox.door import CONTROL_PREFIX
from sandbox.faults import Faults
from sandbox.settings_file import SettingsError
from sandbox.stand_in import StandIn

CONTROL_BODY_BYTES_MAX: Final = 256_000_000
RESTART_DELAY_SECONDS: Final = 0.02
"""Long enough for the answer to the restart request itself to leave."""

_log = logging.getLogger(__name__)

AnyRequest = Request[Any, Any, Any]
StructT = TypeVar("StructT", bound=msgspec.Struct)


class ControlError(Exception):
    """What was asked of the control address cannot be done; the message says why."""

    def __init__(self, message: str, status: int = 400) -> None:
        super().__init__(message)
        self.status = status


class Restart(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """How to restart."""

    refuse_milliseconds: Annotated[int, msgspec.Meta(ge=0, le=600_000)] = 0
    """How long the port stays closed, at least; closing and opening take about 0.2 seconds."""
    queue: Literal["keep", "forget"] = "keep"
    """Whether work that was accepted and not done survives."""


async def read_body(request: AnyRequest, wanted: type[StructT]) -> StructT:
    """The body as that struct; an empty body is an empty object.

    Raises:
        ControlError: it does not fit; the message names the field.
    """
    body = await request.body()
    try:
        return msgspec.json.decode(body or b"{}", type=wanted)
    except msgspec.DecodeError as error:
        raise ControlError(str(error).replace("`$.", "`")) from error


def shown(value: Any, status: int = 200) -> Response[bytes]:
    """The value as a JSON answer."""
    return json_answer(status, value).response()


@get(CONTROL_PREFIX)
async def show_summary(stand_in: StandIn) -> Response[bytes]:
    """What the stand-in holds, in a few numbers."""
    return shown(stand_in.summary())


@get(f"{CONTROL_PREFIX}/settings")
async def show_settings(stand_in: StandIn) -> Response[bytes]:
    """All settings."""
    return shown(stand_in.shown_settings())


@put(f"{CONTROL_PREFIX}/settings")
async def change_settings(request: AnyRequest, stand_in: StandIn) -> Response[bytes]:
    """Change the settings that the body names; the others stay."""
    try:
        patch = msgspec.json.decode(await request.body())
        stand_in.change_settings(patch)
    except (msgspec.DecodeError, SettingsError) as error:
        raise ControlError(str(error)) from error
    return shown(stand_in.shown_settings())


@get(f"{CONTROL_PREFIX}/clock")
async def show_clock(stand_in: StandIn) -> Response[bytes]:
    """The time the stand-in believes it is."""
    return shown({"now": stand_in.clock.now(), "frozen": stand_in.clock.frozen})


@post(f"{CONTROL_PREFIX}/clock", status_code=200)
async def change_clock(request: AnyRequest, stand_in: StandIn) -> Response[bytes]:
    """Move, stop or release the clock."""
    try:
        stand_in.clock.change(await read_body(request, ClockChange))
    except ValueError as error:
        raise ControlError(str(error)) from error
    return shown({"now": stand_in.clock.now(), "frozen": stand_in.clock.frozen})


@get(f"{CONTROL_PREFIX}/faults")
async def show_faults(stand_in: StandIn) -> Response[bytes]:
    """The rules, with how often each matched and struck."""
    return shown({"seed": stand_in.plan.faults.seed, "rules": stand_in.plan.report()})


@post(f"{CONTROL_PREFIX}/faults", status_code=200)
async def order_faults(request: AnyRequest, stand_in: StandIn) -> Response[bytes]:
    """Replace the plan of faults."""
    stand_in.plan.replace(await read_body(request, Faults))
    return shown({"seed": stand_in.plan.faults.seed, "rules": stand_in.plan.report()})


@delete(f"{CONTROL_PREFIX}/faults", status_code=200)
async def end_faults(stand_in: StandIn) -> Response[bytes]:
    """Behave again; the answer is the last report of the plan."""
    report = stand_in.plan.report()
    stand_in.plan.replace(Faults())
    return shown({"rules": report})


@get(f"{CONTROL_PREFIX}/requests")
async def show_requests(
    stand_in: StandIn,
    count: Annotated[int, Parameter(ge=1, le=100_000)] = 100,
    path: str | None = None,
    bodies: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Response[bytes]:
    """The last requests, newest first."""
    entries = stand_in.journal.latest(count, path)
    return shown(
        {
            "total": stand_in.journal.total,
            "byStatus": stand_in.journal.by_status,
            "requests": [entry.shown(bodies=bodies) for entry in entries],
        },
    )


@get(f"{CONTROL_PREFIX}/findings")
async def show_findings(stand_in: StandIn) -> Response[bytes]:
    """What a careful caller would not have done."""
    return shown(stand_in.findings.report())


@post(f"{CONTROL_PREFIX}/reset", status_code=200)
async def reset(stand_in: StandIn) -> Response[bytes]:
    """Forget everything but settings, faults and clock."""
    stand_in.reset()
    return shown(stand_in.summary())


@post(f"{CONTROL_PREFIX}/restart", status_code=202)
async def restart(request: AnyRequest, stand_in: StandIn) -> Response[bytes]:
    """Cut all connections, refuse new ones for a while, come back."""
    wanted = await read_body(request, Restart)
    process = stand_in.process
    if process is None:
        message = "only a stand-in that runs as a process of its own can restart"
        raise ControlError(message, 409)
    if wanted.queue == "forget":
        stand_in.forget_on_restart()
    asyncio.get_running_loop().call_later(
        RESTART_DELAY_SECONDS, process.restart, wanted.refuse_milliseconds / 1000
    )
    return shown({"restarting": True}, 202)


SHARED_ROUTES: Final[tuple[BaseRouteHandler, ...]] = (
    show_summary,
    show_settings,
    change_settings,
    show_clock,
    change_clock,
    show_faults,
    order_faults,
    end_faults,
    show_requests,
    show_findings,
    reset,
    restart,
)


def application(
    stand_in: StandIn, routes: tuple[BaseRouteHandler, ...], dependencies: dict[str, Any]
) -> Litestar:
    """The routes of a stand-in and the shared ones, as one application.

    Args:
        stand_in: what the shared routes control.
        routes: the platform's own and its control routes.
        dependencies: what those routes ask for, by name.
    """
    given = {"stand_in": stand_in, **dependencies}
    return Litestar(
        route_handlers=[*SHARED_ROUTES, *routes],
        dependencies={name: _always(value) for name, value in given.items()},
        exception_handlers={
            ControlError: _refused,
            HTTPException: _not_possible,
            Exception: _broken,
        },
        openapi_config=None,
        logging_config=None,
        request_max_body_size=CONTROL_BODY_BYTES_MAX,
    )


def _always(value: Any) -> Provide:
    def provide() -> Any:
        return value

    return Provide(provide, sync_to_thread=False)


def _refused(_request: AnyRequest, error: ControlError) -> Response[bytes]:
    return shown({"message": str(error)}, error.status)


def _broken(request: AnyRequest, error: Exception) -> Response[bytes]:
    """A mistake of the stand-in's own: seen by whoever started it, and told from an ordered 500."""
    _log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    return shown({"message": f"the stand-in itself failed: {type(error).__name__}"}, 500)


def _not_possible(request: AnyRequest, error: HTTPException) -> Response[bytes]:
    if error.status_code == 404:
        message = f"No HTTP resource was found that matches {request.method} {request.url.path}"
        return shown({"message": message}, 404)
    message = error.detail
    if isinstance(error.extra, list):
        message = "; ".join(
            f"{one.get('key', '')}: {one.get('message', '')}"
            for one in error.extra
            if isinstance(one, dict)
        )
    return shown({"message": message}, error.status_code)
