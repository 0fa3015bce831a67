"""Files as rows, and rejected rows as a file that can be corrected and imported again."""

import csv
import sys
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from uuid import UUID

import pytest

from api.importing.columns import HeaderError, Layout
from api.importing.rejects import writing_rejects
from api.importing.rows import Rejected, Row
from api.importing.source import Source, SourceError, hash_of, open_source
from api.parquet import ParquetMissingError

arrow = pytest.importorskip("pyarrow")
parquet = pytest.importorskip("pyarrow.parquet")

CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"
HEADER = ["contactId", "definitionId", "amount", "description"]


def said(row: Row) -> dict[str, str]:
    """A row's cells by their names."""
    return {column.name: cell for column, cell in row.cells}


def read(path: Path) -> tuple[Layout, list[Row]]:
    with open_source(path, None) as source:
        return source.layout, list(source.rows())


def rows_of(path: Path) -> list[dict[str, str]]:
    return [said(row) for row in read(path)[1]]


def written(path: Path, text: str, encoding: str = "utf-8") -> Path:
    path.write_text(text, encoding=encoding, newline="")
    return path


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
@pytest.mark.parametrize("delimiter", [",", ";"])
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_a_csv_file_however_it_was_saved(
    tmp_path: Path, encoding: str, delimiter: str, end: str
) -> None:
    lines = ["contactId,definitionId,amount,description", f"{CONTACT},1,5,Välkommen", "", ",,,"]
    text = end.join(lines).replace(",", delimiter)
    path = written(tmp_path / "balances.csv", text, encoding)
    assert rows_of(path) == [
        {"contactId": CONTACT, "definitionId": "1", "amount": "5", "description": "Välkommen"},
        {},
    ]


def test_a_cell_may_hold_the_delimiter_quotation_marks_and_line_breaks(tmp_path: Path) -> None:
    text = 'contactId,definitionId,amount,description\na,1,5,"One, ""two""\nthree"\nb,1,6,\n'
    found = rows_of(written(tmp_path / "balances.csv", text))
    assert [row.get("description") for row in found] == ['One, "two"\nthree', None]


def test_rows_are_numbered_and_one_with_too_few_cells_harms_no_other(tmp_path: Path) -> None:
    text = "contactId,definitionId,amount\na,1,5\nb,1\nc,1,6,7\nd,1,8\n"
    _, rows = read(written(tmp_path / "balances.csv", text))
    assert [row.number for row in rows] == [1, 2, 3, 4]
    assert [row.malformed for row in rows] == [
        None,
        "has 2 cells, the header has 3 columns",
        "has 4 cells, the header has 3 columns",
        None,
    ]


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"", "has no header"),
        (b"\n", "has no header"),
        (b"contactId,definitionId,amount\n\xff\xfe\n", "the header is not UTF-8"),
        ("contactId,definitionId,amount\n".encode("utf-16"), "is not UTF-8"),
        (
            b"contactId,definitionId,amount\na,1,5\nb,1,6\n" + b"c,1,7\n" * 3000 + b"\xe5,1,8\n",
            "is not UTF-8; save the file as CSV UTF-8",
        ),
        (b'contactId,definitionId,amount\na,1,5\n"b,1,6\n', "is a quotation mark missing"),
        (b'contactId,definitionId,amount\na,1,5\n"b"b,1,6\n', "what follows row 1 can't be read"),
    ],
)
def test_a_file_whose_rows_can_not_be_told_apart_ends_the_reading(
    tmp_path: Path, content: bytes, sentence: str
) -> None:
    path = tmp_path / "balances.csv"
    path.write_bytes(content)
    with pytest.raises(SourceError, match=sentence):
        read(path)


def test_rows_before_an_unreadable_place_are_read(tmp_path: Path) -> None:
    path = tmp_path / "balances.csv"
    path.write_bytes(b'contactId,definitionId,amount\na,1,5\nb,1,6\n"c,1,7\n')
    found = []
    with open_source(path, None) as source, pytest.raises(SourceError):
        found += [row.number for row in source.rows()]
    with open_source(path, None) as source:
        rows = source.rows()
        assert [next(rows).number, next(rows).number] == [1, 2]


