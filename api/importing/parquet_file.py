"""Rows of a Parquet file, with the package's extra `parquet` installed.

The one hard idea: a typed value is written down as the text that a CSV file would have, and from
there on is treated the same. So a type that can't be written down exactly is refused for its whole
column: floating-point amounts, and times that don't say where on earth.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, Final
from uuid import UUID

from api.importing.columns import FileKind, HeaderError, Layout, read_header
from api.importing.rows import Row
from api.importing.source import Source, SourceError
from api.parquet import load_pyarrow

ROWS_AT_ONCE: Final = 4_000

Writer = Callable[[Any], str]


class ParquetSource:
    """A Parquet file that is open for reading."""

    delimiter = ","

    def __init__(self, path: Path, file: Any, kind: FileKind | None) -> None:
        self._path = path
        self._file = file
        self.rows_total: int | None = file.metadata.num_rows
        fields = list(_fields(file.schema_arrow))
        self.header = tuple(name for name, _ in fields)
        self.layout: Layout = read_header(self.header, kind)
        mistakes = [
            f"has the column {name} as {form}: {advice}"
            for name, form in fields
            if (advice := _advice(form)) is not None
        ]
        if mistakes:
            raise HeaderError(mistakes)
        self._writers = [_writer(form) for _, form in fields]
        self._read = 0

    @property
    def share(self) -> float:
        """How much of it was read."""
        return self._read / max(1, self.rows_total or 0)

    def rows(self) -> Iterator[Row]:
        """Its rows."""
        arrow = load_pyarrow()
        try:
            for batch in self._file.iter_batches(batch_size=ROWS_AT_ONCE):
                table = arrow.Table.from_batches([batch])
                while any(arrow.types.is_struct(field.type) for field in table.schema):
                    table = table.flatten()
                columns = [
                    self._written(arrow, column, writer)
                    for column, writer in zip(table.columns, self._writers, strict=True)
                ]
                for written in zip(*columns, strict=True):
                    self._read += 1
                    yield self._row(self._read, written)
        except (arrow.ArrowException, OSError) as problem:
            raise SourceError(
                f"{self._path}: what follows row {self._read} can't be read: {problem}"
            ) from None

    @staticmethod
    def _written(arrow: Any, column: Any, writer: Writer) -> list[str]:
        if arrow.types.is_timestamp(column.type):
            # The books know no shorter time than a microsecond.
            column = column.cast(arrow.timestamp("us", column.type.tz), safe=False)
        return ["" if value is None else writer(value) for value in column.to_pylist()]

    def _row(self, number: int, written: tuple[str, ...]) -> Row:
        layout = self.layout
        found = [
            (column, cell)
            for column, cell in zip(layout.columns, written, strict=True)
            if column is not None and cell
        ]
        if layout.row_number_at is not None:
            earlier = written[layout.row_number_at]
            if not earlier.isdecimal():
                return Row(number, (), written, "has no number in rejected.row")
            number = int(earlier)
        return Row(number, found, written)


@contextmanager
def open_parquet(path: Path, kind: FileKind | None) -> Iterator[Source]:
    """A Parquet file, open until the block ends.

    Raises:
        SourceError: it is none, or the extra is not installed.
    """
    arrow = load_pyarrow()
    try:
        # Without a buffer, a row group is read piece by piece and not at once.
        file = arrow.parquet.ParquetFile(path, pre_buffer=False, buffer_size=1024 * 1024)
    except (arrow.ArrowException, OSError) as problem:
        raise SourceError(f"{path} can't be read as Parquet: {problem}") from None
    with file:
        yield ParquetSource(path, file, kind)


def _fields(schema: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The columns of a schema, nested ones with a dot."""
    arrow = load_pyarrow()
    for field in schema:
        if arrow.types.is_struct(field.type):
            yield from _fields(field.type, f"{prefix}{field.name}.")
        else:
            yield f"{prefix}{field.name}", field.type


def _advice(form: Any) -> str | None:
    """Why values of a type can't be taken; `None` where they can."""
    types = load_pyarrow().types
    if types.is_floating(form):
        return "a float is not exact; make it a decimal, an integer or text"
    if types.is_timestamp(form) and form.tz is None:
        return "it lacks the time zone; make it a timestamp in UTC"
    if types.is_dictionary(form):
        return _advice(form.value_type)
    taken = (
        types.is_string(form)
        or types.is_large_string(form)
        or types.is_string_view(form)
        or types.is_integer(form)
        or types.is_decimal(form)
        or types.is_boolean(form)
        or types.is_timestamp(form)
        or types.is_null(form)
        or _is_guid(form)
    )
    return None if taken else "make it text"


def _is_guid(form: Any) -> bool:
    types = load_pyarrow().types
    if getattr(form, "extension_name", None) == "arrow.uuid":
        return True
    return bool(types.is_fixed_size_binary(form) and form.byte_width == 16)


def _writer(form: Any) -> Writer:
    types = load_pyarrow().types
    if types.is_decimal(form):
        return _decimal
    if types.is_boolean(form):
        return lambda value: "true" if value else "false"
    if types.is_timestamp(form):
        return _instant
    if _is_guid(form):
        return lambda value: str(value if isinstance(value, UUID) else UUID(bytes=value))
    return str


def _decimal(value: Decimal) -> str:
    """Without the zeros that the column's scale adds."""
    written = f"{value:f}"
    return written.rstrip("0").rstrip(".") if "." in written else written


def _instant(value: datetime) -> str:
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
