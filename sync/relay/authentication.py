"""How a vendor proves that a message is its own: five ways, all judged on the raw bytes.

The one hard idea: a signature is over what was sent, so nothing is parsed before it is checked, and
what exactly is signed is a template such as `{uri}{body}`, because vendors differ in just that.
Every comparison takes the same time wherever two texts differ, and a refusal doesn't say what was
wrong.

Contract: docs/contracts/punchh.md, passkit.md and openloyalty.md, each under "Proof".
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Annotated, Final

import msgspec
from msgspec import Meta

from sync.relay.instants import read_instant
from sync.relay.vendors.protocol import Vendor
from sync.secret import Secret

HEADER_NAME: Final = re.compile(r"[A-Za-z0-9!#$%&'*+.^_`|~-]{1,100}\Z")
TOKEN: Final = re.compile(r"[A-Za-z0-9_-]{16,200}\Z")
SIGNED_WORDS: Final = frozenset({"uri", "path", "body", "timestamp", "request_id"})
HEADER_CHARACTERS_MAX: Final = 8192

_WORD = re.compile(r"\{([a-z_]*)\}")


class AuthenticationKind(StrEnum):
    """How a vendor proves itself."""

    BASIC = "basic"
    """User name and password."""
    BEARER = "bearer"
    """A token in the `Authorization` header."""
    HEADER = "header"
    """A secret value in a header of a configured name."""
    PATH = "path"
    """An unguessable last part of the address."""
    HMAC = "hmac"
    """A signature of the message."""


class Algorithm(StrEnum):
    """What a signature is made with."""

    SHA1 = "sha1"
    SHA256 = "sha256"
    SHA512 = "sha512"


class Encoding(StrEnum):
    """How bytes are written."""

    HEX = "hex"
    BASE64 = "base64"


class KeyForm(StrEnum):
    """What a signing secret stands for."""

    TEXT = "text"
    """The characters themselves."""
    BASE64 = "base64"
    """The bytes that it decodes to."""


class Authentication(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """How a source's messages are believed.

    What is left out is as the vendor does it by default; see `completed`.

    Attributes:
        username: Where the kind is `basic`.
        header: Which header has the value or the signature.
        scheme: What stands before the signature in its header, if anything does: a word, or what
            ends in an equals sign, such as `sha256=`.
        signed: What is signed: `{uri}` (path and query), `{path}`, `{body}`, `{timestamp}` and
            `{request_id}`, put together as the vendor does.
        client: The value that the header `client_header` must have, if it must have one.
        timestamp_header, request_id_header: Where a signed time or id stands.
        tolerance_seconds: How far a signed time may be from ours.
        public_path: The path under which the vendor knows us, where something on the way changes
            it before it comes here.
    """

    kind: AuthenticationKind
    username: Annotated[str, Meta(max_length=200)] = ""
    header: Annotated[str, Meta(max_length=100)] | None = None
    scheme: Annotated[str, Meta(max_length=50)] | None = None
    algorithm: Algorithm = Algorithm.SHA256
    encoding: Encoding = Encoding.HEX
    key_form: KeyForm = KeyForm.TEXT
    signed: Annotated[str, Meta(max_length=200)] | None = None
    client: Annotated[str, Meta(max_length=200)] | None = None
    client_header: Annotated[str, Meta(max_length=100)] = "x-pch-key"
    timestamp_header: Annotated[str, Meta(max_length=100)] = "x-webhook-timestamp"
    request_id_header: Annotated[str, Meta(max_length=100)] = "x-webhook-request-id"
    tolerance_seconds: Annotated[int, Meta(ge=1, le=86_400)] = 300
    public_path: Annotated[str, Meta(max_length=500, pattern="^/")] | None = None


_BY_VENDOR: Final[dict[Vendor, tuple[str, str, str]]] = {
    Vendor.PUNCHH: ("authorization", "hmac", "{uri}{body}"),
    Vendor.PASSKIT: ("x-passkit-signature", "", "{body}"),
    Vendor.OPEN_LOYALTY: ("x-webhook-signature", "", "{body}"),
}
"""Header, scheme and what is signed, where a vendor signs."""

_ELSEWHERE: Final = ("x-signature", "", "{body}")


def completed(authentication: Authentication, vendor: Vendor) -> Authentication:
    """The authentication with what its vendor does by default."""
    header, scheme, signed = _BY_VENDOR.get(vendor, _ELSEWHERE)
    if authentication.kind is not AuthenticationKind.HMAC:
        header, scheme, signed = "x-api-key", "", ""
    return msgspec.structs.replace(
        authentication,
        header=(authentication.header or header).lower(),
        scheme=scheme if authentication.scheme is None else authentication.scheme,
        signed=authentication.signed or signed,
        client_header=authentication.client_header.lower(),
        timestamp_header=authentication.timestamp_header.lower(),
        request_id_header=authentication.request_id_header.lower(),
    )


def authentication_problems(
    authentication: Authentication, secrets: Sequence[Secret]
) -> Iterator[tuple[str, str]]:
    """What is wrong with it: the key (`secret` for the secret), and what it is."""
    for key in ("header", "client_header", "timestamp_header", "request_id_header"):
        name = getattr(authentication, key)
        if name is not None and HEADER_NAME.match(name) is None:
            yield key, "is no header name"
    if authentication.kind is AuthenticationKind.BASIC and not authentication.username:
        yield "username", "is needed where the kind is basic"
    if authentication.signed is not None:
        strange = set(_WORD.findall(authentication.signed)) - SIGNED_WORDS
        if strange:
            yield "signed", f"can hold {', '.join(sorted(f'{{{one}}}' for one in SIGNED_WORDS))}"
        elif "{body}" not in authentication.signed:
            yield "signed", "must hold {body}: anything could be sent otherwise"
    yield from _secret_problems(authentication, secrets)


def _secret_problems(
    authentication: Authentication, secrets: Sequence[Secret]
) -> Iterator[tuple[str, str]]:
    if not secrets or not all(secrets):
        yield "secret", "is needed: nothing is let in without proof"
    is_path = authentication.kind is AuthenticationKind.PATH
    for secret in secrets:
        if is_path and TOKEN.match(secret.reveal()) is None:
            yield "secret", "must be 16 to 200 letters, digits, - or _, as part of an address"
        if authentication.key_form is KeyForm.BASE64 and _key(secret, KeyForm.BASE64) is None:
            yield "secret", "is no Base64"


@dataclass(frozen=True, slots=True)
class Message:
    """A request as it came.

    Attributes:
        headers: By their names in lower case.
        path: As it was written in the request, without its query.
        query: As it was written, without the question mark.
        token: The last part of the address, where it has one.
    """

    body: bytes
    headers: Mapping[str, str]
    path: str = "/"
    query: str = ""
    token: str | None = None


def is_authentic(
    message: Message,
    authentication: Authentication,
    secrets: Sequence[Secret],
    now: datetime,
) -> bool:
    """Whether a message proves to come from who knows one of the secrets.

    Args:
        message: As it came.
        authentication: As `completed` answered.
        secrets: One, or two while one replaces the other.
        now: For signed times.
    """
    match authentication.kind:
        case AuthenticationKind.BASIC:
            return _is_basic(message, authentication, secrets)
        case AuthenticationKind.BEARER:
            offered = _after_scheme(message.headers.get("authorization", ""), "bearer")
            return offered is not None and _is_among(offered, secrets)
        case AuthenticationKind.HEADER:
            offered = message.headers.get(authentication.header or "")
            return offered is not None and _is_among(offered, secrets)
        case AuthenticationKind.PATH:
            return message.token is not None and _is_among(message.token, secrets)
        case AuthenticationKind.HMAC:
            return _is_signed(message, authentication, secrets, now)


def _is_among(offered: str, secrets: Sequence[Secret]) -> bool:
    # All are compared, so that the time taken doesn't tell which one fitted.
    fitting = [secret for secret in secrets if secret.equals(offered)]
    return bool(fitting)


def _after_scheme(header: str, scheme: str) -> str | None:
    """What follows a scheme word in a header, whatever the word's case."""
    if scheme.endswith("="):
        word, rest = header.strip()[: len(scheme)], header.strip()[len(scheme) :]
    else:
        word, _, rest = header.strip().partition(" ")
    return rest.strip() if word.lower() == scheme.lower() and rest.strip() else None


