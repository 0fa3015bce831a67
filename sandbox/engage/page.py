"""The stand-in Engage's page: who has which points, what came in, what went out."""

from datetime import UTC, datetime
from itertools import islice
from typing import Final

from litestar import Response, get

from sandbox.door import CONTROL_PREFIX
from sandbox.engage.outside import Outside
from sandbox.engage.state import Engage
from sandbox.page import Table, render_page
from sandbox.rate import BusySecond

ROWS: Final = 15
BALANCES: Final = 10


@get("/")
async def show_page(engage: Engage, outside: Outside) -> Response[bytes]:
    """The page."""
    now = engage.present()
    courtesy = engage.settings.rate.courtesy_requests_per_second
    rates = engage.rate.report(courtesy)
    busy = [second for rate in rates for second in rate.busy_seconds]
    numbers = (
        ("Contacts", len(engage.contacts.by_id)),
        ("Point accounts", len(engage.accounts.by_number)),
        *(
            (f"Points of definition {number}", f"{totals.balance:,f}")
            for number, totals in engage.accounts.totals.items()
        ),
        ("Balances requests waiting", engage.queue.unapplied),
        ("Requests received", engage.journal.total),
        ("Most in one second", max((rate.highest_in_any_second for rate in rates), default=0)),
        (f"Seconds above {courtesy}", len(busy)),
        ("Messages not delivered", outside.deliveries.undelivered),
    )
    tables = (
        _balances(engage),
        _requests(engage),
        _deliveries(outside),
        _findings(engage),
        _busy(busy, courtesy),
    )
    standing = " and stands still" if engage.clock.frozen else ""
    subtitle = (
        f"Tenant {engage.settings.tenant}. Its clock shows {now:%Y-%m-%d %H:%M:%S} UTC{standing}. "
        f"Control address: {CONTROL_PREFIX}"
    )
    return render_page("Engage, played by a stand-in", subtitle, numbers, tables).response()


def _balances(engage: Engage) -> Table:
    accounts = list(islice(engage.accounts.by_number.values(), BALANCES))
    return Table(
        f"Balances (the first {BALANCES})",
        ("Contact", "Member number", "Definition", "Balance", "Pending", "As of"),
        [
            (
                account.contact_id,
                engage.contacts.by_id[account.contact_id].custom_key,
                account.definition_id,
                f"{account.balance:,f}",
                f"{account.pending:,f}",
                None if account.set_at is None else f"{account.set_at:%Y-%m-%d %H:%M:%S}",
            )
            for account in accounts
        ],
        "Nobody has points yet.",
    )


def _requests(engage: Engage) -> Table:
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
            for entry in engage.journal.latest(ROWS)
        ],
        "No request yet.",
    )


def _deliveries(outside: Outside) -> Table:
    return Table(
        "Last messages to the point master",
        ("Number", "Type", "State", "Attempts", "Last answer", "Message id"),
        [
            (
                delivery.number,
                delivery.event_type,
                delivery.state.value,
                len(delivery.attempts),
                (delivery.attempts[-1].status or "no answer") if delivery.attempts else None,
                delivery.message_id,
            )
            for delivery in outside.deliveries.latest(ROWS)
        ],
        "No message yet.",
    )


def _findings(engage: Engage) -> Table:
    return Table(
        "What a careful point master would not have done",
        ("Finding", "Times"),
        list(engage.findings.counts.items()),
        "Nothing to report.",
    )


def _busy(busy: list[BusySecond], courtesy: int) -> Table:
    return Table(
        f"Seconds with more than {courtesy} requests of one key (the latest {ROWS})",
        ("Second", "Requests"),
        [
            (f"{datetime.fromtimestamp(one.second, UTC):%Y-%m-%d %H:%M:%S}", one.requests)
            for one in reversed(busy[-ROWS:])
        ],
        "None.",
    )
