"""Which forms a file can have, and who writes each."""

from collections.abc import Sequence
from enum import StrEnum
from pathlib import Path

from api.exporting.fields import Field, Writer
from api.exporting.parquet_file import ParquetWriter
from api.exporting.text import CsvWriter, JsonLinesWriter


class Format(StrEnum):
    """The form of a file; also the ending of its name."""

    CSV = "csv"
    JSONL = "jsonl"
    PARQUET = "parquet"


def format_of(path: Path | None) -> Format:
    """The form that a file's name asks for; CSV where it says nothing."""
    ending = "" if path is None else path.suffix.lower().removeprefix(".")
    return Format(ending) if ending in set(Format) else Format.CSV


def writer_of(form: Format, fields: Sequence[Field]) -> Writer:
    """Who writes rows of these fields in this form.

    Raises:
        ParquetMissingError: the extra for it is not installed.
    """
    if form is Format.PARQUET:
        return ParquetWriter(fields)
    return CsvWriter(fields) if form is Format.CSV else JsonLinesWriter(fields)
