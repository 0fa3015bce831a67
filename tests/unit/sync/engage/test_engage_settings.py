"""What a tenant's settings may be, and that secrets stay secret."""

import copy
import pickle
from typing import Any

import msgspec
import pytest

from sync.engage.settings import (
    EngageOptions,
    EngageSecrets,
    EngageSettings,
    LogAuthentication,
    Meaning,
    PointsLogOptions,
    ScheduleOptions,
    WebhookOptions,
    problems,
)
from sync.secret import Secret
from sync.timing import Timing, TimingError, every

KEY = "DaqfT7Ys6tGqM3zbesEKpmacTJEqBCp2"
SIGNING = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
ADDRESS = "https://client.voyado.com"


def settings(options: dict[str, Any] | None = None, **secrets: Any) -> EngageSettings:
    return EngageSettings(
        options=EngageOptions(**({"base_url": ADDRESS} | (options or {}))),
        secrets=EngageSecrets(**({"api_key": Secret("an api key-1")} | secrets)),
    )


def keys(found: EngageSettings) -> list[str]:
    return [".".join(problem.key) for problem in problems(found)]


def test_an_address_and_a_key_are_enough() -> None:
    assert problems(settings()) == []


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"base_url": "http://client.voyado.com"}, "base_url"),
        ({"base_url": "ftp://client.voyado.com"}, "base_url"),
        ({"base_url": "client.voyado.com"}, "base_url"),
        ({"base_url": "https://[broken"}, "base_url"),
        ({"base_url": "https://user:word@client.voyado.com"}, "base_url"),
        ({"base_url": "https://client.voyado.com?x=1"}, "base_url"),
        ({"api_key_header": "no header"}, "api_key_header"),
        ({"api_key_header": "x\r\ny"}, "api_key_header"),
        ({"schedule": ScheduleOptions(push=Timing())}, "schedule.push"),
        ({"schedule": ScheduleOptions(poll=Timing(cron="* * *"))}, "schedule.poll"),
        ({"settle_seconds": 10, "answer_seconds": 60}, "settle_seconds"),
        ({"webhook": WebhookOptions(allow_plain=True)}, "webhook.allow_plain"),
        (
            {"points_log": PointsLogOptions(authentication=LogAuthentication.HEADER)},
            "points_log",
        ),
    ],
)
def test_what_can_not_work_is_named(options: dict[str, Any], expected: str) -> None:
    assert keys(settings(options)) == [expected]


@pytest.mark.parametrize(
    ("secrets", "expected"),
    [
        ({"api_key": Secret("")}, "api_key"),
        ({"api_key": Secret("key\n")}, "api_key"),
        ({"api_key": Secret("schlüssel")}, "api_key"),
        ({"encryption_keys": (Secret("short"),)}, "encryption_keys"),
        ({"encryption_keys": (Secret("ü" * 32),)}, "encryption_keys"),
        ({"encryption_keys": (Secret(KEY),) * 3}, "encryption_keys"),
        ({"signing_secrets": (Secret("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"),)}, "signing_secrets"),
        ({"signing_secrets": (Secret("whsec_"),)}, "signing_secrets"),
        ({"signing_secrets": (Secret("whsec_no base64!"),)}, "signing_secrets"),
    ],
)
def test_secrets_of_the_wrong_form_are_named(secrets: dict[str, Any], expected: str) -> None:
    found = problems(settings(None, **secrets))
    assert [problem.key for problem in found] == [(expected,)]
    assert not any(secret in found[0].message for secret in ("short", "no base64", "key\n"))


def test_http_is_for_this_machine_or_by_permission() -> None:
    assert problems(settings({"base_url": "http://127.0.0.1:7801"})) == []
    assert problems(settings({"base_url": "http://engage.test", "plain_http": True})) == []


def test_a_path_token_must_be_hard_to_guess() -> None:
    path = {"points_log": PointsLogOptions(authentication=LogAuthentication.PATH)}
    assert keys(settings(path, points_log=(Secret("short"),))) == ["points_log"]
    assert keys(settings(path, points_log=(Secret("a/b" * 10),))) == ["points_log"]
    assert keys(settings(path, points_log=(Secret("Zk3vQ9_x-71bLm2p"),))) == []


@pytest.mark.parametrize("rate", [50, 51, 0, -1])
def test_the_rate_stays_below_fifty(rate: int) -> None:
    with pytest.raises(msgspec.ValidationError, match="rate_per_second"):
        msgspec.convert({"base_url": ADDRESS, "rate_per_second": rate}, EngageOptions)


def test_an_unknown_key_is_refused() -> None:
    with pytest.raises(msgspec.ValidationError, match="settle_after"):
        msgspec.convert({"base_url": ADDRESS, "settle_after": 1}, EngageOptions)


def test_options_are_read_as_the_file_states_them() -> None:
    options = msgspec.convert(
        {
            "base_url": ADDRESS,
            "api_version": "v2",
            "status_meanings": {"Klar": "done"},
            "poll_seconds": [1, 2.5],
            "schedule": {"push": {"cron": "*/15 * * * *", "jitter_seconds": 10}},
            "points_log": {"authentication": "basic"},
        },
        EngageOptions,
    )
    assert options.meaning_of(" KLAR ") is Meaning.DONE
    assert options.meaning_of("Completed") is Meaning.DONE
    assert options.meaning_of("Indeterminate") is None
    assert options.poll_seconds == (1, 2.5)


def test_a_secret_shows_itself_to_nobody() -> None:
    found = settings(None, encryption_keys=(Secret(KEY),), signing_secrets=(Secret(SIGNING),))
    for shown in (repr(found), str(found), f"{found.secrets.api_key}", f"{Secret(KEY):>80}"):
        assert KEY not in shown
        assert SIGNING not in shown
        assert "an api key-1" not in shown
    with pytest.raises(TypeError):
        pickle.dumps(Secret(KEY))
    with pytest.raises(TypeError):
        msgspec.json.encode(found)


def test_secrets_compare_by_what_they_hide() -> None:
    assert Secret("a") == Secret("a") == copy.deepcopy(Secret("a")) == copy.copy(Secret("a"))
    assert Secret("a") != Secret("b")
    assert Secret("a") != "a"
    assert len({Secret("a"), Secret("a")}) == 1
    assert Secret("ä").equals("ä")
    assert not Secret("a").equals("b")
    assert Secret("a")
    assert not Secret("")


@pytest.mark.parametrize(
    "timing", [every(60), every(0.5, jitter_seconds=5), Timing(cron="0 3 * * 1-5")]
)
def test_timings_that_can_be_followed(timing: Timing) -> None:
    assert timing.trigger("Europe/Stockholm") is not None


@pytest.mark.parametrize(
    "timing",
    [Timing(), Timing(cron="* * * * *", every_seconds=60), Timing(cron="61 * * * *"),
     Timing(cron="every minute"), Timing(cron="")],
)  # fmt: skip
def test_timings_that_can_not(timing: Timing) -> None:
    with pytest.raises(TimingError):
        timing.trigger("UTC")
