from decimal import Decimal

import pytest

from sandbox.engage.points_log import judge, log_address
from sandbox.engage.settings import PointsLogSettings

CONTACT = "1dfe06cd-a1be-4423-8ed4-afd900d998aa"
JSON = "application/json; charset=utf-8"
GOOD = (
    b'[{"transactionDate": "2023-05-08T12:06:58Z", "amount": 1900, "description": "Jeans"},'
    b'{"transactionDate": "2023-05-08T12:02:55Z", "amount": -400.5, "description": "Return"}]'
)


@pytest.mark.parametrize(
    ("settings", "address"),
    [
        (PointsLogSettings(url="http://x/log"), f"http://x/log?contactId={CONTACT}"),
        (PointsLogSettings(url="http://x/log?key=1"), f"http://x/log?key=1&contactId={CONTACT}"),
        (PointsLogSettings(url="http://x/log/{contactId}"), f"http://x/log/{CONTACT}"),
        (
            PointsLogSettings(url="http://x/log/{contactId}", uppercase=True),
            f"http://x/log/{CONTACT.upper()}",
        ),
    ],
)
def test_the_contact_stands_in_the_query_or_in_the_path(
    settings: PointsLogSettings, address: str
) -> None:
    assert log_address(settings, CONTACT) == address


def test_without_an_address_there_is_nobody_to_ask() -> None:
    with pytest.raises(ValueError, match=r"pointsLog\.url"):
        log_address(PointsLogSettings(), CONTACT)


def test_what_is_as_the_page_shows_it_has_no_problems() -> None:
    assert judge(200, JSON, GOOD) == (2, Decimal("1499.5"), ())
    assert judge(200, JSON, b"[]") == (0, Decimal(0), ())


@pytest.mark.parametrize(
    ("status", "media_type", "body", "problem"),
    [
        (404, JSON, b"[]", "status 404"),
        (200, "text/html", b"[]", "content type"),
        (200, JSON, b'{"items": []}', "not an array"),
        (200, JSON, b"", "not an array"),
        (200, JSON, b'[{"amount": 1, "description": ""}]', "lacks transactionDate"),
        (200, JSON, GOOD.replace(b'"amount": 1900', b'"amount": "1900"'), "amount must be"),
        (200, JSON, GOOD.replace(b'"amount": 1900', b'"amount": 1, "id": 2'), "has id"),
        (200, JSON, GOOD.replace(b"06:58Z", b"06:58+02:00"), "not ISO 8601"),
        (200, JSON, GOOD.replace(b"06:58Z", b"01:58Z"), "row 1: is newer"),
        (200, JSON, GOOD.replace(b"02:55Z", b"06:58.5Z"), "row 1: is newer"),
        (200, JSON, GOOD.replace(b'"Jeans"', b"null"), "description is not a text"),
    ],
)
def test_what_is_not_is_told(status: int, media_type: str, body: bytes, problem: str) -> None:
    _, _, problems = judge(status, media_type, body)

    assert any(problem in one for one in problems)
