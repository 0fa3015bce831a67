"""Rows as files: exactly what was there comes back, whatever the form."""

import csv
import json
import sys
from datetime import UTC, datetime, timedelta, timezone
from decimal import Decimal
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from api.exporting.fields import Field, Form, Values
from api.exporting.formats import Format, format_of, writer_of
from api.exporting.parquet_file import ROWS_A_GROUP
from api.parquet import ParquetMissingError

GUID = UUID("1dfe06cd-a1be-4423-8ed4-afd900d998aa")
MOMENT = datetime(2026, 11, 21, 10, 30, 0, 5, tzinfo=timezone(timedelta(hours=1)))
LARGEST = "4000000000000000000"

FIELDS = (
    Field("contactId", Form.GUID),
    Field("number", Form.INTEGER),
    Field("amount", Form.AMOUNT),
    Field("effectiveAt", Form.INSTANT),
    Field("description"),
    Field("isOpen", Form.BOOLEAN),
    Field(
        "transfers",
        Form.LIST,
        (
            Field("amount", Form.AMOUNT),
            Field("effectiveAt", Form.INSTANT),
            Field("allocations", Form.LIST, (Field("lot", Form.INTEGER),)),
        ),
    ),
)

ROWS: list[Values] = [
    (GUID, 7, "-0.0001", MOMENT, 'One, "two"\nthree', True, [("12.5", MOMENT, [(1,), (2,)])]),
    (None, 0, LARGEST, None, None, False, []),
]


def written(form: Format, *chunks: list[Values]) -> bytes:
    writer = writer_of(form, FIELDS)
    pieces = [writer.begin(), *(writer.rows(chunk) for chunk in chunks), writer.end()]
    return b"".join(pieces)


def test_csv_has_a_cell_for_everything_and_json_for_what_does_not_fit_one() -> None:
    lines = list(csv.reader(StringIO(written(Format.CSV, ROWS).decode(), newline="")))
    assert lines[0] == [field.name for field in FIELDS]
    assert lines[1][:6] == [
        str(GUID),
        "7",
        "-0.0001",
        "2026-11-21T09:30:00.000005Z",
        'One, "two"\nthree',
        "true",
    ]
    assert lines[2] == ["", "0", LARGEST, "", "", "false", "[]"]
    assert json.loads(lines[1][6], parse_float=Decimal) == [
        {
            "amount": Decimal("12.5"),
            "effectiveAt": "2026-11-21T09:30:00.000005Z",
            "allocations": [{"lot": 1}, {"lot": 2}],
        }
    ]


def test_json_lines_write_amounts_as_numbers_and_nothing_as_null() -> None:
    raw = written(Format.JSONL, ROWS[:1], ROWS[1:])
    assert b'"amount":-0.0001,' in raw
    first, second = (json.loads(line) for line in raw.decode().splitlines())
    assert list(first) == [field.name for field in FIELDS]
    assert first["transfers"][0]["allocations"] == [{"lot": 1}, {"lot": 2}]
    assert second == {
        "contactId": None,
        "number": 0,
        "amount": int(LARGEST),
        "effectiveAt": None,
        "description": None,
        "isOpen": False,
        "transfers": [],
    }


def test_parquet_comes_back_exactly() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    table = parquet.read_table(BytesIO(written(Format.PARQUET, ROWS[:1], ROWS[1:])))
    first, second = table.to_pylist()
    moment = MOMENT.astimezone(UTC)
    assert first == {
        "contactId": str(GUID),
        "number": 7,
        "amount": Decimal("-0.0001"),
        "effectiveAt": moment,
        "description": 'One, "two"\nthree',
        "isOpen": True,
        "transfers": [
            {
                "amount": Decimal("12.5"),
                "effectiveAt": moment,
                "allocations": [{"lot": 1}, {"lot": 2}],
            }
        ],
    }
    assert (second["amount"], second["effectiveAt"], second["transfers"]) == (
        Decimal(LARGEST),
        None,
        [],
    )


def test_parquet_is_written_group_by_group_and_held_no_longer() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    writer = writer_of(Format.PARQUET, FIELDS[:2])
    rows: list[Values] = [(GUID, number) for number in range(ROWS_A_GROUP // 2)]
    pieces = [writer.begin(), *(writer.rows(rows) for _ in range(5)), writer.end()]
    assert [bool(piece) for piece in pieces[1:6]] == [False, True, False, True, False]
    file = parquet.ParquetFile(BytesIO(b"".join(pieces)))
    assert file.num_row_groups == 3
    assert file.metadata.num_rows == 5 * len(rows)


def test_without_rows_a_file_still_says_what_it_would_hold() -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    assert written(Format.CSV).decode().split(",")[0] == "contactId"
    assert written(Format.JSONL) == b""
    assert parquet.read_table(BytesIO(written(Format.PARQUET))).num_rows == 0


@pytest.mark.parametrize(
    ("path", "form"),
    [
        (None, Format.CSV),
        (Path("balances.csv"), Format.CSV),
        (Path("balances.JSONL"), Format.JSONL),
        (Path("balances.parquet"), Format.PARQUET),
        (Path("folder"), Format.CSV),
    ],
)
def test_a_files_name_tells_its_form(path: Path | None, form: Format) -> None:
    assert format_of(path) is form


def test_without_the_library_parquet_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    missing: Any = None
    monkeypatch.setitem(sys.modules, "pyarrow", missing)
    with pytest.raises(ParquetMissingError, match=r"install pointmaster\[parquet\]"):
        writer_of(Format.PARQUET, FIELDS)
