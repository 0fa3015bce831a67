"""What the relay's commands show a person: previews, how things stand, lists of events, one event.

The one hard idea: a terminal may be 80 columns wide, and what must be copied or acted on (an id, a
reason) is never cut; what is long is folded under what it belongs to.
"""

from collections.abc import Sequence

import msgspec
from rich.markup import escape
from rich.table import Table

from api.command_line.context import OUT
from api.documents.relay import WholeEventDocument
from sync.relay.events import EventRecord
from sync.relay.intake import Reason
from sync.relay.preview import Preview
from sync.relay.status import DestinationStatus, RelayStatus, SourceStatus


def show_preview(number: int, count: int, found: Preview) -> None:
    """Print what one event of a message becomes."""
    OUT.print(f"[bold]Event {number} of {count}[/]: {escape(found.family)}", highlight=False)
    table = Table.grid(padding=(0, 2))
    table.add_row("happened at", found.occurred_at.isoformat() if found.occurred_at else "unknown")
    unknown = f"unknown until {found.waits_for} is told" if found.waits_for else "none"
    table.add_row("customer", escape(found.customer or unknown))
    table.add_row("the same again", f"is a repeat {found.repeat}")
    if found.held:
        table.add_row("[yellow]not sent[/]", escape(found.held))
    OUT.print(table)
    for element in found.elements:
        OUT.print_json(data=element)
    for note in found.notes:
        OUT.print(f"  [dim]note[/] {escape(note)}", highlight=False)


def show_status(found: RelayStatus) -> None:
    """Print how the relay stands."""
    destinations = Table("destination", "condition", "waiting", "lag", "out, last hour", "trouble")
    for one in found.destinations:
        destinations.add_row(*_destination_row(one))
    OUT.print(destinations)
    sources = Table("source", "in, last hour", "repeats")
    sources.add_column("not on their way", no_wrap=True)
    sources.add_column("maybe twice")
    for source in found.sources:
        sources.add_row(*_source_row(source))
    OUT.print(sources)


def _destination_row(one: DestinationStatus) -> Sequence[str]:
    colour = "green" if one.condition == "open" else "red"
    return (
        escape(one.name),
        f"[{colour}]{one.condition}[/]",
        str(one.waiting),
        f"{one.lag_seconds:.0f} s",
        str(one.last_hour["delivered"]),
        escape(one.trouble or ""),
    )


def _source_row(one: SourceStatus) -> Sequence[str]:
    way = f"{one.vendor} to {one.destination}" if one.is_configured else "not configured"
    troubles = [
        f"{number} {reason}{' (dead)' if counts is one.dead else ''}"
        for counts in (one.quarantined, one.dead)
        for reason, number in counts.items()
    ]
    return (
        f"{escape(one.name)}\n[dim]{escape(way)}[/]",
        str(one.last_hour["received"]),
        str(one.last_hour["repeats"]),
        "\n".join(troubles) or "0",
        str(one.maybe_repeated),
    )


def show_events(events: list[EventRecord]) -> None:
    """Print a row for each event, narrow enough that its id can be copied whole."""
    if not events:
        OUT.print("[green]There are none.[/]")
        return
    table = Table(show_lines=True)
    table.add_column("event", no_wrap=True)
    table.add_column("whose", overflow="fold")
    table.add_column("why", overflow="fold", min_width=max(map(len, Reason)))
    for one in events:
        waits_for = f"waits for {one.waits_for}" if one.waits_for else None
        table.add_row(
            f"{one.id}\n{one.state}\nreceived {one.received_at:%Y-%m-%d %H:%M:%S}Z",
            escape("\n".join(filter(None, (one.source, one.family, one.customer)))),
            escape("\n".join(filter(None, (one.reason, one.message, waits_for)))),
        )
    OUT.print(table)


def show_event(found: WholeEventDocument) -> None:
    """Print all that is known of an event, and what was kept of the message."""
    fields = msgspec.json.decode(msgspec.json.encode(found))
    content = fields.pop("content")
    table = Table.grid(padding=(0, 2))
    for name, value in fields.items():
        if value is not None:
            table.add_row(name, escape(str(value)))
    OUT.print(table)
    if content is None:
        OUT.print("Nothing is kept of the message.")
    elif isinstance(content, str):
        OUT.print(escape(content), highlight=False)
    else:
        OUT.print_json(data=content)
