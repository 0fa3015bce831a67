"""The file of rejected rows: as they were, with what was wrong with each before them.

The one hard idea: the file can be corrected and imported as it stands. Its first columns say which
row it was and why it was rejected; an import passes the reasons over and, under the same name,
takes the row for the row it was. The file is in its place once the import has come to its end: one
that was killed leaves nothing that somebody might take for all of it.
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
    """Writes rejected rows; the file is made with the first of them.

    Attributes:
        partial: Where they are until the import has come to its end.
    """

    def __init__(self, path: Path | None, source: Source) -> None:
        self._path = path
        self.partial = None if path is None else _partial(path)
        self._source = source
        self._file: TextIO | None = None
        # Of a file that is itself one of rejected rows, what was wrong last time goes.
        self._kept = [at for at, name in enumerate(source.header) if name not in REJECTED]

    def write(self, rejected: Rejected) -> None:
        """Write one row down."""
        if self.partial is None:
            return
        if self._file is None:
            self._open(self.partial)
        written = rejected.row.written
        cells = written
        if len(written) == len(self._source.header):
            cells = tuple(written[at] for at in self._kept)
        self._line([str(rejected.row.number), rejected.code, rejected.message, *cells])

    def flush(self) -> None:
        """Have what was written be in the file."""
        if self._file is not None:
            self._file.flush()

    def close(self, *, is_end: bool) -> None:
        """No more rows; at the end of the import the file goes to its place."""
        if self._file is None:
            return
        self._file.close()
        if is_end and self.partial is not None and self._path is not None:
            self.partial.replace(self._path)

    def _open(self, path: Path) -> None:
        try:
            self._file = path.open("w", encoding="utf-8", newline="")
        except OSError as problem:
            raise SourceError(f"{path} can't be written: {problem.strerror}") from None
        self._line([*REJECTED, *(self._source.header[at] for at in self._kept)])

    def _line(self, cells: list[str]) -> None:
        if self._file is not None:
            csv.writer(self._file, delimiter=self._source.delimiter).writerow(cells)


def _partial(path: Path) -> Path:
    """Beside its place; what is no file, such as a device, is written to as it is."""
    is_file = path.is_file() or not path.exists()
    return path.with_name(f"{path.name}.part") if is_file else path


@contextmanager
def writing_rejects(path: Path | None, source: Source) -> Iterator[Rejects]:
    """Somewhere to write rejected rows, for the length of an import."""
    rejects = Rejects(path, source)
    is_end = False
    try:
        yield rejects
        is_end = True
    finally:
        rejects.close(is_end=is_end)
