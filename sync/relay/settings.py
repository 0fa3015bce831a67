"""The relay as it is run: sources and destinations with their secrets, checked against each other.

The one hard idea: everything that can be wrong with a source or destination is found by `problems`
before anything is opened, each with its key; what is made of settings without problems can't fail
for them later. An unknown data centre is refused: sending customers to a wrong country's host can't
be taken back.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urlsplit
from zoneinfo import ZoneInfo

from sync.relay.authentication import Authentication, authentication_problems, completed
from sync.relay.mapping.lexicon import Limits
from sync.relay.mapping.mapper import Style
from sync.relay.mapping.packing import ENVELOPE_BYTES
from sync.relay.mapping.rules import places, rule_problems
from sync.relay.options import (
    DATA_CENTRES,
    BooksOptions,
    CustomerKey,
    DestinationOptions,
    RelayOptions,
    RetentionOptions,
    SftpOptions,
    SourceOptions,
)
from sync.relay.pointers import PointerError, parse_pointer
from sync.relay.vendors.protocol import Places, Vendor, VendorModule, VendorOptions
from sync.relay.vendors.registry import vendor_module
from sync.secret import Secret
from sync.timing import TimingError

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

BULK_EVENTS_PER_MINUTE: Final = 54_000
BULK_CUSTOMERS_PER_MINUTE: Final = 54_000
SINGLE_EVENTS_PER_MINUTE: Final = 27_000
SINGLE_CUSTOMERS_PER_MINUTE: Final = 9_000

BOOKS_EVENTS: Final = (
    "earned",
    "redeemed",
    "returned",
    "expired",
    "expiring_soon",
    "balance_changed",
)

Key = tuple[str, ...]
"""Where a mistake is, below the relay's section."""

SECRET: Final = "secret"  # noqa: S105 - the last part of a key, not a secret


@dataclass(frozen=True, slots=True)
class Destination:
    """A workspace of MoEngage, and how it is reached.

    Attributes:
        tenant: The tenant's name.
        address: Without a slash at the end.
        key: Of the Data API.
    """

    name: str
    tenant: str
    address: str
    options: DestinationOptions
    key: Secret

    @property
    def limits(self) -> Limits:
        """How many names it may be sent."""
        return Limits(self.options.event_names_max, self.options.user_attributes_max)

    @property
    def request_bytes_max(self) -> int:
        """The size of a request."""
        options = self.options
        return options.single_bytes_max if options.single else options.bulk_bytes_max

    @property
    def element_bytes_max(self) -> int:
        """The size of one element, so that each fits into a request by itself."""
        return self.request_bytes_max - ENVELOPE_BYTES

    @property
    def events_per_minute(self) -> int:
        """How many events are sent, over all replicas."""
        default = SINGLE_EVENTS_PER_MINUTE if self.options.single else BULK_EVENTS_PER_MINUTE
        return self.options.events_per_minute or default

    @property
    def customers_per_minute(self) -> int:
        """How many customers' attributes are sent, over all replicas."""
        default = SINGLE_CUSTOMERS_PER_MINUTE if self.options.single else BULK_CUSTOMERS_PER_MINUTE
        return self.options.customers_per_minute or default


@dataclass(frozen=True, slots=True)
class Source:
    """Where events come from.

    Attributes:
        tenant: The tenant's name.
        authentication: `None` where nothing is taken over HTTP.
        secrets: Of whichever channel it is, the newer first.
        denied: Names, in lower case, whose values are hidden before anything is stored.
    """

    name: str
    tenant: str
    destination: str
    vendor: Vendor
    options: SourceOptions
    module: VendorModule
    authentication: Authentication | None
    secrets: tuple[Secret, ...]
    denied: frozenset[str]

    def style(self, destination: Destination) -> Style:
        """How its events are written for a destination."""
        return self.style_of(destination.element_bytes_max)

    def style_of(self, bytes_max: int) -> Style:
        """How its events are written in elements of at most so many bytes."""
        return Style(
            prefix=self.options.mapping.prefix or self.module.prefix,
            rules=self.options.mapping,
            zone=ZoneInfo(self.options.time_zone),
            bytes_max=bytes_max,
        )


@dataclass(frozen=True, slots=True)
class RelaySettings:
    """The whole relay."""

    sources: Mapping[str, Source] = field(default_factory=dict)
    destinations: Mapping[str, Destination] = field(default_factory=dict)
    retention: RetentionOptions = field(default_factory=RetentionOptions)

    def __bool__(self) -> bool:
        return bool(self.sources or self.destinations)


