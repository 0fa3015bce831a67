"""Arguments that are no text are refused in words, whichever command they were for."""

import pytest
from click.testing import CliRunner

from api.command_line import main


@pytest.mark.parametrize(
    "arguments",
    [
        ["relay", "forget", "a\udcff"],
        ["relay", "dead", "--customer", "\udcff"],
        ["--config", "\udcff.toml", "verify"],
    ],
)
def test_arguments_that_are_no_text_are_refused(arguments: list[str]) -> None:
    result = CliRunner().invoke(main, arguments)
    assert result.exit_code == 2
    assert "\\udcff" in result.stderr
    assert "is no text in UTF-8" in result.stderr
