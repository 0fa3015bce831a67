"""The points log to the byte, and who may have it."""

import base64
from datetime import UTC, datetime
from typing import Any

import pytest

from ledger.amounts import Points
from ledger.kinds import Kind
from ledger.reading import LogRow
from sync.engage import may_read_points_log
from sync.engage.points_log import points_log_body
from sync.engage.settings import (
    EngageOptions,
    EngageSecrets,
    EngageSettings,
    LogAuthentication,
    PointsLogOptions,
)
from sync.secret import Secret

AT = datetime(2023, 5, 8, 12, 6, 58, 999_999, tzinfo=UTC)


def row(amount: int, description: str | None, *, scale: int = 0, kind: Kind = Kind.EARN) -> LogRow:
    return LogRow(AT, Points(amount), scale, kind, description)


def test_the_documented_example_to_the_byte() -> None:
    rows = [row(1900, "Purchase of tshirt"), row(-1500, "Purchase of jeans")]
    assert points_log_body(rows, PointsLogOptions()) == (
        b'[{"transactionDate":"2023-05-08T12:06:58Z","amount":1900,'
        b'"description":"Purchase of tshirt"},'
        b'{"transactionDate":"2023-05-08T12:06:58Z","amount":-1500,'
        b'"description":"Purchase of jeans"}]'
    )


def test_nobody_has_an_empty_array() -> None:
    assert points_log_body([], PointsLogOptions()) == b"[]"


def test_decimals_and_missing_descriptions() -> None:
    body = points_log_body([row(1250, None, scale=2)], PointsLogOptions(description="Points"))
    assert b'"amount":12.5,"description":"Points"' in body


def test_lapsed_points_can_be_left_out_and_the_rest_still_counts() -> None:
    rows = [row(-1, None, kind=Kind.EXPIRY), row(2, None), row(3, None), row(4, None)]
    shown = points_log_body(rows, PointsLogOptions(expiries=False, rows_max=2))
    assert shown.count(b"amount") == 2
    assert b'"amount":-1' not in shown
    assert b'"amount":3' in shown


def settings(authentication: LogAuthentication, *secrets: str, **options: Any) -> EngageSettings:
    return EngageSettings(
        options=EngageOptions(
            base_url="https://client.voyado.com",
            points_log=PointsLogOptions(authentication=authentication, **options),
        ),
        secrets=EngageSecrets(
            api_key=Secret("key"), points_log=tuple(Secret(secret) for secret in secrets)
        ),
    )


def basic(text: str) -> dict[str, str]:
    return {"authorization": f"Basic {base64.b64encode(text.encode()).decode()}"}


OLD, NEW = "the-old-secret-value", "the-new-secret-value"


@pytest.mark.parametrize("secret", [OLD, NEW])
def test_either_secret_of_a_rotation_opens(secret: str) -> None:
    by_header = settings(LogAuthentication.HEADER, NEW, OLD)
    assert may_read_points_log(by_header, {"x-api-key": secret})
    by_path = settings(LogAuthentication.PATH, NEW, OLD)
    assert may_read_points_log(by_path, {}, secret)
    by_password = settings(LogAuthentication.BASIC, NEW, OLD)
    assert may_read_points_log(by_password, basic(f"engage:{secret}"))


@pytest.mark.parametrize(
    ("authentication", "headers", "token"),
    [
        (LogAuthentication.CLOSED, {"x-api-key": NEW}, NEW),
        (LogAuthentication.HEADER, {}, None),
        (LogAuthentication.HEADER, {}, NEW),
        (LogAuthentication.HEADER, {"x-api-key": ""}, None),
        (LogAuthentication.HEADER, {"x-api-key": NEW + " "}, None),
        (LogAuthentication.HEADER, {"x-other": NEW}, None),
        (LogAuthentication.PATH, {"x-api-key": NEW}, None),
        (LogAuthentication.PATH, {}, ""),
        (LogAuthentication.PATH, {}, NEW[:-1]),
        (LogAuthentication.BASIC, {}, NEW),
        (LogAuthentication.BASIC, {"authorization": NEW}, None),
        (LogAuthentication.BASIC, {"authorization": "Basic"}, None),
        (LogAuthentication.BASIC, {"authorization": "Basic é"}, None),
        (LogAuthentication.BASIC, {"authorization": f"Bearer {NEW}"}, None),
        (LogAuthentication.BASIC, basic(f"other:{NEW}"), None),
        (LogAuthentication.BASIC, basic("engage:"), None),
    ],
)
def test_everything_else_stays_outside(
    authentication: LogAuthentication, headers: dict[str, str], token: str | None
) -> None:
    assert not may_read_points_log(settings(authentication, NEW, OLD), headers, token)


def test_an_empty_secret_opens_nothing() -> None:
    assert not may_read_points_log(settings(LogAuthentication.HEADER, ""), {"x-api-key": ""})
    assert not may_read_points_log(settings(LogAuthentication.PATH), {}, "")
    assert not may_read_points_log(settings(LogAuthentication.BASIC, ""), basic("engage:"))


def test_the_header_and_the_user_can_be_named() -> None:
    named = settings(LogAuthentication.HEADER, NEW, header="X-Engage")
    assert may_read_points_log(named, {"x-engage": NEW})
    called = settings(LogAuthentication.BASIC, NEW, username="voyado")
    assert may_read_points_log(called, basic(f"voyado:{NEW}"))
