from pathlib import Path

import pytest

from sandbox.engage.settings import AnswerForm, Settings
from sandbox.settings_file import SettingsError, read_assignments, read_file


def test_a_change_names_only_what_it_changes() -> None:
    changed = Settings().changed(
        {"balances": {"answerForm": "batchId", "statusWords": {"completed": "Done"}}}
    )

    assert changed.balances.answer_form is AnswerForm.BATCH_ID
    assert changed.balances.status_words.completed == "Done"
    assert changed.balances.status_words.queued == "Queued"
    assert changed.rate == Settings().rate


@pytest.mark.parametrize(
    ("patch", "message"),
    [
        ({"rate": {"requestPerSecondMax": 3}}, "requestPerSecondMax"),
        ({"rate": {"requestsPerSecondMax": -3}}, "rate.requestsPerSecondMax"),
        ({"balances": {"answerForm": "xml"}}, "balances.answerForm"),
        ({"webhook": {"encryptionKey": "short"}}, "webhook.encryptionKey"),
        ({"apiKeys": []}, "apiKeys"),
        ([], "object"),
    ],
)
def test_a_change_that_cannot_be_is_refused_by_name(patch: object, message: str) -> None:
    with pytest.raises(SettingsError, match=message):
        Settings().changed(patch)


def test_settings_come_from_toml_and_from_json(tmp_path: Path) -> None:
    toml = tmp_path / "engage.toml"
    toml.write_text('tenant = "shop"\n[balances]\njobSeconds = 0.5\n')
    as_json = tmp_path / "engage.json"
    as_json.write_text('{"balances": {"jobSeconds": null}}')

    settings = Settings().changed(read_file(toml))

    assert (settings.tenant, settings.balances.job_seconds) == ("shop", 0.5)
    assert settings.changed(read_file(as_json)).balances.job_seconds is None


def test_a_file_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    broken = tmp_path / "broken.toml"
    broken.write_text("tenant = ")

    for path in (broken, tmp_path / "absent.toml"):
        with pytest.raises(SettingsError, match=path.name):
            read_file(path)


def test_assignments_are_json_where_they_can_be_and_text_where_not() -> None:
    assert read_assignments(["tenant=shop", "balances.jobSeconds=null", "rate.sliding=false"]) == {
        "tenant": "shop",
        "balances": {"jobSeconds": None},
        "rate": {"sliding": False},
    }
    with pytest.raises(SettingsError, match="NAME=VALUE"):
        read_assignments(["tenant"])
