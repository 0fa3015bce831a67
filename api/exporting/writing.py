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
    yield writer.begin(), 0
    if form is Format.CSV and name in LINES:
        async for lines, count in LINES[name](asked):
            yield lines, count
    else:
        async for rows in dataset.rows(asked):
            yield writer.rows(rows), len(rows)
    yield writer.end(), 0