def test_a_parquet_files_typed_values_are_as_they_would_be_written(tmp_path: Path) -> None:
    path = tmp_path / "history.parquet"
    parquet.write_table(
        arrow.table(
            {
                "kind": arrow.array(["earn", "return"]).dictionary_encode(),
                "contactId": arrow.array([UUID(CONTACT).bytes] * 2, arrow.binary(16)),
                "definitionId": arrow.array([1, 2], arrow.int8()),
                "amount": arrow.array([Decimal("12.50"), Decimal("7.00")], arrow.decimal128(9, 2)),
                "effectiveAt": arrow.array(
                    [datetime(2026, 1, 31, 12, 0, 0, 5, tzinfo=UTC), None],
                    arrow.timestamp("ns", "Europe/Stockholm"),
                ),
                "allowDebt": arrow.array([True, None]),
                "description": arrow.array(["Köp", ""]),
                "reverses": arrow.array([None, {"idempotencyKey": "order 1"}]),
            }
        ),
        path,
    )
    assert rows_of(path) == [
        {
            "kind": "earn",
            "contactId": CONTACT,
            "definitionId": "1",
            "amount": "12.5",
            "effectiveAt": "2026-01-31T12:00:00.000005Z",
            "allowDebt": "true",
            "description": "Köp",
        },
        {
            "kind": "return",
            "contactId": CONTACT,
            "definitionId": "2",
            "amount": "7",
            "reverses.idempotencyKey": "order 1",
        },
    ]


@pytest.mark.parametrize(
    ("name", "form", "advice"),
    [
        ("amount", "float64", "a float is not exact"),
        ("effectiveAt", "timestamp_us", "it lacks the time zone"),
        ("validTo", "date32", "make it text"),
    ],
)
def test_a_parquet_column_that_is_not_exact_is_refused(
    tmp_path: Path, name: str, form: str, advice: str
) -> None:
    forms = {
        "float64": arrow.float64(),
        "timestamp_us": arrow.timestamp("us"),
        "date32": arrow.date32(),
    }
    columns = {one: arrow.array(["x"]) for one in ("contactId", "definitionId", "amount")}
    path = tmp_path / "balances.parquet"
    parquet.write_table(arrow.table({**columns, name: arrow.nulls(1, forms[form])}), path)
    with pytest.raises(HeaderError, match=advice):
        read(path)


def test_what_is_no_parquet_is_said_to_be_none(tmp_path: Path) -> None:
    with pytest.raises(SourceError, match="can't be read as Parquet"):
        read(written(tmp_path / "balances.parquet", "contactId,definitionId,amount\n"))


def test_without_the_library_parquet_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(ParquetMissingError, match=r"install pointmaster\[parquet\]"):
        read(written(tmp_path / "balances.parquet", ""))


def test_the_hash_is_of_the_content_alone(tmp_path: Path) -> None:
    seen: list[int] = []
    one = hash_of(written(tmp_path / "one.csv", "a"), seen.append)
    assert one == hash_of(written(tmp_path / "two.csv", "a"), seen.append)
    assert one != hash_of(written(tmp_path / "three.csv", "b"), seen.append)
    assert seen == [1, 1, 1]


def reject_all(source: Source, path: Path) -> None:
    with writing_rejects(path, source) as rejects:
        for row in source.rows():
            rejects.write(Rejected(row, "amount_zero", "amount must not be zero"))


def test_rejected_rows_are_a_file_that_can_be_imported_as_it_stands(tmp_path: Path) -> None:
    text = ";".join(HEADER) + '\na;1;0;"x;y"\nb;1\n'
    first, second = tmp_path / "first.csv", tmp_path / "second.csv"
    with open_source(written(tmp_path / "balances.csv", text), None) as source:
        reject_all(source, first)
    with first.open(newline="") as file:
        lines = list(csv.reader(file, delimiter=";"))
    assert lines == [
        [
            "rejected.row",
            "rejected.code",
            "rejected.message",
            *text.split("\n", maxsplit=1)[0].split(";"),
        ],
        ["1", "amount_zero", "amount must not be zero", "a", "1", "0", "x;y"],
        ["2", "amount_zero", "amount must not be zero", "b", "1"],
    ]
    # The short row, completed by hand.
    written(first, first.read_text().replace("b;1\n", "b;1;7;\n").replace("\n1;", "\n41;"))
    with open_source(first, None) as source:
        rows = list(source.rows())
        assert [row.number for row in rows] == [41, 2]
        assert said(rows[0]) == {
            "contactId": "a",
            "definitionId": "1",
            "amount": "0",
            "description": "x;y",
        }
    with open_source(first, None) as source:
        reject_all(source, second)
    assert second.read_text() == first.read_text()


def test_without_rejected_rows_there_is_no_file(tmp_path: Path) -> None:
    path = written(tmp_path / "balances.csv", "contactId,definitionId,amount\n")
    with open_source(path, None) as source:
        reject_all(source, tmp_path / "rejected.csv")
    assert not (tmp_path / "rejected.csv").exists()
