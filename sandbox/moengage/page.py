"""The stand-in MoEngage's page: what arrived for whom, and what was wrong with it."""

from datetime import UTC, datetime
from itertools import islice
from typing import Final

from litestar import Response, get

from sandbox.door import CONTROL_PREFIX
from sandbox.moengage.elements import Kind
from sandbox.moengage.state import MoEngage
from sandbox.page import Table, render_page

ROWS: Final = 15


@get("/")
async def show_page(moengage: MoEngage) -> Response[bytes]:
    """The page."""
    stores = [state.store for state in moengage.workspaces.values()]
    numbers = (
        ("Customers", sum(len(store.by_customer) for store in stores)),
        ("Events", sum(store.counts[Kind.EVENT] for store in stores)),
        ("User updates", sum(store.counts[Kind.CUSTOMER] for store in stores)),
        ("Would be ignored", sum(store.ignored for store in stores)),
        ("Ids that came twice", sum(store.repeated for store in stores)),
        ("Requests received", moengage.journal.total),
    )
    tables = (_entries(moengage), _customers(moengage), _findings(moengage), _requests(moengage))
    names = ", ".join(workspace.id for workspace in moengage.settings.workspaces)
    subtitle = f"Workspaces: {names}. Control address: {CONTROL_PREFIX}"
    return render_page("MoEngage, played by a stand-in", subtitle, numbers, tables).response()


def _entries(moengage: MoEngage) -> Table:
    latest = [
        (workspace_id, entry)
        for workspace_id, state in moengage.workspaces.items()
        for entry in state.store.entries[-ROWS:]
    ]
    latest.sort(key=lambda pair: pair[1].at, reverse=True)
    return Table(
        "Last events and updates",
        ("At", "Workspace", "Customer", "Kind", "Name", "Event time", "Id", "Taken"),
        [
            (
                f"{datetime.fromtimestamp(entry.at, UTC):%H:%M:%S}",
                workspace_id,
                entry.customer_id,
                entry.kind.value,
                entry.name,
                entry.event_time,
                entry.relay_event_id,
                "yes" if entry.processed else "ignored",
            )
            for workspace_id, entry in latest[:ROWS]
        ],
        "Nothing arrived yet.",
    )


def _customers(moengage: MoEngage) -> Table:
    return Table(
        f"Customers (the first {ROWS} of each workspace)",
        ("Workspace", "Customer", "Events and updates"),
        [
            (workspace_id, customer_id, len(entries))
            for workspace_id, state in moengage.workspaces.items()
            for customer_id, entries in islice(state.store.by_customer.items(), ROWS)
        ],
        "Nobody yet.",
    )


def _findings(moengage: MoEngage) -> Table:
    return Table(
        "What MoEngage would have cut, dropped or turned into something else",
        ("Finding", "Times"),
        list(moengage.findings.counts.items()),
        "Nothing to report.",
    )


def _requests(moengage: MoEngage) -> Table:
    return Table(
        "Last requests",
        ("At", "Request", "Answer", "Milliseconds", "Bytes", "Faults"),
        [
            (
                f"{entry.at:%H:%M:%S}",
                f"{entry.method} {entry.path}",
                "dropped" if entry.status is None else str(entry.status),
                f"{entry.milliseconds:.1f}",
                entry.request_bytes,
                ", ".join(entry.faults) or None,
            )
            for entry in moengage.journal.latest(ROWS)
        ],
        "No request yet.",
    )
