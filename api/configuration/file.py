"""The shape of `pointmaster.toml`; `pointmaster.example.toml` explains it to whoever writes one.

The one hard idea: what the file says is in the words of its writer (`validity = { months = 12 }`,
a debt limit in points), and is turned into the books' own terms by `loading`. No secret has a place
here, so none can be committed by mistake.
"""

from typing import Annotated

import msgspec
from msgspec import Meta

from api.documents.forms import DEFINITION_MAX
from ledger.amounts import SCALE_MAX
from ledger.policies import VALIDITY_DAYS_MAX, Returns, RoundUp, Start
from sync.engage.settings import EngageOptions
from sync.relay.options import RelayOptions

VALIDITY_MONTHS_MAX = VALIDITY_DAYS_MAX // 30

TENANT_NAME_FORM = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Of a tenant's name: it is part of addresses and of names of environment variables."""


class Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what the file states."""


class ServiceSection(Section, frozen=True):
    """Where the service listens.

    Attributes:
        open_documentation: Whether `/docs`, `/openapi.json` and `/problems` can be read without an
            API key. They say nothing about anybody's data.
        drain_seconds: How long requests under way may take to end when the service is stopped.
        trusted_proxies: Networks of proxies whose word is taken for the address of whoever called
            them (`X-Forwarded-For`), as in `10.0.0.7/32`; without any, no such header counts.
    """

    host: Annotated[str, Meta(min_length=1, max_length=255)] = "127.0.0.1"
    port: Annotated[int, Meta(ge=0, le=65_535)] = 8080
    open_documentation: bool = False
    drain_seconds: Annotated[int, Meta(ge=0, le=600)] = 20
    trusted_proxies: Annotated[tuple[str, ...], Meta(max_length=1000)] = ()


class DatabaseSection(Section, frozen=True):
    """The database; `folder` and `postgres` only matter where `DATABASE_URL` is not set.

    Attributes:
        folder: Where the service's own PostgreSQL keeps its data, relative to the file.
        postgres: Its major version, 16 or 18.
        connections: The most connections of one process for its callers, those of the posting
            lanes included; the sync has its own, 8 and 8 a tenant.
    """

    folder: Annotated[str, Meta(min_length=1)] = "var/postgres"
    postgres: int = 18
    connections: Annotated[int, Meta(ge=4, le=200)] = 16


class PostingSection(Section, frozen=True):
    """How what many callers post is booked.

    Attributes:
        coalescing: Whether requests that come at the same time are booked together; without it,
            each in a database transaction of its own.
        lanes: How many batches are booked at the same time, each lane on one of the callers'
            connections; left out, 4, or half of the connections where those are fewer than 8.
        queue_max: How many requests may wait; more are told to come again.
        wait_seconds: How long one may wait before it is told to come again.
    """

    coalescing: bool = True
    lanes: Annotated[int, Meta(ge=1, le=64)] | None = None
    queue_max: Annotated[int, Meta(ge=1000, le=1_000_000)] = 10_000
    wait_seconds: Annotated[int, Meta(ge=1, le=60)] = 10


class ValiditySection(Section, frozen=True):
    """How long points live: a number of days or of months, or for ever if neither is given.

    Attributes:
        round_up: To the end of which period the life is prolonged.
        start: Whether it is counted from earning or from activation.
    """

    days: Annotated[int, Meta(ge=1, le=VALIDITY_DAYS_MAX)] | None = None
    months: Annotated[int, Meta(ge=1, le=VALIDITY_MONTHS_MAX)] | None = None
    round_up: RoundUp = RoundUp.NONE
    start: Start = Start.EARNING


class DefinitionSection(Section, frozen=True):
    """A kind of points.

    Attributes:
        engage_id: Engage's `definitionId`.
        scale: Decimals of its amounts; can never be changed.
        returns: What a return may take when the purchase's points are no longer all there.
        debt_limit: The most points of debt that returns may lead to; decimals as text.
    """

    engage_id: Annotated[int, Meta(ge=1, le=DEFINITION_MAX)]
    name: Annotated[str, Meta(min_length=1, max_length=100)]
    scale: Annotated[int, Meta(ge=0, le=SCALE_MAX)] = 0
    validity: ValiditySection = ValiditySection()
    returns: Returns = Returns.UNLIMITED
    debt_limit: int | str | None = None


class TenantSection(Section, frozen=True):
    """One Engage installation, or one program without an Engage yet.

    Attributes:
        time_zone: The program's: in it days, months and years are counted.
    """

    time_zone: str
    definitions: Annotated[tuple[DefinitionSection, ...], Meta(min_length=1, max_length=100)]
    engage: EngageOptions | None = None


class ConfigurationFile(Section, frozen=True):
    """All of it. Tenants by name, as in the `tenant` of Engage's webhooks."""

    tenants: Annotated[dict[str, TenantSection], Meta(min_length=1, max_length=1000)]
    service: ServiceSection = ServiceSection()
    database: DatabaseSection = DatabaseSection()
    posting: PostingSection = PostingSection()
    relay: RelayOptions = RelayOptions()
