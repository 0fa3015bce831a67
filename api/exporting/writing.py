"""A kind of rows as the bytes of a file, by whoever writes them fastest."""

from collections.abc import AsyncIterator

from api.exporting.datasets import DATASETS, Asked
from api.exporting.formats import Format, writer_of
from api.exporting.lines import LINES


async def written(name: str, asked: Asked, form: Format) -> AsyncIterator[tuple[bytes, int]]:
    """A whole file, piece by piece, each with how many rows it brought.

    Raises `FutureRecordError` for a `recorded_at` still to come, and `ParquetMissingError`.
    """
    dataset = DATASETS[name]
    writer = writer_of(form, dataset.fields)
    # Nothing is said before it is known that there is an answer.
    kept = writer.begin()
    if form is Format.CSV and name in LINES:
        async for lines, count in LINES[name](asked):
            yield kept + lines, count
            kept = b""
    else:
        async for rows in dataset.rows(asked):
            yield kept + writer.rows(rows), len(rows)
            kept = b""
    yield kept + writer.end(), 0
