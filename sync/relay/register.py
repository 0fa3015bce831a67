"""Sources and destinations with the numbers under which the database knows them.

The one hard idea: a name once entered belongs to one tenant for ever, because whatever it brought
may be looked at with that tenant's keys. Names that are gone from the configuration stay in the
database; what waits for them is set aside, not lost.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NewType

import asyncpg

from ledger.connection import Connection
from ledger.identity import TenantId
from ledger.tenants import Catalogue
from sync.relay.settings import Destination, RelaySettings, Source

SourceId = NewType("SourceId", int)
DestinationId = NewType("DestinationId", int)

ENTER_SOURCE = """
    insert into relay.source (tenant_id, name, vendor) values ($1, $2, $3)
    on conflict (name) do update set vendor = excluded.vendor
    returning id, tenant_id
"""

ENTER_DESTINATION = """
    insert into relay.destination (tenant_id, name, address) values ($1, $2, $3)
    on conflict (name) do update set address = excluded.address
    returning id, tenant_id
"""

ENTER_STANDING = """
    insert into relay.standing (destination_id) values ($1) on conflict do nothing
"""

ALL_NAMES = """
    select 'source' as kind, id, name, tenant_id from relay.source
    union all select 'destination', id, name, tenant_id from relay.destination
"""


class RegistrationError(ValueError):
    """A source or destination that belongs to another tenant in the database."""


@dataclass(frozen=True, slots=True)
class SourceRecord:
    """A source and its numbers.

    Attributes:
        group: The source itself, or the one it shares repeats and customers with.
        destination: Where its events go.
    """

    id: SourceId
    tenant: TenantId
    group: SourceId
    destination: DestinationId
    settings: Source


@dataclass(frozen=True, slots=True)
class DestinationRecord:
    """A destination and its number."""

    id: DestinationId
    tenant: TenantId
    settings: Destination


@dataclass(frozen=True, slots=True)
class Register:
    """All sources and destinations of the configuration.

    Attributes:
        names: What every number stands for, those gone from the configuration included.
    """

    sources: Mapping[str, SourceRecord] = field(default_factory=dict)
    destinations: Mapping[str, DestinationRecord] = field(default_factory=dict)
    source_names: Mapping[SourceId, tuple[TenantId, str]] = field(default_factory=dict)
    destination_names: Mapping[DestinationId, tuple[TenantId, str]] = field(default_factory=dict)

    def source(self, number: SourceId) -> SourceRecord | None:
        """A source of the configuration by its number."""
        found = self.source_names.get(number)
        return None if found is None else self.sources.get(found[1])

    def destination(self, number: DestinationId) -> DestinationRecord | None:
        """A destination of the configuration by its number."""
        found = self.destination_names.get(number)
        return None if found is None else self.destinations.get(found[1])

    def groups(self) -> dict[SourceId, list[SourceId]]:
        """The sources that share repeats and customers, by the one they share with."""
        found: dict[SourceId, list[SourceId]] = {}
        for one in self.sources.values():
            found.setdefault(one.group, []).append(one.id)
        return found

    def sources_of(self, tenant: TenantId) -> list[SourceId]:
        """The numbers of a tenant's sources, those gone from the configuration included."""
        return [number for number, (owner, _) in self.source_names.items() if owner == tenant]

    def destinations_of(self, tenant: TenantId) -> list[DestinationId]:
        """The numbers of a tenant's destinations, likewise."""
        return [number for number, (owner, _) in self.destination_names.items() if owner == tenant]


async def register(
    connection: Connection, settings: RelaySettings, catalogue: Catalogue
) -> Register:
    """Enter the configuration's sources and destinations, and answer with their numbers.

    Raises:
        RegistrationError: one belongs to another tenant in the database.
    """
    async with connection.transaction():
        # Two services that start at once enter theirs one after the other.
        await connection.execute("select pg_advisory_xact_lock(hashtext('relay.register'))")
        destinations = {
            name: await _destination(connection, one, catalogue)
            for name, one in settings.destinations.items()
        }
        numbers = {
            name: await _source(connection, one, catalogue)
            for name, one in settings.sources.items()
        }
        rows = await connection.fetch(ALL_NAMES)
    sources = {
        name: SourceRecord(
            id=numbers[name],
            tenant=catalogue.tenants[one.tenant].id,
            group=numbers[one.options.shares_with or name],
            destination=destinations[one.destination].id,
            settings=one,
        )
        for name, one in settings.sources.items()
    }
    return Register(
        sources,
        destinations,
        {
            SourceId(row["id"]): (TenantId(row["tenant_id"]), row["name"])
            for row in rows
            if row["kind"] == "source"
        },
        {
            DestinationId(row["id"]): (TenantId(row["tenant_id"]), row["name"])
            for row in rows
            if row["kind"] == "destination"
        },
    )


async def _destination(
    connection: Connection, settings: Destination, catalogue: Catalogue
) -> DestinationRecord:
    tenant = catalogue.tenants[settings.tenant].id
    row = await connection.fetchrow(ENTER_DESTINATION, tenant, settings.name, settings.address)
    number = DestinationId(_owned(row, tenant, f"relay.destinations.{settings.name}"))
    await connection.execute(ENTER_STANDING, number)
    return DestinationRecord(number, tenant, settings)


async def _source(connection: Connection, settings: Source, catalogue: Catalogue) -> SourceId:
    tenant = catalogue.tenants[settings.tenant].id
    row = await connection.fetchrow(ENTER_SOURCE, tenant, settings.name, settings.vendor.value)
    return SourceId(_owned(row, tenant, f"relay.sources.{settings.name}"))


def _owned(row: asyncpg.Record | None, tenant: TenantId, key: str) -> int:
    if row is None or row["tenant_id"] != tenant:
        raise RegistrationError(
            f"{key} belongs to another tenant in the database: choose another name"
        )
    return int(row["id"])
