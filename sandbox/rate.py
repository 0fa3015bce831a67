"""How many requests a second each key makes: what is refused, and what is merely remembered.

Two measures of a second live side by side. Limits may be kept over any second that ends now
(sliding) or over the second on the wall clock; the report always knows both peaks, because a
caller that stays under a limit per calendar second can still send twice as much across the
boundary. Refused requests count in the report and not towards the limit, so that a caller who
backs off gets in again. The time is passed in.
"""

from collections import deque
from collections.abc import Iterator
from typing import Final

import msgspec

KEYS_MAX: Final = 1000
BUSY_SECONDS_MAX: Final = 10_000


class BusySecond(msgspec.Struct, frozen=True, rename="camel"):
    """A second of the wall clock in which a key made more requests than courtesy allows."""

    second: int
    """Unix time in whole seconds."""
    requests: int


class KeyRate(msgspec.Struct, frozen=True, rename="camel"):
    """What one key did, as the control address reports it."""

    key: str
    """A short fingerprint of the key, never the key."""
    requests: int
    refused: int
    highest_in_a_second: int
    """Most requests within one second of the wall clock."""
    highest_in_any_second: int
    """Most requests within any 1000 milliseconds."""
    busy_seconds: tuple[BusySecond, ...]
    """The seconds above the courtesy threshold, oldest first; the last 10,000 are kept."""


class _Window:
    """The counts of one key."""

    __slots__ = (
        "admitted",
        "arrivals",
        "busy",
        "count",
        "highest",
        "highest_sliding",
        "passed",
        "refused",
        "requests",
        "second",
    )

    def __init__(self) -> None:
        self.second = 0
        self.count = 0
        self.passed = 0
        self.requests = 0
        self.refused = 0
        self.highest = 0
        self.highest_sliding = 0
        self.arrivals: deque[float] = deque()
        self.admitted: deque[float] = deque()
        self.busy: deque[BusySecond] = deque(maxlen=BUSY_SECONDS_MAX)

    def arrive(self, now: float, courtesy: int) -> None:
        self.requests += 1
        second = int(now)
        if second != self.second:
            self._close_second(courtesy)
            self.second, self.count, self.passed = second, 0, 0
        self.count += 1
        self.highest = max(self.highest, self.count)
        self.arrivals.append(now)
        _forget(self.arrivals, now)
        self.highest_sliding = max(self.highest_sliding, len(self.arrivals))

    def busy_until_now(self, courtesy: int) -> Iterator[BusySecond]:
        yield from self.busy
        if self.count > courtesy:
            yield BusySecond(self.second, self.count)

    def _close_second(self, courtesy: int) -> None:
        if self.count > courtesy:
            self.busy.append(BusySecond(self.second, self.count))


def _forget(moments: deque[float], now: float) -> None:
    while moments and moments[0] <= now - 1.0:
        moments.popleft()


class RequestRate:
    """Counts the requests of each key and says which of them are one too many."""

    def __init__(self) -> None:
        self._windows: dict[str, _Window] = {}

    def admit(
        self, key: str, now: float, limit: int | None, courtesy: int, *, sliding: bool
    ) -> bool:
        """Count one request.

        Args:
            key: a fingerprint of the key; beyond 1000 keys, new ones share one count.
            now: Unix time in seconds, with fractions.
            limit: requests a second that are let in; None lets everything in.
            courtesy: requests a second above which a second is remembered as busy.
            sliding: whether the limit holds for any second, or for each second of the wall clock.

        Returns:
            False when the request is above the limit.
        """
        window = self._windows.get(key)
        if window is None:
            if len(self._windows) >= KEYS_MAX:
                key = "others"
            window = self._windows.setdefault(key, _Window())
        window.arrive(now, courtesy)
        _forget(window.admitted, now)
        used = len(window.admitted) if sliding else window.passed
        if limit is not None and used >= limit:
            window.refused += 1
            return False
        window.passed += 1
        window.admitted.append(now)
        return True

    def report(self, courtesy: int) -> tuple[KeyRate, ...]:
        """What each key did so far."""
        return tuple(
            KeyRate(
                key=key,
                requests=window.requests,
                refused=window.refused,
                highest_in_a_second=window.highest,
                highest_in_any_second=window.highest_sliding,
                busy_seconds=tuple(window.busy_until_now(courtesy)),
            )
            for key, window in self._windows.items()
        )
