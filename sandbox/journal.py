"""The last requests a stand-in received: a ring with two bounds, entries and bytes of bodies.

The bodies are what people want to see when an integration does not do what they think it does, and
also what would fill the memory; so old bodies are let go before the entries that held them.
"""

from collections import deque
from collections.abc import Iterable
from datetime import datetime
from typing import Any

import msgspec


class Entry(msgspec.Struct, rename="camel", kw_only=True):
    """One request and how it was answered."""

    number: int
    at: datetime
    method: str
    path: str
    query: str
    status: int | None
    """None: the connection was dropped without an answer."""
    milliseconds: float
    request_bytes: int
    key: str
    """Fingerprint of the presented key, never the key."""
    user_agent: str
    idempotency_key: str | None
    faults: tuple[str, ...]
    request_body: bytes | None
    answer_body: bytes | None

    def shown(self, *, bodies: bool) -> dict[str, Any]:
        """The entry for people: bodies as text, and only when asked for."""
        shown: dict[str, Any] = {
            "number": self.number,
            "at": self.at,
            "method": self.method,
            "path": self.path,
            "query": self.query,
            "status": self.status,
            "milliseconds": round(self.milliseconds, 3),
            "requestBytes": self.request_bytes,
            "key": self.key,
            "userAgent": self.user_agent,
            "idempotencyKey": self.idempotency_key,
            "faults": self.faults,
        }
        if bodies:
            shown["requestBody"] = _text(self.request_body)
            shown["answerBody"] = _text(self.answer_body)
        return shown


def _text(body: bytes | None) -> str | None:
    return None if body is None else body.decode("utf-8", errors="replace")


class Journal:
    """Keeps the last entries, and the bodies of as many of them as fit."""

    def __init__(self, entries_max: int, body_bytes_max: int) -> None:
        self.total = 0
        self.by_status: dict[str, int] = {}
        self._entries: deque[Entry] = deque()
        self._with_bodies: deque[Entry] = deque()
        self._body_bytes = 0
        self._entries_max = entries_max
        self._body_bytes_max = body_bytes_max

    def next_number(self) -> int:
        """The number of the request that arrives now; numbers start at 1."""
        self.total += 1
        return self.total

    def add(self, entry: Entry) -> None:
        """Keep an entry, letting go of the oldest entries and bodies beyond the bounds."""
        status = "dropped" if entry.status is None else str(entry.status)
        self.by_status[status] = self.by_status.get(status, 0) + 1
        self._entries.append(entry)
        self._with_bodies.append(entry)
        self._body_bytes += _size(entry)
        while self._with_bodies and self._body_bytes > self._body_bytes_max:
            oldest = self._with_bodies.popleft()
            self._body_bytes -= _size(oldest)
            oldest.request_body = oldest.answer_body = None
        while len(self._entries) > self._entries_max:
            oldest = self._entries.popleft()
            if self._with_bodies and self._with_bodies[0] is oldest:
                self._with_bodies.popleft()
                self._body_bytes -= _size(oldest)

    def latest(self, count: int, path: str | None = None) -> list[Entry]:
        """Up to `count` entries, newest first, whose path contains `path` if that is given."""
        entries: Iterable[Entry] = reversed(self._entries)
        found: list[Entry] = []
        for entry in entries:
            if len(found) >= count:
                break
            if path is None or path in entry.path:
                found.append(entry)
        return found


def _size(entry: Entry) -> int:
    return len(entry.request_body or b"") + len(entry.answer_body or b"")
