"""From file and environment to a configuration that is known to hold together.

The one hard idea: everything that can be wrong is found before anything is opened, and all of it is
said at once, each mistake with its key or variable. What comes out are frozen values; nothing reads
the environment later.
"""

import os
import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo

import msgspec

from api.configuration.environment import Environment, ambiguous, variable_of
from api.configuration.file import (
    TENANT_NAME_FORM,
    ConfigurationFile,
    DefinitionSection,
    PostingSection,
    ServiceSection,
    TenantSection,
    ValiditySection,
)
from api.configuration.relay import read_relay
from api.configuration.strict import Mistake, below, mistakes
from ledger.amounts import AmountError, parse_amount
from ledger.policies import Policy, Span, Validity
from ledger.tenants import DefinitionDeclaration, TenantDeclaration
from sync.engage.addresses import network_of
from sync.engage.settings import EngageOptions, EngageSecrets, EngageSettings, problems
from sync.relay.settings import RelaySettings
from sync.secret import Secret

DEFAULT_PATH: Final = Path("pointmaster.toml")
FILE_BYTES_MAX: Final = 4 * 1024 * 1024
MAJORS: Final = (16, 18)

SECRETS: Final = {
    "api_key": "ENGAGE_API_KEY",
    "encryption_keys": "ENGAGE_ENCRYPTION_KEY",
    "signing_secrets": "ENGAGE_SIGNING_SECRET",
    "points_log": "ENGAGE_POINTS_LOG_SECRET",
}
"""The variables of a tenant's Engage, after `POINTMASTER_<TENANT>_`, by what they hold."""


class ConfigurationError(Exception):
    """The configuration can't be used; its text lists every mistake, one a line."""

    def __init__(self, found: list[Mistake]) -> None:
        super().__init__("\n".join(str(mistake) for mistake in found))
        self.mistakes = tuple(found)


@dataclass(frozen=True, slots=True)
class DatabaseSettings:
    """Which database is used; without `url`, a server of our own in `folder`."""

    url: Secret | None
    owner_url: Secret | None
    folder: Path
    postgres: int
    connections: int


@dataclass(frozen=True, slots=True)
class TenantSettings:
    """A tenant as the books know it, and its Engage where it has one."""

    declaration: TenantDeclaration
    engage: EngageSettings | None


@dataclass(frozen=True, slots=True)
class Configuration:
    """Everything the service is told.

    Attributes:
        warnings: What works but should be looked at, one sentence each.
    """

    path: Path
    service: ServiceSection
    database: DatabaseSettings
    tenants: tuple[TenantSettings, ...]
    posting: PostingSection = field(default_factory=PostingSection)
    relay: RelaySettings = field(default_factory=RelaySettings)
    warnings: tuple[str, ...] = field(default=())


def load(path: Path = DEFAULT_PATH, variables: Mapping[str, str] = os.environ) -> Configuration:
    """Read the file and the secrets.

    Raises:
        ConfigurationError: with everything that is wrong.
    """
    content = _parsed(path)
    found = list(mistakes(content, ConfigurationFile))
    if found:
        raise ConfigurationError(found)
    file = msgspec.convert(content, ConfigurationFile)
    environment = Environment(variables)
    found += _contradictions(file)
    url, url_problems = environment.secret("DATABASE_URL")
    owner_url, owner_problems = environment.secret("DATABASE_OWNER_URL")
    found += url_problems + owner_problems
    if owner_url and not url:
        found.append(Mistake("DATABASE_OWNER_URL", "is set, but DATABASE_URL is not"))
    tenants = []
    for name, section in file.tenants.items():
        settings, engage_problems = _engage(name, section.engage, environment)
        found += engage_problems
        if not found:
            tenants.append(TenantSettings(_declaration(name, section), settings))
    numbers = {
        name: tuple(one.engage_id for one in section.definitions)
        for name, section in file.tenants.items()
    }
    followed = [name for name, section in file.tenants.items() if section.engage is not None]
    relay, relay_problems = read_relay(file.relay, environment, numbers, followed)
    found += relay_problems
    if found or relay is None:
        raise ConfigurationError(found)
    database = DatabaseSettings(
        url,
        owner_url,
        path.resolve().parent / file.database.folder,
        file.database.postgres,
        file.database.connections,
    )
    return Configuration(
        path,
        file.service,
        database,
        tuple(tenants),
        posting=file.posting,
        relay=relay,
        warnings=tuple(_warnings(tuple(tenants))),
    )


def _parsed(path: Path) -> dict[str, object]:
    try:
        with path.open("rb") as file:
            raw = file.read(FILE_BYTES_MAX + 1)
        if len(raw) > FILE_BYTES_MAX:
            raise ConfigurationError([Mistake(str(path), "is too large to be a configuration")])
        return tomllib.loads(raw.decode())
    except OSError as problem:
        raise ConfigurationError(
            [Mistake(str(path), f"can't be read: {problem.strerror}")]
        ) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as problem:
        raise ConfigurationError([Mistake(str(path), f"is no TOML: {problem}")]) from None


