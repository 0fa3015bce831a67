"""The log: a database that goes away is one line, not a traceback a connection."""

import logging

import pytest

from api.log import OneSentence


def test_a_lost_database_is_one_sentence() -> None:
    only = OneSentence()
    heard = [one for _ in range(7) if only.filter(one := trouble())]
    (line,) = [logging.Formatter("%(message)s").format(one) for one in heard]
    assert line.startswith("database connections lost=ConnectionRefusedError;")
    assert "\n" not in line


def test_what_is_said_much_later_is_heard_again(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1000.0
    monkeypatch.setattr("api.log.time.monotonic", lambda: now)
    only = OneSentence()
    assert only.filter(trouble())
    now += 29
    assert not only.filter(trouble())
    now += 2
    assert only.filter(trouble())


def trouble() -> logging.LogRecord:
    """What a pool logs when it can't connect."""
    problem = ConnectionRefusedError(111, "Connection refused")
    return logging.LogRecord(
        "asyncpg.pool",
        logging.WARNING,
        __file__,
        1,
        "Failed to restore …; retrying",
        None,
        (type(problem), problem, None),
    )
