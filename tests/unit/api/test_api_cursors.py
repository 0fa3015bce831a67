"""Cursors: handed out and taken back, and nothing else taken for one."""

from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from api.intake.cursor import cursor_id, cursor_number, write_cursor

ID = UUID("019aa5c4-3f1e-7c3a-9d52-6f0b8d5a2c11")


@given(st.integers(0, 2**63 - 1))
def test_a_number_comes_back(number: int) -> None:
    assert cursor_number(write_cursor(number)) == number
    assert cursor_id(write_cursor(number)) is None


@given(st.uuids())
def test_an_id_comes_back(identifier: UUID) -> None:
    assert cursor_id(write_cursor(identifier)) == identifier


@pytest.mark.parametrize(
    "text",
    ["", "=", "AAAA", "MQ", "MTo", "MTox=", " MTox", "Mjox", "MTowMQ", "MTotMQ", "ä", "x" * 65],
)
def test_what_is_no_cursor(text: str) -> None:
    assert cursor_number(text) is None
    assert cursor_id(text) is None


def test_numbers_beyond_the_books_are_no_cursor() -> None:
    assert cursor_number(write_cursor(2**63)) is None


@given(st.text(max_size=70))
def test_no_text_makes_it_fail(text: str) -> None:
    for read in (cursor_number, cursor_id):
        found = read(text)
        assert found is None or write_cursor(found) == text
