"""Tenants and their point definitions: declared in configuration, kept and versioned in the books.

The one hard idea: what changes meaning can't change. A definition's scale is fixed for ever; its
policy may change, and each change is a new version with the instant since which it holds.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from types import MappingProxyType
from zoneinfo import ZoneInfo

import msgspec

from ledger.connection import Connection
from ledger.identity import DefinitionId, TenantId
from ledger.policies import Definition, Policy


class DeclarationError(ValueError):
    """A declaration that contradicts what the books already hold."""


class DefinitionDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """A point definition as configuration states it."""

    engage_id: int
    name: str
    scale: int = 0
    policy: Policy = Policy()


class TenantDeclaration(msgspec.Struct, frozen=True, kw_only=True):
    """A tenant as configuration states it."""

    name: str
    time_zone: str = "UTC"
    definitions: tuple[DefinitionDeclaration, ...] = ()


@dataclass(frozen=True, slots=True)
class TenantRecord:
    """A tenant in the books."""

    id: TenantId
    name: str
    zone: ZoneInfo


@dataclass(frozen=True, slots=True)
class Catalogue:
    """Every tenant and definition in the books, as loaded at one moment."""

    tenants: Mapping[str, TenantRecord] = field(default_factory=lambda: MappingProxyType({}))
    definitions: Mapping[DefinitionId, Definition] = field(
        default_factory=lambda: MappingProxyType({})
    )
    _by_engage_id: Mapping[tuple[TenantId, int], Definition] = field(
        default_factory=lambda: MappingProxyType({})
    )

    def tenant(self, name: str) -> TenantRecord | None:
        """The tenant of this name."""
        return self.tenants.get(name)

    def definition(self, tenant: TenantId, engage_id: int) -> Definition | None:
        """A tenant's definition by Engage's `definitionId`."""
        return self._by_engage_id.get((tenant, engage_id))

    def definitions_of(self, tenant: TenantId) -> list[Definition]:
        """A tenant's definitions, in the order of Engage's ids."""
        found = [one for one in self.definitions.values() if one.tenant == tenant]
        return sorted(found, key=lambda definition: definition.engage_id)


DECLARE_TENANT = """
    insert into ledger.tenant (name, time_zone) values ($1, $2)
    on conflict (name) do update set time_zone = excluded.time_zone
    returning id
"""

DECLARE_DEFINITION = """
    insert into ledger.definition (tenant_id, engage_id, name, scale) values ($1, $2, $3, $4)
    on conflict (tenant_id, engage_id) do update set name = excluded.name
    returning id, scale
"""

LATEST_POLICY = """
    select version, policy from ledger.definition_policy
    where definition_id = $1 order by version desc limit 1
"""

ADD_POLICY = """
    insert into ledger.definition_policy (definition_id, version, policy, since)
    values ($1, $2, $3, coalesce($4, clock_timestamp()))
"""

LOAD_CATALOGUE = """
    select tenant.id as tenant_id, tenant.name as tenant, tenant.time_zone, definition.id,
           definition.engage_id, definition.name, definition.scale,
           array_agg(definition_policy.policy::text order by version) as policies,
           array_agg(definition_policy.since order by version) as since
    from ledger.tenant
    left join ledger.definition on definition.tenant_id = tenant.id
    left join ledger.definition_policy on definition_policy.definition_id = definition.id
    group by tenant.id, definition.id
    order by tenant.id, definition.engage_id
"""


async def declare(
    connection: Connection, tenants: Sequence[TenantDeclaration], now: datetime | None = None
) -> Catalogue:
    """Enter tenants and definitions into the books, or bring them up to date.

    A policy that differs from the latest version becomes a new one, in force from `now` on (the
    first from the beginning of time). Raises `DeclarationError` for a changed scale. Tenants that
    are no longer declared stay in the books.
    """
    async with connection.transaction():
        # Two services that start at once declare one after the other.
        await connection.execute("select pg_advisory_xact_lock(hashtext('ledger.declare'))")
        for tenant in tenants:
            tenant_id = await connection.fetchval(DECLARE_TENANT, tenant.name, tenant.time_zone)
            for definition in tenant.definitions:
                await _declare_definition(connection, tenant.name, tenant_id, definition, now)
    return await load_catalogue(connection)


async def _declare_definition(
    connection: Connection,
    tenant: str,
    tenant_id: int,
    definition: DefinitionDeclaration,
    now: datetime | None,
) -> None:
    row = await connection.fetchrow(
        DECLARE_DEFINITION, tenant_id, definition.engage_id, definition.name, definition.scale
    )
    if row is None or row["scale"] != definition.scale:
        kept = None if row is None else row["scale"]
        raise DeclarationError(
            f"definition {definition.engage_id} of tenant {tenant} has scale {kept} in the books; "
            f"it can't become {definition.scale}: every amount already booked would change"
        )
    latest = await connection.fetchrow(LATEST_POLICY, row["id"])
    policy = msgspec.json.encode(definition.policy).decode()
    if latest is None:
        beginning = datetime.fromisoformat("0001-01-02T00:00:00+00:00")
        await connection.execute(ADD_POLICY, row["id"], 1, policy, beginning)
    elif msgspec.json.decode(latest["policy"], type=Policy) != definition.policy:
        await connection.execute(ADD_POLICY, row["id"], latest["version"] + 1, policy, now)


async def load_catalogue(connection: Connection) -> Catalogue:
    """Every tenant and definition in the books."""
    rows = await connection.fetch(LOAD_CATALOGUE)
    tenants: dict[str, TenantRecord] = {}
    definitions: dict[DefinitionId, Definition] = {}
    for row in rows:
        tenant_id = TenantId(row["tenant_id"])
        zone = ZoneInfo(row["time_zone"])
        tenants[row["tenant"]] = TenantRecord(tenant_id, row["tenant"], zone)
        if row["id"] is None:
            continue
        identifier = DefinitionId(row["id"])
        definitions[identifier] = Definition(
            id=identifier,
            tenant=tenant_id,
            engage_id=row["engage_id"],
            name=row["name"],
            scale=row["scale"],
            zone=zone,
            policies=tuple(
                (since, msgspec.json.decode(policy, type=Policy))
                for since, policy in zip(row["since"], row["policies"], strict=True)
            ),
        )
    by_engage_id = {(one.tenant, one.engage_id): one for one in definitions.values()}
    return Catalogue(
        MappingProxyType(tenants), MappingProxyType(definitions), MappingProxyType(by_engage_id)
    )
