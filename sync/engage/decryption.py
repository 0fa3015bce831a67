"""Decrypting the payload of a webhook: AES-256-CBC under a key both sides know.

The one hard idea: the scheme has no integrity check of its own, so whoever could tell one kind of
failure from another could decrypt messages by asking often enough. Hence one failure for
everything, reached by the same steps: every key is tried, and what came out is read as JSON
whether its padding was right or not. A changed message that still reads as JSON can't be told from
a true one here; only the signature over the whole message does that.

Contract: docs/contracts/engage.md, "Webhook: encryption".
"""

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from typing import Final, NamedTuple

import msgspec
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sync.secret import Secret

BLOCK_BYTES: Final = 16
PAYLOAD_CHARACTERS_MAX: Final = 256 * 1024

_ALPHABETS: Final = str.maketrans("-_", "+/", " \t\r\n")
_OBJECT: Final = msgspec.json.Decoder(dict[str, msgspec.Raw])


class DecryptionError(Exception):
    """The payload can't be decrypted; deliberately without saying why."""


class Decrypted(NamedTuple):
    """What came out.

    Attributes:
        plaintext: A JSON object.
        digest: 32 bytes that stand for the ciphertext. Each message has a random initial vector,
            so the same digest means the same message; the vector itself, which anyone could
            change, is left out.
    """

    plaintext: bytes
    digest: bytes


def decrypt(payload: str, keys: Sequence[Secret]) -> Decrypted:
    """Decrypt a payload with whichever key fits.

    Args:
        payload: Base64 in either alphabet, padded or not: 16 bytes of initial vector, then the
            ciphertext.
        keys: 32 ASCII characters each, used as they are.

    Raises:
        DecryptionError: for whatever reason.
    """
    encrypted = _decoded(payload)
    vector, ciphertext = encrypted[:BLOCK_BYTES], encrypted[BLOCK_BYTES:]
    found = None
    for key in keys:
        cipher = Cipher(algorithms.AES(key.reveal().encode("ascii")), modes.CBC(vector))
        decryptor = cipher.decryptor()
        padded = decryptor.update(ciphertext) + decryptor.finalize()
        plaintext, is_padded = _unpadded(padded)
        if _is_object(plaintext) and is_padded and found is None:
            found = plaintext
    if found is None:
        raise DecryptionError
    return Decrypted(found, hashlib.sha256(ciphertext).digest())


def _decoded(payload: str) -> bytes:
    if len(payload) > PAYLOAD_CHARACTERS_MAX:
        raise DecryptionError
    # str.maketrans deletes white space and maps the URL-safe alphabet onto the standard one.
    text = payload.translate(_ALPHABETS).rstrip("=")
    try:
        encrypted = base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise DecryptionError from None
    if base64.b64encode(encrypted).decode().rstrip("=") != text:
        raise DecryptionError  # bits that stand for nothing were set: not what an encoder writes
    if len(encrypted) < 2 * BLOCK_BYTES or len(encrypted) % BLOCK_BYTES:
        raise DecryptionError
    return encrypted


def _unpadded(padded: bytes) -> tuple[bytes, bool]:
    """Take PKCS#7 padding off; with what isn't padding, as much comes off as its last byte says."""
    length = min(max(padded[-1], 1), BLOCK_BYTES)
    is_padded = hmac.compare_digest(padded[-length:], bytes([length]) * length)
    return padded[:-length], is_padded and padded[-1] == length


def _is_object(plaintext: bytes) -> bool:
    try:
        plaintext.decode()
        _OBJECT.decode(plaintext)
    except (UnicodeDecodeError, msgspec.DecodeError, RecursionError):
        return False
    return True
