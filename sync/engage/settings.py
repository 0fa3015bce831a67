"""How one tenant's Engage is reached, followed and listened to.

The one hard idea: what is public (`EngageOptions`, as the configuration file states it) and what
is secret (`EngageSecrets`, from the environment) are different structs; `EngageSettings` joins
them. Every value that the documentation of Engage leaves open is a setting with the likeliest
default; docs/contracts/engage.md says which and how sure each is. Nothing is read or opened here.
"""

import base64
import binascii
import re
from collections.abc import Iterator
from datetime import timedelta
from enum import StrEnum
from typing import Annotated, Final, NamedTuple
from urllib.parse import urlsplit

import msgspec
from msgspec import Meta

from sync.engage.addresses import network_of
from sync.engage.contacts.options import ContactOptions
from sync.engage.drift.options import DriftOptions
from sync.engage.retention_options import RetentionOptions
from sync.engage.section import Section
from sync.engage.total_options import TotalOptions
from sync.engage.transactions.options import TransactionOptions
from sync.secret import Secret
from sync.timing import Timing, TimingError, every

ENCRYPTION_KEY_CHARACTERS: Final = 32
"""The shared key is AES-256's key itself: 32 ASCII characters."""

ADDRESSES_MAX: Final = 1000
"""Networks of one allow-list."""

KEYS_MAX: Final = 2
"""Old and new, while one replaces the other."""

LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})

_TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,200}\Z")
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")

Seconds = Annotated[float, Meta(gt=0, le=30 * 86_400)]


class ApiVersion(StrEnum):
    """Which generation of Engage's paths is used."""

    V3 = "v3"
    V2 = "v2"


class Mode(StrEnum):
    """What Engage is told."""

    BALANCE_ONLY = "balance_only"
    """The total, whatever led to it."""
    ALL_TRANSACTIONS = "all_transactions"
    """Every movement; the rows add up to the total. Version 2 only."""


class Meaning(StrEnum):
    """What a word of Engage's for the state of a request means to us."""

    PENDING = "pending"
    DONE = "done"
    FAILED = "failed"


STATUS_MEANINGS: Final[dict[str, Meaning]] = {
    **dict.fromkeys(
        ("queued", "pending", "processing", "inprogress", "in progress", "running", "created",
         "accepted", "received", "started", "waiting"),
        Meaning.PENDING,
    ),
    **dict.fromkeys(
        ("completed", "complete", "done", "succeeded", "success", "successful", "processed",
         "finished", "ok"),
        Meaning.DONE,
    ),
    **dict.fromkeys(
        ("failed", "failure", "error", "faulted", "cancelled", "canceled", "aborted", "rejected"),
        Meaning.FAILED,
    ),
}  # fmt: skip
"""Voyado publishes no list of status words; these are what such lists use. Lower case."""


class LogAuthentication(StrEnum):
    """How Engage proves itself when it asks for the points log."""

    CLOSED = "closed"
    """Nobody may ask."""
    HEADER = "header"
    """A secret value in a header of a configured name."""
    BASIC = "basic"
    """User name and password."""
    PATH = "path"
    """An unguessable part of the address."""


class BelowZero(StrEnum):
    """What becomes of an adjustment that takes more than is there."""

    DEBT = "debt"
    """All of it is booked; what is short is owed."""
    FLOOR = "floor"
    """As much is booked as is there."""
    QUARANTINE = "quarantine"
    """Nothing is booked; a person decides."""


class WebhookOptions(Section, frozen=True):
    """What is accepted from Engage.

    Attributes:
        tenant: The name in Engage's envelopes, if it isn't the tenant's own.
        allow_plain: Accept adjustments that aren't encrypted; needs a signing secret.
        tolerance_seconds: How far a message's signed time may be from ours.
        below_zero: What becomes of an adjustment that takes more than is there.
        addresses: Networks that messages may come from, as in `52.215.16.239/32`; all without any.
    """

    tenant: Annotated[str, Meta(min_length=1, max_length=200)] | None = None
    allow_plain: bool = False
    tolerance_seconds: Annotated[float, Meta(ge=1, le=3600)] = 300
    below_zero: BelowZero = BelowZero.DEBT
    addresses: Annotated[tuple[str, ...], Meta(max_length=ADDRESSES_MAX)] = ()


