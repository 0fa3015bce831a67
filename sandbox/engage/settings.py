"""Everything about the stand-in Engage that can be set: at start, and while it runs.

Much of the real contract is undocumented (how an answer carries its id, the words of a status,
what happens to the same idempotency key with another body). Each such gap is a setting with the
likeliest value as its default, so that a master can be tried against every reading. Unknown names
are refused: a misspelt setting must not pass for one that holds.
"""

import enum
from typing import Annotated, Any, Final, Self

import msgspec

from sandbox.settings_file import SettingsError, merged

ENCRYPTION_KEY_CHARACTERS: Final = 32

Seconds = Annotated[float, msgspec.Meta(ge=0, le=10_000_000)]
Count = Annotated[int, msgspec.Meta(ge=0, le=1_000_000_000)]


class AnswerForm(enum.Enum):
    """How the answer to a balances request carries the id of that request."""

    STRING = "string"
    """A bare JSON string."""
    ID = "id"
    """`{"id": …}`."""
    TRANSACTION_ID = "transactionId"
    BATCH_ID = "batchId"
    TEXT = "text"
    """Plain text without quotes."""
    LOCATION = "location"
    """An empty body and a `Location` header."""
    ROTATE = "rotate"
    """Each of the above in turn."""


class Order(enum.Enum):
    """The order in which waiting balances requests are applied."""

    ARRIVAL = "arrival"
    REVERSE = "reverse"
    SHUFFLE = "shuffle"


class OtherBody(enum.Enum):
    """What happens when an idempotency key comes back with another body."""

    CONFLICT = "conflict"
    """409."""
    REPLAY = "replay"
    """The answer of the first body; nothing added."""
    PROCESS = "process"
    """Taken as a new request."""


class Consumption(enum.Enum):
    """Which points a deduction consumes first; it matters only when Engage expires points."""

    SOONEST_EXPIRING = "soonest-expiring"
    OLDEST = "oldest"


class UnknownContact(enum.Enum):
    """What happens to a row for a contact that Engage does not hold."""

    REFUSE = "refuse"
    CREATE = "create"
    """The contact is created on the spot; for benchmarks, not a thing Engage does."""


class Casing(enum.Enum):
    """How the fields of an adjustment are written."""

    PASCAL = "pascal"
    """`ContactId`, as on the older page."""
    CAMEL = "camel"
    """`contactId`, as on the newer page."""


class Alphabet(enum.Enum):
    """Base64 of an encrypted payload."""

    STANDARD = "standard"
    URLSAFE = "urlsafe"
    """`-` and `_`, without padding."""


class HeaderFamily(enum.Enum):
    """The names of the signature headers."""

    SVIX = "svix"
    WEBHOOK = "webhook"
    BOTH = "both"


class LogAuthentication(enum.Enum):
    """How the points-log call proves who it is. A secret path is simply part of the address."""

    NONE = "none"
    HEADER = "header"
    BASIC = "basic"


class _Section(
    msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True, kw_only=True
):
    """Base of all settings: immutable, camelCase outside, no unknown names."""


class Definition(_Section, frozen=True):
    """A kind of points."""

    id: int
    name: str = "Points"
    description: str = ""


class RateSettings(_Section, frozen=True):
    """How many requests a second a key may make."""

    requests_per_second_max: Annotated[int, msgspec.Meta(ge=0)] | None = 200
    """Above it, 429; None lifts the limit."""
    courtesy_requests_per_second: Annotated[int, msgspec.Meta(ge=0)] = 50
    """Callers are asked to stay below it; each second above it is reported."""
    sliding: bool = True
    """Any second, rather than each second of the wall clock."""
    retry_after_seconds: Annotated[int, msgspec.Meta(ge=0)] | None = None
    """Sent with 429 when given."""


class StatusWords(_Section, frozen=True):
    """The words of a balances request's status. Voyado does not publish them."""

    queued: str = "Queued"
    processing: str = "Processing"
    completed: str = "Completed"
    failed: str = "Failed"


class BalanceSettings(_Section, frozen=True):
    """`POST …/point-accounts/balances` and the job that applies what was queued."""

    answer_form: AnswerForm = AnswerForm.STRING
    answer_status: Annotated[int, msgspec.Meta(ge=200, le=299)] = 202
    job_seconds: Annotated[float, msgspec.Meta(gt=0, le=86_400)] | None = 1.0
    """Pause between runs of the job; None: only on demand, by the control address."""
    processing_seconds: Seconds = 0
    """How long a request is seen as being processed before it is applied."""
    order: Order = Order.ARRIVAL
    drop_older: bool = False
    """Whether a row older (by `timeStamp`) than the last one applied is ignored."""
    status_words: StatusWords = StatusWords()
    requests_kept_max: Count = 100_000
    """Requests whose status can be asked for; beyond it the oldest finished ones answer 404."""


