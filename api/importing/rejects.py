"""The file of rejected rows: as they were, with what was wrong with each before them.

The one hard idea: the file can be corrected and imported as it stands. Its first columns say which
row of which file it was and why it was rejected; an import passes the reasons over and, under the
same name, takes the row for the row it was.
"""

import csv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TextIO

from api.importing.columns import REJECTED
from api.importing.rows import Rejected
from api.importing.source import Source, SourceError


class Rejects:
    """Writes rejected rows; the file is made with the first of them."""

    def __init__(self, path: Path | None, source: Source) -> None:
        self.path = path
        self._source = source
        self._file: TextIO | None = None
        # Of a file that is itself one of rejected rows, what was wrong last time goes.
        self._kept = [at for at, name in enumerate(source.header) if name not in REJECTED]

    def write(self, rejected: Rejected) -> None:
        """Write one row down."""
        if self.path is None:
            return
        if self._file is None:
            self._open(self.path)
        written = rejected.row.written
        cells = written
        if len(written) == len(self._source.header):
            cells = tuple(written[at] for at in self._kept)
        self._line([str(rejected.row.number), rejected.code, rejected.message, *cells])

    def flush(self) -> None:
        """Have what was written be in the file."""
        if self._file is not None:
            self._file.flush()

    def close(self) -> None:
        """No more rows."""
        if self._file is not None:
            self._file.close()

    def _open(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as problem:
            raise SourceError(f"{path} can't be written: {problem.strerror}") from None
        self._line([*REJECTED, *(self._source.header[at] for at in self._kept)])

    def _line(self, cells: list[str]) -> None:
        if self._file is not None:
            csv.writer(self._file, delimiter=self._source.delimiter).writerow(cells)


@contextmanager
def writing_rejects(path: Path | None, source: Source) -> Iterator[Rejects]:
    """Somewhere to write rejected rows, closed with the block."""
    rejects = Rejects(path, source)
    try:
        yield rejects
    finally:
        rejects.close()
