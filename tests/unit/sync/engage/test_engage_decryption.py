"""Decrypting payloads, made here by the bare cipher and not by the project's own code."""

import base64
import json
import random
from collections.abc import Callable

import pytest
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

from sync.engage.decryption import DecryptionError, decrypt
from sync.secret import Secret

KEY = "DaqfT7Ys6tGqM3zbesEKpmacTJEqBCp2"
OTHER_KEY = "0123456789abcdefghijklmnopqrstuv"
AUTOMATION = json.dumps(
    {
        "ContactId": "1dfe06cd-a1be-4423-8ed4-afd900d998aa",
        "Amount": 40,
        "Description": "Points awarded",
        "Source": "Automation",
        "PointDefinitionId": 1,
        "Reason": "Voyado",
        "ProcessId": "d6342090-7410-4c00-aa4b-dbd394dac7e6",
        "WorkflowId": "44931e65-e188-46c4-92bd-50e4818fece2",
        "WorkflowName": "",
    },
    separators=(",", ":"),
).encode()


def encrypted(plaintext: bytes, key: str = KEY, *, vector: bytes = bytes(range(16))) -> bytes:
    """Initial vector and ciphertext; the plaintext is padded by PKCS#7."""
    length = 16 - len(plaintext) % 16
    return vector + raw_encrypted(plaintext + bytes([length]) * length, key, vector)


def raw_encrypted(padded: bytes, key: str, vector: bytes) -> bytes:
    encryptor = Cipher(algorithms.AES(key.encode()), modes.CBC(vector)).encryptor()
    return encryptor.update(padded) + encryptor.finalize()


def standard(data: bytes) -> str:
    return base64.b64encode(data).decode()


def opened(payload: str, *keys: str) -> bytes:
    return decrypt(payload, [Secret(key) for key in keys or (KEY,)]).plaintext


def test_the_documented_example_has_the_documented_length() -> None:
    """The automation example is 278 bytes; encrypted and encoded, 408 characters."""
    assert len(AUTOMATION) == 278
    payload = standard(encrypted(AUTOMATION))
    assert len(payload) == 408
    assert opened(payload) == AUTOMATION


@pytest.mark.parametrize(
    "written",
    [
        lambda data: base64.b64encode(data).decode(),
        lambda data: base64.b64encode(data).decode().rstrip("="),
        lambda data: base64.urlsafe_b64encode(data).decode(),
        lambda data: base64.urlsafe_b64encode(data).decode().rstrip("="),
        lambda data: base64.encodebytes(data).decode(),
        lambda data: f"  {base64.b64encode(data).decode()}\r\n",
    ],
    ids=["standard", "unpadded", "url-safe", "url-safe unpadded", "lines", "spaces"],
)
def test_base64_is_read_however_it_is_written(written: Callable[[bytes], str]) -> None:
    for length in range(40):
        plaintext = json.dumps({"text": "é" * length}, ensure_ascii=False).encode()
        assert opened(written(encrypted(plaintext, vector=random.randbytes(16)))) == plaintext


def test_either_key_of_a_rotation_will_do() -> None:
    for key in (KEY, OTHER_KEY):
        payload = standard(encrypted(AUTOMATION, key))
        assert opened(payload, KEY, OTHER_KEY) == AUTOMATION
        assert opened(payload, OTHER_KEY, KEY) == AUTOMATION


def test_the_digest_is_of_the_ciphertext_whatever_the_vector() -> None:
    """Changing the vector changes the first block only, and would be a way to send it again."""
    data = encrypted(b'{"ContactId":"1dfe06cd","Amount":40}')
    touched = bytes([data[0] ^ 0]) + data[1:15] + bytes([data[15] ^ 1]) + data[16:]
    first = decrypt(standard(data), [Secret(KEY)])
    second = decrypt(standard(touched), [Secret(KEY)])
    assert first.plaintext != second.plaintext
    assert first.digest == second.digest


@pytest.mark.parametrize(
    "payload",
    [
        "",
        "=",
        "AAAA",
        standard(bytes(16)),
        standard(bytes(31)),
        standard(bytes(33)),
        standard(bytes(32)),
        "not base64 at all!",
        "é" * 64,
        standard(encrypted(AUTOMATION))[:-4],
        standard(encrypted(AUTOMATION))[4:],
        standard(encrypted(AUTOMATION)) + "AAAA",
        standard(encrypted(AUTOMATION)[:-16]),
        standard(encrypted(AUTOMATION, OTHER_KEY)),
        standard(encrypted(b"")),
        standard(encrypted(b"[1]")),
        standard(encrypted(b'"text"')),
        standard(encrypted(b'{"a":1} trailing')),
        standard(encrypted(b'{"a":"\xff"}')),
        standard(encrypted(b'{"a":' + b"[" * 5000 + b"]" * 5000 + b"}")),
        standard(bytes(16) + raw_encrypted(b'{"a":1}        \x00', KEY, bytes(16))),
        standard(bytes(16) + raw_encrypted(b'{"a":1}        \x11', KEY, bytes(16))),
        standard(bytes(16) + raw_encrypted(b'{"a":1}       \x01\x02', KEY, bytes(16))),
        "A" * 300_000,
    ],
)
def test_what_is_not_a_message_fails_like_everything_else(payload: str) -> None:
    with pytest.raises(DecryptionError) as failure:
        opened(payload)
    assert str(failure.value) == ""


def test_without_keys_nothing_opens() -> None:
    with pytest.raises(DecryptionError):
        decrypt(standard(encrypted(AUTOMATION)), [])


def test_two_thousand_mutations_fail_alike_or_change_what_is_said() -> None:
    """One uniform failure; and never the true message out of a changed ciphertext.

    The scheme can't recognise every change: one in the vector alters single characters of the
    first block and leaves the rest readable. Those are counted, so that nobody believes otherwise;
    the signature over the whole message is what refuses them.
    """
    chance = random.Random(20261121)
    data = encrypted(AUTOMATION, vector=chance.randbytes(16))
    failures, altered = set(), 0
    for _ in range(2000):
        mutated = _mutated(bytearray(data), chance)
        if bytes(mutated) == data:
            continue
        try:
            plaintext = opened(standard(bytes(mutated)))
        except DecryptionError as failure:
            failures.add((type(failure), str(failure)))
        else:
            altered += 1
            assert plaintext != AUTOMATION
            assert _only_first_block_differs(bytes(mutated), data)
    assert failures == {(DecryptionError, "")}
    assert altered < 200


def _mutated(data: bytearray, chance: random.Random) -> bytearray:
    match chance.randrange(6):
        case 0:
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
        case 1:
            data[chance.randrange(16, len(data))] = chance.randrange(256)
        case 2:
            del data[chance.randrange(len(data)) :]
        case 3:
            block = chance.randrange(len(data) // 16) * 16
            data[block : block + 16] = chance.randbytes(16)
        case 4:
            first, second = (chance.randrange(1, len(data) // 16) * 16 for _ in range(2))
            data[first : first + 16], data[second : second + 16] = (
                data[second : second + 16],
                data[first : first + 16],
            )
        case _:
            data += chance.randbytes(16 * chance.randrange(1, 3))
    return data


def _only_first_block_differs(mutated: bytes, original: bytes) -> bool:
    return mutated[16:] == original[16:]