class TransactionSettings(_Section, frozen=True):
    """`POST /api/v2/point-accounts/transactions`."""

    idempotency_hours: Annotated[float, msgspec.Meta(gt=0, le=10_000)] = 24
    same_key_other_body: OtherBody = OtherBody.CONFLICT
    accept_negative_pending: bool = True
    """Whether a deduction may have a `validFrom` in the future."""
    expire: bool = False
    """Whether Engage itself expires points at their `validTo`."""
    consumption: Consumption = Consumption.SOONEST_EXPIRING


class WebhookSettings(_Section, frozen=True):
    """What Engage sends to the point master, and how."""

    url: str | None = None
    signing_secrets: Annotated[tuple[str, ...], msgspec.Meta(max_length=5)] = ()
    """`whsec_…`; with several, each message carries a signature by each. None: unsigned."""
    header_family: HeaderFamily = HeaderFamily.SVIX
    encryption_key: str | None = None
    """32 characters; None sends payloads in the clear."""
    alphabet: Alphabet = Alphabet.STANDARD
    casing: Casing = Casing.PASCAL
    envelope_id_field: Annotated[str, msgspec.Meta(pattern="^(id|eventId)$")] = "id"
    with_is_encrypted: bool = True
    """Whether the envelope says `isEncrypted`; the older page does not."""
    headers: dict[str, str] = {}
    """Sent with every message."""
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 15
    retry_seconds: Annotated[tuple[Seconds, ...], msgspec.Meta(max_length=50)] = (
        0,
        5,
        300,
        1800,
        7200,
        18_000,
        36_000,
        36_000,
    )
    """Pause before each attempt, the first included."""
    retry_scale: Annotated[float, msgspec.Meta(ge=0, le=1000)] = 1.0
    """Multiplies every pause: 0.001 makes five minutes 0.3 seconds."""
    concurrency_max: Annotated[int, msgspec.Meta(ge=1, le=200)] = 10
    balance_updated: bool = False
    """Whether each change of a balance sends `point.balance.updated`."""


class PointsLogSettings(_Section, frozen=True):
    """How Engage asks the point master for the log of a contact."""

    url: str | None = None
    """With `{contactId}` somewhere in it; without, `?contactId=…` is appended."""
    authentication: LogAuthentication = LogAuthentication.NONE
    header_name: str = "X-Api-Key"
    header_value: str = ""
    username: str = ""
    password: str = ""
    uppercase: bool = False
    """Whether the contact's GUID is written in capitals."""
    timeout_seconds: Annotated[float, msgspec.Meta(gt=0, le=600)] = 30


class JournalSettings(_Section, frozen=True):
    """How much of the past is kept to be looked at. Set at start only."""

    requests_max: Count = 2000
    body_bytes_max: Count = 16_000_000
    deliveries_max: Count = 100_000


class Settings(_Section, frozen=True):
    """All settings of the stand-in."""

    tenant: str = "sandbox"
    api_keys: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=100)] = (
        "sandbox-key",
    )
    api_key_header: str = "apikey"
    definitions: Annotated[tuple[Definition, ...], msgspec.Meta(max_length=1000)] = (
        Definition(id=1),
    )
    new_point_system_active: bool = True
    rows_max: Annotated[int, msgspec.Meta(ge=1)] = 1000
    """Rows in one balances or transactions request."""
    unknown_contact: UnknownContact = UnknownContact.REFUSE
    rate: RateSettings = RateSettings()
    balances: BalanceSettings = BalanceSettings()
    transactions: TransactionSettings = TransactionSettings()
    webhook: WebhookSettings = WebhookSettings()
    points_log: PointsLogSettings = PointsLogSettings()
    journal: JournalSettings = JournalSettings()

    def changed(self, patch: Any) -> Self:
        """These settings with those of `patch` (camelCase, nested, any part of the whole) in place.

        Raises:
            SettingsError: naming the setting and what is wrong with it.
        """
        settings = merged(self, patch)
        key = settings.webhook.encryption_key
        if key is not None and len(key.encode()) != ENCRYPTION_KEY_CHARACTERS:
            message = f"webhook.encryptionKey: must be {ENCRYPTION_KEY_CHARACTERS} characters"
            raise SettingsError(message)
        return settings
