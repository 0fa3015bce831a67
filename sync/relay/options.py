"""What the configuration states of the relay: sources, destinations, and how long things are kept.

The one hard idea: what is public is here, and each secret is a variable whose name follows from the
source's or the destination's; `sync.relay.settings` joins the two. Every value that a vendor's
documentation leaves open is a setting with the likeliest default; docs/contracts/ says which.
"""

from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sync.relay.authentication import Authentication
from sync.relay.mapping.rules import MappingRules, Place
from sync.relay.vendors.protocol import Vendor
from sync.timing import Timing, every

NAME_FORM: Final = r"^[a-z0-9][a-z0-9_-]{0,62}$"
"""Of a source's or destination's name: it is part of addresses and of variables."""

DATA_CENTRES: Final = ("01", "02", "03", "04", "05", "06", "101")

DEDUPE_DAYS_MIN: Final = 7
"""Longer than any vendor sends again: Punchh's retries span under four hours, its suspended events
some days."""

Seconds = Annotated[float, Meta(gt=0, le=86_400)]
Path = Annotated[str, Meta(min_length=1, max_length=1000)]


class _Section(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Base of what the configuration file states."""


class DestinationOptions(_Section, frozen=True):
    """A workspace of MoEngage.

    Attributes:
        tenant: Whose it is; needs not be said where there is but one.
        data_centre: `01` to `06` or `101`: the number in the dashboard's address.
        workspace: The workspace's id.
        address: Of a stand-in, instead of MoEngage's own.
        single: Send each event and each customer by itself instead of in bulks.
        bulk_bytes_max, single_bytes_max: Of one request.
        bulk_elements_max: Of one bulk.
        events_per_minute, customers_per_minute: How much is sent, over all replicas. The defaults
            leave a tenth of what MoEngage allows: bulks come in steps.
        customer_events_per_minute: For one customer, whom MoEngage would block for an hour above
            5000 in a minute or 10,000 in five.
        requests_at_once: How many requests one process has under way.
        connect_seconds, answer_seconds: For reaching MoEngage, and for a whole request.
        backoff_seconds: Before the second attempt; each later one waits three times as long.
        backoff_seconds_max: Never longer than that.
        attempts_max: After which an event is dead, if others were accepted meanwhile.
        breaker_failures: After so many requests in a row that failed, only one is tried at a time.
        breaker_seconds: After how long the first of those; each later one waits twice as long.
        breaker_seconds_max: Never longer than that: how late it may be noticed that a destination
            is well again.
        pause_seconds: After credentials were refused, how long until they are tried again.
        limit_seconds: How long nothing is sent after a 429 that doesn't say.
        poll_seconds: How often is looked for what may be sent.
        event_names_max, user_attributes_max: How many names a workspace may have.
        create_customers: Whether attributes of a customer unknown to MoEngage make one. Events
            always do.
    """

    workspace: Annotated[str, Meta(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
    tenant: str | None = None
    data_centre: str | None = None
    address: str | None = None
    single: bool = False
    bulk_bytes_max: Annotated[int, Meta(ge=20_000, le=1_000_000)] = 100_000
    single_bytes_max: Annotated[int, Meta(ge=20_000, le=1_000_000)] = 128_000
    bulk_elements_max: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    events_per_minute: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    customers_per_minute: Annotated[int, Meta(ge=1, le=10_000_000)] | None = None
    customer_events_per_minute: Annotated[int, Meta(ge=1, le=10_000_000)] = 800
    requests_at_once: Annotated[int, Meta(ge=1, le=32)] = 4
    connect_seconds: Annotated[float, Meta(gt=0, le=120)] = 5
    answer_seconds: Annotated[float, Meta(gt=0, le=600)] = 30
    backoff_seconds: Seconds = 5
    backoff_seconds_max: Seconds = 600
    attempts_max: Annotated[int, Meta(ge=1, le=1000)] = 20
    breaker_failures: Annotated[int, Meta(ge=1, le=1000)] = 5
    breaker_seconds: Seconds = 70
    breaker_seconds_max: Seconds = 1800
    pause_seconds: Seconds = 300
    limit_seconds: Seconds = 60
    poll_seconds: Annotated[float, Meta(ge=0.02, le=60)] = 0.5
    event_names_max: Annotated[int, Meta(ge=1, le=100_000)] = 512
    user_attributes_max: Annotated[int, Meta(ge=1, le=100_000)] = 256
    create_customers: bool = True


class KafkaOptions(_Section, frozen=True):
    """Topics that are read.

    Attributes:
        servers: `host:port`, the first that answer are enough.
        group: Under which name offsets are kept; all replicas share it.
        protocol: `plaintext`, `ssl`, `sasl_plaintext` or `sasl_ssl`.
        ca_file, certificate_file, key_file: For TLS.
        mechanism: Of SASL, such as `SCRAM-SHA-512`; the source's secret is the password.
        from_beginning: Whether a group without offsets begins with the oldest message.
        batch_max: Messages stored in one go.
        settings: Whatever else librdkafka is to be told, by its own names.
    """

    servers: Annotated[tuple[str, ...], Meta(min_length=1, max_length=50)]
    topics: Annotated[tuple[str, ...], Meta(min_length=1, max_length=50)]
    group: Annotated[str, Meta(min_length=1, max_length=200)] = "pointmaster"
    protocol: Annotated[str, Meta(pattern="^(plaintext|ssl|sasl_plaintext|sasl_ssl)$")] = "ssl"
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    mechanism: Annotated[str, Meta(max_length=50)] | None = None
    username: Annotated[str, Meta(max_length=200)] = ""
    from_beginning: bool = True
    batch_max: Annotated[int, Meta(ge=1, le=5000)] = 500
    settings: dict[str, str | int | bool] = {}


class SftpOptions(_Section, frozen=True):
    """A folder on a server from which files of rows are fetched.

    Attributes:
        host_key: The server's public key, as `ssh-ed25519 AAAA…`; nothing is fetched from a server
            with another one. Two while it is replaced.
        folder: Where the files are.
        pattern: Which files, as in `rewards-*.csv`.
        archive: Where files go once they are stored.
        settle_seconds: A file is complete when it has not changed for so long.
        done_suffix: If given, a file is complete when one of the same name and this suffix is
            beside it.
        delimiter, encoding: Of the files.
        file_bytes_max: A larger file is left where it is.
        schedule: When is looked for files.
    """

    host: Annotated[str, Meta(min_length=1, max_length=255)]
    username: Annotated[str, Meta(min_length=1, max_length=200)]
    host_key: Annotated[tuple[str, ...], Meta(min_length=1, max_length=4)]
    port: Annotated[int, Meta(ge=1, le=65_535)] = 22
    folder: Path = "."
    pattern: Annotated[str, Meta(min_length=1, max_length=200)] = "*.csv"
    archive: Path = "archive"
    settle_seconds: Annotated[float, Meta(ge=0, le=86_400)] = 60
    done_suffix: Annotated[str, Meta(min_length=1, max_length=50)] | None = None
    delimiter: Annotated[str, Meta(min_length=1, max_length=1)] = ","
    encoding: Annotated[str, Meta(max_length=50)] = "utf-8-sig"
    connect_seconds: Annotated[float, Meta(gt=0, le=120)] = 15
    file_bytes_max: Annotated[int, Meta(ge=1, le=10_000_000_000)] = 500_000_000
    schedule: Timing = every(60, jitter_seconds=5)


class CustomerKey(StrEnum):
    """By what a contact of the books is known at MoEngage."""

    CONTACT = "contact"
    """By its id in Engage."""
    MEMBER_NUMBER = "member_number"
    """By the member number that Engage found it by."""


class BooksOptions(_Section, frozen=True):
    """Which changes of a tenant's points are told.

    Attributes:
        customer: By what MoEngage knows a contact.
        events: `earned`, `redeemed`, `returned`, `expired`, `expiring_soon`, `balance_changed`.
        definitions: Engage's numbers of the points that are told; all without it.
        words: What points are called in attributes, by Engage's number as text, as in
            `"1" = "points"`; made of the definition's name without it.
        expiring_days: How long before they expire points count as expiring soon; each number a
            notice of its own.
        expiring: When is looked for those.
    """

    customer: CustomerKey = CustomerKey.CONTACT
    events: Annotated[tuple[str, ...], Meta(min_length=1, max_length=6)] = (
        "earned",
        "redeemed",
        "returned",
        "expired",
        "expiring_soon",
        "balance_changed",
    )
    definitions: tuple[int, ...] = ()
    words: dict[str, Annotated[str, Meta(pattern=r"^[a-z][a-z0-9_]{0,39}$")]] = {}
    expiring_days: Annotated[tuple[Annotated[int, Meta(ge=1, le=366)], ...], Meta(max_length=5)] = (
        30,
    )
    expiring: Timing = Timing(cron="0 4 * * *")


class SourceOptions(_Section, frozen=True):
    """Where events come from, and where they go.

    Attributes:
        tenant: Whose it is; needs not be said where there is but one.
        authentication: How messages at `/relay/{source}` are believed; without it nothing is
            taken there.
        kafka, sftp, books: Other channels; a source has one.
        shares_with: Another source: what one has received is a repeat at the other, and what one
            learns of customers holds for both.
        at_most_once: Whether an event whose sending ended unclearly is dead instead of being sent
            again, perhaps a second time.
        business_customer: To whom events that concern no customer are sent; they are kept and
            not forwarded without it.
        identifier: Where an event's own id stands (Perx).
        time_zone: In which times without offset are meant.
        repeat_seconds: How long a message without anything that makes it unique counts as a
            repeat of the same one.
    """

    vendor: Vendor
    destination: str
    tenant: str | None = None
    authentication: Authentication | None = None
    kafka: KafkaOptions | None = None
    sftp: SftpOptions | None = None
    books: BooksOptions | None = None
    shares_with: str | None = None
    at_most_once: bool = False
    business_customer: Annotated[str, Meta(max_length=200)] | None = None
    identifier: tuple[Place, ...] = ()
    time_zone: str = "UTC"
    repeat_seconds: Annotated[int, Meta(ge=0, le=86_400)] = 10
    mapping: MappingRules = MappingRules()


class RetentionOptions(_Section, frozen=True):
    """How long things are kept, in days.

    Attributes:
        delivered_days: Events that were delivered or are not forwarded, with what they said.
        troubled_days: Events that are quarantined or dead.
        dedupe_days: By what a repeat is recognised; holds no personal data.
        schedule: When is cleared up.
    """

    delivered_days: Annotated[int, Meta(ge=1, le=3650)] = 14
    troubled_days: Annotated[int, Meta(ge=1, le=3650)] = 90
    dedupe_days: Annotated[int, Meta(ge=DEDUPE_DAYS_MIN, le=3650)] = 30
    schedule: Timing = every(600, jitter_seconds=60)


class RelayOptions(_Section, frozen=True):
    """The whole relay, as the configuration states it."""

    destinations: Annotated[dict[str, DestinationOptions], Meta(max_length=200)] = {}
    sources: Annotated[dict[str, SourceOptions], Meta(max_length=1000)] = {}
    retention: RetentionOptions = RetentionOptions()