@dataclass(frozen=True, slots=True)
class RelaySecrets:
    """The secrets of sources and destinations, by their names."""

    sources: Mapping[str, tuple[Secret, ...]]
    destinations: Mapping[str, Secret | None]


def problems(
    options: RelayOptions, secrets: RelaySecrets, tenants: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[Key, str]]:
    """Everything that is wrong, beyond what the types refuse already.

    Args:
        options: What the configuration states.
        secrets: What was found of secrets.
        tenants: The tenants there are, with Engage's numbers of their definitions.
    """
    for name, destination in options.destinations.items():
        yield from _below(
            ("destinations", name),
            _destination_problems(destination, secrets.destinations.get(name), tenants),
        )
    for name, source in options.sources.items():
        yield from _below(
            ("sources", name), _source_problems(name, source, options, secrets, tenants)
        )


def settings_of(
    options: RelayOptions, secrets: RelaySecrets, tenants: Mapping[str, tuple[int, ...]]
) -> RelaySettings:
    """The relay of a configuration without problems."""
    destinations = {
        name: Destination(
            name=name,
            tenant=_tenant(one.tenant, tenants) or "",
            address=one.address or f"https://api-{one.data_centre}.moengage.com",
            options=one,
            key=secrets.destinations[name] or Secret(""),
        )
        for name, one in options.destinations.items()
    }
    sources = {
        name: source_of(
            name, one, secrets.sources.get(name, ()), _tenant(one.tenant, tenants) or ""
        )
        for name, one in options.sources.items()
    }
    return RelaySettings(sources, destinations, options.retention)


def source_of(
    name: str, options: SourceOptions, secrets: tuple[Secret, ...] = (), tenant: str = ""
) -> Source:
    """A source of options without problems."""
    rules = options.mapping
    module = vendor_module(
        options.vendor,
        VendorOptions(
            zone=ZoneInfo(options.time_zone),
            places=Places(places(rules.customer), places(rules.time), places(rules.family)),
            repeat_seconds=options.repeat_seconds,
            identifier=places(options.identifier),
            definitions=_words(options.books),
            by_member_number=options.books is not None
            and options.books.customer is CustomerKey.MEMBER_NUMBER,
        ),
    )
    denied = (module.denied | {one.lower() for one in rules.mask}) - {
        one.lower() for one in rules.unmask
    }
    authentication = options.authentication
    return Source(
        name=name,
        tenant=tenant,
        destination=options.destination,
        vendor=options.vendor,
        options=options,
        module=module,
        authentication=None
        if authentication is None
        else completed(authentication, options.vendor),
        secrets=secrets,
        denied=frozenset(denied),
    )


def _words(books: BooksOptions | None) -> dict[int, str]:
    return {} if books is None else {int(number): word for number, word in books.words.items()}


def _below(key: Key, found: Iterator[tuple[Key, str]]) -> Iterator[tuple[Key, str]]:
    for rest, message in found:
        yield (*key, *rest), message


def _tenant(name: str | None, tenants: Mapping[str, tuple[int, ...]]) -> str | None:
    """The tenant that is named, or the only one there is."""
    if name is not None:
        return name if name in tenants else None
    return next(iter(tenants)) if len(tenants) == 1 else None


def _tenant_problems(
    name: str | None, tenants: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[Key, str]]:
    if _tenant(name, tenants) is None:
        said = "is none of the tenants" if name is not None else "is missing: there are several"
        yield ("tenant",), said


def _destination_problems(
    options: DestinationOptions, key: Secret | None, tenants: Mapping[str, tuple[int, ...]]
) -> Iterator[tuple[Key, str]]:
    yield from _tenant_problems(options.tenant, tenants)
    centres = ", ".join(DATA_CENTRES)
    if (options.data_centre is None) == (options.address is None):
        yield ("data_centre",), f"must be one of {centres} (or give the address of a stand-in)"
    elif options.data_centre is not None and options.data_centre not in DATA_CENTRES:
        yield ("data_centre",), f"is none of MoEngage's data centres: {centres}"
    if options.address is not None:
        yield from _address_problems(options.address)
    if not key:
        yield (SECRET,), "is not set: the key of the workspace's Data API"
    elif not key.reveal().isprintable() or key.reveal() != key.reveal().strip():
        yield (SECRET,), "must be printable without blanks around it"