def _is_basic(message: Message, authentication: Authentication, secrets: Sequence[Secret]) -> bool:
    encoded = _after_scheme(message.headers.get("authorization", ""), "basic")
    if encoded is None:
        return False
    try:
        pair = base64.b64decode(encoded, validate=True).decode()
    except (binascii.Error, ValueError):
        return False
    user, colon, password = pair.partition(":")
    is_user = hmac.compare_digest(user.encode(), authentication.username.encode())
    return _is_among(password, secrets) and is_user and bool(colon)


def _is_signed(
    message: Message,
    authentication: Authentication,
    secrets: Sequence[Secret],
    now: datetime,
) -> bool:
    header = message.headers.get(authentication.header or "", "")
    if authentication.scheme:
        offered = _after_scheme(header, authentication.scheme)
    else:
        offered = header.strip() or None
    if offered is None or len(offered) > HEADER_CHARACTERS_MAX:
        return False
    if authentication.client is not None:
        client = message.headers.get(authentication.client_header, "")
        if not hmac.compare_digest(client.encode(), authentication.client.encode()):
            return False
    template = authentication.signed or "{body}"
    if "{timestamp}" in template and not _is_recent(message, authentication, now):
        return False
    keys = [_key(secret, authentication.key_form) for secret in secrets]
    fitting = [
        key
        for key in keys
        for text in signed_texts(message, authentication)
        if key is not None and _fits(offered, key, text, authentication)
    ]
    return bool(fitting)


