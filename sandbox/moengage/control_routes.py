"""The stand-in MoEngage's own part of the control address.

What arrived: by customer, in order of arrival, and by the relay's id.
"""

from collections.abc import Iterator
from typing import Annotated, Final

import msgspec
from litestar import Response, get, post
from litestar.handlers import BaseRouteHandler
from litestar.params import Parameter
from litestar.response import Stream

from sandbox.answers import write_json
from sandbox.control import AnyRequest, ControlError, read_body, shown
from sandbox.door import CONTROL_PREFIX
from sandbox.moengage.state import MoEngage
from sandbox.moengage.store import Entry, Store

IDS_MAX: Final = 1_000_000
REPEATED_SHOWN_MAX: Final = 100_000
LINES_A_CHUNK: Final = 1000

Count = Annotated[int, Parameter(ge=1, le=100_000)]
Offset = Annotated[int, Parameter(ge=0)]


class Compare(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """Ids that should have arrived."""

    ids: Annotated[list[str], msgspec.Meta(max_length=IDS_MAX)]


@get(f"{CONTROL_PREFIX}/workspaces/{{workspace_id:str}}/customers")
async def list_customers(
    workspace_id: str, moengage: MoEngage, offset: Offset = 0, count: Count = 100
) -> Response[bytes]:
    """Customers in order of their first arrival, with how many entries each has."""
    store = _store(workspace_id, moengage)
    part = list(store.by_customer.items())[offset : offset + count]
    return shown(
        {
            "total": len(store.by_customer),
            "customers": [{"id": one, "entries": len(entries)} for one, entries in part],
        },
    )


@get(f"{CONTROL_PREFIX}/workspaces/{{workspace_id:str}}/customers/{{customer_id:str}}")
async def show_customer(workspace_id: str, customer_id: str, moengage: MoEngage) -> Response[bytes]:
    """One customer: the profile, and everything that arrived, in order."""
    store = _store(workspace_id, moengage)
    if customer_id not in store.by_customer:
        message = f"no customer {customer_id[:100]}"
        raise ControlError(message, 404)
    entries = [entry.shown(bodies=True) for entry in store.by_customer[customer_id]]
    return shown({"id": customer_id, "profile": store.profile(customer_id), "entries": entries})


@get(f"{CONTROL_PREFIX}/workspaces/{{workspace_id:str}}/entries")
async def list_entries(
    workspace_id: str,
    moengage: MoEngage,
    after: Offset = 0,
    count: Annotated[int, Parameter(ge=1, le=10_000_000)] = 1000,
    bodies: bool = False,  # noqa: FBT001, FBT002 - a query parameter
) -> Stream:
    """Entries after a number, in order of arrival, one JSON object a line."""
    store = _store(workspace_id, moengage)
    return Stream(
        _lines(store.entries, after, min(after + count, len(store.entries)), bodies=bodies),
        media_type="application/x-ndjson",
    )


@get(f"{CONTROL_PREFIX}/workspaces/{{workspace_id:str}}/relay-event-ids/repeated")
async def show_repeated(workspace_id: str, moengage: MoEngage) -> Response[bytes]:
    """The relay's ids that arrived more than once, with how often."""
    repeated: dict[str, int] = {}
    for relay_id, count in _store(workspace_id, moengage).repeated_ids():
        if len(repeated) >= REPEATED_SHOWN_MAX:
            break
        repeated[relay_id] = count
    return shown(repeated)


@post(f"{CONTROL_PREFIX}/workspaces/{{workspace_id:str}}/relay-event-ids/compare", status_code=200)
async def compare_ids(
    request: AnyRequest, workspace_id: str, moengage: MoEngage
) -> Response[bytes]:
    """Which of the ids that should have arrived did not, and which came that nobody named."""
    wanted = set((await read_body(request, Compare)).ids)
    store = _store(workspace_id, moengage)
    missing = sorted(wanted - store.relay_ids.keys())
    return shown(
        {
            "missing": missing[:REPEATED_SHOWN_MAX],
            "missingCount": len(missing),
            "unexpectedCount": len(store.relay_ids.keys() - wanted),
        },
    )


def _store(workspace_id: str, moengage: MoEngage) -> Store:
    if all(workspace.id != workspace_id for workspace in moengage.settings.workspaces):
        message = f"no workspace {workspace_id[:100]}"
        raise ControlError(message, 404)
    return moengage.workspace(workspace_id).store


def _lines(entries: list[Entry], start: int, end: int, *, bodies: bool) -> Iterator[bytes]:
    for place in range(start, end, LINES_A_CHUNK):
        chunk = entries[place : min(place + LINES_A_CHUNK, end)]
        yield b"".join(write_json(entry.shown(bodies=bodies)) + b"\n" for entry in chunk)


MOENGAGE_CONTROL_ROUTES: Final[tuple[BaseRouteHandler, ...]] = (
    list_customers,
    show_customer,
    list_entries,
    show_repeated,
    compare_ids,
)
