"""`pointmaster relay`: see what a vendor's message becomes, how the relay stands, and mend it.

The one hard idea: `preview` needs neither database nor network. It takes a message through the very
modules that the service uses and shows what would be sent, so a mapping is adjusted by trying.
"""

import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TypeVar
from uuid import UUID

import click
import msgspec
from rich.markup import escape

from api.command_line.context import ASIDE, OUT, Told, run
from api.command_line.group import Group
from api.command_line.relay_tables import show_event, show_events, show_preview, show_status
from api.command_line.relay_telling import tell
from api.configuration import Configuration
from api.documents.relay import (
    WholeEventDocument,
    event_document,
    relay_status_document,
    whole_event_document,
)
from api.service import Role, Service, open_service
from sync.relay.events import EventRecord, Wanted
from sync.relay.exchange import Exchange, Verdict
from sync.relay.intake import EventState, Reason
from sync.relay.options import SourceOptions
from sync.relay.preview import preview_of
from sync.relay.replaying import Replayed
from sync.relay.settings import Source, source_of
from sync.relay.status import RelayStatus
from sync.relay.vendors.protocol import Vendor

SHOWN = 50
REPLAY_MAX = 100_000
FILE_BYTES_MAX = 2 * 1024 * 1024

Choice = TypeVar("Choice")


@click.group(cls=Group)
def relay() -> None:
    """Vendors' events on their way to MoEngage."""


relay.add_command(tell)


@relay.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--source", help="Map as this source of the configuration does.")
@click.option(
    "--vendor",
    type=click.Choice([vendor.value for vendor in Vendor if vendor is not Vendor.LEDGER]),
    help="Map as a vendor's events are by default; no configuration is read.",
)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def preview(
    told: Told, file: Path, source: str | None, vendor: str | None, *, as_json: bool
) -> None:
    """Show what the vendor's message in FILE becomes. Nothing is stored or sent.

    FILE holds one message as the vendor sends it, whole.
    """
    if (source is None) == (vendor is None):
        raise click.UsageError("give either --source or --vendor")
    with file.open("rb") as opened:
        body = opened.read(FILE_BYTES_MAX + 1)
    if len(body) > FILE_BYTES_MAX:
        raise click.ClickException(f"{file} has more than {FILE_BYTES_MAX} bytes")
    if vendor is not None:
        chosen = source_of(vendor, SourceOptions(vendor=Vendor(vendor), destination=""))
    else:
        chosen = _source(told.configuration(), source or "")
    found = preview_of(chosen, body, datetime.now(UTC))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
        return
    for number, one in enumerate(found, start=1):
        show_preview(number, len(found), one)


@relay.command()
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def status(told: Told, *, as_json: bool) -> None:
    """Show what comes in, what goes out, what waits, and what needs mending."""
    found = run(_status(told.configuration()))
    if as_json:
        document = relay_status_document(found)
        click.echo(msgspec.json.format(msgspec.json.encode(document)).decode())
        return
    show_status(found)


SEARCHING = (
    click.option("--source", help="Only of this source."),
    click.option("--destination", help="Only for this destination."),
    click.option("--customer", help="Only of this customer, by the id at MoEngage."),
    click.option("--name", help="Only of this kind: the vendor's word or MoEngage's."),
    click.option(
        "--reason",
        type=click.Choice(list(Reason), case_sensitive=False),
        metavar="REASON",
        help="Only for this reason, such as customer_unknown.",
    ),
    click.option(
        "--since",
        type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
        metavar="DAY OR TIME",
        help="Only received from then on: 2026-11-21, or 2026-11-21T09:30:00Z; in UTC.",
    ),
    click.option(
        "--until",
        type=click.DateTime(["%Y-%m-%d", "%Y-%m-%dT%H:%M:%SZ"]),
        metavar="DAY OR TIME",
        help="Only received before then.",
    ),
)


def searching(command: Any) -> Any:
    """Give a command the options of a search."""
    for option in reversed(SEARCHING):
        command = option(command)
    return command


