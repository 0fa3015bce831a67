"""What docs/running.md tells an operator to type and to look for is there."""

import re
from pathlib import Path

import click
import pytest

from api.access.scopes import Scope
from api.command_line import main
from api.configuration.loading import SECRETS
from api.measures import Measures
from ledger.postgres.settings import ROLES_AND_DATABASE

ROOT = Path(__file__).parents[2]
GUIDE = (ROOT / "docs" / "running.md").read_text()
MEASURES = list((ROOT / "api").glob("*measures.py"))
COMMANDS = sorted(set(re.findall(r"`pointmaster ([a-z][^`]*)`", GUIDE)))


def statements(sql: str) -> list[str]:
    return [" ".join(one.split()) for one in sql.split(";") if one.strip()]


def test_a_given_server_is_prepared_as_the_own_one_is() -> None:
    [sql] = re.findall(r"```sql\n(.*?)```", GUIDE, re.DOTALL)
    assert statements(sql.replace(" PASSWORD '…'", "")) == statements(ROLES_AND_DATABASE)


@pytest.mark.parametrize("line", COMMANDS)
def test_every_command_exists_with_its_options(line: str) -> None:
    command: click.Command = main
    words = line.split()
    while isinstance(command, click.Group) and words and words[0] in command.commands:
        command = command.commands[words.pop(0)]
    assert words == ["--help"] or not isinstance(command, click.Group) or not words, words
    options = {name for parameter in command.params for name in parameter.opts}
    assert {word for word in words if word.startswith("--")} <= {*options, "--help"}


def test_the_guide_shows_commands() -> None:
    assert {"migrate", "verify", "config check"} <= set(COMMANDS)


def test_every_secret_is_named() -> None:
    for what in SECRETS.values():
        assert f"`POINTMASTER_<TENANT>_{what}`" in GUIDE


def test_every_metric_is_named_and_no_other() -> None:
    exposed = set(re.findall(r"# TYPE (pointmaster_\w+)", Measures().exposition().decode()))
    # A counter's creation times are a series of their own that nobody looks for.
    exposed = {name for name in exposed if not name.endswith("_created")}
    named = set(re.findall(r"`(pointmaster_\w+)(?:\{[^}`]*\})?`", GUIDE)) - {"pointmaster_owner"}
    sources = "".join(path.read_text(encoding="utf-8") for path in MEASURES)
    assert exposed <= named
    assert named <= exposed | set(re.findall(r'"(pointmaster_\w+)"', sources))


def test_the_scope_it_names_is_one() -> None:
    assert "`metrics:read`" in GUIDE
    assert Scope("metrics:read")
