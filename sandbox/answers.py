"""An HTTP answer as a value: made by a route or by a refusal, written by the door.

Amounts leave as plain JSON numbers and times as ISO 8601 with `Z`. It does not decide anything.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec
from litestar import Response

JSON: Final = "application/json; charset=utf-8"

_ENCODER = msgspec.json.Encoder(decimal_format="number")


def write_json(value: Any) -> bytes:
    """The value as compact JSON; `Decimal` becomes a plain number, a UTC time ends in `Z`."""
    return _ENCODER.encode(value)


@dataclass(frozen=True, slots=True)
class Answer:
    """A complete answer: status, body and the headers that matter."""

    status: int
    body: bytes = b""
    media_type: str = JSON
    headers: Mapping[str, str] = field(default_factory=dict)

    def response(self) -> Response[bytes]:
        """The same answer as the web framework wants it."""
        return Response(
            self.body,
            status_code=self.status,
            media_type=self.media_type,
            headers=dict(self.headers),
        )


def json_answer(status: int, value: Any, headers: Mapping[str, str] | None = None) -> Answer:
    """An answer whose body is the value as JSON."""
    return Answer(status, write_json(value), headers=headers or {})
