"""Every command that README.md shows is run, in order, and every answer it shows is compared.

The commands go through one bash, as they would in one terminal, against the real service with its
own PostgreSQL and a stand-in Engage. Three things are replaced: the service's port, by one that is
free; the address of Engage, by the stand-in's; and the working folder, by an empty one with the
environment in it. Two commands are not run from here: `make test` is what runs this, and of
`make demo` it is held that it runs the program whose acceptance test is beside this one.
"""

import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from sandbox.launch import Launched, launched

ROOT = Path(__file__).parents[2]
SECONDS_MAX = 240.0
STOP_SECONDS_MAX = 25.0

FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
SHELL, ANSWERS = "sh", {"json", "text"}

PORT = "8080"
ENGAGE = "https://acme.staging.voyado.com"
CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"
API_KEY = "the API key of your Engage"

VOLATILE = (
    re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"),
    re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
    re.compile(r"[0-9a-f]{24}"),
)
"""Ids, times and request ids are never the same again; their form is."""


@dataclass(frozen=True)
class Shown:
    """A block of commands, and the answer that is shown after it, if one is."""

    commands: str
    answer: str | None = None
    form: str = ""


def shown() -> list[Shown]:
    found: list[Shown] = []
    for form, content in FENCE.findall((ROOT / "README.md").read_text()):
        if form == SHELL:
            found.append(Shown(content))
        elif form in ANSWERS:
            assert found, "an answer without a question"
            assert found[-1].answer is None, "two answers to one question"
            found[-1] = Shown(found[-1].commands, content, form)
    return found


def first_words(commands: str) -> list[str]:
    return [line.partition("#")[0].strip() for line in commands.splitlines()]


SETUP, *WALK = shown()


def test_there_are_exactly_two_commands_to_set_up() -> None:
    assert first_words(SETUP.commands) == ["make demo", "make test"]
    assert not [block for block in WALK if "make" in block.commands]


@pytest.mark.parametrize(("target", "program"), [("demo", "pointmaster demo"), ("test", "pytest ")])
def test_they_run_what_is_tested(target: str, program: str) -> None:
    said = subprocess.run(
        ["make", "-n", target], cwd=ROOT, check=True, capture_output=True, text=True
    )
    assert program in said.stdout


@pytest.mark.parametrize(
    "page", ["README.md", *sorted(f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md"))]
)
def test_every_link_leads_somewhere(page: str) -> None:
    links = re.findall(r"\]\(([^)#:]+)[)#]", (ROOT / page).read_text())
    assert [link for link in links if not (ROOT / page).parent.joinpath(link).exists()] == []


@pytest.fixture
def engage() -> Iterator[Launched]:
    """An Engage that knows the contact of the examples."""
    with launched("engage", "--api-key", API_KEY) as stand_in:
        contacts = {"contacts": [{"id": CONTACT}]}
        httpx.post(
            f"{stand_in.address}/_sandbox/contacts", json=contacts, trust_env=False
        ).raise_for_status()
        yield stand_in


@pytest.fixture
def terminal(tmp_path: Path) -> Path:
    """A folder to type in."""
    (tmp_path / ".venv").symlink_to(sys.prefix)
    return tmp_path


@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl")
@pytest.mark.timeout(SECONDS_MAX + 60)
def test_every_command_works_and_answers_as_shown(engage: Launched, terminal: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    said = type_in(terminal, [replaced(one.commands, port, engage.address) for one in WALK])
    for block, answer in zip(WALK, said, strict=True):
        if block.answer is not None:
            compare(block, answer)
    held = httpx.get(f"{engage.address}/_sandbox/accounts/{CONTACT}", trust_env=False).json()
    assert [account["balance"] for account in held["accounts"]] == [100]


def replaced(commands: str, port: str, engage: str) -> str:
    return commands.replace(PORT, port).replace(ENGAGE, engage)


def type_in(folder: Path, blocks: list[str]) -> list[str]:
    """Type the blocks into one bash; what each of them printed. The first failure ends it."""
    marks = [f"== the end of block {number} ==" for number in range(len(blocks))]
    script = "set -euo pipefail\n" + "".join(
        f"{block}\necho; echo '{mark}'\n" for block, mark in zip(blocks, marks, strict=True)
    )
    variables = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("POINTMASTER_", "DATABASE_", "VIRTUAL_ENV"))
    }
    bash = subprocess.Popen(
        ["bash", "-c", script],
        cwd=folder,
        env={**variables, "COLUMNS": "200"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        said, complaints = bash.communicate(timeout=SECONDS_MAX)
    finally:
        stop(bash.pid)
    log = folder / "pointmaster.log"
    assert bash.returncode == 0, f"{said}\n{complaints}\n{log.read_text() if log.exists() else ''}"
    answers = []
    for mark in marks:
        answer, _, said = said.partition(f"\n{mark}\n")
        answers.append(answer)
    return answers


def stop(session: int) -> None:
    """End what was started in the background, as closing the terminal would, and wait for it."""
    for process in processes_of(session):
        os.kill(process, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS_MAX
    while left := processes_of(session):
        assert time.monotonic() < deadline, f"still running: {left}"
        time.sleep(0.05)


def processes_of(session: int) -> list[int]:
    """The processes of a session that are not over."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, _, its_session, *_ = entry.read_text().rpartition(")")[2].split()
        except OSError:
            continue
        if int(its_session) == session and state != "Z":
            found.append(int(entry.parent.name))
    return found


def compare(block: Shown, answer: str) -> None:
    assert block.answer is not None
    if block.form == "json":
        different = list(differences(json.loads(block.answer), json.loads(answer), "the answer"))
    else:
        different = list(differences(block.answer.strip(), answer.strip(), "the output"))
    assert not different, f"{block.commands}\n" + "\n".join(different) + f"\n{answer}"


def differences(expected: Any, found: Any, where: str) -> Iterator[str]:
    """Where two answers differ otherwise than by ids and times."""
    if isinstance(expected, dict) and isinstance(found, dict) and list(expected) == list(found):
        for name, value in expected.items():
            yield from differences(value, found[name], f"{where}.{name}")
    elif isinstance(expected, list) and isinstance(found, list) and len(expected) == len(found):
        for index, (one, other) in enumerate(zip(expected, found, strict=True)):
            yield from differences(one, other, f"{where}[{index}]")
    elif isinstance(expected, str) and isinstance(found, str):
        if formed(expected) != formed(found):
            yield f"{where}: shown is {expected!r}, true is {found!r}"
    elif type(expected) is not type(found) or expected != found:
        yield f"{where}: shown is {expected!r}, true is {found!r}"


def formed(text: str) -> str:
    """A text with what is never the same again replaced by its form."""
    for number, pattern in enumerate(VOLATILE):
        text = pattern.sub(f"<{number}>", text)
    return text


def test_a_wrong_answer_would_be_noticed() -> None:
    true = {"id": "019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11", "rows": [{"amount": 250}], "n": 1}
    again = {"id": "11111111-3f1e-7c3a-9d52-6f0b8d5a2c11", "rows": [{"amount": 250}], "n": 1}
    assert not list(differences(true, again, ""))
    for wrong in (
        {**true, "id": "no id"},
        {**true, "rows": [{"amount": 251}]},
        {**true, "rows": []},
        {**true, "n": True},
        {**true, "more": 1},
    ):
        assert list(differences(true, wrong, ""))
