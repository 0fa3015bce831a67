"""What becomes of a webhook's message: booked, kept, set aside, or turned away.

The one hard idea: a message counts as authentic when its signature holds or, where no signing
secret is configured, when it decrypts. What isn't authentic is turned away without a reason. What
is authentic is never turned away, because its sender gives up in the end and nobody else would
send it again: what can't be booked is set aside with its reason, and judged again when asked.

Same message, same settings, same judgement: nothing is stored or booked here.
"""

import hashlib
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from ledger.amounts import AmountError, parse_amount
from ledger.identity import KEY_LENGTH_MAX, ContactId
from ledger.requests import TEXT_LENGTH_MAX, Adjust
from ledger.tenants import Catalogue, TenantRecord
from sync.engage.decryption import Decrypted, DecryptionError, decrypt
from sync.engage.envelope import (
    ADJUSTMENT_EVENT,
    BALANCE_EVENT,
    Adjustment,
    Envelope,
    ShownBalance,
    UnreadableError,
    read_adjustment,
    read_contact,
    read_envelope,
    read_shown_balance,
)
from sync.engage.settings import EngageSettings

SOURCES: Final = {"manual": "engage.manual", "automation": "engage.automation"}
"""Sources in the books of what Engage calls its own."""

OTHER_SOURCE: Final = "engage.other"


class Disposition(StrEnum):
    """What to do with a message."""

    BOOK = "book"
    IGNORE = "ignore"
    """Keep it as evidence; there is nothing to book."""
    QUARANTINE = "quarantine"
    """Keep it until its cause is mended."""
    REFUSE = "refuse"
    """Not authentic: keep nothing, say nothing."""


@dataclass(frozen=True, slots=True)
class Judgement:
    """What becomes of a message, and why.

    Attributes:
        reason: A stable word; `None` where it is to be booked.
        message: The reason for the person who reads it.
        envelope_id: Engage's id of the event.
        digest: Stands for the ciphertext, to recognise it under another id.
        request: What the books are asked, where it is to be booked.
        contact: Whose points, where that could be read.
        payload: What an adjustment says, where it could be read, whole.
        shown: What Engage says it shows, where the message says that.
    """

    disposition: Disposition
    reason: str | None = None
    message: str | None = None
    event_type: str | None = None
    envelope_id: str | None = None
    digest: bytes | None = None
    request: Adjust | None = None
    contact: ContactId | None = None
    payload: str | None = None
    shown: ShownBalance | None = None


_REFUSED: Final = Judgement(Disposition.REFUSE)


def judge(
    body: bytes,
    *,
    message_id: str | None,
    is_signed: bool,
    settings: EngageSettings,
    tenant: TenantRecord,
    catalogue: Catalogue,
) -> Judgement:
    """Judge a message by the settings and the catalogue in force.

    Args:
        body: As received.
        message_id: The sender's id of the message where it is signed; used where the envelope
            has none.
        is_signed: Whether its signature was found good.
        settings: The tenant's.
        tenant: Who it was sent to.
        catalogue: Which definitions there are.
    """
    try:
        envelope = read_envelope(body)
    except UnreadableError as error:
        unreadable = Judgement(Disposition.QUARANTINE, error.reason, str(error))
        return _unless_forged(unreadable, is_authentic=is_signed)
    try:
        decrypted = _decrypted(envelope, settings)
    except DecryptionError:
        return _unless_forged(_undecryptable(envelope), is_authentic=is_signed)
    judgement = _judge_authentic(envelope, decrypted, message_id, settings, tenant, catalogue)
    return _unless_forged(judgement, is_authentic=is_signed or decrypted is not None)


def _unless_forged(judgement: Judgement, *, is_authentic: bool) -> Judgement:
    return judgement if is_authentic else _REFUSED


def _judge_authentic(
    envelope: Envelope,
    decrypted: Decrypted | None,
    message_id: str | None,
    settings: EngageSettings,
    tenant: TenantRecord,
    catalogue: Catalogue,
) -> Judgement:
    digest = None if decrypted is None else decrypted.digest
    plain = envelope.plain if decrypted is None else decrypted.plaintext
    expected = settings.options.webhook.tenant or tenant.name
    if envelope.tenant is not None and envelope.tenant.casefold() != expected.casefold():
        return _kept(
            envelope,
            Disposition.QUARANTINE,
            "tenant_differs",
            f"the message is for tenant {envelope.tenant[:200]!r}, and {expected!r} is expected: "
            "webhook.tenant says by which name Engage calls it",
            digest,
            read_contact(plain),
        )
    if not _is_adjustment(envelope):
        evidence = _evidence(envelope, digest, read_contact(plain))
        is_balance = envelope.event_type.casefold() == BALANCE_EVENT
        return replace(evidence, shown=read_shown_balance(plain) if is_balance else None)
    if decrypted is None and plain is not None and not settings.options.webhook.allow_plain:
        return _kept(
            envelope,
            Disposition.QUARANTINE,
            "plain_not_allowed",
            "the payload is not encrypted; webhook.allow_plain would accept it",
            contact=read_contact(plain),
        )
    said = _said(plain)
    try:
        adjustment = read_adjustment(plain or b"")
    except UnreadableError as error:
        contact = read_contact(plain)
        unreadable = _kept(
            envelope, Disposition.QUARANTINE, error.reason, str(error), digest, contact
        )
        return replace(unreadable, payload=said)
    key = _idempotency_key(envelope, message_id, digest, plain or b"")
    judgement = _judge_adjustment(envelope, adjustment, key, digest, tenant, catalogue)
    return replace(judgement, payload=said)