def _contradictions(file: ConfigurationFile) -> Iterator[Mistake]:
    """What each key allows and their sum does not."""
    yield from ambiguous(list(file.tenants))
    if file.database.postgres not in MAJORS:
        yield Mistake("database.postgres", f"must be {' or '.join(map(str, MAJORS))}")
    lanes_max = file.database.connections // 2
    if file.posting.lanes is not None and file.posting.lanes > lanes_max:
        yield Mistake(
            "posting.lanes",
            f"must be at most {lanes_max}, half of database.connections: the others read",
        )
    for proxy in file.service.trusted_proxies:
        try:
            network_of(proxy)
        except ValueError:
            yield Mistake("service.trusted_proxies", f"{proxy!r} is no network like 10.0.0.7/32")
    for name, tenant in file.tenants.items():
        key = below("tenants", name)
        if not re.fullmatch(TENANT_NAME_FORM, name):
            yield Mistake(key, "a tenant's name has lower case letters, digits, - and _ only")
        if not _is_zone(tenant.time_zone):
            yield Mistake(f"{key}.time_zone", "is no time zone such as Europe/Stockholm")
        seen: set[int] = set()
        for index, definition in enumerate(tenant.definitions):
            place = f"{key}.definitions[{index}]"
            if definition.engage_id in seen:
                yield Mistake(f"{place}.engage_id", "is that of an earlier definition")
            seen.add(definition.engage_id)
            yield from _definition_contradictions(definition, place)


def _definition_contradictions(definition: DefinitionSection, key: str) -> Iterator[Mistake]:
    validity = definition.validity
    if validity.days is not None and validity.months is not None:
        yield Mistake(f"{key}.validity", "counts either days or months")
    if validity.days is None and validity.months is None and validity != ValiditySection():
        yield Mistake(f"{key}.validity", "says how to count, but neither days nor months")
    if definition.debt_limit is not None:
        try:
            limit = parse_amount(str(definition.debt_limit), definition.scale)
        except AmountError as problem:
            yield Mistake(f"{key}.debt_limit", str(problem))
        else:
            if limit < 0:
                yield Mistake(f"{key}.debt_limit", "must not be below zero")


def _is_zone(name: str) -> bool:
    try:
        ZoneInfo(name)
    except (ValueError, KeyError, OSError):  # no name, no such name, or a folder of names
        return False
    return True


def _declaration(name: str, section: TenantSection) -> TenantDeclaration:
    return TenantDeclaration(
        name=name,
        time_zone=section.time_zone,
        definitions=tuple(
            DefinitionDeclaration(
                engage_id=one.engage_id, name=one.name, scale=one.scale, policy=_policy(one)
            )
            for one in section.definitions
        ),
    )


def _policy(section: DefinitionSection) -> Policy:
    life = section.validity
    if life.days is not None:
        span, length = Span.DAYS, life.days
    elif life.months is not None:
        span, length = Span.MONTHS, life.months
    else:
        span, length = Span.NONE, 0
    limit = section.debt_limit
    return Policy(
        validity=Validity(span=span, length=length, round_up=life.round_up, start=life.start),
        returns=section.returns,
        debt_limit=None if limit is None else parse_amount(str(limit), section.scale),
    )


def _engage(
    tenant: str, options: EngageOptions | None, environment: Environment
) -> tuple[EngageSettings | None, list[Mistake]]:
    """A tenant's Engage with its secrets, and what is wrong with either."""
    if options is None:
        return None, []
    variables = {field: variable_of(tenant, what) for field, what in SECRETS.items()}
    api_key, found = environment.secret(variables["api_key"])
    several: dict[str, tuple[Secret, ...]] = {}
    for field_name in ("encryption_keys", "signing_secrets", "points_log"):
        several[field_name], more = environment.rotated(variables[field_name])
        found += more
    if api_key is None and not found:
        variable = variables["api_key"]
        found.append(Mistake(variable, f"neither it nor {variable}_FILE is set"))
    if found or api_key is None:
        return None, found
    secrets = EngageSecrets(api_key=api_key, **several)
    settings = EngageSettings(options=options, secrets=secrets)
    section = below(below("tenants", tenant), "engage")
    for problem in problems(settings):
        # A single name may be that of a secret and of a section: the secret is meant.
        is_secret = len(problem.key) == 1 and problem.key[0] in variables
        key = variables[problem.key[0]] if is_secret else ".".join((section, *problem.key))
        found.append(Mistake(key, problem.message))
    return settings, found


def _warnings(tenants: tuple[TenantSettings, ...]) -> Iterator[str]:
    for tenant in tenants:
        name = tenant.declaration.name
        if tenant.engage is None:
            continue
        secrets = tenant.engage.secrets
        if not secrets.signing_secrets and not secrets.encryption_keys:
            yield (
                f"{name}: neither a signing secret nor an encryption key, so every adjustment that "
                "Engage sends is refused"
            )
        elif not secrets.signing_secrets:
            yield (
                f"{name}: no signing secret ({variable_of(name, SECRETS['signing_secrets'])}), so "
                "an adjustment is believed if it can be decrypted"
            )
