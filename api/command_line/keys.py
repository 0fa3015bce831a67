"""`pointmaster keys`: make API keys, see them, close them, replace them.

The one hard idea: a new key goes to the standard output, alone, and everything said about it to
the standard error; so it can be piped into a vault, and is shown nowhere a second time.
"""

from datetime import UTC, datetime, timedelta

import click
import msgspec
from rich.markup import escape
from rich.table import Table

from api.access.keys import KeyText
from api.access.scopes import Scope, UnknownScopeError, read_scopes
from api.access.stored import (
    NAME_LENGTH_MAX,
    OVERLAP_MAX,
    KeyRecord,
    create_key,
    list_keys,
    revoke_key,
    rotate_key,
)
from api.command_line.context import ASIDE, OUT, Told, opened, run
from api.command_line.group import Group
from api.configuration import Configuration

OVERLAP_HOURS_MAX = int(OVERLAP_MAX.total_seconds() // 3600)


@click.group(cls=Group)
def keys() -> None:
    """Make, list, revoke and rotate API keys."""


@keys.command()
@click.argument("tenant")
@click.option("--name", required=True, help="What the key is for, such as `tills`.")
@click.option(
    "--scope",
    "scopes",
    multiple=True,
    required=True,
    help=f"What it may do; once for each of: {', '.join(Scope)}.",
)
@click.option("--days", type=click.IntRange(1, 3660), help="How long it works; else until revoked.")
@click.pass_obj
def create(told: Told, tenant: str, name: str, scopes: tuple[str, ...], days: int | None) -> None:
    """Make a key for TENANT and print it: it can't be shown again."""
    try:
        wanted = read_scopes(scopes)
    except UnknownScopeError as problem:
        raise click.BadParameter(str(problem), param_hint="--scope") from None
    if not 0 < len(name) <= NAME_LENGTH_MAX:
        raise click.BadParameter(f"has 1 to {NAME_LENGTH_MAX} characters", param_hint="--name")
    expires_at = None if days is None else datetime.now(UTC) + timedelta(days=days)
    key, record = run(_create(told.configuration(), tenant, name, wanted, expires_at))
    _show(key, record, tenant)


@keys.command(name="list")
@click.option("--tenant", help="Only this tenant's keys.")
@click.option("--json", "as_json", is_flag=True, help="As JSON, for programs.")
@click.pass_obj
def list_(told: Told, tenant: str | None, *, as_json: bool) -> None:
    """Show the keys there are, and whether they still work; never the keys themselves."""
    found, names = run(_list(told.configuration(), tenant))
    now = datetime.now(UTC)
    if as_json:
        rows = [_row(record, names[record.tenant], now) for record in found]
        click.echo(msgspec.json.format(msgspec.json.encode(rows)).decode())
        return
    table = Table("id", "tenant", "name", "scopes", "state", "last used")
    for record in found:
        row = _row(record, names[record.tenant], now)
        table.add_row(
            record.id,
            names[record.tenant],
            escape(record.name),
            "\n".join(sorted(record.scopes)),
            str(row["state"]),
            _day(record.last_used_at) or "never",
        )
    OUT.print(table)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.pass_obj
def revoke(told: Told, key_id: str) -> None:
    """Close the key with this ID for good, everywhere within three seconds."""
    record = run(_revoke(told.configuration(), key_id))
    OUT.print(f"Key {record.id} ({escape(record.name)}) opens nothing any more.", highlight=False)


@keys.command()
@click.argument("key_id", metavar="ID")
@click.option(
    "--overlap-hours",
    type=click.IntRange(0, OVERLAP_HOURS_MAX),
    default=24,
    show_default=True,
    help="How long the old key works beside the new one.",
)
@click.pass_obj
def rotate(told: Told, key_id: str, overlap_hours: int) -> None:
    """Replace the key with this ID by a new one, which is printed."""
    overlap = timedelta(hours=overlap_hours)
    key, record, tenant = run(_rotate(told.configuration(), key_id, overlap))
    _show(key, record, tenant)
    ASIDE.print(f"Key {key_id} works for {overlap_hours} more hour(s).", highlight=False)


async def _create(
    configuration: Configuration,
    tenant: str,
    name: str,
    scopes: frozenset[Scope],
    expires_at: datetime | None,
) -> tuple[KeyText, KeyRecord]:
    async with opened(configuration) as books:
        record = books.tenant(tenant)
        return await create_key(books.connection, record.id, name, scopes, expires_at=expires_at)


async def _list(
    configuration: Configuration, tenant: str | None
) -> tuple[list[KeyRecord], dict[int, str]]:
    async with opened(configuration) as books:
        only = None if tenant is None else books.tenant(tenant).id
        names: dict[int, str] = {one.id: one.name for one in books.catalogue.tenants.values()}
        return await list_keys(books.connection, only), names


async def _revoke(configuration: Configuration, key_id: str) -> KeyRecord:
    async with opened(configuration) as books:
        return await revoke_key(books.connection, key_id)


async def _rotate(
    configuration: Configuration, key_id: str, overlap: timedelta
) -> tuple[KeyText, KeyRecord, str]:
    async with opened(configuration) as books:
        key, record = await rotate_key(books.connection, key_id, overlap)
        names = {one.id: one.name for one in books.catalogue.tenants.values()}
        return key, record, names[record.tenant]


def _show(key: KeyText, record: KeyRecord, tenant: str) -> None:
    scopes = ", ".join(sorted(record.scopes))
    until = f", until {_day(record.expires_at)}" if record.expires_at else ""
    ASIDE.print(
        f"Key {record.id} of {tenant} for {escape(record.name)}: {scopes}{until}.", highlight=False
    )
    ASIDE.print("Keep it now: it is not stored and can't be shown again.")
    click.echo(key.text)


def _row(record: KeyRecord, tenant: str, now: datetime) -> dict[str, object]:
    if record.revoked_at is not None:
        state = f"revoked {_day(record.revoked_at)}"
    elif not record.works_at(now):
        state = f"expired {_day(record.expires_at)}"
    elif record.expires_at is not None:
        state = f"works until {_day(record.expires_at)}"
    else:
        state = "works"
    return {
        "id": record.id,
        "tenant": tenant,
        "name": record.name,
        "scopes": sorted(record.scopes),
        "state": state,
        "works": record.works_at(now),
        "createdAt": record.created_at,
        "expiresAt": record.expires_at,
        "revokedAt": record.revoked_at,
        "lastUsedAt": record.last_used_at,
        "successor": record.successor,
    }


def _day(moment: datetime | None) -> str:
    return "" if moment is None else f"{moment:%Y-%m-%d %H:%M}Z"