def _address_problems(address: str) -> Iterator[tuple[Key, str]]:
    try:
        parts = urlsplit(address)
        host = parts.hostname
    except ValueError:
        yield ("address",), "is no web address"
        return
    if parts.scheme not in {"http", "https"} or not host or parts.path.strip("/"):
        yield ("address",), "must be like http://127.0.0.1:7802"
    elif parts.scheme == "http" and host not in LOOPBACK:
        yield ("address",), "must begin with https: the key would be sent in the clear"


def _source_problems(
    name: str,
    options: SourceOptions,
    relay: RelayOptions,
    secrets: RelaySecrets,
    tenants: Mapping[str, tuple[int, ...]],
) -> Iterator[tuple[Key, str]]:
    yield from _tenant_problems(options.tenant, tenants)
    destination = relay.destinations.get(options.destination)
    tenant = _tenant(options.tenant, tenants)
    if destination is None:
        known = ", ".join(relay.destinations) or "none"
        yield ("destination",), f"is no destination; there are: {known}"
    elif tenant is not None and _tenant(destination.tenant, tenants) not in {None, tenant}:
        yield ("destination",), "belongs to another tenant"
    yield from _sharing_problems(name, options, relay)
    try:
        ZoneInfo(options.time_zone)
    except (ValueError, KeyError, OSError):
        yield ("time_zone",), "is no time zone such as Europe/Stockholm"
    for index, place in enumerate(options.identifier):
        try:
            parse_pointer(place)
        except PointerError as problem:
            yield (f"identifier[{index}]",), str(problem)
    for key, message in rule_problems(options.mapping):
        yield ("mapping", *key), message
    numbers = tenants.get(tenant or "", ())
    yield from _channel_problems(options, secrets.sources.get(name, ()), numbers)


def _sharing_problems(
    name: str, options: SourceOptions, relay: RelayOptions
) -> Iterator[tuple[Key, str]]:
    if options.shares_with is None:
        return
    other = relay.sources.get(options.shares_with)
    if other is None or options.shares_with == name:
        yield ("shares_with",), "must be another source"
    elif other.shares_with is not None:
        yield ("shares_with",), f"shares with {other.shares_with} itself: name that one"
    elif other.tenant != options.tenant or other.vendor is not options.vendor:
        yield ("shares_with",), "must be a source of the same tenant and vendor"


def _channel_problems(
    options: SourceOptions, secrets: tuple[Secret, ...], definitions: tuple[int, ...]
) -> Iterator[tuple[Key, str]]:
    channels = {
        "authentication": options.authentication,
        "kafka": options.kafka,
        "sftp": options.sftp,
        "books": options.books,
    }
    given = [channel for channel, section in channels.items() if section is not None]
    if len(given) != 1:
        yield (), f"needs exactly one of the sections {', '.join(channels)}"
    if (options.vendor is Vendor.LEDGER) != (options.books is not None) and given:
        yield ("vendor",), "is ledger where there is a section books, and only there"
    if options.authentication is not None:
        for field, message in authentication_problems(options.authentication, secrets):
            yield ((SECRET,) if field == SECRET else ("authentication", field)), message
    if options.kafka is not None and "sasl" in options.kafka.protocol and not secrets:
        yield (SECRET,), "is not set: the password for Kafka"
    if options.sftp is not None:
        yield from _sftp_problems(options.sftp, secrets)
    if options.books is not None:
        yield from _books_problems(options.books, definitions)


def _sftp_problems(options: SftpOptions, secrets: tuple[Secret, ...]) -> Iterator[tuple[Key, str]]:
    if not secrets:
        yield (SECRET,), "is not set: the password or the private key for the server"
    try:
        "".encode(options.encoding)
    except LookupError:
        yield ("sftp", "encoding"), "is no known encoding"
    try:
        options.schedule.trigger("UTC")
    except TimingError as problem:
        yield ("sftp", "schedule"), str(problem)


def _books_problems(
    options: BooksOptions, definitions: tuple[int, ...]
) -> Iterator[tuple[Key, str]]:
    for event in options.events:
        if event not in BOOKS_EVENTS:
            yield ("books", "events"), f"can hold {', '.join(BOOKS_EVENTS)}"
    for number in options.definitions:
        if number not in definitions:
            yield ("books", "definitions"), f"names {number}, which is none of the tenant's"
    for word in options.words:
        if not word.isascii() or not word.isdecimal() or int(word) not in definitions:
            yield ("books", "words", word), "is no number of the tenant's definitions"
    try:
        options.expiring.trigger("UTC")
    except TimingError as problem:
        yield ("books", "expiring"), str(problem)
