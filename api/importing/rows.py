"""A row on its way from a file to the books: its cells, the request it makes, or why it makes none.

The one hard idea: a row's number is part of what makes it the row it is. Where a row has no
idempotency key of its own, its key is made of the import's name and that number, so the same file
under the same name is booked once, however often it is imported.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from api.importing.columns import Column
from api.problems.catalogue import REQUEST_INVALID
from api.problems.problem import ProblemError

NAME_LENGTH_MAX: Final = 100
"""Characters of an import's name."""

SOURCE: Final = "import"
"""The source of rows that name none."""

ROW_MALFORMED: Final = "row_malformed"
"""The code of a row that has not as many cells as the header."""

Cells = Sequence[tuple[Column, str]]
"""What a row says, column by column; empty cells are not there."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row as it was read.

    Attributes:
        number: Counted from 1, the header not counted; of a file of rejected rows, the number the
            row had when it was rejected.
        written: Every cell as it was written, to be written again where the row is rejected.
        malformed: Why its cells can't be told apart, where they can't.
    """

    number: int
    cells: Cells
    written: tuple[str, ...]
    malformed: str | None = None


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that is not booked, and why: a code for programs, sentences for people."""

    row: Row
    code: str
    message: str


def derived(name: str, number: int) -> dict[str, str]:
    """What a row has that says nothing of its own: its key, and where it comes from."""
    return {"idempotencyKey": f"import/{name}/{number}", "source": SOURCE}


def rejected(row: Row, problem: ProblemError) -> Rejected:
    """A row with a problem of the doors: of wrong fields, the first code and all sentences."""
    code = problem.problem.code
    if problem.problem is REQUEST_INVALID and problem.errors:
        code = problem.errors[0].code
        sentences = (f"{one.field} {one.message}".strip() for one in problem.errors)
        return Rejected(row, code, "; ".join(sentences))
    return Rejected(row, code, problem.detail)
