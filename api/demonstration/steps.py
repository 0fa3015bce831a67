"""What people see while the demo works: one line a step, with a bar where it takes a while.

The one hard idea: on a terminal the lines move; in a file or a pipe each step is one line, written
when it is over. Either way it says how long it took.
"""

import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass

from rich.console import Console
from rich.progress import (
    BarColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TaskProgressColumn,
    TextColumn,
)


@dataclass(slots=True)
class Step:
    """A step that is under way."""

    _progress: Progress
    _task: TaskID
    said: str = ""

    def of(self, total: float) -> None:
        """Say of how many parts it is."""
        self._progress.update(self._task, total=total)

    def reach(self, completed: float) -> None:
        """Say how many parts are done."""
        self._progress.update(self._task, completed=completed)

    def advance(self, parts: float) -> None:
        """Say that so many more parts are done."""
        self._progress.advance(self._task, parts)

    def say(self, said: str) -> None:
        """What is to stand beside it, now and when it is over."""
        self.said = said
        self._progress.update(self._task, said=said)


class Steps:
    """The steps of a demo, as they are shown."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self.seconds: dict[str, float] = {}

    @contextlib.contextmanager
    def step(self, what: str) -> Iterator[Step]:
        """Show a step for as long as the block lasts."""
        progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description:<36}"),
            BarColumn(bar_width=24),
            TaskProgressColumn(),
            TextColumn("{task.fields[said]}"),
            console=self._console,
            transient=True,
            disable=not self._console.is_terminal,
        )
        started = time.monotonic()
        with progress:
            step = Step(progress, progress.add_task(what, total=None, said=""))
            yield step
        self.seconds[what] = time.monotonic() - started
        line = f"[green]✓[/] {what:<36} {self.seconds[what]:>5.1f} s  {step.said}"
        self._console.print(line, highlight=False)