def _judge_adjustment(
    envelope: Envelope,
    adjustment: Adjustment,
    key: str,
    digest: bytes | None,
    tenant: TenantRecord,
    catalogue: Catalogue,
) -> Judgement:
    definition = catalogue.definition(tenant.id, adjustment.definition)
    if definition is None:
        return _kept(
            envelope,
            Disposition.QUARANTINE,
            "definition_unknown",
            f"point definition {adjustment.definition} is not configured",
            digest,
            adjustment.contact,
        )
    try:
        amount = parse_amount(adjustment.amount, definition.scale)
    except AmountError as error:
        message = f"amount {error}"
        return _kept(
            envelope, Disposition.QUARANTINE, error.code, message, digest, adjustment.contact
        )
    if amount == 0:
        message = "zero points change nothing"
        return _kept(
            envelope, Disposition.IGNORE, "amount_zero", message, digest, adjustment.contact
        )
    source = adjustment.source or ""
    request = Adjust(
        tenant=tenant.id,
        contact=adjustment.contact,
        definition=definition.id,
        idempotency_key=key,
        fingerprint=_fingerprint(adjustment),
        source=SOURCES.get(source.casefold(), OTHER_SOURCE),
        description=_cut(adjustment.description),
        reference=_cut(adjustment.reference),
        actor=_cut(adjustment.actor),
        amount=amount,
    )
    return Judgement(
        Disposition.BOOK,
        event_type=envelope.event_type,
        envelope_id=envelope.id,
        digest=digest,
        request=request,
        contact=adjustment.contact,
    )


def _decrypted(envelope: Envelope, settings: EngageSettings) -> Decrypted | None:
    if envelope.ciphertext is None:
        return None
    return decrypt(envelope.ciphertext, settings.secrets.encryption_keys)


def _is_adjustment(envelope: Envelope) -> bool:
    return envelope.event_type.casefold() == ADJUSTMENT_EVENT.casefold()


def _undecryptable(envelope: Envelope) -> Judgement:
    if not _is_adjustment(envelope):
        return _evidence(envelope)
    return _kept(
        envelope,
        Disposition.QUARANTINE,
        "undecryptable",
        "no configured encryption key fits; configure the right one and replay",
    )


def _evidence(
    envelope: Envelope, digest: bytes | None = None, contact: ContactId | None = None
) -> Judgement:
    message = "kept as evidence, never booked"
    return _kept(envelope, Disposition.IGNORE, "event_not_booked", message, digest, contact)


def _kept(
    envelope: Envelope,
    disposition: Disposition,
    reason: str,
    message: str,
    digest: bytes | None = None,
    contact: ContactId | None = None,
) -> Judgement:
    return Judgement(
        disposition, reason, message, envelope.event_type, envelope.id, digest, contact=contact
    )


def _idempotency_key(
    envelope: Envelope, message_id: str | None, digest: bytes | None, plain: bytes
) -> str:
    """The key under which the books know the adjustment for ever."""
    if envelope.id is not None:
        key = f"engage:{envelope.id}"
    elif message_id is not None:
        key = f"engage:message:{message_id}"
    else:
        key = f"engage:payload:{(digest or hashlib.sha256(plain).digest()).hex()}"
    if len(key) > KEY_LENGTH_MAX:
        key = f"engage:hashed:{hashlib.sha256(key.encode()).hexdigest()}"
    return key


def _fingerprint(adjustment: Adjustment) -> bytes:
    """16 bytes that stand for what Engage asked."""
    said = "\x00".join(
        (
            str(adjustment.contact),
            str(adjustment.definition),
            adjustment.amount,
            adjustment.source or "",
            adjustment.description or "",
            adjustment.actor or "",
            adjustment.reference or "",
        )
    )
    return hashlib.sha256(said.encode()).digest()[:16]


def _said(plain: bytes | None) -> str | None:
    """A payload as text that PostgreSQL can hold."""
    return None if plain is None else plain.decode(errors="replace").replace("\x00", "")


def _cut(text: str | None) -> str | None:
    return None if text is None else text[:TEXT_LENGTH_MAX]
