"""Who is written down as having done something at the command line."""

import os

import pytest

from api.command_line.person import person


def test_a_user_whom_the_system_knows_by_number_only_can_stop_a_sync_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    nobodys = 2_000_000_007
    monkeypatch.setattr(os, "getuid", lambda: nobodys)
    assert person() == f"user {nobodys} at the command line"


def test_others_go_by_their_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOGNAME", "operations")
    assert person() == "operations at the command line"
