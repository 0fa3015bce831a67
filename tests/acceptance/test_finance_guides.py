"""Every command of the guides to importing and to finance does what the guide says.

A block that begins with "csv NAME" is the content of a file. One that begins with "console" holds
commands and, after each, words that must appear in what it says, line by line, in this order;
"status=1" beside it is the exit status of its commands.
"""

import re
import shlex
from pathlib import Path
from typing import NamedTuple

import pytest

from api.importing.columns import BALANCE_COLUMNS
from ledger.postgres import Database
from tests.doors.commands import Commands

DOCS = Path(__file__).parents[2] / "docs"
BLOCK = re.compile(r"^```(csv|console)(?: (\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)
FRAMES = str.maketrans(dict.fromkeys("│┃|", " "))


class Block(NamedTuple):
    """A block of a guide."""

    form: str
    said: str
    content: str


def blocks(guide: str) -> list[Block]:
    text = (DOCS / guide).read_text(encoding="utf-8")
    return [Block(*found) for found in BLOCK.findall(text)]


def commands_in(content: str) -> list[tuple[list[str], list[str]]]:
    """Each command's words, and the lines the guide shows after it."""
    found = []
    for part in re.split(r"^\$ ", content, flags=re.MULTILINE)[1:]:
        command, *shown = part.splitlines()
        found.append((shlex.split(command), [line for line in shown if line.strip() != "…"]))
    return found


def plain(text: str) -> str:
    """What was said, without frames and breaks."""
    return " ".join(text.translate(FRAMES).replace(",", "").split())


def perform(commands: Commands, block: Block) -> None:
    for words, shown in commands_in(block.content):
        assert words[0] == "pointmaster", words
        status = int(block.said.removeprefix("status=") or 0)
        ended = commands.say(*words[1:], status=status)
        said = plain(f"{ended.out} {ended.aside}")
        for line in shown:
            before, found, said = said.partition(plain(line))
            assert found, f"{' '.join(words)} does not say {line!r}, but {before}"


def follow(commands: Commands, guide: str) -> int:
    """Do what a guide says from its beginning; answers how many blocks of commands there were."""
    performed = 0
    for block in blocks(guide):
        if block.form == "csv":
            (commands.folder / block.said).write_text(block.content, encoding="utf-8")
        else:
            perform(commands, block)
            performed += 1
    return performed


@pytest.fixture
def commands(database: Database, tmp_path: Path) -> Commands:
    return Commands(tmp_path, database)


@pytest.mark.any_postgres
def test_the_guide_to_importing_is_followed(commands: Commands) -> None:
    assert follow(commands, "importing.md") > 5


@pytest.mark.any_postgres
def test_the_guide_to_finance_is_followed(commands: Commands) -> None:
    """Its example, told at its end, is there from the beginning."""
    [example] = [one for one in blocks("finance.md") if one.said == "january.history.csv"]
    (commands.folder / example.said).write_text(example.content, encoding="utf-8")
    commands.say("import", example.said, "--tenant", "acme", "--name", "example")
    assert follow(commands, "finance.md") > 9
    assert len(list((commands.folder / "books").iterdir())) == 6


def test_every_column_of_balances_is_explained() -> None:

    text = (DOCS / "importing.md").read_text(encoding="utf-8")
    for name in BALANCE_COLUMNS:
        assert f"`{name}`" in text, name
