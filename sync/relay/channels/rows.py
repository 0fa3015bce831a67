"""The rows of a file of separated values, as documents.

The one hard idea: a row is known by its file's name, its place in it and what it says. So a file
that is fetched again, whole or with more rows at its end, brings only what is new, and two equal
rows of one file stay two.
"""

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from io import TextIOBase
from typing import Final

from sync.relay.hashing import digest_of

COLUMNS_MAX: Final = 1000


class FileTroubleError(Exception):
    """A file that can't be read; the message says where and why, and quotes nothing of it."""


@dataclass(frozen=True, slots=True)
class Row:
    """A row of a file.

    Attributes:
        key: By what it is recognised.
        document: The values by their columns; `None` where they don't fit the header.
        trouble: Why they don't.
        values: As they stand.
    """

    key: str
    document: dict[str, str] | None
    trouble: str | None
    values: tuple[str, ...]


def rows_of(file: TextIOBase, name: str, delimiter: str) -> Iterator[Row]:
    """The rows of a file after its header; empty lines are none.

    Raises:
        FileTroubleError: there is no header, or the file is not of its encoding or form.
    """
    reader = csv.reader(file, delimiter=delimiter, strict=True)
    try:
        header = [column.strip() for column in next(reader, [])]
        if not any(header) or len(header) > COLUMNS_MAX:
            raise FileTroubleError("has no header")
        for number, values in enumerate(reader, start=1):
            if not values:
                continue
            key = digest_of("row", name, str(number), *values)
            trouble = None
            if len(values) != len(header):
                trouble = f"row {number} has {len(values)} values, the header {len(header)}"
            document = None if trouble else dict(zip(header, values, strict=True))
            yield Row(f"file/{key}", document, trouble, tuple(values))
    except csv.Error as problem:
        raise FileTroubleError(f"line {reader.line_num}: {problem}") from None
    except UnicodeError:
        raise FileTroubleError(f"is not of its encoding near line {reader.line_num + 1}") from None
