"""Rows as Parquet, with the package's extra `parquet` installed.

The one hard idea: a Parquet file ends with its table of contents, so it can be written forwards
into anything that takes bytes; rows are kept back until they make a row group worth having.
"""

from collections.abc import Sequence
from decimal import Decimal
from io import BytesIO
from typing import Any, Final

from api.exporting.fields import Field, Form, Values
from api.parquet import load_pyarrow

ROWS_A_GROUP: Final = 20_000

AMOUNT_DIGITS: Final = 23
AMOUNT_DECIMALS: Final = 4
"""Any balance of any scale fits: 19 digits before the point, 4 behind it."""


class ParquetWriter:
    """Writes row groups."""

    media_type = "application/vnd.apache.parquet"

    def __init__(self, fields: Sequence[Field]) -> None:
        arrow = load_pyarrow()
        self._arrow = arrow
        self._fields = fields
        self._schema = arrow.schema([(field.name, _type(arrow, field)) for field in fields])
        self._into = _Pieces()
        self._writer = arrow.parquet.ParquetWriter(self._into, self._schema, compression="zstd")
        self._kept: list[Values] = []

    def begin(self) -> bytes:
        """The form's mark."""
        return self._into.taken()

    def rows(self, rows: Sequence[Values]) -> bytes:
        """A row group, once there are rows enough."""
        self._kept += rows
        if len(self._kept) >= ROWS_A_GROUP:
            self._write()
        return self._into.taken()

    def end(self) -> bytes:
        """The last rows and the table of contents."""
        if self._kept:
            self._write()
        self._writer.close()
        return self._into.taken()

    def _write(self) -> None:
        columns = list(zip(*self._kept, strict=True))
        arrays = [
            self._arrow.array([_value(field, value) for value in column], field_type)
            for field, column, field_type in zip(
                self._fields, columns, self._schema.types, strict=True
            )
        ]
        self._writer.write_table(self._arrow.Table.from_arrays(arrays, schema=self._schema))
        self._kept = []


class _Pieces(BytesIO):
    """A file that is taken away while it is written."""

    def __init__(self) -> None:
        super().__init__()
        self._before = 0

    def tell(self) -> int:
        """How many bytes were ever written: what the table of contents counts by."""
        return self._before + super().tell()

    def taken(self) -> bytes:
        """What was written since the last time."""
        piece = self.getvalue()
        self._before += len(piece)
        self.seek(0)
        self.truncate()
        return piece


def _type(arrow: Any, field: Field) -> Any:
    if field.form is Form.LIST:
        members = [(one.name, _type(arrow, one)) for one in field.fields]
        return arrow.list_(arrow.struct(members))
    return {
        Form.TEXT: arrow.string(),
        Form.GUID: arrow.string(),
        Form.INSTANT: arrow.timestamp("us", "UTC"),
        Form.AMOUNT: arrow.decimal128(AMOUNT_DIGITS, AMOUNT_DECIMALS),
        Form.INTEGER: arrow.int64(),
        Form.BOOLEAN: arrow.bool_(),
    }[field.form]


def _value(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.form is Form.AMOUNT:
        return Decimal(value)
    if field.form is Form.GUID:
        return str(value)
    if field.form is Form.LIST:
        return [
            {one.name: _value(one, held) for one, held in zip(field.fields, row, strict=True)}
            for row in value
        ]
    return value
