"""The two instants of a reading: at which moment, and as far as the books knew when.

The one hard idea: both are optional and mean now; `effectiveAt` may lie ahead, `recordedAt` may
not, for the books only know what they know.
"""

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Final, NamedTuple

import msgspec

from api.documents.forms import Instant
from api.intake import checks
from api.intake.checks import Check, Finding
from api.openapi.operation import Parameter
from api.problems.fields import FieldCode, FieldError
from api.problems.problem import ProblemError, invalid

EFFECTIVE_AT: Final = Parameter(
    "effectiveAt",
    "query",
    Instant,
    "The moment to look at; now if left out. In the future: what will be if nothing more happens.",
    example="2026-11-01T00:00:00Z",
)
RECORDED_AT: Final = Parameter(
    "recordedAt",
    "query",
    Instant,
    "As far as the books knew at this instant, which has passed; as they know now if left out. "
    "What they knew then never changes.",
    example="2026-11-05T08:00:00Z",
)


class AsOf(NamedTuple):
    """The instants asked for, in UTC; `None` for now."""

    effective_at: datetime | None
    recorded_at: datetime | None

    @property
    def is_now(self) -> bool:
        """Whether the books are asked as they stand."""
        return self.effective_at is None and self.recorded_at is None


NOW: Final = AsOf(None, None)


def instant(value: object) -> Finding | None:
    """A time written in an address, where a plus sign stands for a space unless it is escaped."""
    found = checks.instant(value)
    if found is not None and " " in str(value):
        return FieldCode.TIME_INVALID, "is no time; write the + of its offset as %2B, or use Z"
    return found


AS_OF_CHECKS: Final[dict[str, Check]] = {"effectiveAt": instant, "recordedAt": instant}


def read_as_of(query: Mapping[str, str]) -> AsOf:
    """The instants of a query that was checked."""
    return AsOf(_instant(query.get("effectiveAt")), _instant(query.get("recordedAt")))


def unknown_yet() -> ProblemError:
    """The problem of asking for what the books will know."""
    message = "lies ahead: the books only know what they were told up to now"
    return invalid([FieldError("recordedAt", FieldCode.TIME_IN_FUTURE, message)])


def read_instant(written: str) -> datetime:
    """An instant that was checked."""
    return msgspec.json.decode(msgspec.json.encode(written), type=datetime).astimezone(UTC)


def _instant(written: str | None) -> datetime | None:
    return None if written is None else read_instant(written)
