"""Misbehaviour on order: what a stand-in does wrong, where, how often, from a seed.

The hard idea is *when*. A fault before the work leaves nothing behind, the same fault after it
leaves the work done and the caller in the dark; a client that cannot tell the two apart doubles
points. So each kind of failure comes twice, and drawing (a seeded choice, made once for each
request) is kept apart from carrying it out (the door).
"""

import enum
import random
from fnmatch import fnmatchcase
from typing import Annotated, Final

import msgspec


class FaultKind(enum.Enum):
    """What can go wrong."""

    SLOW_BEFORE = "slow-before"
    """Wait, then work and answer."""
    SLOW_AFTER = "slow-after"
    """Work, wait, then answer."""
    THROTTLE = "throttle"
    """429, with Retry-After if `retryAfterSeconds` is given; no work done."""
    ERROR_BEFORE = "error-before"
    """Answer `status` (500) without working."""
    ERROR_AFTER = "error-after"
    """Work, then answer `status` (500) all the same."""
    DROP_BEFORE = "drop-before"
    """Close the connection without working."""
    DROP_AFTER = "drop-after"
    """Work, then close the connection without an answer."""
    APPLY_LATE = "apply-late"
    """Engage: a balances request waits `milliseconds` to `millisecondsMax` longer."""
    STATUS_UNKNOWN = "status-unknown"
    """Engage: a balances request that is done shows `word` as its status."""
    STATUS_STUCK = "status-stuck"
    """Engage: a balances request that is done goes on saying that it is being worked on."""
    STATUS_MISSING = "status-missing"
    """Engage: the status of a balances request is 404 for `milliseconds` after it was posted."""


_REFUSING: Final = frozenset({FaultKind.THROTTLE, FaultKind.ERROR_BEFORE, FaultKind.DROP_BEFORE})
_SPOILING: Final = frozenset({FaultKind.ERROR_AFTER, FaultKind.DROP_AFTER})
_MARKING: Final = frozenset(
    {
        FaultKind.APPLY_LATE,
        FaultKind.STATUS_UNKNOWN,
        FaultKind.STATUS_STUCK,
        FaultKind.STATUS_MISSING,
    },
)

Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=3_600_000)]


class FaultRule(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """One kind of fault, where it strikes and how often."""

    kind: FaultKind
    probability: Annotated[float, msgspec.Meta(ge=0, le=1)] = 1.0
    method: str = "*"
    path: str = "*"
    """A shell pattern over the path without its query, such as `*/point-accounts/balances`."""
    times: Annotated[int, msgspec.Meta(ge=1)] | None = None
    """Strikes at most so often; None: without end."""
    skip: Annotated[int, msgspec.Meta(ge=0)] = 0
    """Lets so many matching requests pass first."""
    milliseconds: Milliseconds = 1000
    milliseconds_max: Milliseconds | None = None
    """With it, the wait is drawn evenly between `milliseconds` and this."""
    status: Annotated[int, msgspec.Meta(ge=400, le=599)] = 500
    retry_after_seconds: Annotated[int, msgspec.Meta(ge=0, le=86_400)] | None = None
    word: str = "Indeterminate"


class Faults(msgspec.Struct, frozen=True, rename="camel", forbid_unknown_fields=True):
    """A whole plan of misbehaviour."""

    rules: Annotated[tuple[FaultRule, ...], msgspec.Meta(max_length=100)] = ()
    seed: int = 0


class Strike(msgspec.Struct, frozen=True):
    """A rule that struck, with its wait drawn."""

    rule: FaultRule
    milliseconds: int


class Verdict(msgspec.Struct, frozen=True):
    """What befalls one request."""

    slow_before: int = 0
    """Milliseconds."""
    slow_after: int = 0
    """Milliseconds."""
    refusal: FaultRule | None = None
    spoiling: FaultRule | None = None
    marks: tuple[Strike, ...] = ()
    """Faults that the stand-in itself carries out later."""
    names: tuple[str, ...] = ()

    def mark(self, kind: FaultKind) -> Strike | None:
        """The first strike of that kind, if there is one."""
        return next((strike for strike in self.marks if strike.rule.kind is kind), None)


CLEAN: Final = Verdict()


class RuleReport(msgspec.Struct, frozen=True, rename="camel"):
    """A rule and how often it struck."""

    rule: FaultRule
    matched: int
    struck: int


class FaultPlan:
    """Draws, for each request in turn, what befalls it."""

    def __init__(self, faults: Faults | None = None) -> None:
        self.replace(faults or Faults())

    def replace(self, faults: Faults) -> None:
        """Start a new plan with its own seed; counts begin at zero."""
        self.faults = faults
        self._random = random.Random(faults.seed)  # noqa: S311 - a repeatable draw is wanted, not a secret
        self._matched = [0] * len(faults.rules)
        self._struck = [0] * len(faults.rules)

    def draw(self, method: str, path: str) -> Verdict:
        """The verdict for the request that arrives now.

        Each matching rule is drawn on its own, in order. Of those that refuse and of those that
        spoil the answer, the first wins; waits add up.
        """
        if not self.faults.rules:
            return CLEAN
        strikes = [
            Strike(rule, self._wait(rule))
            for index, rule in enumerate(self.faults.rules)
            if self._strikes(index, rule, method, path)
        ]
        if not strikes:
            return CLEAN
        kinds = [strike.rule.kind for strike in strikes]
        return Verdict(
            slow_before=_total(strikes, FaultKind.SLOW_BEFORE),
            slow_after=_total(strikes, FaultKind.SLOW_AFTER),
            refusal=_first(strikes, _REFUSING),
            spoiling=_first(strikes, _SPOILING),
            marks=tuple(strike for strike in strikes if strike.rule.kind in _MARKING),
            names=tuple(kind.value for kind in kinds),
        )

    def report(self) -> tuple[RuleReport, ...]:
        """Each rule with its counts."""
        return tuple(
            RuleReport(rule, self._matched[index], self._struck[index])
            for index, rule in enumerate(self.faults.rules)
        )

    def _strikes(self, index: int, rule: FaultRule, method: str, path: str) -> bool:
        if rule.method not in ("*", method) or not fnmatchcase(path, rule.path):
            return False
        self._matched[index] += 1
        if self._matched[index] <= rule.skip:
            return False
        if rule.times is not None and self._struck[index] >= rule.times:
            return False
        if self._random.random() >= rule.probability:
            return False
        self._struck[index] += 1
        return True

    def _wait(self, rule: FaultRule) -> int:
        if rule.milliseconds_max is None or rule.milliseconds_max <= rule.milliseconds:
            return rule.milliseconds
        return self._random.randint(rule.milliseconds, rule.milliseconds_max)


def _total(strikes: list[Strike], kind: FaultKind) -> int:
    return sum(strike.milliseconds for strike in strikes if strike.rule.kind is kind)


def _first(strikes: list[Strike], kinds: frozenset[FaultKind]) -> FaultRule | None:
    return next((strike.rule for strike in strikes if strike.rule.kind in kinds), None)
