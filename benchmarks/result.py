"""What a benchmark answers: a figure, its control's, and what they are to each other.

The one hard idea: seconds belong to a machine and a moment, a ratio does not. A result is therefore
the median of ratios of rounds, each of which ran ours and the control one after the other; the
figures themselves are only shown.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from statistics import median
from typing import Self


class Goal(StrEnum):
    """On which side of its bound a ratio is good."""

    AT_LEAST = "≥"
    AT_MOST = "≤"


@dataclass(frozen=True, slots=True)
class Latency:
    """How long callers waited, in milliseconds, for one transaction or one request."""

    p50: float
    p99: float

    @classmethod
    def of(cls, seconds: Sequence[float]) -> Self | None:
        """Of waits in seconds; `None` where nobody waited."""
        if not seconds:
            return None
        ordered = sorted(seconds)
        last = len(ordered) - 1
        return cls(ordered[last // 2] * 1000, ordered[round(last * 0.99)] * 1000)


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    """The answer to one question.

    Attributes:
        question: As the table shows it.
        figure, control: Medians over the rounds, in `unit`.
        ratio: Median of the rounds' ratios of figure to control.
        spread: The smallest and the largest of those ratios.
        bound, goal: What the ratio is to be; no bound where something is only shown.
        keys: How keys or contacts were drawn.
        load: What was offered, by how many callers.
        latency: Of one transaction or request of ours.
        notes: Whatever else a reader must know, a line each.
    """

    question: str
    unit: str
    figure: float
    control: float
    ratio: float
    spread: tuple[float, float]
    bound: float | None = None
    goal: Goal = Goal.AT_LEAST
    keys: str = ""
    load: str = ""
    latency: Latency | None = None
    notes: tuple[str, ...] = field(default=())

    @property
    def is_reached(self) -> bool:
        """Whether the ratio is where it is to be."""
        if self.bound is None:
            return True
        if self.goal is Goal.AT_LEAST:
            return self.ratio >= self.bound
        return self.ratio <= self.bound


@dataclass(slots=True)
class Rounds:
    """Figures of ours and of the control, round by round."""

    figures: list[float] = field(default_factory=list)
    controls: list[float] = field(default_factory=list)

    def add(self, figure: float, control: float) -> None:
        """Note one round."""
        self.figures.append(figure)
        self.controls.append(control)

    @property
    def ratios(self) -> list[float]:
        """Figure to control, round by round."""
        return [one / other for one, other in zip(self.figures, self.controls, strict=True)]

    def result(
        self,
        question: str,
        unit: str,
        *,
        bound: float | None = None,
        goal: Goal = Goal.AT_LEAST,
        keys: str = "",
        load: str = "",
        latency: Latency | None = None,
        notes: Sequence[str] = (),
    ) -> Result:
        """What the rounds say; see `Result` for the arguments."""
        ratios = self.ratios
        return Result(
            question=question,
            unit=unit,
            figure=median(self.figures),
            control=median(self.controls),
            ratio=median(ratios),
            spread=(min(ratios), max(ratios)),
            bound=bound,
            goal=goal,
            keys=keys,
            load=load,
            latency=latency,
            notes=tuple(notes),
        )
