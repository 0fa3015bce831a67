"""Rows of a CSV file: UTF-8, parted by commas or semicolons, the first row naming the columns.

The one hard idea: what is wrong with one row is that row's problem; what makes it doubtful where
rows begin and end (bytes that are no UTF-8, a quotation mark that never ends) ends the reading.
Every row before that place has been read, and is read the same the next time.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from io import TextIOWrapper
from pathlib import Path
from typing import BinaryIO, Final

from api.importing.columns import FileKind, Layout, read_header
from api.importing.rows import Row
from api.importing.source import Source, SourceError

DELIMITERS: Final = (",", ";")

HEADER_CHARACTERS_MAX: Final = 20_000


class CsvSource:
    """A CSV file that is open for reading."""

    rows_total: int | None = None

    def __init__(self, path: Path, file: BinaryIO, kind: FileKind | None) -> None:
        self._path = path
        self._file = file
        self._size = max(1, path.stat().st_size)
        self._text = TextIOWrapper(file, encoding="utf-8-sig", newline="")
        first = self._first_line()
        self.delimiter = max(DELIMITERS, key=first.count)
        self.header = tuple(name.strip() for name in self._parse([first]))
        self.layout: Layout = read_header(self.header, kind)

    @property
    def share(self) -> float:
        """How much of it was read."""
        return min(1.0, self._file.tell() / self._size)

    def rows(self) -> Iterator[Row]:
        """Its rows."""
        reader = csv.reader(self._text, delimiter=self.delimiter, strict=True)
        number = 0
        while True:
            try:
                cells = next(reader, None)
            except (csv.Error, UnicodeDecodeError) as problem:
                raise self._unreadable(number, problem) from None
            if cells is None:
                return
            if cells:  # the reader's word for a blank line
                number += 1
                yield self._row(number, cells)

    def _row(self, number: int, cells: list[str]) -> Row:
        layout, written = self.layout, tuple(cells)
        if len(cells) != len(layout.columns):
            counted = f"has {len(cells)} cells, the header has {len(layout.columns)} columns"
            return Row(number, (), written, counted)
        found = [
            (column, cell)
            for column, cell in zip(layout.columns, cells, strict=True)
            if column is not None and cell
        ]
        if layout.row_number_at is not None:
            earlier = written[layout.row_number_at]
            if not earlier.isdecimal():
                return Row(number, (), written, "has no number in rejected.row")
            number = int(earlier)
        return Row(number, found, written)

    def _first_line(self) -> str:
        try:
            line = self._text.readline(HEADER_CHARACTERS_MAX)
        except UnicodeDecodeError as problem:
            raise self._unreadable(0, problem) from None
        if not line.strip():
            raise SourceError(f"{self._path} has no header: its first row must name the columns")
        return line

    def _parse(self, lines: list[str]) -> list[str]:
        try:
            return next(csv.reader(lines, delimiter=self.delimiter, strict=True))
        except csv.Error as problem:
            raise SourceError(f"the header of {self._path} can't be read: {problem}") from None

    def _unreadable(self, number: int, problem: Exception) -> SourceError:
        place = "the header" if number == 0 else f"what follows row {number}"
        if isinstance(problem, UnicodeDecodeError):
            return SourceError(f"{self._path}: {place} is not UTF-8; save the file as CSV UTF-8")
        return SourceError(
            f"{self._path}: {place} can't be read: {problem}; is a quotation mark missing?"
        )


@contextmanager
def open_csv(path: Path, kind: FileKind | None) -> Iterator[Source]:
    """A CSV file, open until the block ends."""
    try:
        file = path.open("rb")
    except OSError as problem:
        raise SourceError(f"{path} can't be read: {problem.strerror}") from None
    with file:
        yield CsvSource(path, file, kind)