class PendingShown(StrEnum):
    """When points that are valid later appear in the points log."""

    WHEN_EARNED = "when_earned"
    WHEN_ACTIVE = "when_active"


class PointsLogOptions(Section, frozen=True):
    """What Engage gets when it asks for a contact's log.

    Attributes:
        header: The header's name where the authentication is `header`.
        username: The user's name where it is `basic`.
        definition: Engage's `definitionId` of the only points shown; all without it.
        expiries: Whether lapsed points appear.
        pending: When points that are valid later appear: when they were earned, or when they can
            be spent.
        description: Shown for rows that have none of their own.
        rows_max: The most rows of an answer, newest first.
        addresses: Networks that may ask, as in `10.0.0.0/8`; all without any.
    """

    authentication: LogAuthentication = LogAuthentication.CLOSED
    header: str = "X-Api-Key"
    username: Annotated[str, Meta(max_length=200)] = "engage"
    definition: int | None = None
    expiries: bool = True
    pending: PendingShown = PendingShown.WHEN_EARNED
    description: Annotated[str, Meta(max_length=200)] = "Points"
    rows_max: Annotated[int, Meta(ge=1, le=10_000)] = 1000
    addresses: Annotated[tuple[str, ...], Meta(max_length=ADDRESSES_MAX)] = ()


class ScheduleOptions(Section, frozen=True):
    """When the tenant's work is done without being asked for."""

    sweep: Timing = every(60, jitter_seconds=5)
    """Book what has fallen due: points that become valid or lapse, holds that time out."""
    push: Timing = every(60, jitter_seconds=5)
    """Tell Engage what changed: totals, or movements, by the mode."""
    poll: Timing = every(5)
    """Ask for the state of what was sent, and settle what is unclear."""
    drift_sample: Timing = every(600, jitter_seconds=60)
    """Compare some accounts at random, and those that differed before."""
    drift_share: Timing = Timing(cron="0 1 * * *", jitter_seconds=900)
    """Compare the accounts that were compared longest ago."""
    contacts: Timing = every(900, jitter_seconds=60)
    """Look for contacts that were created, deleted or merged."""
    clear_up: Timing = Timing(cron="30 4 * * *", jitter_seconds=900)
    """Clear away what is over and old."""


