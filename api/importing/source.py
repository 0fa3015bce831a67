"""A file as a stream of rows, whatever its form.

The one hard idea: a file is opened twice, once to be hashed and once to be read, and never held;
what it is comes from its name's ending and is checked by reading it.
"""

import hashlib
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Final, Protocol

from api.importing.columns import FileKind, Layout
from api.importing.rows import Row

PIECE: Final = 1024 * 1024
"""Bytes hashed at a time."""


class SourceError(Exception):
    """A file that can't be read, in a sentence for the person who chose it."""


class Source(Protocol):
    """A file that is open for reading.

    Attributes:
        layout: What its header says.
        header: The names of its columns, as they are written.
        delimiter: What to part cells by where its rows are written again.
        rows_total: How many rows it has, where that can be told beforehand.
    """

    layout: Layout
    header: tuple[str, ...]
    delimiter: str
    rows_total: int | None

    def rows(self) -> Iterator[Row]:
        """Its rows, each once; raises `SourceError` where reading can't go on."""
        ...

    @property
    def share(self) -> float:
        """How much of it was read, from 0 to 1."""
        ...


def open_source(path: Path, kind: FileKind | None) -> AbstractContextManager[Source]:
    """A file, open until the block ends.

    Raises:
        SourceError: it can't be read.
        HeaderError: it has columns that can't be used.
    """
    if path.suffix.lower() in {".parquet", ".pq"}:
        from api.importing.parquet_file import open_parquet  # noqa: PLC0415 - an extra, see there

        return open_parquet(path, kind)
    from api.importing.csv_file import open_csv  # noqa: PLC0415 - so that neither needs the other

    return open_csv(path, kind)


def hash_of(path: Path, progress: Callable[[int], None]) -> str:
    """The SHA-256 of a file's content; `progress` is told how many bytes were read since.

    Raises:
        SourceError: it can't be read.
    """
    digest = hashlib.sha256()
    try:
        with path.open("rb") as file:
            while piece := file.read(PIECE):
                digest.update(piece)
                progress(len(piece))
    except OSError as problem:
        raise SourceError(f"{path} can't be read: {problem.strerror}") from None
    return digest.hexdigest()
