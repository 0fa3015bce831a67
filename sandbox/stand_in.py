"""What every stand-in is, whatever it plays: settings, a clock, faults, a journal, findings.

A stand-in lives in memory and outlasts its own restarts: a restart closes the port and cuts the
connections, and what is remembered afterwards is the stand-in's choice (`forget_on_restart`).
"""

from abc import ABC, abstractmethod
from typing import Any

from sandbox.clock import Clock
from sandbox.faults import FaultPlan
from sandbox.findings import Findings
from sandbox.journal import Journal
from sandbox.server import Process


class StandIn(ABC):
    """The base of a stand-in."""

    findings: Findings
    journal: Journal

    def __init__(self) -> None:
        self.clock = Clock()
        self.plan = FaultPlan()
        self.process: Process | None = None
        """Known once it runs as a process of its own."""

    @abstractmethod
    def shown_settings(self) -> Any:
        """The settings, to be written as JSON."""

    @abstractmethod
    def change_settings(self, patch: Any) -> None:
        """Change some of the settings.

        Raises:
            SettingsError: naming the setting and the rule; nothing is changed.
        """

    @abstractmethod
    def summary(self) -> dict[str, Any]:
        """What it holds, in a few numbers."""

    @abstractmethod
    def reset(self) -> None:
        """Forget everything but settings, faults and clock."""

    @abstractmethod
    def forget_on_restart(self) -> None:
        """Lose what a restart without memory would lose."""