@relay.command()
@searching
@click.option(
    "--state",
    type=click.Choice(["dead", "quarantined", "ignored"]),
    help="Only dead ones, only those in quarantine, or what is not forwarded by rule.",
)
@click.option("--limit", type=click.IntRange(1, 1000), default=SHOWN, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line, for programs.")
@click.pass_obj
def dead(told: Told, /, state: str | None, limit: int, *, as_json: bool, **search: Any) -> None:
    """List events that are not on their way, the latest first; exit status 1 if there are any."""
    states = [EventState(state)] if state else [EventState.DEAD, EventState.QUARANTINED]
    found = run(_search(told.configuration(), states, limit, search))
    _list(found, as_json=as_json)
    if found:
        sys.exit(1)


@relay.command()
@searching
@click.option("--limit", type=click.IntRange(1, 1000), default=SHOWN, show_default=True)
@click.option("--json", "as_json", is_flag=True, help="One JSON document a line, for programs.")
@click.pass_obj
def duplicates(told: Told, /, limit: int, *, as_json: bool, **search: Any) -> None:
    """List events that MoEngage may have twice, the latest first.

    Each was sent again after an outcome that nobody could know. Both copies carry the event's id
    as the attribute relay_event_id.
    """
    found = run(_search(told.configuration(), [None], limit, search, maybe_repeated=True))
    _list(found, as_json=as_json)


@relay.command()
@click.argument("events", nargs=-1, type=click.UUID)
@searching
@click.option(
    "--state",
    type=click.Choice(["dead", "quarantined", "ignored"]),
    help="Only what is in this state.",
)
@click.option(
    "--all", "whole", is_flag=True, help="All that can be replayed, if nothing else is said."
)
@click.option("--limit", type=click.IntRange(1, REPLAY_MAX), default=REPLAY_MAX, show_default=True)
@click.pass_obj
def replay(
    told: Told,
    /,
    events: tuple[UUID, ...],
    state: str | None,
    limit: int,
    *,
    whole: bool,
    **search: Any,
) -> None:
    """Send EVENTS after all, or all that a search finds, each with its own time.

    Each is read again by the mapping in force now.
    """
    is_search = state is not None or any(value is not None for value in search.values())
    if [bool(events), is_search, whole].count(True) != 1:
        raise click.UsageError("name events, or say what to look for, or --all")
    states = None if state is None else EventState(state)
    done = run(_replay(told.configuration(), events, states, limit, search))
    OUT.print(
        f"{done.waiting} event(s) are on their way; {done.unchanged} stay where they are.",
        highlight=False,
    )


@relay.command()
@click.argument("event", type=click.UUID)
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def show(told: Told, event: UUID, *, as_json: bool) -> None:
    """Show EVENT whole: what became of it, and what was kept of the vendor's message."""
    found = run(_event(told.configuration(), event))
    if as_json:
        click.echo(msgspec.json.format(msgspec.json.encode(found)).decode())
    else:
        show_event(found)


@relay.command()
@click.argument("customers", nargs=-1, required=True)
@click.option("--tenant", help="Whose customers they are, where there are several tenants.")
@click.pass_obj
def forget(told: Told, customers: tuple[str, ...], tenant: str | None) -> None:
    """Forget CUSTOMERS, named by their ids at MoEngage: all that is held of them, for good.

    What waits is not sent any more. What was sent stays at MoEngage.
    """
    erased = run(_forget(told.configuration(), customers, tenant))
    OUT.print(f"{erased} event(s) are gone.", highlight=False)


@relay.command()
@click.argument("destination")
@click.pass_obj
def resume(told: Told, destination: str) -> None:
    """Send to DESTINATION again at once, whatever was the matter."""
    run(_resume(told.configuration(), destination))
    OUT.print(f"{destination} is sent to again.", highlight=False)


@relay.command()
@click.argument("destination")
@click.pass_obj
def check(told: Told, destination: str) -> None:
    """Ask MoEngage whether DESTINATION's workspace and key belong together; 1 if not."""
    found = run(_check(told.configuration(), destination))
    if found.verdict is Verdict.ACCEPTED:
        OUT.print("[green]They belong together.[/]")
        return
    is_answered = found.verdict in {Verdict.REFUSED, Verdict.DENIED}
    said = "MoEngage does not take them" if is_answered else "MoEngage can't be asked"
    OUT.print(f"[red]{said}:[/] {escape(found.trouble or '')}", highlight=False)
    sys.exit(1)


def _source(configuration: Configuration, name: str) -> Source:
    found = configuration.relay.sources.get(name)
    if found is None:
        known = ", ".join(configuration.relay.sources) or "none"
        raise click.ClickException(f"there is no source {name}; there are: {known}")
    return found


async def _status(configuration: Configuration) -> RelayStatus:
    async with open_service(configuration, role=Role.API) as service:
        return await service.relay.status()


async def _search(
    configuration: Configuration,
    states: Sequence[EventState | None],
    limit: int,
    search: dict[str, Any],
    *,
    maybe_repeated: bool = False,
) -> list[EventRecord]:
    async with open_service(configuration, role=Role.API) as service:
        found: list[EventRecord] = []
        for state in states:
            wanted = _wanted(service, state, search, maybe_repeated=maybe_repeated)
            found += await service.relay.events(wanted, limit=limit)
    return sorted(found, key=lambda one: one.id, reverse=True)[:limit]


async def _replay(
    configuration: Configuration,
    events: tuple[UUID, ...],
    state: EventState | None,
    limit: int,
    search: dict[str, Any],
) -> Replayed:
    async with open_service(configuration, role=Role.API) as service:
        if not events:
            wanted = _wanted(service, state, search)
            with ASIDE.status("Replaying …"):
                return await service.relay.replay_all(wanted, events_max=limit)
        done = Replayed(0, 0)
        for event in events:
            for tenant in service.tenant_names:
                found = await service.relay.replay(tenant, event)
                if found is not None:
                    done += found
                    break
            else:
                raise click.ClickException(f"there is no event {event} that could be replayed")
        return done


def _wanted(
    service: Service,
    state: EventState | None,
    search: dict[str, Any],
    *,
    maybe_repeated: bool = False,
) -> Wanted:
    register = service.relay.register
    sources = {name: number for number, (_, name) in register.source_names.items()}
    destinations = {name: number for number, (_, name) in register.destination_names.items()}
    source, destination = search["source"], search["destination"]
    if source is not None and source not in sources:
        raise click.ClickException(f"there is no source {source}; there are: {_known(sources)}")
    if destination is not None and destination not in destinations:
        known = _known(destinations)
        raise click.ClickException(f"there is no destination {destination}; there are: {known}")
    return Wanted(
        sources=list(sources.values()) if source is None else [sources[source]],
        state=state,
        reason=None if search["reason"] is None else Reason(search["reason"]),
        customer=search["customer"],
        name=search["name"],
        destination=None if destination is None else destinations[destination],
        maybe_repeated=maybe_repeated,
        received_from=_utc(search["since"]),
        received_to=_utc(search["until"]),
    )


def _known(names: dict[str, Any]) -> str:
    return ", ".join(sorted(names)) or "none"


def _utc(moment: datetime | None) -> datetime | None:
    return None if moment is None else moment.replace(tzinfo=UTC)


async def _resume(configuration: Configuration, name: str) -> None:
    async with open_service(configuration, role=Role.API) as service:
        await service.relay.resume(
            service.relay.register.destinations[_destination(service, name)].id
        )


async def _event(configuration: Configuration, event: UUID) -> WholeEventDocument:
    async with open_service(configuration, role=Role.API) as service:
        for tenant in service.tenant_names:
            found = await service.relay.event(tenant, event)
            if found is not None:
                return whole_event_document(*found)
    raise click.ClickException(f"there is no event {event}")


async def _forget(
    configuration: Configuration, customers: tuple[str, ...], tenant: str | None
) -> int:
    async with open_service(configuration, role=Role.API) as service:
        tenants = {name: number for number, name in service.tenant_names.items()}
        if tenant is None and len(tenants) > 1:
            raise click.UsageError(f"say whose by --tenant; there are: {_known(tenants)}")
        chosen = next(iter(tenants)) if tenant is None else tenant
        if chosen not in tenants:
            raise click.ClickException(f"there is no tenant {chosen}; there are: {_known(tenants)}")
        return await service.relay.erase(tenants[chosen], customers)


async def _check(configuration: Configuration, name: str) -> Exchange:
    async with open_service(configuration, role=Role.API) as service:
        number = service.relay.register.destinations[_destination(service, name)].id
        return await service.relay.couriers[number].check()


def _destination(service: Service, name: str) -> str:
    known = service.relay.register.destinations
    if name not in known:
        listed = ", ".join(known) or "none"
        raise click.ClickException(f"there is no destination {name}; there are: {listed}")
    return name


def _list(events: list[EventRecord], *, as_json: bool) -> None:
    if not as_json:
        show_events(events)
        return
    for one in events:
        click.echo(msgspec.json.encode(event_document(one)).decode())
