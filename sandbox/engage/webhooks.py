"""Messages to the point master: their content, their encryption and their signature.

Two layers that must not be confused. The *envelope* is made once: event type, id, tenant, and the
payload, which is a JSON object in the clear or a Base64 string when encrypted (AES-256-CBC under a
shared key of 32 characters, a fresh IV in the first 16 bytes, PKCS#7). The *signature* is made
anew for every attempt, over message id, time of the attempt and the exact bytes of the envelope,
as Svix does it. What can be forged for a test is forged here, layer by layer.

Sources: Voyado's pages on point follower, webhooks and soft identification; Svix's on verifying
payloads. Nothing here opens a connection.
"""

import base64
import binascii
import enum
import hashlib
import hmac
import secrets
from decimal import Decimal
from typing import Annotated, Any, Final
from uuid import uuid4

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.padding import PKCS7

from sandbox.amounts import read_amount
from sandbox.answers import write_json
from sandbox.engage.settings import Alphabet, Casing, HeaderFamily, WebhookSettings

BLOCK_BYTES: Final = 16
STALE_SECONDS: Final = 600
"""How far a forged time stamp lies off; receivers accept five minutes."""

_FORGED_KEY: Final = "ForgedKeyForgedKeyForgedKeyForge"

Text = Annotated[str, msgspec.Meta(max_length=4000)]


class Kind(enum.Enum):
    """Who made an adjustment."""

    MANUAL = "manual"
    AUTOMATION = "automation"


class Tamper(enum.Enum):
    """What is forged about a message."""

    NONE = "none"
    WRONG_SIGNATURE = "wrong-signature"
    NO_SIGNATURE = "no-signature"
    OLD_TIMESTAMP = "old-timestamp"
    FUTURE_TIMESTAMP = "future-timestamp"
    CHANGED_BODY = "changed-body"
    """One byte of the body changed after it was signed."""
    TRUNCATED_CIPHERTEXT = "truncated-ciphertext"
    WRONG_KEY = "wrong-key"
    DUPLICATE_DELIVERY = "duplicate-delivery"
    """The same message, with the same id, delivered twice."""
    SAME_ENVELOPE_NEW_ID = "same-envelope-new-id"
    """The same envelope in two messages with ids of their own."""


