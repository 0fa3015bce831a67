"""How one call to Engage can end.

The one hard idea: what matters is not success but knowledge. A call that was turned away, or never
got through, did nothing and may be made again; one that was cut off, timed out or answered 5xx may
have done its work all the same, and is `Unclear`.
"""

from dataclasses import dataclass
from typing import TypeAlias


@dataclass(frozen=True, slots=True)
class Answered:
    """2xx.

    Attributes:
        location: The `Location` header, if there was one.
    """

    status: int
    body: bytes
    location: str | None = None


@dataclass(frozen=True, slots=True)
class Refused:
    """3xx or 4xx: the request as such was turned away, nothing was done."""

    status: int
    message: str


@dataclass(frozen=True, slots=True)
class RateLimited:
    """429: too many calls; nothing was done.

    Attributes:
        retry_after_seconds: What Engage asks for, where it says.
    """

    retry_after_seconds: float | None = None


@dataclass(frozen=True, slots=True)
class Unreached:
    """No connection: nothing was sent."""

    message: str


@dataclass(frozen=True, slots=True)
class Unclear:
    """Sent, and nobody knows what came of it.

    Attributes:
        status: The 5xx, where there was an answer.
        retry_after_seconds: What Engage asks for, where it says.
    """

    message: str
    status: int | None = None
    retry_after_seconds: float | None = None


Exchange: TypeAlias = Answered | Refused | RateLimited | Unreached | Unclear
