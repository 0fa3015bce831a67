"""API keys as text: `pm_<id>_<secret>`.

The one hard idea: the secret is 256 random bits, so a plain SHA-256 of it can be neither reversed
nor searched, and no slow password hash is needed on every request. The id is public: it is what
lists and logs show. Nothing here does I/O; randomness is handed in.
"""

import hashlib
import hmac
import re
from dataclasses import dataclass, field

ID_BYTES = 8
SECRET_BYTES = 32

_FORM = re.compile(rf"pm_([0-9a-f]{{{2 * ID_BYTES}}})_([0-9a-f]{{{2 * SECRET_BYTES}}})\Z")
_TEXT_LENGTH = len("pm_") + 2 * ID_BYTES + 1 + 2 * SECRET_BYTES


@dataclass(frozen=True, slots=True)
class KeyText:
    """A key as its bearer sends it, taken apart; the secret doesn't show in its repr."""

    id: str
    secret: str = field(repr=False)

    @property
    def text(self) -> str:
        """The whole key: shown once, when it is made."""
        return f"pm_{self.id}_{self.secret}"

    @property
    def secret_hash(self) -> bytes:
        """What is stored of the secret."""
        return hashlib.sha256(self.secret.encode()).digest()

    def matches(self, secret_hash: bytes) -> bool:
        """Whether this is the key whose hash was stored; takes the same time either way."""
        return hmac.compare_digest(self.secret_hash, secret_hash)


def make_key(randomness: bytes) -> KeyText:
    """A new key of `ID_BYTES + SECRET_BYTES` random bytes."""
    if len(randomness) != ID_BYTES + SECRET_BYTES:
        raise ValueError(f"needs {ID_BYTES + SECRET_BYTES} random bytes, not {len(randomness)}")
    return KeyText(randomness[:ID_BYTES].hex(), randomness[ID_BYTES:].hex())


def read_key(text: str) -> KeyText | None:
    """A key taken apart; `None` for whatever has not the form of one."""
    if len(text) != _TEXT_LENGTH:
        return None
    matched = _FORM.match(text)
    return None if matched is None else KeyText(matched[1], matched[2])


def bearer(authorization: str | None) -> KeyText | None:
    """The key of an `Authorization: Bearer …` header; `None` where there is none in it."""
    scheme, _, credentials = (authorization or "").partition(" ")
    return read_key(credentials.strip()) if scheme.lower() == "bearer" else None
