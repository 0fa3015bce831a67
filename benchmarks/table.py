"""The one table that benchmarks end with."""

from collections.abc import Mapping, Sequence

from rich.console import Console
from rich.table import Table

from benchmarks.result import Goal, Result


def show(
    console: Console,
    results: Sequence[Result],
    *,
    machine: str,
    settings: Mapping[str, str],
    load_before: float,
) -> None:
    """Print what was measured, and on what."""
    table = Table(show_lines=True)
    table.add_column("question", max_width=44)
    for name in ("figure", "control", "ratio", "goal"):
        table.add_column(name, justify="right")
    table.add_column("keys, load, latency", max_width=60)
    for result in results:
        table.add_row(
            result.question,
            amount(result.figure, result.unit),
            amount(result.control, result.unit),
            f"[{_colour(result)}]{result.ratio:.2f}[/]\n[dim]{_spread(result)}[/]",
            _goal(result),
            _told(result),
        )
    console.print(table)
    console.print(f"machine   {machine}; load average before: {load_before:.2f}", highlight=False)
    told = ", ".join(f"{name} {value}" for name, value in settings.items())
    console.print(f"server    {told}; durability {_durability(settings)}", highlight=False)
    missed = [result.question for result in results if not result.is_reached]
    for question in missed:
        console.print(f"[red]below its goal[/]  {question}", highlight=False)


def amount(figure: float, unit: str) -> str:
    """A figure as people read it: three digits that mean something."""
    digits = 0 if figure >= 100 else 1 if figure >= 10 else 2
    return f"{figure:,.{digits}f}\n{unit}"


def _colour(result: Result) -> str:
    return "green" if result.is_reached else "red"


def _spread(result: Result) -> str:
    low, high = result.spread
    return f"{low:.2f} to {high:.2f}"


def _goal(result: Result) -> str:
    if result.bound is None:
        return "shown"
    sign = "≥" if result.goal is Goal.AT_LEAST else "≤"
    return f"{sign} {result.bound:g}"


def _told(result: Result) -> str:
    lines = [text for text in (result.keys, result.load) if text]
    if result.latency is not None:
        lines.append(f"p50 {result.latency.p50:.1f} ms, p99 {result.latency.p99:.1f} ms")
    return "\n".join((*lines, *result.notes))


def _durability(settings: Mapping[str, str]) -> str:
    kept = all(settings.get(name) == "on" for name in ("fsync", "synchronous_commit"))
    return "on" if kept else "OFF"
