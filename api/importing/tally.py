"""What an import came to: how many rows, how many points, and why rows were rejected."""

from collections import Counter
from dataclasses import dataclass, field

from ledger.identity import DefinitionId
from ledger.requests import Request

REASONS_SHOWN = 3
"""Rejected rows kept as examples for each code."""


@dataclass(slots=True)
class Moved:
    """Points of one kind of rows, in minor units; above and below zero apart."""

    rows: int = 0
    up: int = 0
    down: int = 0


@dataclass(slots=True)
class Tally:
    """The counts of an import.

    Attributes:
        read: Rows of the file so far.
        booked: Rows that are in the books by this import.
        known: Rows that were in the books already.
        unposted: Of a trial: rows that nothing is wrong with as far as can be told without booking.
        rejected: Rows that are not booked, by code.
        examples: Some of them, as sentences.
        moved: What booked and known rows are worth, by kind and definition.
    """

    read: int = 0
    booked: int = 0
    known: int = 0
    unposted: int = 0
    rejected: Counter[str] = field(default_factory=Counter)
    examples: dict[str, list[str]] = field(default_factory=dict)
    moved: dict[tuple[str, DefinitionId], Moved] = field(default_factory=dict)

    def count(self, request: Request) -> None:
        """Count what a row that is in the books is worth."""
        place = (type(request).__name__.lower(), request.definition)
        moved = self.moved.setdefault(place, Moved())
        moved.rows += 1
        amount: int = getattr(request, "amount", None) or 0
        if amount > 0:
            moved.up += amount
        else:
            moved.down -= amount

    def reject(self, number: int, code: str, message: str) -> None:
        """Count a row that is not booked."""
        self.rejected[code] += 1
        examples = self.examples.setdefault(code, [])
        if len(examples) < REASONS_SHOWN:
            examples.append(f"row {number}: {message}")
