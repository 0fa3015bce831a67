"""Whether a webhook was signed by its sender, Svix, within the last minutes.

The one hard idea: nothing of a message is looked at before its signature was found good over the
raw bytes, whatever they are; so whoever can't sign learns nothing of what would happen to a
message, and what was signed but is no text is still known to be Engage's. The time is compared with
the clock passed in.

Contract: docs/contracts/engage.md, "Webhook: who sent it".
"""

import base64
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Final

from sync.secret import Secret

FAMILIES: Final = ("svix", "webhook")
"""Prefixes of the three headers; a sender may have chosen the neutral one."""

SECRET_PREFIX: Final = "whsec_"  # noqa: S105 - it stands before every secret, and is none
"""Before the key, in Base64."""

SIGNATURES_MAX: Final = 20
ID_LENGTH_MAX: Final = 200

_TIMESTAMP: Final = re.compile(r"[0-9]{1,11}\Z")


class SignatureError(Exception):
    """No valid signature of the right time; deliberately without a reason for the sender."""


def verify(
    body: bytes,
    headers: Mapping[str, str],
    secrets: Sequence[Secret],
    *,
    now: datetime,
    tolerance: timedelta,
) -> str:
    """Verify a message and answer its id, which stays the same when it is sent again.

    Args:
        body: Exactly as received.
        headers: By lower-case name.
        secrets: `whsec_…`; a signature by any of them will do.
        now: Our clock.
        tolerance: How far the signed time may be from it, either way.

    Raises:
        SignatureError: headers missing or malformed, too old or too new, or signed by nobody known.
    """
    for family in FAMILIES:
        identifier = headers.get(f"{family}-id", "")
        timestamp = headers.get(f"{family}-timestamp", "")
        signatures = headers.get(f"{family}-signature", "")
        if not identifier or len(identifier) > ID_LENGTH_MAX or not _TIMESTAMP.match(timestamp):
            continue
        signed_at = datetime.fromtimestamp(int(timestamp), UTC)
        if abs(signed_at - now) > tolerance:
            continue
        if _is_signed(body, identifier, signed_at, signatures, secrets):
            return identifier
    raise SignatureError


def message_id(headers: Mapping[str, str]) -> str | None:
    """The message's id as its headers claim it; nothing vouches for it."""
    for family in FAMILIES:
        identifier = headers.get(f"{family}-id", "")
        if identifier and len(identifier) <= ID_LENGTH_MAX:
            return identifier
    return None


def _is_signed(
    body: bytes,
    identifier: str,
    signed_at: datetime,
    signatures: str,
    secrets: Sequence[Secret],
) -> bool:
    content = f"{identifier}.{int(signed_at.timestamp())}.".encode() + body
    offered = list(_offered(signatures))
    signed = False
    for secret in secrets:
        key = base64.b64decode(secret.reveal().removeprefix(SECRET_PREFIX) + "==")
        expected = b"v1," + base64.b64encode(hmac.digest(key, content, "sha256"))
        for signature in offered:
            signed |= hmac.compare_digest(expected, signature.encode())
    return signed


def _offered(signatures: str) -> Iterator[str]:
    """The signatures of the version we know; others may stand beside them."""
    for signature in signatures.split(" ", SIGNATURES_MAX)[:SIGNATURES_MAX]:
        if signature.startswith("v1,"):
            yield signature
