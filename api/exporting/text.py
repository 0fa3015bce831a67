"""Rows as CSV and as JSON lines.

The one hard idea: both write the same words: instants in UTC with `Z`, amounts as plain numbers,
GUIDs in lower case. A list is a JSON text in its CSV cell.
"""

import csv
from collections.abc import Sequence
from datetime import UTC, datetime
from io import StringIO
from typing import Any, Final

import msgspec

from api.exporting.fields import Field, Form, Values

_encode: Final = msgspec.json.Encoder().encode


class CsvWriter:
    """CSV in UTF-8 (RFC 4180): parted by commas, lines ending in CR LF, the names first."""

    media_type = "text/csv; charset=utf-8; header=present"

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields

    def begin(self) -> bytes:
        """The header."""
        return self._lines([[field.name for field in self._fields]])

    def rows(self, rows: Sequence[Values]) -> bytes:
        """A line a row."""
        return self._lines(
            [
                [_cell(field, value) for field, value in zip(self._fields, row, strict=True)]
                for row in rows
            ]
        )

    def end(self) -> bytes:
        """Nothing."""
        return b""

    @staticmethod
    def _lines(lines: Sequence[Sequence[str]]) -> bytes:
        text = StringIO()
        csv.writer(text).writerows(lines)
        return text.getvalue().encode()


class JsonLinesWriter:
    """A JSON object a row, each on a line of its own; what a row lacks is null."""

    media_type = "application/x-ndjson"

    def __init__(self, fields: Sequence[Field]) -> None:
        self._fields = fields

    def begin(self) -> bytes:
        """Nothing."""
        return b""

    def rows(self, rows: Sequence[Values]) -> bytes:
        """A line a row."""
        return b"".join(_encode(_object(self._fields, row)) + b"\n" for row in rows)

    def end(self) -> bytes:
        """Nothing."""
        return b""


def _object(fields: Sequence[Field], row: Values) -> dict[str, Any]:
    return {field.name: _json(field, value) for field, value in zip(fields, row, strict=True)}


def _json(field: Field, value: Any) -> Any:
    if value is None:
        return None
    if field.form is Form.AMOUNT:
        return msgspec.Raw(value.encode())
    if field.form is Form.INSTANT:
        return instant(value)
    if field.form is Form.LIST:
        return [_object(field.fields, one) for one in value]
    return value


def _cell(field: Field, value: Any) -> str:
    if value is None:
        return ""
    if field.form is Form.INSTANT:
        return instant(value)
    if field.form is Form.BOOLEAN:
        return "true" if value else "false"
    if field.form is Form.LIST:
        return _encode(_json(field, value)).decode()
    return str(value)


def instant(value: datetime) -> str:
    """As the doors write it."""
    return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