def _is_recent(message: Message, authentication: Authentication, now: datetime) -> bool:
    written = message.headers.get(authentication.timestamp_header)
    moment = None if written is None else read_instant(written)
    tolerance = timedelta(seconds=authentication.tolerance_seconds)
    return moment is not None and abs(moment - now) <= tolerance


def signed_texts(message: Message, authentication: Authentication) -> Iterator[bytes]:
    """What may have been signed: with the query as part of the address, and without it.

    Whether Punchh counts the query is not documented; both are accepted.
    """
    template = authentication.signed or "{body}"
    path = authentication.public_path or message.path
    with_query = f"{path}?{message.query}" if message.query else path
    for uri in dict.fromkeys((with_query, path)):
        words = {
            "uri": uri.encode(),
            "path": path.encode(),
            "body": message.body,
            "timestamp": message.headers.get(authentication.timestamp_header, "").encode(),
            "request_id": message.headers.get(authentication.request_id_header, "").encode(),
        }
        parts = _WORD.split(template)
        # Texts and names alternate.
        yield b"".join(
            words[part] if place % 2 else part.encode() for place, part in enumerate(parts)
        )


def _fits(offered: str, key: bytes, text: bytes, authentication: Authentication) -> bool:
    digest = hmac.new(key, text, getattr(hashlib, authentication.algorithm.value))
    if authentication.encoding is Encoding.HEX:
        return hmac.compare_digest(digest.hexdigest().encode(), offered.lower().encode())
    wanted = base64.b64encode(digest.digest()).rstrip(b"=")
    plain = offered.rstrip("=").replace("-", "+").replace("_", "/")
    return hmac.compare_digest(wanted, plain.encode())


def _key(secret: Secret, form: KeyForm) -> bytes | None:
    text = secret.reveal()
    if form is KeyForm.TEXT:
        return text.encode()
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True) or None
    except (binascii.Error, ValueError):
        return None
