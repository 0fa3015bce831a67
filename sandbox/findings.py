"""What a careful caller would not have done.

A platform often takes what it should not, and the harm shows weeks later: an older total
overwrites a newer one, a wrong letter case makes an event vanish. The stand-in takes it as the
platform would, and writes it down here, so that a test can ask for the count to be zero. Counts
are complete; of the examples only the latest are kept.
"""

from collections import Counter, deque
from typing import Final

import msgspec

EXAMPLES_MAX: Final = 500


class Finding(msgspec.Struct, frozen=True, rename="camel"):
    """One thing that was noticed."""

    kind: str
    detail: str


class FindingsReport(msgspec.Struct, frozen=True, rename="camel"):
    """Counts by kind and the latest examples."""

    counts: dict[str, int]
    latest: tuple[Finding, ...]


class Findings:
    """Collects findings."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()
        self._latest: deque[Finding] = deque(maxlen=EXAMPLES_MAX)

    def note(self, kind: str, detail: str, times: int = 1) -> None:
        """Write one kind of finding down; `detail` is the example that is shown."""
        self.counts[kind] += times
        self._latest.append(Finding(kind, detail))

    def report(self) -> FindingsReport:
        """Everything that was noticed so far."""
        return FindingsReport(dict(self.counts), tuple(self._latest))