class Adjustment(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A change of points that somebody or something in Engage asks for."""

    contact_id: Text
    amount: msgspec.Raw
    """A JSON number; negative ones take points away."""
    point_definition_id: int = 1
    kind: Kind = Kind.MANUAL
    description: Text = "Points adjusted in Engage"
    source: Text | None = None
    """`Manual` or `Automation` unless given."""
    user_id: Text | None = None
    user_name: Text | None = None
    reason: Text | None = None
    process_id: Text | None = None
    workflow_id: Text | None = None
    workflow_name: Text | None = None
    event_id: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    """The envelope's id; a new one unless given. The same again is the same event told again."""
    more: dict[str, Any] = {}
    """Further fields, written as they are."""


class Envelope(msgspec.Struct, frozen=True):
    """A message's content, ready to be signed."""

    id: str
    event_type: str
    body: bytes
    payload: Any
    """What the payload says before encryption, for those who look at the deliveries."""


def adjustment_payload(adjustment: Adjustment, casing: Casing) -> dict[str, Any]:
    """The documented fields of an adjustment, manual or by automation.

    Raises:
        AmountRefusedError: the amount is not a JSON number within bounds.
    """
    amount: Decimal = read_amount(adjustment.amount)
    fields: dict[str, Any] = {
        "ContactId": adjustment.contact_id,
        "Amount": amount,
        "Description": adjustment.description,
        "Source": adjustment.source
        or ("Manual" if adjustment.kind is Kind.MANUAL else "Automation"),
        "PointDefinitionId": adjustment.point_definition_id,
    }
    if adjustment.kind is Kind.MANUAL:
        fields["UserId"] = adjustment.user_id or str(uuid4())
        fields["UserName"] = adjustment.user_name or "Engage user"
    else:
        fields["Reason"] = adjustment.reason or "From Automation"
        fields["ProcessId"] = adjustment.process_id or str(uuid4())
        fields["WorkflowId"] = adjustment.workflow_id or str(uuid4())
        fields["WorkflowName"] = adjustment.workflow_name or ""
    if casing is Casing.CAMEL:
        fields = {name[0].lower() + name[1:]: value for name, value in fields.items()}
    return {**fields, **adjustment.more}


def make_envelope(
    event_type: str,
    payload: Any,
    tenant: str,
    settings: WebhookSettings,
    tamper: Tamper = Tamper.NONE,
    *,
    encrypt: bool | None = None,
    event_id: str | None = None,
) -> Envelope:
    """The envelope of a message.

    Args:
        event_type: such as `loyalty.addPoints`.
        payload: the payload in the clear.
        tenant: the tenant's name.
        settings: how envelopes are written and payloads encrypted.
        tamper: what to forge about the encryption.
        encrypt: None follows the settings: encrypted when there is a key.
        event_id: the envelope's id; None for a new one.

    Raises:
        ValueError: encryption is asked for and there is no key.
    """
    key = settings.encryption_key
    encrypted = key is not None if encrypt is None else encrypt
    written: Any = payload
    if encrypted:
        if key is None:
            message = "webhook.encryptionKey is not set, so nothing can be encrypted"
            raise ValueError(message)
        sealed = encrypt_payload(
            write_json(payload), _FORGED_KEY if tamper is Tamper.WRONG_KEY else key
        )
        if tamper is Tamper.TRUNCATED_CIPHERTEXT:
            sealed = sealed[: -BLOCK_BYTES // 2]
        written = write_base64(sealed, settings.alphabet)
    envelope_id = event_id or str(uuid4())
    fields: dict[str, Any] = {
        "eventType": event_type,
        settings.envelope_id_field: envelope_id,
        "payload": written,
        "tenant": tenant,
    }
    if settings.with_is_encrypted:
        fields["isEncrypted"] = encrypted
    return Envelope(envelope_id, event_type, write_json(fields), payload)


def encrypt_payload(plaintext: bytes, key: str) -> bytes:
    """IV and ciphertext: AES-256-CBC with PKCS#7 under the 32 bytes of the key's characters."""
    iv = secrets.token_bytes(BLOCK_BYTES)
    padder = PKCS7(BLOCK_BYTES * 8).padder()
    padded = padder.update(plaintext) + padder.finalize()
    encryptor = Cipher(algorithms.AES256(key.encode("ascii")), modes.CBC(iv)).encryptor()
    return iv + encryptor.update(padded) + encryptor.finalize()


def write_base64(content: bytes, alphabet: Alphabet) -> str:
    """Base64 in one of the two forms Voyado shows."""
    if alphabet is Alphabet.URLSAFE:
        return base64.urlsafe_b64encode(content).decode("ascii").rstrip("=")
    return base64.b64encode(content).decode("ascii")


def message_id() -> str:
    """A new message id; it stays the same over all attempts and resends."""
    return f"msg_{secrets.token_urlsafe(20)}"


def signed_headers(
    message: str, body: bytes, attempt_at: int, settings: WebhookSettings, tamper: Tamper
) -> dict[str, str]:
    """The headers that prove a message, for one attempt.

    Args:
        message: the message's id.
        body: the exact bytes that are signed.
        attempt_at: Unix time of the attempt, in whole seconds.
        settings: secrets and header names. Without secrets there is no signature header.
        tamper: what to forge about the signature.
    """
    if tamper is Tamper.OLD_TIMESTAMP:
        attempt_at -= STALE_SECONDS
    elif tamper is Tamper.FUTURE_TIMESTAMP:
        attempt_at += STALE_SECONDS
    fields = {"id": message, "timestamp": str(attempt_at)}
    if settings.signing_secrets and tamper is not Tamper.NO_SIGNATURE:
        signatures = [
            _signature(message, body, attempt_at, secret) for secret in settings.signing_secrets
        ]
        if tamper is Tamper.WRONG_SIGNATURE:
            signatures = [_signature(message, body, attempt_at, _random_secret())]
        fields["signature"] = " ".join(signatures)
    prefixes = {
        HeaderFamily.SVIX: ("svix",),
        HeaderFamily.WEBHOOK: ("webhook",),
        HeaderFamily.BOTH: ("svix", "webhook"),
    }[settings.header_family]
    return {f"{prefix}-{name}": value for prefix in prefixes for name, value in fields.items()}


def sent_body(body: bytes, tamper: Tamper) -> bytes:
    """The bytes that go out: those that were signed, unless changing them is the forgery."""
    if tamper is not Tamper.CHANGED_BODY:
        return body
    place = len(body) // 2
    return body[:place] + bytes([body[place] ^ 1]) + body[place + 1 :]


def secret_bytes(secret: str) -> bytes:
    """The key inside a `whsec_…` secret.

    Raises:
        ValueError: what follows the prefix is not Base64.
    """
    try:
        return base64.b64decode(secret.removeprefix("whsec_"), validate=True)
    except binascii.Error as error:
        message = "a signing secret must be whsec_ followed by Base64"
        raise ValueError(message) from error


def _signature(message: str, body: bytes, attempt_at: int, secret: str) -> str:
    content = f"{message}.{attempt_at}.".encode() + body
    digest = hmac.new(secret_bytes(secret), content, hashlib.sha256).digest()
    return "v1," + base64.b64encode(digest).decode("ascii")


def _random_secret() -> str:
    return "whsec_" + base64.b64encode(secrets.token_bytes(24)).decode("ascii")
