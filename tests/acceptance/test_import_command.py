"""`pointmaster import`: killed in the middle and begun again, large files, wrong files."""

import asyncio
import csv
from collections.abc import Iterator
from pathlib import Path

import pytest

from ledger.postgres import Database, connect
from tests.bookkeeping.desk import member
from tests.doors.commands import Commands

pytestmark = pytest.mark.any_postgres

BALANCES = "contactId,definitionId,amount,validTo"
HISTORY = "kind,contactId,definitionId,amount,description,idempotencyKey"


@pytest.fixture
def commands(database: Database, tmp_path: Path) -> Commands:
    return Commands(tmp_path, database)


def write(path: Path, header: str, rows: Iterator[str] | list[str]) -> Path:
    with path.open("w", encoding="utf-8") as file:
        file.write(f"{header}\n")
        file.writelines(f"{row}\n" for row in rows)
    return path


def balances(count: int) -> Iterator[str]:
    """One row a member, every thousandth of them wrong."""
    for number in range(count):
        amount = 0 if number % 1000 == 999 else 1 + number % 50
        yield f"{member(number)},1,{amount},never"


def booked(database: Database, *, at_least: int = 0) -> int:
    """How many transactions there are, once there are as many."""

    async def count() -> int:
        connection = await connect(database.dsn_service)
        found = -1
        while found < at_least:
            found = await connection.fetchval("select count(*) from ledger.transaction")
            await asyncio.sleep(0.02)
        await connection.close()
        return found

    return asyncio.run(count())


def test_an_import_killed_in_the_middle_is_taken_up_by_the_same_words(
    commands: Commands, database: Database, tmp_path: Path
) -> None:
    count = 6_000
    file = write(tmp_path / "balances.csv", BALANCES, balances(count))
    words = ("import", file.name, "--tenant", "acme")
    process = commands.start(*words)
    booked(database, at_least=1_000)
    process.kill()
    process.communicate()
    before = booked(database)
    assert 1_000 <= before < count - count // 1000

    ended = commands.run(*words, status=1)
    assert f"in the books already | {before:,}" in ended.words.replace("│", "|")
    assert 0 < ended.memory < 200
    assert "rejected 6" in ended.words.replace("│ ", "")
    assert booked(database) == count - count // 1000
    with (tmp_path / "balances.rejected.csv").open(newline="") as lines:
        rejected = list(csv.DictReader(lines))
    assert [int(one["rejected.row"]) for one in rejected] == list(range(1000, count + 1, 1000))
    assert {one["rejected.code"] for one in rejected} == {"amount_zero"}
    assert "The books are right." in commands.say("verify").out


def test_rejected_rows_are_corrected_and_imported_under_the_same_name(
    commands: Commands, tmp_path: Path
) -> None:
    file = write(
        tmp_path / "balances.csv",
        BALANCES,
        [f"{member(1001)},1,100,never", f'{member(1002)},2,"12,50",', "no contact,1,1,never"],
    )
    words = ("import", file.name, "--tenant", "acme", "--name", "opening")
    ended = commands.say(*words, status=1)
    assert "row 2: amount must be a plain JSON number" in ended.words
    assert "row 3: contactId is no GUID" in ended.words
    assert "balances.rejected.csv: correct them" in ended.words
    # What somebody may be correcting is not written over.
    assert "is there from an earlier import" in commands.say(*words, status=1).words

    rejected = tmp_path / "balances.rejected.csv"
    corrected = rejected.read_text().replace('"12,50"', "12.50").splitlines()[:2]
    rejected.write_text("\n".join(corrected) + "\n", encoding="utf-8")
    unnamed = commands.say("import", rejected.name, "--tenant", "acme", status=1)
    assert "opening (balances.csv," in unnamed.words
    assert "Go on with one of these by its --name" in unnamed.words
    commands.say("import", rejected.name, "--tenant", "acme", "--name", "opening")

    # The whole file, corrected in the same way: nothing is booked twice.
    rejected.unlink()
    file.write_text(file.read_text().replace('"12,50"', "12.50"), encoding="utf-8")
    again = commands.say(*words, status=1)
    assert "booked 0" in again.words.replace("│ ", "")
    assert "open 2 Credits 1 12.5" in again.words.replace("│ ", "")


def test_a_history_is_imported_from_parquet_too(commands: Commands, tmp_path: Path) -> None:
    arrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    contact = str(member(1001))
    table = arrow.table(
        {
            "kind": ["earn", "redeem"],
            "contactId": [contact, contact],
            "definitionId": [1, 1],
            "amount": [100, 30],
            "description": ["Purchase", "Voucher"],
            "idempotencyKey": ["order 1", "order 2"],
        }
    )
    parquet.write_table(table, tmp_path / "history.parquet")
    ended = commands.say("import", "history.parquet", "--tenant", "acme")
    assert "earn 1 Points 1 100" in ended.words.replace("│ ", "")
    # Rows with keys of their own are the same rows in any file.
    rows = [f"redeem,{contact},1,30,Voucher,order 2", f"earn,{contact},1,7,Purchase,order 3"]
    file = write(tmp_path / "more.csv", HISTORY, rows)
    ended = commands.say("import", file.name, "--tenant", "acme")
    assert "booked 1 " in ended.words.replace("│ ", "")
    assert "in the books already 1 " in ended.words.replace("│ ", "")


def test_what_can_not_be_imported_is_said_in_a_sentence(commands: Commands, tmp_path: Path) -> None:
    wrong = write(tmp_path / "wrong.csv", "amount,definitionId", ["5,1"])
    numbered = write(tmp_path / "numbers.csv", "memberNumber,definitionId,amount", ["1001,1,5"])
    right = write(tmp_path / "right.csv", BALANCES, [f"{member(1001)},1,5,never"])
    for words, status, sentence in (
        ((wrong.name, "--tenant", "acme"), 1, "lacks the column contactId"),
        ((numbered.name, "--tenant", "acme"), 1, "only Engage knows member numbers"),
        ((right.name, "--tenant", "nobody"), 1, "there is no tenant nobody; there are: acme"),
        ((right.name, "--tenant", "acme", "--name", ""), 2, "must not be empty"),
        ((right.name, "--tenant", "acme", "--kind", "transactions"), 1, "lacks the column kind"),
        (
            (right.name, "--tenant", "acme", "--rejected", right.name),
            2,
            "the file to import itself",
        ),
        (("nowhere.csv", "--tenant", "acme"), 2, "does not exist"),
    ):
        assert sentence in commands.say("import", *words, status=status).words
    assert right.read_text().count(str(member(1001))) == 1
