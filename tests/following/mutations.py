"""Messages of Engage, signed by the sender's own library, and ten thousand ways to spoil them.

The one hard idea: where a message is spoilt decides what it proves. Spoilt after it was signed, it
proves nothing and leaves no trace. Spoilt before, its signature holds: it is kept, and what can't
be read of it is said to nobody but the people of the house.
"""

import base64
import json
import os
import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from svix.webhooks import Webhook

OTHER_SECRET = "whsec_" + base64.b64encode(b"a secret of somebody else").decode()
OTHER_KEY = "SomebodyElsesKeyOfThirtyTwoChars"


class Spoilt(StrEnum):
    """Where a message was spoilt."""

    NOWHERE = "nowhere"
    SIGNED = "signed"
    """After it was signed, or its signature was: it proves nothing."""
    CIPHERTEXT = "ciphertext"
    """Before it was signed, behind the vector: it proves itself and can't be decrypted."""
    CONTENT = "content"
    """Before it was encrypted or signed: it proves itself, and says something odd."""


@dataclass(frozen=True, slots=True)
class Message:
    """What is posted."""

    spoilt: Spoilt
    body: bytes
    headers: dict[str, str]


@dataclass(frozen=True, slots=True)
class Sender:
    """Engage and Svix, with all chance from one seed.

    Attributes:
        key, secret: What both sides know.
        now: When everything is sent.
    """

    tenant: str
    key: str
    secret: str
    now: datetime
    chance: random.Random

    def message(self, contact: UUID, amount: float = 1, **more: Any) -> Message:
        """A good message."""
        return self._sent(self._envelope(self._encrypted(self._payload(contact, amount) | more)))

    def again(self, message: Message) -> Message:
        """Another attempt at delivering a message: the same id and bytes, signed now."""
        identifier = message.headers["svix-id"]
        signature = Webhook(self.secret).sign(identifier, self.now, message.body.decode())
        stamp = str(int(self.now.timestamp()))
        headers = {"svix-timestamp": stamp, "svix-signature": signature}
        return replace(message, headers=message.headers | headers)

    def spoilt(self, contact: UUID) -> Message:
        """A message spoilt somewhere, somehow."""
        ways: list[Callable[[UUID], Message]] = [
            *[self._spoilt_on_the_way] * 3,
            *[self._spoilt_headers] * 2,
            *[self._spoilt_ciphertext] * 3,
            *[self._spoilt_envelope] * 2,
            *[self._spoilt_content] * 3,
        ]
        return self.chance.choice(ways)(contact)

    def _payload(self, contact: UUID, amount: float) -> dict[str, Any]:
        return {
            "ContactId": str(contact),
            "Amount": amount,
            "Description": "Given in Engage",
            "Source": "Automation",
            "PointDefinitionId": 1,
            "Reason": "From Automation",
            "ProcessId": "d6342090-7410-4c00-aa4b-dbd394dac7e6",
            "WorkflowId": "44931e65-e188-46c4-92bd-50e4818fece2",
            "WorkflowName": "",
        }

    def _envelope(self, payload: object) -> dict[str, Any]:
        return {
            "eventType": "loyalty.addPoints",
            "id": str(UUID(int=self.chance.getrandbits(128), version=4)),
            "payload": payload,
            "tenant": self.tenant,
            "isEncrypted": isinstance(payload, str),
        }

    def _encrypted(self, payload: object, key: str | None = None) -> str:
        return base64.b64encode(self._sealed(json.dumps(payload).encode(), key)).decode()

    def _sealed(self, plain: bytes, key: str | None = None) -> bytes:
        padding = 16 - len(plain) % 16
        vector = os.urandom(16)
        encryptor = Cipher(
            algorithms.AES((key or self.key).encode()), modes.CBC(vector)
        ).encryptor()
        padded = plain + bytes([padding]) * padding
        return vector + encryptor.update(padded) + encryptor.finalize()

    def _sent(self, envelope: object, spoilt: Spoilt = Spoilt.NOWHERE) -> Message:
        return self._signed(json.dumps(envelope).encode(), spoilt)

    def _signed(
        self,
        body: bytes,
        spoilt: Spoilt,
        *,
        secret: str | None = None,
        late: timedelta = timedelta(),
    ) -> Message:
        identifier = f"msg_{self.chance.getrandbits(100):x}"
        at = self.now + late
        # The sender's library signs text; what is no text, it could not have signed.
        text = body.decode(errors="replace")
        headers = {
            "content-type": "application/json",
            "svix-id": identifier,
            "svix-timestamp": str(int(at.timestamp())),
            "svix-signature": Webhook(secret or self.secret).sign(identifier, at, text),
        }
        return Message(spoilt, text.encode(), headers)

    def _spoilt_on_the_way(self, contact: UUID) -> Message:
        """The body after it was signed."""
        good = self.message(contact)
        body = good.body
        while body == good.body:
            body = self._touched(body)
        return replace(good, spoilt=Spoilt.SIGNED, body=body)

    def _spoilt_headers(self, contact: UUID) -> Message:
        """What should prove the message."""
        good = self.message(contact)
        headers = dict(good.headers)
        match self.chance.randrange(7):
            case 0:
                del headers[self.chance.choice(["svix-id", "svix-timestamp", "svix-signature"])]
            case 1:
                headers["svix-id"] += "x"
            case 2:
                headers["svix-timestamp"] = self.chance.choice(
                    ["", "now", "-1", "0", "9" * 40, str(int(headers["svix-timestamp"]) + 1)]
                )
            case 3:
                late = timedelta(minutes=self.chance.choice([-5000, -60, 60, 5000]))
                return self._signed(good.body, Spoilt.SIGNED, late=late)
            case 4:
                return self._signed(good.body, Spoilt.SIGNED, secret=OTHER_SECRET)
            case 5:
                headers["svix-signature"] = headers["svix-signature"].replace("v1,", "v9,")
            case _:
                headers["svix-signature"] = self.chance.choice(
                    ["", "v1", "v1,", "v1,AAAA " * 50, headers["svix-signature"][:-3]]
                )
        return replace(good, spoilt=Spoilt.SIGNED, headers=headers)

    def _spoilt_ciphertext(self, contact: UUID) -> Message:
        """What can't be decrypted, by a sender who proves to be one."""
        data = bytearray(self._sealed(json.dumps(self._payload(contact, 1)).encode()))
        blocks = len(data) // 16
        match self.chance.randrange(6):
            case 0:
                data[self.chance.randrange(16, len(data) - 16)] ^= 1 << self.chance.randrange(8)
            case 1:
                del data[self.chance.randrange(len(data)) :]
            case 2:
                data[-16:] = self.chance.randbytes(16)
            case 3:
                first, second = self.chance.sample(range(1, blocks), 2)
                data[first * 16 : first * 16 + 16], data[second * 16 : second * 16 + 16] = (
                    data[second * 16 : second * 16 + 16],
                    data[first * 16 : first * 16 + 16],
                )
            case 4:
                data = bytearray(self._sealed(b'{"Amount": 1}', OTHER_KEY))
            case _:
                data = bytearray(self.chance.randbytes(self.chance.randrange(400)))
        written = base64.b64encode(bytes(data)).decode()
        if self.chance.random() < 0.1:
            written = self.chance.choice(["?", "é" * 40, "=", "A", written + "A", "." + written])
        return self._sent(self._envelope(written), Spoilt.CIPHERTEXT)

    def _spoilt_envelope(self, contact: UUID) -> Message:
        """What is around the payload."""
        envelope = self._envelope(self._encrypted(self._payload(contact, 1)))
        name = self.chance.choice(list(envelope))
        match self.chance.randrange(4):
            case 0:
                del envelope[name]
            case 1:
                envelope[name] = self._odd()
            case 2:
                envelope[name.upper()] = envelope[name]
            case _:
                body = self._touched(json.dumps(envelope).encode())
                return self._signed(body, Spoilt.CONTENT)
        return self._sent(envelope, Spoilt.CONTENT)

    def _spoilt_content(self, contact: UUID) -> Message:
        """What the payload says."""
        payload: dict[str, Any] = self._payload(contact, 1)
        name = self.chance.choice(["ContactId", "Amount", "PointDefinitionId", *payload])
        match self.chance.randrange(4):
            case 0:
                del payload[name]
            case 1 | 2:
                payload[name] = self._odd()
            case _:
                plain = self._touched(json.dumps(payload).encode())
                written = base64.b64encode(self._sealed(plain)).decode()
                return self._sent(self._envelope(written), Spoilt.CONTENT)
        return self._sent(self._envelope(self._encrypted(payload)), Spoilt.CONTENT)

    def _odd(self) -> object:
        deep: object = 1
        for _ in range(200):
            deep = [deep]
        return self.chance.choice(
            [None, True, "", "\x00", "\ud800", "x" * 3000, -1, 0.1, 1e300, 10**40, "1e999999999",
             "NaN", [], {}, deep, {"a": deep}, "00000000-0000-0000-0000-000000000000", "💠" * 500]
        )  # fmt: skip

    def _touched(self, content: bytes) -> bytes:
        data = bytearray(content)
        match self.chance.randrange(5):
            case 0:
                data[self.chance.randrange(len(data))] ^= 1 << self.chance.randrange(8)
            case 1:
                del data[self.chance.randrange(len(data)) :]
            case 2:
                place = self.chance.randrange(len(data))
                data[place:place] = self.chance.randbytes(self.chance.randrange(1, 20))
            case 3:
                place = self.chance.randrange(len(data))
                del data[place : place + self.chance.randrange(1, 20)]
            case _:
                place = self.chance.randrange(len(data))
                data[place:place] = data[: self.chance.randrange(1, len(data))]
        return bytes(data)


def spoilt_messages(sender: Sender, contact: UUID, count: int) -> Iterator[Message]:
    """So many spoilt messages."""
    for _ in range(count):
        yield sender.spoilt(contact)