class EngageOptions(Section, frozen=True):
    """What is public about a tenant's Engage.

    Attributes:
        base_url: `https://[client].voyado.com`; plain http only to this machine itself, or where
            `plain_http` allows it.
        api_key_header: One page of Voyado's says `x-api-key`; all others, and all code, `apikey`.
        user_agent: Demanded of every call, in the form `Name/1.0`.
        connect_seconds, answer_seconds: For reaching Engage, and for a whole call.
        rate_per_second: Calls a second with this API key, over all replicas; below 50.
        batch_rows_max: Rows of one request.
        requests_at_once: How many requests may be under way.
        status_meanings: Words of Engage's for a request's state, any case; these add to and
            override `STATUS_MEANINGS`.
        poll_seconds: Pauses before the first, second, … question for a state; the last repeats.
        unknown_status_seconds: How long a word that means nothing to us, or 404, is waited on.
        status_seconds: How long any other state is waited on.
        settle_seconds: How long after an unclear outcome Engage may still apply the request. The
            account's newer totals wait that long.
        read_back_max: Accounts read, one request each, to settle one unclear batch. The others
            are pushed again, which costs one request for a thousand.
        parked_retry_hours: After which what Engage did not take is tried again by itself; 0: only
            when somebody asks, or its cause is seen to be gone.
        stuck_hours: After which a request that is not over raises an alarm.
    """

    base_url: str
    plain_http: bool = False
    api_version: ApiVersion = ApiVersion.V3
    mode: Mode = Mode.BALANCE_ONLY
    api_key_header: str = "apikey"
    user_agent: Annotated[str, Meta(pattern=r"^[!-~]+/[!-~]+( [ -~]+)?$", max_length=200)] = (
        "Pointmaster/0.1"
    )
    connect_seconds: Annotated[float, Meta(gt=0, le=120)] = 5
    answer_seconds: Annotated[float, Meta(gt=0, le=600)] = 60
    rate_per_second: Annotated[float, Meta(gt=0, lt=50)] = 45
    batch_rows_max: Annotated[int, Meta(ge=1, le=1000)] = 1000
    requests_at_once: Annotated[int, Meta(ge=1, le=32)] = 8
    status_meanings: dict[str, Meaning] = msgspec.field(default_factory=dict)
    poll_seconds: Annotated[tuple[Seconds, ...], Meta(min_length=1, max_length=50)] = (
        2, 5, 10, 30, 60, 300,
    )  # fmt: skip
    unknown_status_seconds: Seconds = 3600
    status_seconds: Seconds = 86_400
    settle_seconds: Seconds = 900
    read_back_max: Annotated[int, Meta(ge=0, le=1000)] = 100
    parked_retry_hours: Annotated[float, Meta(ge=0, le=720)] = 24
    stuck_hours: Annotated[float, Meta(gt=0, le=720)] = 3
    total: TotalOptions = TotalOptions()
    transactions: TransactionOptions = TransactionOptions()
    drift: DriftOptions = DriftOptions()
    contacts: ContactOptions = ContactOptions()
    webhook: WebhookOptions = WebhookOptions()
    points_log: PointsLogOptions = PointsLogOptions()
    retention: RetentionOptions = RetentionOptions()
    schedule: ScheduleOptions = ScheduleOptions()

    def meaning_of(self, status: str) -> Meaning | None:
        """What a status word means; `None` for one we don't know."""
        word = status.strip().casefold()
        for configured, meaning in self.status_meanings.items():
            if configured.strip().casefold() == word:
                return meaning
        return STATUS_MEANINGS.get(word)

    @property
    def settle_after(self) -> timedelta:
        """`settle_seconds` as a duration."""
        return timedelta(seconds=self.settle_seconds)


class EngageSecrets(msgspec.Struct, frozen=True, kw_only=True):
    """What nobody may see of a tenant's Engage.

    Attributes:
        encryption_keys: Of adjustments, the newer first; 32 ASCII characters each.
        signing_secrets: Of webhooks, `whsec_…`; two while they are rotated.
        points_log: Header values, passwords or path tokens, by the configured authentication.
    """

    api_key: Secret
    encryption_keys: tuple[Secret, ...] = ()
    signing_secrets: tuple[Secret, ...] = ()
    points_log: tuple[Secret, ...] = ()


class EngageSettings(msgspec.Struct, frozen=True, kw_only=True):
    """All there is to know about a tenant's Engage; checked by `problems`."""

    options: EngageOptions
    secrets: EngageSecrets


class Problem(NamedTuple):
    """What is wrong with a setting.

    Attributes:
        key: Where, below the tenant's engage section, as in `("webhook", "allow_plain")`; for a
            secret its field in `EngageSecrets`.
    """

    key: tuple[str, ...]
    message: str


def problems(settings: EngageSettings) -> list[Problem]:
    """Everything that is wrong with the settings, beyond what their types already refuse."""
    return [
        *_address_problems(settings.options),
        *_timing_problems(settings.options),
        *_secret_problems(settings.secrets),
        *_webhook_problems(settings),
        *_points_log_problems(settings),
        *_network_problems(settings.options),
    ]


def _address_problems(options: EngageOptions) -> Iterator[Problem]:
    try:
        parts = urlsplit(options.base_url)
        host = parts.hostname
    except ValueError:
        yield Problem(("base_url",), "is no web address")
        return
    if parts.scheme not in {"http", "https"} or not host:
        yield Problem(("base_url",), "must be like https://client.voyado.com")
    elif parts.scheme == "http" and host not in LOOPBACK and not options.plain_http:
        yield Problem(
            ("base_url",), "must begin with https: the API key would be sent in the clear"
        )
    if parts.query or parts.fragment or parts.username:
        yield Problem(("base_url",), "must not have a query, a fragment or a user")
    if _HEADER_NAME.match(options.api_key_header) is None:
        yield Problem(("api_key_header",), "is no header name")


def _timing_problems(options: EngageOptions) -> Iterator[Problem]:
    for name in options.schedule.__struct_fields__:
        try:
            getattr(options.schedule, name).trigger("UTC")
        except TimingError as error:
            yield Problem(("schedule", name), str(error))
    if options.settle_seconds < options.answer_seconds:
        yield Problem(("settle_seconds",), "must not be shorter than answer_seconds")


def _secret_problems(secrets: EngageSecrets) -> Iterator[Problem]:
    key = secrets.api_key.reveal()
    if not key or not key.isascii() or not key.isprintable() or key != key.strip():
        yield Problem(("api_key",), "must be printable ASCII without spaces around it")
    for name in ("encryption_keys", "signing_secrets", "points_log"):
        if len(getattr(secrets, name)) > KEYS_MAX:
            yield Problem((name,), f"at most {KEYS_MAX}: the old and the new")
    for secret in secrets.encryption_keys:
        text = secret.reveal()
        if len(text) != ENCRYPTION_KEY_CHARACTERS or not text.isascii():
            yield Problem(
                ("encryption_keys",), f"must be exactly {ENCRYPTION_KEY_CHARACTERS} characters"
            )
    for secret in secrets.signing_secrets:
        if not is_signing_secret(secret):
            yield Problem(("signing_secrets",), "must be whsec_ and Base64")


def _webhook_problems(settings: EngageSettings) -> Iterator[Problem]:
    if settings.options.webhook.allow_plain and not settings.secrets.signing_secrets:
        yield Problem(
            ("webhook", "allow_plain"),
            "needs a signing secret: anyone could book points otherwise",
        )


def _network_problems(options: EngageOptions) -> Iterator[Problem]:
    listed = {"webhook": options.webhook.addresses, "points_log": options.points_log.addresses}
    for section, addresses in listed.items():
        for text in addresses:
            try:
                network_of(text)
            except ValueError:
                yield Problem((section, "addresses"), f"{text!r} is no network like 10.0.0.0/8")


def _points_log_problems(settings: EngageSettings) -> Iterator[Problem]:
    options, secrets = settings.options.points_log, settings.secrets.points_log
    if options.authentication is LogAuthentication.CLOSED:
        return
    if not secrets or not all(secrets):
        yield Problem(
            ("points_log",), f"the authentication {options.authentication} needs a secret"
        )
    if options.authentication is LogAuthentication.PATH and not all(
        _TOKEN.match(secret.reveal()) for secret in secrets
    ):
        yield Problem(("points_log",), "must be 16 to 200 letters, digits, - or _")
    if _HEADER_NAME.match(options.header) is None:
        yield Problem(("points_log", "header"), "is no header name")


def is_signing_secret(secret: Secret) -> bool:
    """Whether it has the form of a signing secret and is not empty."""
    text = secret.reveal()
    if not text.startswith("whsec_"):
        return False
    encoded = text.removeprefix("whsec_")
    try:
        return len(base64.b64decode(encoded + "=" * (-len(encoded) % 4), validate=True)) > 0
    except (binascii.Error, ValueError):
        return False
